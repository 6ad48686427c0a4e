//! Faults of a whole presentation, served over HTTP/2 and watched to its end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use tokio::net::TcpListener;
use weir_hls_lint::Finding;
use weir_hls_lint::watch::{Options, watch};

use crate::broken;
use crate::media::{FRAGMENT, GOOD, Part, fragment, section};

/// A fault of a presentation, and the rule that it breaks.
pub struct Fault {
    name: &'static str,
    pub rule: &'static str,
    plant: fn(&mut Files),
}

type Files = HashMap<&'static str, Vec<u8>>;

/// Two segments of two parts of two samples at 30 fps, and the end.
fn good() -> Files {
    let parts = [60_000, 62_000, 64_000, 66_000].map(|start| {
        let first = start % 4000 == 0;
        fragment(Part { start, nal: if first { 0x65 } else { 0x41 }, sync: first, ..FRAGMENT })
    });
    let moof = parts[0].len() - 8 - 15;
    let head = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:1\n\
        #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.3,HOLD-BACK=3\n#EXT-X-MEDIA-SEQUENCE:0\n\
        #EXT-X-DISCONTINUITY-SEQUENCE:0\n";
    let map = "#EXT-X-MAP:URI=\"init.mp4\"\n";
    let date = |ms: u32| format!("#EXT-X-PROGRAM-DATE-TIME:2026-11-24T08:00:00.{ms:03}Z\n");
    let segment = |n: u32| {
        format!(
            "{}#EXT-X-PART:DURATION=0.066667,URI=\"p{}.m4s\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.066667,URI=\"p{}.m4s\"\n\
             #EXTINF:0.133333,\n{n}.m4s\n",
            date(n * 133),
            2 * n,
            2 * n + 1
        )
    };
    let iframe = |n: u32| format!("{}#EXTINF:0.133333,\n#EXT-X-BYTERANGE:{}@0\n{n}.m4s\n", date(n * 133), moof + 8 + 9);
    let media = format!("{head}#EXT-X-PART-INF:PART-TARGET=0.07\n{map}{}{}#EXT-X-ENDLIST\n", segment(0), segment(1));
    let iframes = format!("{head}#EXT-X-I-FRAMES-ONLY\n{map}{}{}#EXT-X-ENDLIST\n", iframe(0), iframe(1));
    let multi = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n\
        #EXT-X-STREAM-INF:BANDWIDTH=30000,AVERAGE-BANDWIDTH=30000,CODECS=\"avc1.4d401e\",RESOLUTION=640x360,FRAME-RATE=30.000,CLOSED-CAPTIONS=NONE\n\
        v.m3u8\n#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=90000,URI=\"i.m3u8\"\n";
    let both = |a: &[u8], b: &[u8]| [a, b].concat();
    HashMap::from([
        ("/index.m3u8", multi.as_bytes().to_vec()),
        ("/v.m3u8", media.into_bytes()),
        ("/i.m3u8", iframes.into_bytes()),
        ("/init.mp4", section(GOOD)),
        ("/0.m4s", both(&parts[0], &parts[1])),
        ("/1.m4s", both(&parts[2], &parts[3])),
        ("/p0.m4s", parts[0].clone()),
        ("/p1.m4s", parts[1].clone()),
        ("/p2.m4s", parts[2].clone()),
        ("/p3.m4s", parts[3].clone()),
    ])
}

/// Changes the text of a file, in which `from` must be.
fn swap(files: &mut Files, path: &'static str, from: &str, to: &str) {
    let text = String::from_utf8(files[path].clone()).expect("text");
    assert!(text.contains(from), "{from:?} is not in {path}");
    files.insert(path, text.replace(from, to).into_bytes());
}

/// Changes a part, and the segment that holds it.
fn swap_part(files: &mut Files, part: Part, path: &'static str, twin: &'static str, segment: &'static str) {
    files.insert(path, fragment(part));
    let parts = if path < twin { [path, twin] } else { [twin, path] };
    files.insert(segment, parts.map(|part| files[part].clone()).concat());
}

