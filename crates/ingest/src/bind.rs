use std::io;
use std::net::SocketAddr;

use crate::Protocol;

/// A listener that could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot listen on {address}: {}", .listener.name().to_uppercase(), in_words(.source))]
pub struct BindError {
    /// Which one.
    pub listener: Protocol,
    /// The address wanted.
    pub address: SocketAddr,
    /// What the system says.
    pub source: io::Error,
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "the address is already in use by another program".to_owned(),
        _ => error.to_string(),
    }
}
