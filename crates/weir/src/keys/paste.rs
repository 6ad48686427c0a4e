//! A new key, shown to its owner once and ready to paste.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::ChannelKey;
use crate::listen::{machine_name, reachable};

/// Where encoders connect: the addresses that were really bound.
#[derive(Debug, Clone, Copy)]
pub struct Ingest {
    /// RTMP.
    pub rtmp: SocketAddr,
    /// RTMPS, where configured.
    pub rtmps: Option<SocketAddr>,
    /// SRT, where configured.
    pub srt: Option<SocketAddr>,
}

/// Prints every key that was made just now on standard output, with the URL it goes with. The system journal is
/// a log, and no log holds a key: there, the name of the file stands in for it.
///
/// # Errors
/// Standard output cannot be written.
pub fn show(keys: &[ChannelKey], ingest: Ingest) -> io::Result<()> {
    let host = machine_name();
    let with_key = !is_journal(&io::stdout());
    let mut out = io::stdout().lock();
    for channel in keys {
        if let Some(kept_in) = &channel.made {
            // The data folder may be relative, and to a folder that the reader does not think of.
            let kept_in = kept_in.canonicalize().unwrap_or_else(|_| kept_in.clone());
            out.write_all(block(channel, &kept_in, ingest, &host, with_key).as_bytes())?;
        }
    }
    out.flush()
}

fn block(channel: &ChannelKey, kept_in: &Path, ingest: Ingest, host: &str, with_key: bool) -> String {
    let mut text =
        format!("\nNew stream key for channel {}. In OBS: Settings, Stream, Service: Custom.\n", channel.channel);
    text += &format!("  Server       {}\n", url("rtmp", ingest.rtmp, host));
    if let Some(rtmps) = ingest.rtmps {
        text += &format!("  or, with TLS {}\n", url("rtmps", rtmps, host));
    }
    if let Some(srt) = ingest.srt {
        let key = if with_key { channel.key.expose() } else { "KEY" };
        text += &format!("  or, over SRT {}?streamid={key}\n", url("srt", srt, host).trim_end_matches("/live"));
    }
    let kept_in = kept_in.display();
    if with_key {
        text += &format!("  Stream key   {}\n", channel.key.expose());
        text += &format!("The key is shown only now; it is kept in {kept_in}\n\n");
    } else {
        text += &format!("  Stream key   is in {kept_in}\n\n");
    }
    text
}

fn url(scheme: &str, address: SocketAddr, host: &str) -> String {
    format!("{scheme}://{}/live", reachable(address, host))
}

/// Whether `output` is the stream that systemd named as its journal (systemd.exec, `$JOURNAL_STREAM`).
fn is_journal(output: &impl AsFd) -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    let metadata = output.as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata());
    metadata.is_ok_and(|metadata| stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SecretKey;

    fn studio() -> ChannelKey {
        ChannelKey { channel: "studio".to_owned(), key: SecretKey::parse("0123456789abcdef").unwrap(), made: None }
    }

    #[test]
    fn the_block_can_be_pasted_into_an_encoder() {
        let ingest = Ingest {
            rtmp: "127.0.0.1:1935".parse().unwrap(),
            rtmps: Some("[::]:1936".parse().unwrap()),
            srt: Some("[::]:8890".parse().unwrap()),
        };
        insta::assert_snapshot!(block(&studio(), Path::new("data/keys/studio"), ingest, "media.example", true), @r"

        New stream key for channel studio. In OBS: Settings, Stream, Service: Custom.
          Server       rtmp://127.0.0.1:1935/live
          or, with TLS rtmps://media.example:1936/live
          or, over SRT srt://media.example:8890?streamid=0123456789abcdef
          Stream key   0123456789abcdef
        The key is shown only now; it is kept in data/keys/studio
        ");
    }

    #[test]
    fn the_journal_never_gets_the_key() {
        let ingest = Ingest { rtmp: "127.0.0.1:1935".parse().unwrap(), rtmps: None, srt: None };
        let text = block(&studio(), Path::new("data/keys/studio"), ingest, "media.example", false);
        assert!(!text.contains("0123456789abcdef") && text.contains("data/keys/studio"), "{text}");
    }
}
