//! The HTTP origin: playlists, media, health, metrics and the watch page.
//!
//! [`Directory`] holds the newest [`weir_packager::Snapshot`] of every channel; [`Origin`] answers requests
//! out of it over HTTP/1.1 and HTTP/2. Whatever is asked for was rendered beforehand: an answer is a look-up, a few
//! headers and a handle on shared bytes. What is asked for before it is there is held (`directives`, `hold`) until the
//! next snapshot. Who may see what is decided by `access` and `token`, on each request and on each snapshot that a held one
//! wakes for. What an answer says is decided by plain functions over the request
//! (`site`, `live`, `assets`, `notice`); sockets, limits and deadlines are in `origin`, `connection`, `guarded_io`,
//! `gathered`, `turns` and `admission`; `files` and `sendfile` are for long bodies over plain HTTP/1.1, which need not be
//! copied into their sockets.

mod access;
mod admission;
mod assets;
mod body;
mod conditional;
mod config;
mod connection;
mod directives;
mod directory;
mod encoding;
mod files;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod gathered;
mod guarded_io;
mod headers;
mod hold;
mod live;
mod meters;
mod notice;
mod origin;
mod range;
mod route;
mod sendfile;
mod site;
mod tls;
mod token;
mod turns;

pub use access::Access;
pub use admission::client_of;
pub use config::{Config, Limits, Tls};
pub use directory::Directory;
pub use meters::describe_metrics;
pub use notice::{Notice, NoticeState};
pub use origin::{BindError, Origin};
pub use site::Status;
pub use tls::{TlsError, self_signed, tls_config};
pub use token::{Audience, Claims, Grant, TokenFault, TokenKey, TokenKeys};
