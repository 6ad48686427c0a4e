//! I-frame playlists (rfc8216bis 4.4.3.6): the first picture of every segment, as a range of its bytes.

use std::fmt::Write;

use crate::config::Config;
use crate::playlist::{VERSION, Writer, head};
use crate::slot::Content;
use crate::window::Window;

/// The I-frame playlist of one rendition. Only finished segments are in it, so it has no parts.
pub(crate) fn iframe_playlist(window: &Window, config: Config, track: usize) -> String {
    let mut writer = Writer::new(window, config, track);
    for slot in &window.slots {
        match &slot.content {
            Content::Media(_) => {
                let Some((path, segment)) = writer.begin(slot) else { continue };
                writer.extinf(segment.duration_us);
                let (length, offset) = (segment.iframe.len(), segment.iframe.start);
                // Writing into a string does not fail.
                let _ = writeln!(writer.out, "#EXT-X-BYTERANGE:{length}@{offset}\n{path}{}", segment.name);
            }
            Content::Gap(gap) => {
                writer.begin_gap(slot, gap);
                writer.gap_segment(gap);
            }
        }
    }
    let end = if window.ended { "#EXT-X-ENDLIST\n" } else { "" };
    format!("{}#EXT-X-I-FRAMES-ONLY\n{}{end}", head(window, config, VERSION, None), writer.out)
}
