//! Stream keys appear in no log, at any level, wherever an encoder puts them.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;
use weir_ingest::{Limits, Refusal};

use super::common::*;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_key_is_ever_logged() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // For the whole process: tests running beside this one forget callsites that only one thread listens to.
    tracing::subscriber::set_global_default(subscriber).expect("the only one");
    limited(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = clip(folder.path()).await;
        let mut server = Server::start(Limits::default()).await;
        let mut encoder = ffmpeg(&file, &server.url("live/s3cret")).spawn().expect("ffmpeg runs");
        receive_all(server.request().await.accept()).await;
        encoder.wait().await.expect("ffmpeg ends");
        let mut encoder = rtmp2sink(&file, &server.tls_url("live/s3cret")).spawn().expect("gst-launch-1.0 runs");
        let request = server.request().await;
        tracing::info!(?request, key = %request.key, "as a broadcast might log it");
        request.refuse(Refusal::WrongKey);
        encoder.wait().await.expect("gst-launch-1.0 ends");
        for path in ["s3cret/s3cret", "live/s3cret/s3cret", "live/s3cret/"] {
            let mut encoder = ffmpeg(&file, &server.url(path)).spawn().expect("ffmpeg runs");
            tokio::select! {
                request = server.request() => request.refuse(Refusal::KeyInUse),
                _ = encoder.wait() => {}
            }
            encoder.wait().await.expect("ffmpeg ends");
        }
        server.stop().await;
    })
    .await;
    let log = String::from_utf8_lossy(&log.0.lock().expect("not poisoned")).into_owned();
    for wanted in ["publish accepted", "publisher gone", "the stream key is wrong", "the application is unknown"] {
        assert!(log.contains(wanted), "{wanted} is missing in:\n{log}");
    }
    assert!(!log.contains("s3cret"), "{log}");
}
