use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;
use weir_packager::Snapshot;

use crate::access::Access;
use crate::notice::Notice;

/// Where the newest snapshot of a channel is read; `None` while it has nothing to show.
pub(crate) type Source = watch::Receiver<Option<Arc<Snapshot>>>;

/// The channels by name, and what is announced under a name. Clones share one table.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    channels: Arc<RwLock<HashMap<String, Channel>>>,
    notices: Arc<RwLock<HashMap<String, Arc<Notice>>>>,
}

#[derive(Debug, Clone)]
struct Channel {
    source: Source,
    access: Access,
}

/// A channel that shows something.
pub(crate) struct Showing {
    /// What, at this moment.
    pub(crate) snapshot: Arc<Snapshot>,
    /// Where to look for what it shows next.
    pub(crate) source: Source,
    pub(crate) access: Access,
}

impl Directory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves `source` under `/live/{name}/`, in the place of whatever had that name; requests that are held go by what
    /// they were held for. A channel whose source holds `None` cannot be told from one that is not here, nor can one
    /// whose snapshots are private, but with a token for its preview. `access` says who may play what is on air.
    pub fn insert(&self, name: impl Into<String>, source: Source, access: Access) {
        let channel = Channel { source, access };
        self.channels.write().unwrap_or_else(PoisonError::into_inner).insert(name.into(), channel);
    }

    /// Takes a channel away; answers under way keep what they hold.
    pub fn remove(&self, name: &str) {
        self.channels.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Tells whoever opens `/watch/{name}` what there is to be seen and when, in the place of what was said before.
    /// Anybody can read it. A name without a notice is that of a channel which is watched whenever it shows something.
    pub fn announce(&self, name: impl Into<String>, notice: Notice) {
        self.notices.write().unwrap_or_else(PoisonError::into_inner).insert(name.into(), Arc::new(notice));
    }

    /// Takes a notice away.
    pub fn withdraw(&self, name: &str) {
        self.notices.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The channel, if it shows anything.
    pub(crate) fn showing(&self, name: &str) -> Option<Showing> {
        let Channel { mut source, access } =
            self.channels.read().unwrap_or_else(PoisonError::into_inner).get(name)?.clone();
        let snapshot = source.borrow_and_update().clone()?;
        Some(Showing { snapshot, source, access })
    }

    /// What was announced.
    pub(crate) fn notice(&self, name: &str) -> Option<Arc<Notice>> {
        self.notices.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}
