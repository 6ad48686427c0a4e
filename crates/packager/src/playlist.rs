//! Media playlists (rfc8216bis 4.4.3, 4.4.4).

use std::fmt::Write;

use jiff::Timestamp;

use crate::config::Config;
use crate::window::Window;

/// The lowest version that allows EXT-X-MAP in a playlist of whole frames (rfc8216bis 8).
pub(crate) const VERSION: u32 = 6;

/// The playlist of one rendition. It carries no PLAYLIST-TYPE because its head is dropped (6.2.2), and no
/// INDEPENDENT-SEGMENTS because the multivariant playlist has it.
pub(crate) fn media_playlist(window: &Window, config: Config, track: usize) -> String {
    let mut out = String::with_capacity(256 + 128 * window.slots.len());
    let first = window.slots.front();
    let msn = first.map_or(window.next.next_msn, |slot| slot.msn);
    // A DISCONTINUITY that is still listed counts from here on, not before (4.4.3.3).
    let dseq = first.map_or(0, |slot| slot.discontinuity - u64::from(slot.tagged));
    let target = config.target_duration_s();
    // Writing into a string does not fail.
    let _ = write!(
        out,
        "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n\
         #EXT-X-MEDIA-SEQUENCE:{msn}\n#EXT-X-DISCONTINUITY-SEQUENCE:{dseq}\n"
    );
    let mut map = None;
    for slot in &window.slots {
        let Some((owner, segment)) = window.stand_in(slot, track) else { continue };
        let path = match window.tracks.get(owner) {
            Some(owning) if owner != track => format!("../{}/", owning.name),
            _ => String::new(),
        };
        if slot.tagged {
            out.push_str("#EXT-X-DISCONTINUITY\n");
        }
        // Players differ in what of a map survives a discontinuity, so it is said again.
        let this_map = Some((owner, segment.init.name.as_str()));
        if slot.tagged || map != this_map {
            let _ = writeln!(out, "#EXT-X-MAP:URI=\"{path}{}\"", segment.init.name);
            map = this_map;
        }
        let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", date_time(segment.wall_ms));
        let (seconds, micros) = (segment.duration_us / 1_000_000, segment.duration_us % 1_000_000);
        let _ = writeln!(out, "#EXTINF:{seconds}.{micros:06},\n{path}{}", segment.name);
    }
    if window.ended {
        out.push_str("#EXT-X-ENDLIST\n");
    }
    out
}

/// ISO 8601 with milliseconds and a zone.
fn date_time(wall_ms: i64) -> String {
    let instant = Timestamp::from_millisecond(wall_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{instant:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_have_three_decimals_and_a_zone() {
        assert_eq!(date_time(1_700_000_000_000), "2023-11-14T22:13:20.000Z");
        assert_eq!(date_time(1_700_000_000_042), "2023-11-14T22:13:20.042Z");
    }
}
