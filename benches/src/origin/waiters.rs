//! The load of T3, as a process: thousands of requests as HTTP/2 streams, all of which wait for the same thing.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use weir_testkit::m3u8::MediaPlaylist;
use weir_testkit::{Http, proc};

const STREAMS_PER_CONNECTION: usize = 250;
/// From the last request sent until all are surely held.
const SETTLE: Duration = Duration::from_millis(100);
/// For what the server does when nobody asks for anything.
const IDLE: Duration = Duration::from_secs(3);

type Sender = SendRequest<Empty<Bytes>>;

/// Whom to ask, and whose work to watch.
pub struct Orders {
    /// Where the requests go.
    pub server: SocketAddr,
    /// Its process.
    pub pid: u32,
    /// Where to look what to ask for, and the path of the playlist; `None` for a server that lets every request wait.
    pub playlist: Option<(SocketAddr, String)>,
    pub streams: usize,
    pub rounds: usize,
}

/// Lets the streams wait again and again. Prints for each round
/// `round REQUEST_CPU_US ANSWER_CPU_US HALF_MS P99_MS ALL_MS` and at last `memory IDLE HELD`, in bytes.
pub async fn run(orders: &Orders) -> Result<()> {
    let mut senders = Vec::new();
    for _ in 0..orders.streams.div_ceil(STREAMS_PER_CONNECTION) {
        senders.push(connect(orders.server).await?);
    }
    let begun = (proc::cpu_exact(orders.pid)?, Instant::now());
    tokio::time::sleep(IDLE).await;
    let idle_share = (proc::cpu_exact(orders.pid)? - begun.0).as_secs_f64() / begun.1.elapsed().as_secs_f64();
    let idle_memory = proc::memory(orders.pid)?;
    let mut held_memory = 0;
    for _ in 0..orders.rounds {
        held_memory = held_memory.max(round(orders, &senders, idle_share).await?);
    }
    println!("memory {idle_memory} {held_memory}");
    Ok(())
}

/// One wait of all; how much memory the server had meanwhile.
async fn round(orders: &Orders, senders: &[Sender], idle_share: f64) -> Result<u64> {
    let url = url(orders).await?;
    let watch = || -> Result<_> { Ok((proc::cpu_exact(orders.pid)?, Instant::now())) };
    let own = |from: (Duration, Instant), to: (Duration, Instant)| {
        let idle = to.1.duration_since(from.1).as_secs_f64() * idle_share;
        ((to.0.saturating_sub(from.0)).as_secs_f64() - idle) * 1e6 / orders.streams as f64
    };
    let begun = watch()?;
    let mut answers = JoinSet::new();
    for index in 0..orders.streams {
        answers.spawn(ask(senders[index / STREAMS_PER_CONNECTION].clone(), url.clone()));
    }
    tokio::time::sleep(SETTLE).await;
    let (held, memory) = (watch()?, proc::memory(orders.pid)?);
    let mut times = Vec::with_capacity(orders.streams);
    while let Some(answer) = answers.join_next().await {
        times.push(answer??);
    }
    let done = watch()?;
    times.sort_unstable();
    let first = *times.first().context("no answer")?;
    ensure!(first > held.1, "an answer came before all requests were held");
    let after =
        |share: f64| times[((times.len() - 1) as f64 * share) as usize].duration_since(first).as_secs_f64() * 1e3;
    let (request, answer) = (own(begun, held), own(held, done));
    println!("round {request:.2} {answer:.2} {:.2} {:.2} {:.2}", after(0.5), after(0.99), after(1.0));
    Ok(memory)
}

/// What is not there yet. Looked up right after something came, so that there is time until it is.
async fn url(orders: &Orders) -> Result<String> {
    let Some((address, path)) = &orders.playlist else {
        return Ok("http://minimal/".to_owned());
    };
    let http = Http::new(*address);
    let now = MediaPlaylist::parse(http.fetch(path).await?.text()?)?;
    let next = format!("{path}?_HLS_msn={}&_HLS_part={}", now.next_msn(), now.open_parts);
    let fresh = MediaPlaylist::parse(http.fetch(&next).await?.text()?)?;
    Ok(format!("http://weir{path}?_HLS_msn={}&_HLS_part={}", fresh.next_msn(), fresh.open_parts))
}

/// When the answer was there to its end.
async fn ask(mut sender: Sender, url: String) -> Result<Instant> {
    let request = Request::get(url).header("accept-encoding", "gzip").body(Empty::new())?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    ensure!(response.status() == 200, "status {}", response.status());
    response.into_body().collect().await?;
    Ok(Instant::now())
}

async fn connect(server: SocketAddr) -> Result<Sender> {
    let stream = TcpStream::connect(server).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = Builder::new(TokioExecutor::new()).handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}
