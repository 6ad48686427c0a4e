//! The channels of events, played by the test.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use weir_broadcast::{Opened, Order, Publisher, Status, Wish};
use weir_ingest::Protocol;

/// Opens a channel whenever the director orders one, unless it is [held up](Players::hold).
#[derive(Clone)]
pub struct Players {
    channels: Arc<Mutex<HashMap<String, Channel>>>,
    turn: Arc<tokio::sync::Mutex<()>>,
    ordered: watch::Receiver<usize>,
}

/// The test's end of an open channel.
#[derive(Clone)]
pub struct Channel {
    status: watch::Sender<Status>,
    pub wish: watch::Receiver<Wish>,
}

impl Players {
    pub fn play(mut orders: mpsc::Receiver<Order>) -> Self {
        let (count, ordered) = watch::channel(0);
        let players = Self { channels: Arc::default(), turn: Arc::default(), ordered };
        let opening = players.clone();
        tokio::spawn(async move {
            while let Some(order) = orders.recv().await {
                count.send_modify(|count| *count += 1);
                let _turn = opening.turn.lock().await;
                opening.open(order);
            }
        });
        players
    }

    fn open(&self, order: Order) {
        let (status, seen) = watch::channel(Status::default());
        let (wish, wished) = watch::channel(Wish::default());
        let (_, snapshots) = watch::channel(None);
        let channel = Channel { status, wish: wished };
        self.channels.lock().unwrap().insert(order.spec.name, channel);
        // Whoever ordered it may be gone.
        let _ = order.answer.send(Ok(Opened { snapshots, status: seen, wish }));
    }

    /// No channel opens until this is dropped.
    pub async fn hold(&self) -> tokio::sync::OwnedMutexGuard<()> {
        self.turn.clone().lock_owned().await
    }

    /// Waits until the director has ordered `wanted` channels in all.
    pub async fn ordered(&self, wanted: usize) {
        self.ordered.clone().wait_for(|count| *count >= wanted).await.unwrap();
    }

    /// The channel of an event that runs.
    pub fn of(&self, event: &str) -> Channel {
        self.channels.lock().unwrap()[event].clone()
    }
}

impl Channel {
    /// An encoder connects, and its pictures can be watched.
    pub fn connect(&self) {
        let (peer, encoder) = ("192.0.2.9:5000".parse().unwrap(), "OBS".to_owned());
        let publisher = Publisher { peer, protocol: Protocol::Rtmp, encoder };
        self.status.send_modify(|status| {
            status.publisher = Some(publisher);
            (status.pictures, status.playable) = (true, true);
        });
    }

    /// It is gone.
    pub fn disconnect(&self) {
        self.status.send_modify(|status| status.publisher = None);
    }
}
