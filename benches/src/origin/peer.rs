//! nginx beside the origin: with the same files, and as a cache in front of it.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::Result;
use weir_testkit::Process;

use crate::nginx::{COMMON_HTTP, free_address, start};

/// A running nginx that serves files.
pub struct Files {
    pub process: Process,
    pub http: SocketAddr,
    pub https: SocketAddr,
}

/// Has nginx serve what is under `root` with the certificate there. Its headers say what weir's say.
pub async fn files(root: &Path) -> Result<Files> {
    let (http, https) = (free_address()?, free_address()?);
    let home = root.display();
    let shared = "add_header Access-Control-Allow-Origin *; add_header Timing-Allow-Origin *;\n\
                  add_header Access-Control-Expose-Headers \"Content-Length, Content-Range, Age, Date, ETag\";";
    let servers = format!(
        "http {{\n{COMMON_HTTP}sendfile on; tcp_nopush on; tcp_nodelay on; open_file_cache max=1000 inactive=60s;\n\
         gzip_static on; gzip_vary on;\n\
         types {{ application/vnd.apple.mpegurl m3u8; video/mp4 mp4; video/iso.segment m4s; }}\n\
         server {{\nlisten {http}; listen {https} ssl http2; root {home};\n\
         ssl_certificate {home}/cert.pem; ssl_certificate_key {home}/key.pem; ssl_protocols TLSv1.3;\n\
         location ~ \\.m3u8$ {{ add_header Cache-Control max-age=1; add_header Priority u=1;\n{shared} }}\n\
         location / {{ add_header Cache-Control \"public, max-age=3600, immutable\"; add_header Priority u=3;\n{shared} }}\n\
         }}\n}}\n"
    );
    let process = start(&root.join("nginx-files"), "", &servers, &[http, https]).await?;
    Ok(Files { process, http, https })
}

/// Has nginx stand as a cache before the server at `behind`, which it asks once for what many want at a time. Speaks
/// HTTP/2 in the clear.
pub async fn cache(root: &Path, behind: SocketAddr) -> Result<(Process, SocketAddr)> {
    let address = free_address()?;
    let servers = format!(
        "http {{\n{COMMON_HTTP}proxy_cache_path cache keys_zone=held:10m;\n\
         upstream behind {{ server {behind}; keepalive 16; }}\n\
         server {{\nlisten {address} http2;\nlocation / {{\nproxy_pass http://behind; proxy_http_version 1.1;\n\
         proxy_set_header Connection \"\"; proxy_set_header Accept-Encoding gzip;\n\
         proxy_cache held; proxy_cache_key $request_uri; proxy_cache_lock on; proxy_cache_lock_timeout 10s;\n\
         }}\n}}\n}}\n"
    );
    let process = start(&root.join("nginx-cache"), "", &servers, &[address]).await?;
    Ok((process, address))
}
