//! The worker process: reads its job and the source's frames from standard input, which is a socket, and writes the
//! ladder back to it. The only part that names GStreamer.

mod audio;
mod copied;
mod decode;
mod elements;
mod encode;
mod link;
mod pcm;
mod pipeline;
mod scaler;
mod session;
mod shrink;
mod speed;
mod video;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;

use bytes::Bytes;
use weir_media::{AudioParams, VideoParams};

use crate::wire::{Message, WireAudio, WireJob, from_worker, to_worker};
use link::{Inbox, Link};
use session::Session;

/// What ends a worker early.
#[derive(Debug, thiserror::Error)]
enum ChildError {
    #[error("standard input is not the socket of a parent: {0}")]
    NoParent(io::Error),
    #[error("the connection to the parent broke: {0}")]
    Parent(#[from] io::Error),
    #[error(transparent)]
    Wire(#[from] crate::wire::WireError),
    #[error("the decoder parameters of the source do not read: {0}")]
    Params(String),
    #[error("a message came out of turn: {0}")]
    OutOfTurn(u8),
    #[error("GStreamer does not start: {0}")]
    Init(String),
    #[error("GStreamer has no element {element}: install {package}")]
    Missing { element: &'static str, package: &'static str },
    #[error("{0}")]
    Pipeline(String),
}

/// Runs a worker on standard input until its parent has had enough. To be called by the hidden subcommand of the
/// daemon, before any threads or runtime are started.
pub fn worker_main() -> ExitCode {
    match connect().and_then(|(inbox, link)| run(inbox, &link).inspect_err(|error| link.failed(&error.to_string()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn connect() -> Result<(Inbox, Arc<Link>), ChildError> {
    let input = io::stdin().as_fd().try_clone_to_owned().map_err(ChildError::NoParent)?;
    let socket = UnixStream::from(input);
    socket.peer_addr().map_err(ChildError::NoParent)?;
    let link = Arc::new(Link::new(socket.try_clone()?));
    Ok((Inbox::new(socket), link))
}

fn run(mut inbox: Inbox, link: &Arc<Link>) -> Result<(), ChildError> {
    elements::prepare()?;
    link.bare(from_worker::READY)?;
    let Some(job) = inbox.next()? else { return Ok(()) };
    if job.name == to_worker::MEASURE {
        return Ok(link.control(from_worker::SPEED, &speed::measure(link)?)?);
    }
    let mut session = start(&job, link)?;
    while let Some(message) = inbox.next()? {
        match message.name {
            to_worker::FRAME => session.frame(message.frame(link::track_of)?.1)?,
            to_worker::AUDIO => session.set_audio(&audio_params(message.json::<WireAudio>()?.asc)?)?,
            to_worker::FINISH => {
                session.finish()?;
                return Ok(link.bare(from_worker::FINISHED)?);
            }
            other => return Err(ChildError::OutOfTurn(other)),
        }
    }
    // The parent has gone: nobody needs an orderly end, and an element that hangs must not keep us.
    std::process::exit(0)
}

fn start(message: &Message, link: &Arc<Link>) -> Result<Session, ChildError> {
    if message.name != to_worker::START {
        return Err(ChildError::OutOfTurn(message.name));
    }
    let WireJob { plan, preset, avcc, asc } = message.json()?;
    let video = VideoParams::from_avcc(Bytes::from(avcc)).map_err(|e| ChildError::Params(e.to_string()))?;
    let audio = asc.map(audio_params).transpose()?;
    Session::new(&plan, preset, &video, audio.as_ref(), link)
}

fn audio_params(asc: Vec<u8>) -> Result<AudioParams, ChildError> {
    AudioParams::from_asc(Bytes::from(asc)).map_err(|e| ChildError::Params(e.to_string()))
}
