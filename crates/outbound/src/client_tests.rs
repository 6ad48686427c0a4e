use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::header::HeaderValue;
use tokio::net::TcpListener;

use crate::client::Fetched;
use crate::exchange::Wanted;
use crate::limits::{REDIRECTS_MAX, WEBHOOK_ANSWER_BYTES_MAX};
use crate::test_server::{
    LOOPBACK, Server, TIMES, answers, certificate, client, impatient, loopback_allowed, ok, redirect, resolving, status,
};
use crate::{Client, Delivered, OutboundError, Policy, connect, parse_url};

/// Shorter than a test may take, longer than a loopback connection does.
const SHORT: Duration = Duration::from_millis(300);

async fn get(client: &Client, url: &str, wanted: Wanted) -> Result<Fetched, OutboundError> {
    client.get(parse_url(url)?, &HeaderMap::new(), wanted).await
}

async fn code_of(client: &Client, url: &str) -> &'static str {
    get(client, url, Wanted::All(1024)).await.expect_err("no answer").code()
}

#[tokio::test]
async fn an_address_that_the_configuration_allows_is_reached_by_name_and_by_number() {
    let server = Server::http(|_| ok("hello")).await;
    let client = client(loopback_allowed());
    for url in [server.url("/a"), server.url_of("http", "example.test", "/a")] {
        let fetched = get(&client, &url, Wanted::All(5)).await.expect("reached");
        assert_eq!((fetched.url.as_str(), &fetched.body[..]), (url.as_str(), &b"hello"[..]));
    }
}

