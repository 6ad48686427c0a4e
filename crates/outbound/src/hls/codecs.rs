//! Which codecs browsers play. Safari plays more than the others; what is said here holds for all.

/// What a codec carries, and whether every browser of today plays it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Video {
        played: bool,
    },
    Audio {
        played: bool,
    },
    /// Subtitles, or unknown here: no reason to call anything unplayable.
    Other,
}

/// Whether browsers play a variant with this CODECS attribute: a list of RFC 6381, with commas. The list names the
/// formats of all its renditions, so one audio format that is played is enough.
pub(crate) fn are_played(list: &str) -> bool {
    let codecs: Vec<_> = list.split(',').map(|codec| of(codec.trim())).collect();
    let all_unplayed = |played: fn(&Codec) -> Option<bool>| {
        let mut known = codecs.iter().filter_map(played).peekable();
        known.peek().is_some() && known.all(|played| !played)
    };
    let no_video = all_unplayed(|codec| if let Codec::Video { played } = codec { Some(*played) } else { None });
    let no_audio = all_unplayed(|codec| if let Codec::Audio { played } = codec { Some(*played) } else { None });
    !no_video && !no_audio
}

fn of(codec: &str) -> Codec {
    let (family, rest) = codec.split_once('.').unwrap_or((codec, ""));
    match family.to_ascii_lowercase().as_str() {
        "avc1" | "avc3" | "vp08" | "vp09" | "vp8" | "vp9" | "av01" => Codec::Video { played: true },
        "hvc1" | "hev1" | "dvh1" | "dvhe" | "vvc1" | "vvi1" | "mp4v" => Codec::Video { played: false },
        // Object type a5 and a6 are AC-3 and E-AC-3, a9 is DTS; the rest is AAC and MP3.
        "mp4a" => Codec::Audio { played: !["a5", "a6", "a9"].contains(&rest.to_ascii_lowercase().as_str()) },
        "opus" | "flac" | "mp3" => Codec::Audio { played: true },
        "ac-3" | "ec-3" | "ac-4" | "dtsc" | "dtse" | "dtsh" | "dtsl" | "dtsx" | "mha1" | "mhm1" | "alac" => {
            Codec::Audio { played: false }
        }
        _ => Codec::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h264_with_aac_is_played_and_hevc_or_ac_3_alone_are_not() {
        for played in ["avc1.640028,mp4a.40.2", "avc1.42e00a", "mp4a.40.5", "vp09.00.10.08,opus", "fLaC", "", "wvtt"] {
            assert!(are_played(played), "{played}");
        }
        for unplayed in ["hvc1.1.6.L93.B0,mp4a.40.2", "avc1.640028,ac-3", "ec-3", "hvc1.2.4.L120.B0", "mp4a.a5"] {
            assert!(!are_played(unplayed), "{unplayed}");
        }
        assert!(are_played("avc1.640028, mp4a.40.2, ec-3"), "AAC is there too");
    }
}
