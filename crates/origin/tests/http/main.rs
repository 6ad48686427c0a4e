//! The origin over real TCP, asked by a client that shares no code with it.
#![cfg(test)]

mod http2;
mod limits;
mod low_latency;
mod media;
mod metrics;
mod pages;
mod playlists;
mod support;
