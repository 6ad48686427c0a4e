//! The daemon as people use it: real encoders push, real players play.

mod auto;
mod copy;
mod dialects;
mod events;
mod http;
mod ladder;
mod lint;
mod playback;
mod players;
mod rates;
mod reconnect;
mod shapes;
mod shutdown;
mod srt;
mod survival;
mod takeover;
mod timestamps;
mod transport;
mod unkind;
mod worker;
