//! The encoder's way to the daemon over TCP: it can be cut, and it can stall.

use std::net::SocketAddr;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;

/// What is read at once: much less than a keyframe, so that a cut comes in the middle of one.
const PIECE_BYTES: usize = 1400;

/// A relay of one target.
pub struct Link {
    address: SocketAddr,
    cut: broadcast::Sender<()>,
    stalled: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Link {
    /// Opens a relay to `target`.
    pub async fn open(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (cut, stalled) = (broadcast::channel(1).0, watch::channel(false).0);
        let task = tokio::spawn(accept(listener, target, cut.clone(), stalled.clone()));
        Ok(Self { address, cut, stalled, task })
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every connection at once, wherever in a message it is.
    pub fn cut(&self) {
        // Nobody is connected: nothing to cut.
        let _ = self.cut.send(());
    }

    /// From now on nothing is taken from the encoder, or everything again.
    pub fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, cut: broadcast::Sender<()>, stalled: watch::Sender<bool>) {
    while let Ok((near, _)) = listener.accept().await {
        let (mut cut, stalled) = (cut.subscribe(), stalled.subscribe());
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(target).await else { return };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            let steady = watch::channel(false).1;
            tokio::select! {
                _ = cut.recv() => {}
                () = copy(near_in, far_out, stalled) => {}
                () = copy(far_in, near_out, steady) => {}
            }
        });
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut stalled: watch::Receiver<bool>) {
    let mut piece = [0; PIECE_BYTES];
    // That nobody can stall it any more does not end it.
    while stalled.wait_for(|stalled| !stalled).await.is_ok() || !*stalled.borrow() {
        match from.read(&mut piece).await {
            Ok(count @ 1..) if to.write_all(&piece[..count]).await.is_ok() => {}
            _ => return,
        }
    }
}
