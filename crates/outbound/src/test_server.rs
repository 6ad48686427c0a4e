//! Servers on loopback for the tests, and clients that may reach them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, rustls};

use crate::limits::Times;
use crate::resolve::Resolver;
use crate::{Client, Policy, connect};

/// Where every server of the tests is.
pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Times long enough for a busy machine, and short enough for a test that lets one pass.
pub(crate) const TIMES: Times =
    Times { connect: Duration::from_secs(10), exchange: Duration::from_secs(20), check: Duration::from_secs(40) };

type Handler = Arc<dyn Fn(&Parts) -> Response<Full<Bytes>> + Send + Sync>;

/// A server that ends with the test.
pub(crate) struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What it was asked, in order.
    pub seen: Arc<Mutex<Vec<(Parts, Bytes)>>>,
    _accepting: JoinSet<()>,
}

impl Server {
    /// Answers each request with what the handler makes of its head.
    pub async fn http(handler: impl Fn(&Parts) -> Response<Full<Bytes>> + Send + Sync + 'static) -> Self {
        let handler: Handler = Arc::new(handler);
        Self::accept(move |stream, seen| serve(stream, Arc::clone(&handler), seen)).await
    }

    /// The same over TLS.
    pub async fn https(
        tls: Arc<ServerConfig>,
        handler: impl Fn(&Parts) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let handler: Handler = Arc::new(handler);
        Self::accept(move |stream, seen| {
            let (acceptor, handler) = (TlsAcceptor::from(Arc::clone(&tls)), Arc::clone(&handler));
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve(stream, handler, seen).await;
                }
            }
        })
        .await
    }

    /// Reads what comes, says `begin`, and then `again` until the peer has had enough; nothing more if it is empty,
    /// but the connection stays open.
    pub async fn raw(begin: &'static [u8], again: &'static [u8]) -> Self {
        Self::accept(move |mut stream: TcpStream, _| async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(begin).await;
            while !again.is_empty() && stream.write_all(again).await.is_ok() {}
            std::future::pending::<()>().await;
        })
        .await
    }

    async fn accept<F>(serve: impl Fn(TcpStream, Arc<Mutex<Vec<(Parts, Bytes)>>>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((LOOPBACK, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut accepting = JoinSet::new();
        let record = Arc::clone(&seen);
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&record)));
            }
        });
        Self { address, seen, _accepting: accepting }
    }

    /// A URL of it under its address.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A URL of it under a name, which the client's resolver has to know.
    pub fn url_of(&self, scheme: &str, name: &str, path: &str) -> String {
        format!("{scheme}://{name}:{}{path}", self.address.port())
    }

    /// How often it was asked.
    pub fn requests(&self) -> usize {
        self.seen.lock().expect("the record").len()
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    handler: Handler,
    seen: Arc<Mutex<Vec<(Parts, Bytes)>>>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let answer = handler(&head);
            seen.lock().expect("the record").push((head, body));
            Ok::<_, hyper::Error>(answer)
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An answer with a body.
pub(crate) fn ok(body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    Response::new(Full::new(body.into()))
}

/// An answer that sends on to elsewhere.
pub(crate) fn redirect(location: &str) -> Response<Full<Bytes>> {
    Response::builder().status(302).header("location", location).body(Full::default()).expect("an answer")
}

/// An answer that is a status and nothing else.
pub(crate) fn status(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::default()).expect("an answer")
}

/// Allows exactly the address where the servers of the tests are.
pub(crate) fn loopback_allowed() -> Policy {
    Policy { allow: vec!["127.0.0.1/32".parse().expect("a network")] }
}

/// A resolver that gives a name the addresses of the list in turn, one list per question, and the last for ever.
pub(crate) fn answers(in_turn: &[&[&str]]) -> (Resolver, Arc<AtomicUsize>) {
    let parsed = |list: &&[&str]| list.iter().map(|address| address.parse().expect("an address")).collect();
    let in_turn: Vec<Vec<IpAddr>> = in_turn.iter().map(parsed).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolver: Resolver = Arc::new(move |_name| {
        let question = count.fetch_add(1, Ordering::Relaxed).min(in_turn.len() - 1);
        let answer = in_turn[question].clone();
        Box::pin(async move { Ok(answer) })
    });
    (resolver, asked)
}

/// A client that resolves every name to 127.0.0.1, if it is told nothing else.
pub(crate) fn client(policy: Policy) -> Client {
    resolving(policy, answers(&[&["127.0.0.1"]]).0)
}

/// A client with a resolver.
pub(crate) fn resolving(policy: Policy, resolver: Resolver) -> Client {
    let tls = connect::tls_config(connect::public_roots()).expect("TLS");
    Client::with(policy, resolver, tls, TIMES)
}

/// A client that waits no longer than this for an exchange, and no longer than that for a check.
pub(crate) fn impatient(exchange: Duration, check: Duration) -> Client {
    let tls = connect::tls_config(connect::public_roots()).expect("TLS");
    let resolver = answers(&[&["127.0.0.1"]]).0;
    Client::with(loopback_allowed(), resolver, tls, Times { exchange, check, ..TIMES })
}

/// A certificate for a name that signs itself: for a server, and to be trusted.
pub(crate) fn certificate(name: &str) -> (Arc<ServerConfig>, RootCertStore) {
    let made = rcgen::generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let chain: Vec<CertificateDer<'static>> = vec![made.cert.der().clone()];
    let mut roots = RootCertStore::empty();
    roots.add(chain[0].clone()).expect("a root");
    let key = made.signing_key.serialize_der().try_into().expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    (Arc::new(config), roots)
}
