use super::m3u8::*;

const MEDIA: &str = "#EXTM3U
#EXT-X-VERSION:8
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-MAP:URI=\"a-init0.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T06:43:33.125Z
#EXTINF:2.002,
a-7.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI=\"a-init1.mp4\"
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T06:43:36.000Z
#EXTINF:0.533333,
a-8.m4s
#EXT-X-ENDLIST
";

const MULTI: &str = "#EXTM3U
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aac\",NAME=\"Audio\",LANGUAGE=\"und\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"audio/index.m3u8\"
#EXT-X-STREAM-INF:BANDWIDTH=900000,AVERAGE-BANDWIDTH=800000,CODECS=\"avc1.4d401e,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=30.000,CLOSED-CAPTIONS=NONE,AUDIO=\"aac\"
360p/index.m3u8
";

#[test]
fn a_media_playlist_is_read() {
    let playlist = MediaPlaylist::parse(MEDIA).unwrap();
    assert!(playlist.ended);
    assert_eq!((playlist.next_msn(), playlist.discontinuities, playlist.total_micros()), (9, 1, 2_535_333));
    let last = &playlist.segments[1];
    assert_eq!((last.msn, last.epoch, last.map.as_str()), (8, 4, "a-init1.mp4"));
    assert_eq!(last.date_ms - playlist.segments[0].date_ms, 2_875);
}

#[test]
fn a_multivariant_playlist_is_read() {
    let playlist = Multivariant::parse(MULTI).unwrap();
    assert_eq!(playlist.media[0].quoted("URI").unwrap(), "audio/index.m3u8");
    assert_eq!(resolution(&playlist.variants[0].attributes).unwrap(), (640, 360));
}

#[test]
fn faults_of_media_playlists_are_found() {
    let faults = [
        ("#EXTM3U\n", "\u{feff}#EXTM3U\n"),
        ("#EXTM3U\n", "#EXTM3U\r\n"),
        ("VERSION:8", "VERSION:9"),
        ("TARGETDURATION:2", "TARGETDURATION:1"),
        ("#EXT-X-TARGETDURATION:2\n", "#EXT-X-TARGETDURATION:2\n#EXT-X-TARGETDURATION:2\n"),
        ("#EXT-X-DISCONTINUITY-SEQUENCE:3\n", ""),
        ("#EXT-X-MAP:URI=\"a-init0.mp4\"\n", ""),
        ("URI=\"a-init0.mp4\"", "URI=a-init0.mp4"),
        ("33.125Z", "33Z"),
        ("#EXTINF:2.002,\n", ""),
        ("#EXTINF:2.002,", "#EXTINF:2.002, "),
        ("a-8.m4s\n#EXT-X-ENDLIST", "#EXT-X-ENDLIST"),
        ("#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\n#EXT-X-ENDLIST\n"),
        ("#EXT-X-VERSION:8\n", "#EXT-X-VERSION:8\n#EXT-X-PLAYLIST-TYPE:EVENT\n"),
        ("#EXT-X-VERSION:8\n", "#EXT-X-VERSION:8\n#EXT-X-INDEPENDENT-SEGMENTS\n"),
        ("a-7.m4s\n", "a-7.m4s\n#EXT-X-MEDIA-SEQUENCE:8\n"),
    ];
    for (sound, faulty) in faults {
        assert!(MEDIA.contains(sound), "{sound}");
        assert!(MediaPlaylist::parse(&MEDIA.replacen(sound, faulty, 1)).is_err(), "{faulty:?} passed");
    }
}

#[test]
fn faults_of_multivariant_playlists_are_found() {
    let faults = [
        ("#EXT-X-INDEPENDENT-SEGMENTS\n", ""),
        ("AVERAGE-BANDWIDTH=800000", "AVERAGE-BANDWIDTH=900001"),
        ("RESOLUTION=640x360", "RESOLUTION=640x"),
        ("FRAME-RATE=30.000", "FRAME-RATE=30"),
        ("CLOSED-CAPTIONS=NONE,", ""),
        ("AUDIO=\"aac\"", "AUDIO=\"other\""),
        ("CHANNELS=\"2\",", ""),
        (",mp4a.40.2", ", mp4a.40.2"),
        (",FRAME-RATE", ", FRAME-RATE"),
        ("360p/index.m3u8\n", ""),
    ];
    for (sound, faulty) in faults {
        assert!(MULTI.contains(sound), "{sound}");
        assert!(Multivariant::parse(&MULTI.replacen(sound, faulty, 1)).is_err(), "{faulty:?} passed");
    }
}
