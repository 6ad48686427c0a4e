use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use weir_origin::Limits;

use crate::support::Server;

#[tokio::test]
async fn answers_bytes_connections_and_refusals_are_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    // The runtime of this test has one thread, so the recorder sees all that the origin does.
    let _local = metrics::set_default_local_recorder(&recorder);
    weir_origin::describe_metrics();
    let header_timeout = Duration::from_millis(150);
    let mut server = Server::start(Limits { header_timeout, ..Limits::default() }).await;
    let mut client = server.connect().await;
    client.ask("GET", "/live/studio/index.m3u8", "").await;
    client.ask("GET", "/live/studio/720p/s1.m4s", "Range: bytes=0-4\r\n").await;
    client.ask("HEAD", "/live/studio/720p/s1.m4s", "").await;
    client.ask("GET", "/live/nobody/720p/s1.m4s", "").await;
    client.ask("GET", "/healthz", "").await;
    assert!(handle.render().contains("weir_http_connections 1\n"));
    client.ask("PUT", "/live/studio/720p/s1.m4s", "").await;
    assert!(server.connect().await.rest().await.is_empty());
    server.stop();
    server.running.await.expect("no panic");

    let text = handle.render();
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    lines.sort_unstable();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    weir_http_bytes_total{kind="media"} 42
    weir_http_bytes_total{kind="other"} 6
    weir_http_bytes_total{kind="playlist"} 54
    weir_http_connections 0
    weir_http_refused_total{reason="header_timeout"} 1
    weir_http_refused_total{reason="method"} 1
    weir_http_requests_total{kind="media",status="200"} 1
    weir_http_requests_total{kind="media",status="206"} 1
    weir_http_requests_total{kind="media",status="404"} 1
    weir_http_requests_total{kind="media",status="405"} 1
    weir_http_requests_total{kind="other",status="200"} 1
    weir_http_requests_total{kind="playlist",status="200"} 1
    "#);
}
