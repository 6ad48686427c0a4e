use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};
use rust_embed::Embed;

use crate::body::Content;
use crate::conditional::not_modified;
use crate::encoding::prefers_gzip;
use crate::headers::secure_page;
use crate::live::{assembled, insert_tag};

/// What `npm run build` made of the watch page.
#[derive(Embed)]
#[folder = "web/dist"]
struct Dist;

const PAGE: &str = "index.html";
/// Folder, in the build and in URLs, of files whose names hold a hash of their content.
const HASHED: &str = "assets/";
/// The build puts a gzip-coded twin beside each file that it makes smaller.
const GZIP_EXTENSION: &str = ".gz";

/// The page has one address for ever, so it is asked for anew, and answered with 304 while it is the same.
const PAGE_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// A name with a hash in it never means other bytes.
const ASSET_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The watch page and its files.
pub(crate) struct Assets {
    page: Option<Asset>,
    /// By the name after `/assets/`.
    hashed: HashMap<String, Asset>,
}

struct Asset {
    plain: Bytes,
    gzip: Option<Bytes>,
    etag: String,
    content_type: HeaderValue,
    cache: HeaderValue,
}

impl Assets {
    pub(crate) fn load() -> Self {
        let hashed = Dist::iter()
            .filter(|path| !path.ends_with(GZIP_EXTENSION))
            .filter_map(|path| Some((path.strip_prefix(HASHED)?.to_owned(), Asset::load(&path, ASSET_CACHE)?)))
            .collect();
        Self { page: Asset::load(PAGE, PAGE_CACHE), hashed }
    }

    /// The page; `external` is the origin from which it plays besides its own.
    pub(crate) fn page(&self, request: &HeaderMap, external: Option<&str>) -> Option<Response<Content>> {
        self.page.as_ref().map(|page| page.answer(request, external))
    }

    pub(crate) fn hashed(&self, name: &str, request: &HeaderMap) -> Option<Response<Content>> {
        self.hashed.get(name).map(|asset| asset.answer(request, None))
    }
}

impl Asset {
    fn load(path: &str, cache: HeaderValue) -> Option<Self> {
        let file = Dist::get(path)?;
        let mut etag = String::from("\"");
        for byte in &file.metadata.sha256_hash()[..16] {
            let _ = write!(etag, "{byte:02x}");
        }
        etag.push('"');
        Some(Self {
            plain: shared(file.data),
            gzip: Dist::get(&format!("{path}{GZIP_EXTENSION}")).map(|file| shared(file.data)),
            etag,
            content_type: content_type(path),
            cache,
        })
    }

    fn answer(&self, request: &HeaderMap, external: Option<&str>) -> Response<Content> {
        let gzip = self.gzip.as_ref().filter(|_| prefers_gzip(request));
        // Browsers do not take a new security policy from a 304, so a page with another one has another tag.
        let etag = external.map_or_else(|| self.etag.clone(), |origin| tag_with(&self.etag, &format!("-{origin}")));
        let etag = if gzip.is_some() { tag_with(&etag, "-gzip") } else { etag };
        let mut headers = HeaderMap::with_capacity(12);
        headers.insert(header::CACHE_CONTROL, self.cache.clone());
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        insert_tag(&mut headers, &etag);
        secure_page(&mut headers, external);
        if not_modified(request, etag.as_bytes()) {
            return assembled(StatusCode::NOT_MODIFIED, headers, Vec::new());
        }
        headers.insert(header::CONTENT_TYPE, self.content_type.clone());
        if gzip.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        assembled(StatusCode::OK, headers, vec![gzip.unwrap_or(&self.plain).clone()])
    }
}

/// An entity tag with a suffix, which goes inside the quotes.
fn tag_with(etag: &str, suffix: &str) -> String {
    format!("{}{suffix}\"", etag.strip_suffix('"').unwrap_or(etag))
}

fn shared(data: Cow<'static, [u8]>) -> Bytes {
    match data {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    }
}

/// The types that the build makes.
fn content_type(path: &str) -> HeaderValue {
    HeaderValue::from_static(match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    })
}
