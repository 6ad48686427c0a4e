//! What the guard does not let through.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::exchange::Wanted;
use crate::test_server::{Server, answers, client, loopback_allowed, ok, redirect, resolving};
use crate::{AddressClass, Client, OutboundError, Policy, parse_url};

async fn get(client: &Client, url: &str) -> Result<Bytes, OutboundError> {
    let fetched = client.get(parse_url(url)?, &Default::default(), Wanted::All(1024)).await?;
    Ok(fetched.body)
}

async fn refused_class(client: &Client, url: &str) -> AddressClass {
    match get(client, url).await {
        Err(OutboundError::RefusedAddress { class, .. }) => class,
        other => panic!("{url}: {other:?}"),
    }
}

#[tokio::test]
async fn addresses_in_any_spelling_are_refused() {
    use AddressClass::*;
    let server = Server::http(|_| ok("the inside")).await;
    let port = server.address.port();
    let client = client(Policy::default());
    for (host, class) in [
        ("127.0.0.1", Loopback),
        ("127.1", Loopback),
        ("2130706433", Loopback),
        ("0177.0.0.1", Loopback),
        ("017700000001", Loopback),
        ("0x7f.0.0.1", Loopback),
        ("0x7f000001", Loopback),
        ("127.0.0.1.", Loopback),
        ("%31%32%37.0.0.1", Loopback),
        ("①②⑦.⓪.⓪.①", Loopback),
        ("[::1]", Loopback),
        ("[::ffff:127.0.0.1]", Loopback),
        ("[::ffff:7f00:1]", Loopback),
        ("[0:0:0:0:0:ffff:7f00:0001]", Loopback),
        ("[::127.0.0.1]", Loopback),
        ("[64:ff9b::7f00:1]", Loopback),
        ("[2002:7f00:1::]", Tunnel),
        ("0", Unspecified),
        ("0.0.0.0", Unspecified),
        ("[::]", Unspecified),
        ("10.0.0.5", Private),
        ("172.16.0.1", Private),
        ("192.168.1.1", Private),
        ("[fd12:3456::1]", Private),
        ("100.64.0.1", Shared),
        ("169.254.1.1", LinkLocal),
        ("[fe80::1]", LinkLocal),
        ("169.254.169.254", Metadata),
        ("0xa9fea9fe", Metadata),
        ("[::ffff:169.254.169.254]", Metadata),
        ("224.0.0.1", Multicast),
        ("[ff02::1]", Multicast),
        ("255.255.255.255", Broadcast),
        ("240.0.0.1", Reserved),
        ("203.0.113.1", Documentation),
        ("[2001:db8::1]", Documentation),
    ] {
        assert_eq!(refused_class(&client, &format!("http://{host}:{port}/")).await, class, "{host}");
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn a_name_of_the_inside_is_refused_with_the_address_it_has() {
    let (resolver, _) = answers(&[&["10.0.0.5", "127.0.0.1"]]);
    let refused = get(&resolving(Policy::default(), resolver), "http://intranet.test/").await.expect_err("refused");
    assert_eq!(refused.code(), "refused_address");
    assert_eq!(
        refused.to_string(),
        "intranet.test resolves to 10.0.0.5, a private address, and the configuration does not allow requests there"
    );
    let literal = get(&client(Policy::default()), "http://10.0.0.5/").await.expect_err("refused");
    assert_eq!(
        literal.to_string(),
        "10.0.0.5 is a private address, and the configuration does not allow requests there"
    );
}

#[tokio::test]
async fn the_real_resolver_is_not_trusted_either() {
    let client = Client::new(Policy::default()).expect("a client");
    assert_eq!(refused_class(&client, "http://localhost/").await, AddressClass::Loopback);
}

#[tokio::test]
async fn of_mixed_answers_only_what_may_be_reached_is_tried() {
    let server = Server::http(|_| ok("reached")).await;
    let url = server.url_of("http", "mixed.test", "/");
    let (resolver, _) = answers(&[&["10.0.0.5", "::1", "127.0.0.1", "169.254.169.254"]]);
    assert_eq!(get(&resolving(loopback_allowed(), resolver), &url).await.expect("reached"), "reached");
}

#[tokio::test]
async fn a_name_that_changes_its_address_is_resolved_once_and_judged_each_time() {
    let server = Server::http(|_| ok("reached")).await;
    let url = server.url_of("http", "rebinding.test", "/");
    let (resolver, asked) = answers(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let client = resolving(loopback_allowed(), resolver);
    assert_eq!(get(&client, &url).await.expect("the address that was judged"), "reached");
    assert_eq!(asked.load(Ordering::Relaxed), 1, "a second question would have had the other answer");
    assert_eq!(refused_class(&client, &url).await, AddressClass::Loopback);
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_redirect_to_the_same_name_is_resolved_and_judged_anew() {
    let server = Server::http(|_| redirect("/again")).await;
    let (resolver, asked) = answers(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let client = resolving(loopback_allowed(), resolver);
    let url = server.url_of("http", "rebinding.test", "/");
    assert_eq!(refused_class(&client, &url).await, AddressClass::Loopback);
    assert_eq!((asked.load(Ordering::Relaxed), server.requests()), (2, 1));
}

#[tokio::test]
async fn redirects_to_where_no_request_may_go_are_not_followed() {
    for (location, code) in [
        ("http://10.0.0.5/", "refused_address"),
        ("http://169.254.169.254/latest/meta-data/", "refused_address"),
        ("//2130706434/", "refused_address"),
        ("http://[::1]/", "refused_address"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://127.0.0.1/", "scheme"),
        ("http://user:pass@127.0.0.1/", "userinfo"),
        ("http://127.0.0.1:0/", "invalid_url"),
        ("http://", "invalid_url"),
    ] {
        let server = Server::http(move |_| redirect(location)).await;
        let refused = get(&client(loopback_allowed()), &server.url("/")).await.expect_err(location);
        assert_eq!(refused.code(), code, "{location}");
        assert_eq!(server.requests(), 1, "{location}");
    }
}

#[tokio::test]
async fn webhooks_are_guarded_too() {
    let server = Server::http(|_| ok("")).await;
    let guarded = client(Policy::default());
    let refused = guarded.post_json(&server.url("/"), Vec::new(), Bytes::new()).await.expect_err("loopback");
    assert_eq!(refused.code(), "refused_address");
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn a_name_without_addresses_is_unresolved() {
    let (resolver, _) = answers(&[&[]]);
    let error = get(&resolving(Policy::default(), resolver), "http://none.test/").await.expect_err("unresolved");
    assert_eq!(error.code(), "unresolved");
    assert_eq!(error.to_string(), "the name none.test cannot be resolved: it has no address");
}
