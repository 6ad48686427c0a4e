use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;
use weir_packager::Snapshot;

/// Where the newest snapshot of a channel is read; `None` while it has nothing to show.
pub(crate) type Source = watch::Receiver<Option<Arc<Snapshot>>>;

/// The channels by name. Clones share one table.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    channels: Arc<RwLock<HashMap<String, Source>>>,
}

impl Directory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `source` under `/live/{name}/`, in the place of whatever had that name. A channel whose source
    /// holds `None` cannot be told from one that is not here.
    pub fn insert(&self, name: impl Into<String>, source: Source) {
        self.channels.write().unwrap_or_else(PoisonError::into_inner).insert(name.into(), source);
    }

    /// Takes a channel away; answers under way keep what they hold.
    pub fn remove(&self, name: &str) {
        self.channels.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// What the channel shows at this moment, and where to look for what it shows next.
    pub(crate) fn source(&self, name: &str) -> Option<(Arc<Snapshot>, Source)> {
        let mut source = self.channels.read().unwrap_or_else(PoisonError::into_inner).get(name)?.clone();
        let snapshot = source.borrow_and_update().clone()?;
        Some((snapshot, source))
    }
}
