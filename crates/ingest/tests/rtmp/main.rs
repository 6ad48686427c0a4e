//! The whole ingest over real sockets.

#[cfg(test)]
mod common;
#[cfg(test)]
mod encoders;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod secrecy;