#[tokio::test]
async fn a_request_says_who_asks_and_for_what_and_nothing_more() {
    let server = Server::http(|_| ok("")).await;
    let url = server.url_of("http", "example.test", "/live/a.m3u8?token=x%20y#fragment");
    get(&client(loopback_allowed()), &url, Wanted::All(0)).await.expect("reached");
    let seen = server.seen.lock().expect("the record");
    let head = &seen[0].0;
    assert_eq!(head.uri.to_string(), "/live/a.m3u8?token=x%20y");
    let names: Vec<_> = head.headers.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["host", "accept-encoding", "user-agent"]);
    assert_eq!(head.headers["host"], format!("example.test:{}", server.address.port()));
    assert_eq!(head.headers["accept-encoding"], "identity");
    assert_eq!(head.headers["user-agent"], concat!("weir/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn redirects_are_followed_up_to_five() {
    let server = Server::http(|head| match head.uri.path().trim_start_matches('/').parse::<usize>() {
        Ok(0) | Err(_) => ok("there"),
        Ok(left) => redirect(&format!("/{}", left - 1)),
    })
    .await;
    let client = client(loopback_allowed());
    let fetched = get(&client, &server.url(&format!("/{REDIRECTS_MAX}")), Wanted::All(10)).await.expect("followed");
    assert_eq!((fetched.url.path(), &fetched.body[..]), ("/0", &b"there"[..]));
    assert_eq!(code_of(&client, &server.url(&format!("/{}", REDIRECTS_MAX + 1))).await, "too_many_redirects");
}

#[tokio::test]
async fn a_redirect_loop_ends() {
    let server = Server::http(|_| redirect("/")).await;
    assert_eq!(code_of(&client(loopback_allowed()), &server.url("/")).await, "too_many_redirects");
    assert_eq!(server.requests(), REDIRECTS_MAX + 1);
}

#[tokio::test]
async fn statuses_that_are_no_success_are_errors_and_a_redirect_to_nowhere_is_one() {
    for wanted in [300, 304, 307, 404, 500] {
        let server = Server::http(move |_| status(wanted)).await;
        let error = get(&client(loopback_allowed()), &server.url("/"), Wanted::All(10)).await.expect_err("no success");
        assert!(matches!(error, OutboundError::Status { status } if status.as_u16() == wanted), "{error}");
    }
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_read_and_one_byte_more_is_too_large() {
    let server = Server::http(|_| ok(vec![b'x'; 100_000])).await;
    let client = client(loopback_allowed());
    assert_eq!(get(&client, &server.url("/"), Wanted::All(100_000)).await.expect("all").body.len(), 100_000);
    let error = get(&client, &server.url("/"), Wanted::All(99_999)).await.expect_err("too large");
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("too_large", "the answer's body is larger than 99999 bytes")
    );
    assert_eq!(get(&client, &server.url("/"), Wanted::First(10)).await.expect("the first").body, "xxxxxxxxxx");
}

#[tokio::test]
async fn a_body_without_a_length_that_never_ends_is_too_large() {
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let server = Server::raw(head, b"4\r\nabcd\r\n").await;
    let client = client(loopback_allowed());
    assert_eq!(code_of(&client, &server.url("/")).await, "too_large");
    assert_eq!(get(&client, &server.url("/"), Wanted::First(6)).await.expect("the first").body, "abcdab");
}

#[tokio::test]
async fn a_head_that_never_ends_is_too_large() {
    let server = Server::raw(b"HTTP/1.1 200 OK\r\nx: ", b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa").await;
    assert_eq!(code_of(&client(loopback_allowed()), &server.url("/")).await, "too_large");
    let server = Server::raw(b"HTTP/1.1 200 OK\r\n", b"a: b\r\n").await;
    assert_eq!(code_of(&client(loopback_allowed()), &server.url("/")).await, "too_large");
}

#[tokio::test]
async fn a_compressed_answer_is_refused() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx";
    let server = Server::raw(head, b"").await;
    assert_eq!(code_of(&client(loopback_allowed()), &server.url("/")).await, "encoded");
}

#[tokio::test]
async fn a_server_that_says_nothing_or_never_finishes_takes_too_long() {
    for begin in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc"] {
        let server = Server::raw(begin, b"").await;
        let error = get(&impatient(SHORT, TIMES.check), &server.url("/"), Wanted::All(10)).await.expect_err("too long");
        assert_eq!((error.code(), error.to_string().as_str()), ("timeout", "the request took longer than 300ms"));
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    let server = Server::raw(b"SSH-2.0-OpenSSH_9.2\r\n", b"").await;
    assert_eq!(code_of(&client(loopback_allowed()), &server.url("/")).await, "protocol");
}

#[tokio::test]
async fn a_port_where_nobody_listens_is_a_connect_error() {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let url = format!("http://{address}/");
    let error = get(&client(loopback_allowed()), &url, Wanted::All(10)).await.expect_err("nobody");
    assert_eq!(
        (error.code(), error.to_string()),
        ("connect", format!("no connection to {address}: connection refused"))
    );
}

#[tokio::test]
async fn the_next_address_of_a_name_is_tried_when_one_does_not_answer() {
    let server = Server::http(|_| ok("second")).await;
    let policy = Policy { allow: vec!["127.0.0.0/8".parse().expect("a network")] };
    // Nobody listens at the first.
    let client = resolving(policy, answers(&[&["127.0.0.3", "127.0.0.1"]]).0);
    let url = server.url_of("http", "example.test", "/");
    assert_eq!(get(&client, &url, Wanted::All(10)).await.expect("reached").body, "second");
}

#[tokio::test]
async fn https_needs_a_certificate_that_is_trusted_and_names_the_host() {
    let (tls, roots) = certificate("example.test");
    let server = Server::https(tls, |_| ok("private")).await;
    let url = server.url_of("https", "example.test", "/");
    let untrusted = get(&client(loopback_allowed()), &url, Wanted::All(10)).await.expect_err("nobody signed it");
    assert_eq!(untrusted.code(), "tls");
    assert_eq!(untrusted.to_string(), "no TLS session with example.test: invalid peer certificate: UnknownIssuer");

    let config = connect::tls_config(roots).expect("TLS");
    let trusting = Client::with(loopback_allowed(), answers(&[&["127.0.0.1"]]).0, config, TIMES);
    assert_eq!(get(&trusting, &url, Wanted::All(10)).await.expect("trusted").body, "private");
    let other = server.url_of("https", "other.test", "/");
    assert_eq!(code_of(&trusting, &other).await, "tls", "the certificate is of another name");
    assert_eq!(code_of(&trusting, &server.url_of("https", "127.0.0.1", "/")).await, "tls");
}

#[tokio::test]
async fn https_to_a_server_in_the_clear_is_a_tls_error_and_a_redirect_out_of_https_is_none_to_follow() {
    let plain = Server::http(|_| ok("in the clear")).await;
    let url = plain.url_of("https", "example.test", "/");
    assert_eq!(code_of(&client(loopback_allowed()), &url).await, "tls");

    let (tls, roots) = certificate("example.test");
    let location = plain.url("/");
    let server = Server::https(tls, move |_| redirect(&location)).await;
    let config = connect::tls_config(roots).expect("TLS");
    let trusting = Client::with(loopback_allowed(), answers(&[&["127.0.0.1"]]).0, config, TIMES);
    assert_eq!(code_of(&trusting, &server.url_of("https", "example.test", "/")).await, "downgrade");
    assert_eq!(plain.requests(), 0);
}

#[tokio::test]
async fn a_webhook_is_posted_with_its_headers_and_any_success_counts() {
    let server = Server::http(|_| status(202)).await;
    let body = Bytes::from_static(br#"{"event":"live"}"#);
    let headers = vec![("Weir-Signature", "t=1,v1=00"), ("weir-event", "live"), ("content-type", "text/plain")];
    let delivered = client(loopback_allowed()).post_json(&server.url("/hook"), headers, body.clone()).await;
    assert_eq!(delivered.expect("delivered"), Delivered { status: 202 });
    let seen = server.seen.lock().expect("the record");
    let (head, received) = &seen[0];
    assert_eq!((head.method.as_str(), head.uri.path(), received), ("POST", "/hook", &body));
    for (name, value) in [("weir-signature", "t=1,v1=00"), ("weir-event", "live"), ("content-type", "application/json")]
    {
        assert_eq!(head.headers.get(name), Some(&HeaderValue::from_static(value)), "{name}");
    }
}

#[tokio::test]
async fn a_webhook_follows_no_redirect_and_needs_a_success() {
    for wanted in [301, 307, 400, 410, 503] {
        let server = Server::http(move |_| {
            let mut answer = redirect("/elsewhere");
            *answer.status_mut() = wanted.try_into().expect("a status");
            answer
        })
        .await;
        let posted = client(loopback_allowed()).post_json(&server.url("/"), Vec::new(), Bytes::new()).await;
        let error = posted.expect_err("no success");
        assert!(matches!(error, OutboundError::Status { status } if status.as_u16() == wanted), "{error}");
        assert_eq!((error.code(), server.requests()), ("status", 1));
    }
}

#[tokio::test]
async fn an_answer_to_a_webhook_counts_however_long_its_body_is() {
    let stuck = Server::raw(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", b"").await;
    let posted = impatient(SHORT, TIMES.check).post_json(&stuck.url("/"), Vec::new(), Bytes::new()).await;
    assert_eq!(posted.expect("delivered").status, 200);
    let endless = Server::http(|_| ok(vec![b'x'; 100 * WEBHOOK_ANSWER_BYTES_MAX])).await;
    let posted = client(loopback_allowed()).post_json(&endless.url("/"), Vec::new(), Bytes::new()).await;
    assert_eq!(posted.expect("delivered").status, 200);
    let silent = Server::raw(b"", b"").await;
    let posted = impatient(SHORT, TIMES.check).post_json(&silent.url("/"), Vec::new(), Bytes::new()).await;
    assert_eq!(posted.expect_err("too long").code(), "timeout");
}

#[tokio::test]
async fn a_header_that_would_break_the_request_is_named() {
    let client = client(loopback_allowed());
    for header in [("weir-event", "a\r\nb: c"), ("weir event", "a"), ("", "a")] {
        let posted = client.post_json("http://127.0.0.1/", vec![header], Bytes::new()).await;
        assert_eq!(posted.expect_err("refused").code(), "header");
    }
}