pub const FAULTS: [Fault; 9] = [
    Fault {
        name: "a segment without an IDR picture",
        rule: "C-idr",
        plant: |files| swap_part(files, Part { nal: 0x41, ..FRAGMENT }, "/p0.m4s", "/p1.m4s", "/0.m4s"),
    },
    Fault {
        name: "a part called independent that is not",
        rule: "C-independent",
        plant: |files| swap(files, "/v.m3u8", "URI=\"p1.m4s\"", "URI=\"p1.m4s\",INDEPENDENT=YES"),
    },
    Fault {
        name: "a segment that is not its parts",
        rule: "C-parts",
        plant: |files| files.get_mut("/1.m4s").expect("there").extend(*b"\0\0\0\x08styp"),
    },
    Fault {
        name: "a duration that is not that of the samples",
        rule: "C-duration",
        plant: |files| swap(files, "/v.m3u8", "0.066667,URI=\"p3.m4s\"", "0.063667,URI=\"p3.m4s\""),
    },
    Fault {
        name: "other bytes under the same name",
        rule: "C-bytes",
        plant: |files| drop(files.insert("/changes", Vec::new())),
    },
    Fault {
        name: "a range that cuts a picture",
        rule: "C-iframe",
        plant: |files| swap(files, "/i.m3u8", "@0\n0.m4s", "@1\n0.m4s"),
    },
    Fault {
        name: "a peak above what is declared",
        rule: "C-peak",
        plant: |files| swap(files, "/index.m3u8", "BANDWIDTH=30000,", "BANDWIDTH=9000,"),
    },
    Fault {
        name: "an average above what is declared",
        rule: "C-average",
        plant: |files| swap(files, "/index.m3u8", "AVERAGE-BANDWIDTH=30000", "AVERAGE-BANDWIDTH=9000"),
    },
    Fault {
        name: "another codec",
        rule: "C-codecs",
        plant: |files| swap(files, "/index.m3u8", "avc1.4d401e", "avc1.64001f"),
    },
];

/// Serves the files and watches them to their end.
async fn watched(files: Files) -> Vec<Finding> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/index.m3u8", listener.local_addr().expect("an address"));
    let files = Arc::new(Mutex::new((files, 0_u8)));
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a client");
            let files = Arc::clone(&files);
            let service = service_fn(move |request| {
                let response = answer(&request, &files);
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(async move {
                let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let options = Options { lasts: std::time::Duration::from_secs(20), ..Options::default() };
    let report = watch(&url, options).await.expect("a presentation");
    serving.abort();
    assert_eq!((report.segments, report.renditions), (2, 2));
    report.findings
}

fn answer<B>(request: &Request<B>, files: &Mutex<(Files, u8)>) -> Response<Full<Bytes>> {
    let mut files = files.lock().expect("not poisoned");
    let path = request.uri().path();
    let Some(body) = files.0.get(path).cloned() else {
        return Response::builder().status(404).body(Full::default()).expect("a response");
    };
    let response = Response::builder().header("access-control-allow-origin", "*").header("priority", "u=1");
    if path.ends_with(".m3u8") {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&body).expect("into memory");
        let response =
            response.header("content-type", "application/vnd.apple.mpegurl").header("content-encoding", "gzip");
        return response.body(Full::from(gzip.finish().expect("into memory"))).expect("a response");
    }
    let kind = if path == "/init.mp4" { "video/mp4" } else { "video/iso.segment" };
    let mut body = body;
    if path == "/1.m4s" && files.0.contains_key("/changes") {
        files.1 += 1;
        body.extend((8_u32).to_be_bytes());
        body.extend(if files.1.is_multiple_of(2) { *b"sidx" } else { *b"emsg" });
    }
    response.header("content-type", kind).body(Full::from(body)).expect("a response")
}

#[tokio::test]
async fn a_good_presentation_is_left_alone() {
    assert_eq!(watched(good()).await, []);
}

#[tokio::test]
async fn every_fault_of_a_presentation_is_found() {
    for Fault { name, rule, plant } in FAULTS {
        let mut files = good();
        plant(&mut files);
        let findings = watched(files).await;
        assert!(broken(&findings).contains(rule), "{name}: {rule} was not found, but {findings:#?}");
    }
}
