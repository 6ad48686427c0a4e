//! The origin over real TCP, asked by a client that shares no code with it.
#![cfg(test)]

mod access;
mod http2;
mod limits;
mod low_latency;
mod media;
mod metrics;
mod notices;
mod pages;
mod playlists;
mod support;
