//! The judges are themselves judged: on media that ffmpeg made.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpListener;
use weir_testkit::{Audio, Hls, Http, Probe, Source, cmaf, decode, flv, run_tool};

const FRAMES: usize = 50;
const PLAYLIST: &str = "application/vnd.apple.mpegurl";

/// A fragmented video of two seconds, a fragment for each.
async fn fragmented(folder: &TempDir) -> Result<Bytes> {
    let source = Source { rate: "25", gop: 25, seconds: Some(2), audio: Audio::None, ..Source::default() };
    let clip = folder.path().join("clip.flv");
    source.write_clip(&clip).await?;
    let file = folder.path().join("clip.mp4");
    let (clip, name) = (clip.to_str().context("path")?, file.to_str().context("path")?);
    let flags = "+cmaf+frag_keyframe+empty_moov+default_base_moof+skip_trailer";
    let args = ["-v", "error", "-i", clip, "-c", "copy", "-movflags", flags, "-f", "mp4", name];
    run_tool("ffmpeg", &args, Duration::from_secs(60)).await?;
    Ok(std::fs::read(file)?.into())
}

/// The file parted into its initialisation section and its fragments, each behind a `styp`.
fn part(file: &Bytes) -> (Bytes, Vec<Bytes>) {
    let mut starts = vec![];
    let mut at = 0;
    while at + 8 <= file.len() {
        if &file[at + 4..at + 8] == b"moof" {
            starts.push(at);
        }
        at += file[at..at + 4].iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
    }
    starts.push(file.len());
    let styp = b"\0\0\0\x10stypmsdh\0\0\0\0";
    let fragments = starts.windows(2).map(|ends| [&styp[..], &file[ends[0]..ends[1]]].concat().into()).collect();
    (file.slice(..starts[0]), fragments)
}

#[tokio::test]
async fn boxes_are_read_as_ffprobe_reads_them() {
    let folder = TempDir::new().unwrap();
    let (init, fragments) = part(&fragmented(&folder).await.unwrap());
    let probe = Probe::video(&folder.path().join("clip.mp4")).await.unwrap();
    assert_eq!((probe.frames(), probe.size().unwrap()), (FRAMES, (640, 360)));
    assert!(cmaf::Init::parse(&init).unwrap().video);
    let samples: Vec<_> = fragments.iter().flat_map(|fragment| cmaf::samples(fragment).unwrap()).collect();
    assert_eq!(samples.iter().map(|sample| sample.pts).collect::<Vec<_>>(), probe.pts().unwrap());
    assert_eq!(samples.iter().map(|sample| sample.sync).collect::<Vec<_>>(), probe.keyframes());
    assert_eq!(samples.iter().map(cmaf::Sample::is_idr).collect::<Vec<_>>(), probe.keyframes());

    let tags = flv::read(&folder.path().join("clip.flv")).unwrap();
    let count = |is: fn(&flv::Tag) -> bool| tags.iter().filter(|tag| is(tag)).count();
    assert_eq!(
        tags.iter().filter(|tag| tag.kind == 9 && !tag.is_video_header()).count(),
        FRAMES + 1,
        "and one that ends the sequence"
    );
    assert_eq!((count(flv::Tag::is_video_header), count(flv::Tag::is_audio_header)), (1, 0));
}

#[tokio::test]
async fn a_damaged_file_does_not_pass() {
    let folder = TempDir::new().unwrap();
    let (_, fragments) = part(&fragmented(&folder).await.unwrap());
    let file = folder.path().join("clip.mp4");
    decode(&file).await.unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    // Many pictures of the first fragment, length fields of NAL units among them.
    let (from, to) = (bytes.len() / 8, bytes.len() / 3);
    bytes[from..to].fill(0xa5);
    std::fs::write(&file, bytes).unwrap();
    assert!(decode(&file).await.is_err());
    assert!(cmaf::samples(&fragments[0][..fragments[0].len() - 1]).is_err());
    assert!(cmaf::samples(&[&fragments[0][..], &fragments[0][16..]].concat()).is_err(), "times go back");
}

/// Serves `files` for as long as the test runs.
async fn serve(files: HashMap<&'static str, (&'static str, Bytes)>) -> Result<Http> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let http = Http::new(listener.local_addr()?);
    let files = Arc::new(files);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let files = files.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let found = files.get(request.uri().path()).cloned();
                let (mime, body) = found.clone().unwrap_or_default();
                let status = if found.is_some() { 200 } else { 404 };
                let answer = Response::builder().status(status).header("content-type", mime).body(Full::new(body));
                async move { answer }
            });
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    Ok(http)
}

#[tokio::test]
async fn a_presentation_is_followed_and_fetched_whole() {
    let folder = TempDir::new().unwrap();
    let (init, fragments) = part(&fragmented(&folder).await.unwrap());
    let multivariant = "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Audio\",LANGUAGE=\"und\",CHANNELS=\"2\",URI=\"v/index.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2,AVERAGE-BANDWIDTH=1,CODECS=\"avc1.42c01e,mp4a.40.2\",RESOLUTION=640x360,\
        FRAME-RATE=25.000,CLOSED-CAPTIONS=NONE,AUDIO=\"a\"\nv/index.m3u8\n";
    let media = "#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:4\n\
        #EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-MAP:URI=\"../init.mp4\"\n\
        #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z\n#EXTINF:1.0,\n0.m4s\n\
        #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:01.000Z\n#EXTINF:1.0,\n1.m4s\n#EXT-X-ENDLIST\n";
    let http = serve(HashMap::from([
        ("/x/index.m3u8", (PLAYLIST, multivariant.into())),
        ("/x/v/index.m3u8", (PLAYLIST, media.into())),
        ("/x/init.mp4", ("video/mp4", init)),
        ("/x/v/0.m4s", ("video/iso.segment", fragments[0].clone())),
        ("/x/v/1.m4s", ("video/iso.segment", fragments[1].clone())),
    ]))
    .await
    .unwrap();
    let hls = Hls::new(http, "/x/index.m3u8");
    let within = Duration::from_secs(10);
    assert_eq!(hls.wait_playable(within).await.unwrap().variants.len(), 1);
    let downloads = hls.download_ended(within).await.unwrap();
    assert_eq!(downloads[0].playlist.next_msn(), 6);
    let files = downloads[0].write_epochs(folder.path()).unwrap();
    assert_eq!(files.len(), 1);
    decode(&files[0]).await.unwrap();
    assert_eq!(Probe::video(&files[0]).await.unwrap().frames(), FRAMES);

    let absent = Hls::new(http, "/y/index.m3u8").wait_playable(Duration::from_millis(300)).await;
    assert!(absent.unwrap_err().to_string().contains("/y/index.m3u8"));
}
