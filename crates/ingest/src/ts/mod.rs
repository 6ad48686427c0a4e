//! MPEG-2 transport streams (ISO/IEC 13818-1, here H.222.0) to frames, without sockets or clocks.
//!
//! `sync` cuts bytes into packets, `packet` reads one, `psi` the tables that say what is where, `pes` puts packetized
//! elementary streams together, `h264`, `adts` and `latm` make frames of them; `track` is one stream, `demux` joins all.

mod adts;
mod audio;
mod demux;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod h264;
mod latm;
mod packet;
mod pes;
mod psi;
mod sync;
mod track;

pub use demux::Demux;
