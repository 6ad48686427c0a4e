use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::rml_amf0::Amf0Value;

use super::*;
use crate::rtmp::amf0::Value;
use crate::{CloseReason, EndReason, LostReason};

/// What x264 writes for 64x48, 8-bit 4:2:0 and 10-bit 4:2:2.
const AVCC: &[u8] = include_bytes!("../../tests/data/avcc-64x48.bin");
const AVCC_422: &[u8] = include_bytes!("../../tests/data/avcc-64x48-422-10.bin");
const MAX: usize = 1 << 20;

/// A message in one chunk, with a header of type 0. The chunk size must have been raised for long ones.
fn chunk(kind: u8, timestamp: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![6];
    bytes.extend(&timestamp.to_be_bytes()[1..]);
    bytes.extend(&(payload.len() as u32).to_be_bytes()[1..]);
    bytes.extend([kind, 1, 0, 0, 0]);
    bytes.extend(payload);
    bytes
}

fn text(text: &str) -> Amf0Value {
    Amf0Value::Utf8String(text.to_owned())
}

fn command(name: &str, transaction: f64, arguments: Vec<Amf0Value>) -> Vec<u8> {
    let values = [vec![text(name), Amf0Value::Number(transaction)], arguments].concat();
    chunk(20, 0, &rml_rtmp::rml_amf0::serialize(&values).expect("serialized"))
}

fn connect(app: &str) -> Vec<u8> {
    let object = [("app", text(app)), ("flashVer", text("FMLE/3.0")), ("tcUrl", text("rtmp://host/live"))];
    let object = object.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    command("connect", 1.0, vec![Amf0Value::Object(object)])
}

fn publish(name: &str) -> Vec<u8> {
    command("publish", 5.0, vec![Amf0Value::Null, text(name), text("live")])
}

fn on_stream(name: &str, transaction: f64, key: &str) -> Vec<u8> {
    command(name, transaction, vec![Amf0Value::Null, text(key)])
}

fn set_chunk_size() -> Vec<u8> {
    chunk(1, 0, &60_000_u32.to_be_bytes())
}

/// A session and what it wrote, read back.
struct Talk {
    session: Session,
    input: BytesMut,
    reader: ChunkReader,
}

impl Talk {
    /// A session whose handshake is done, with the chunk size raised.
    fn new() -> Self {
        let mut talk = Self { session: Session::new(MAX), input: BytesMut::new(), reader: ChunkReader::new() };
        let mut client = Handshake::new(PeerType::Client);
        talk.input.extend(client.generate_outbound_p0_and_p1().expect("made"));
        let Ok(Some(Output::Send(answer))) = talk.session.next(&mut talk.input) else { panic!("no answer") };
        assert!(talk.session.is_shaking_hands());
        let Ok(HandshakeProcessResult::Completed { response_bytes, .. }) = client.process_bytes(&answer) else {
            panic!("not completed")
        };
        talk.input.extend(response_bytes);
        assert_eq!(talk.say(&set_chunk_size()), Ok(vec![]));
        assert!(!talk.session.is_shaking_hands());
        talk
    }

    /// A session that publishes.
    fn publishing() -> Self {
        let mut talk = Self::new();
        talk.say(&[connect("live"), publish("key")].concat()).expect("no error");
        let started = talk.session.accept();
        assert_eq!(talk.heard(&started).last().map(String::as_str), Some("onStatus 0 status NetStream.Publish.Start"));
        talk
    }

    /// What `bytes` lead to, in words.
    fn say(&mut self, bytes: &[u8]) -> Result<Vec<String>, SessionError> {
        self.input.extend_from_slice(bytes);
        let mut words = Vec::new();
        while let Some(output) = self.session.next(&mut self.input)? {
            match output {
                Output::Send(bytes) => words.extend(self.heard(&bytes)),
                Output::Publish { key, encoder } => {
                    let key = String::from_utf8_lossy(key.as_bytes()).into_owned();
                    words.push(format!("PUBLISH {key} {}", encoder.flash_ver));
                }
                Output::Media(event) => words.push(media(&event)),
                Output::Dropped(reason) => words.push(format!("DROPPED {}", reason.label())),
                Output::Finished => words.push("FINISHED".to_owned()),
            }
        }
        Ok(words)
    }

    /// The error that `bytes` lead to, and the last words sent for it.
    fn fails(&mut self, bytes: &[u8]) -> (SessionError, Vec<String>) {
        let error = self.say(bytes).expect_err("refused");
        let last_words = self.session.farewell(&error);
        (error, self.heard(&last_words))
    }

    /// What the encoder reads.
    fn heard(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut input = BytesMut::from(bytes);
        let mut words = Vec::new();
        while let Some(message) = self.reader.next(&mut input).expect("valid chunks") {
            words.push(match message.kind {
                20 => said(&crate::rtmp::amf0::read(&message.payload).expect("valid AMF0")),
                kind => format!("message {kind} {:?}", &message.payload[..]),
            });
        }
        assert!(input.is_empty());
        words
    }
}

/// A command in words: name, transaction, then what counts of its last value.
fn said(values: &[Value]) -> String {
    let (Some(name), Some(transaction)) = (values[0].as_str(), values[1].as_number()) else { panic!("{values:?}") };
    let last = values.last().expect("a value");
    let of = |property| last.get(property).and_then(Value::as_str);
    match (of("level"), of("code"), of("description")) {
        (Some("error"), Some(code), Some(description)) => format!("{name} {transaction} error {code}: {description}"),
        (Some(level), Some(code), _) => format!("{name} {transaction} {level} {code}"),
        _ => format!("{name} {transaction} {last:?}"),
    }
}

fn media(event: &IngestEvent) -> String {
    match event {
        IngestEvent::Frame(frame) => {
            let keyframe = if frame.keyframe { " key" } else { "" };
            format!("{:?} {} {}{keyframe}", frame.kind, frame.dts, frame.pts)
        }
        IngestEvent::VideoConfig(params) => format!("video {}x{}", params.sps.width, params.sps.height),
        IngestEvent::AudioConfig(params) => format!("audio {} Hz", params.sample_rate),
        IngestEvent::Metadata(metadata) => format!("{:?}", metadata.encoder),
        IngestEvent::Link(_) | IngestEvent::Lost { .. } | IngestEvent::Ended(_) => panic!("not of a session"),
    }
}

const CONNECTED: [&str; 3] =
    ["message 5 [0, 38, 37, 160]", "message 6 [0, 38, 37, 160, 2]", "_result 1 status NetConnection.Connect.Success"];

#[test]
fn ffmpeg_and_obs_are_led_to_publish() {
    let mut talk = Talk::new();
    assert_eq!(talk.say(&connect("live")), Ok(CONNECTED.map(str::to_owned).to_vec()));
    let window = chunk(5, 0, &2_500_000_u32.to_be_bytes());
    let dialect = [window, on_stream("releaseStream", 2.0, "key"), on_stream("FCPublish", 3.0, "key")];
    assert_eq!(talk.say(&dialect.concat()), Ok(vec!["_result 2 Other".to_owned(), "_result 3 Other".to_owned()]));
    let create = command("createStream", 4.0, vec![Amf0Value::Null]);
    assert_eq!(talk.say(&create), Ok(vec!["_result 4 Number(1.0)".to_owned()]));
    assert_eq!(talk.say(&publish("key")), Ok(vec!["PUBLISH key FMLE/3.0".to_owned()]));
    let started = talk.session.accept();
    assert_eq!(
        talk.heard(&started),
        ["onFCPublish 0 status NetStream.Publish.Start", "onStatus 0 status NetStream.Publish.Start"]
    );
}

#[test]
fn commands_without_transaction_are_not_answered() {
    let mut talk = Talk::new();
    talk.say(&connect("live")).expect("no error");
    let dialect = [on_stream("releaseStream", 0.0, "key"), on_stream("FCPublish", 0.0, "key")];
    assert_eq!(talk.say(&dialect.concat()), Ok(vec![]));
}

#[test]
fn commands_in_amf3_messages_are_understood() {
    let mut talk = Talk::new();
    let mut bytes = vec![0];
    bytes.extend(&connect("live")[12..]);
    assert_eq!(talk.say(&chunk(17, 0, &bytes)).map(|words| words.len()), Ok(3));
    assert_eq!(talk.say(&chunk(17, 0, &[])), Ok(vec![]));
}

#[test]
fn the_key_may_stand_in_the_url() {
    let mut talk = Talk::new();
    talk.say(&connect("live/key")).expect("no error");
    assert_eq!(talk.say(&publish("")), Ok(vec!["PUBLISH key FMLE/3.0".to_owned()]));
}

#[test]
fn an_unknown_application_is_rejected_in_the_answer_to_connect() {
    let (error, last_words) = Talk::new().fails(&connect("s3cret"));
    assert_eq!(error, SessionError::UnknownApp);
    let wanted = "_error 1 error NetConnection.Connect.Rejected: the application is unknown; the URL ends in /live";
    assert_eq!(last_words, [wanted]);
}

#[test]
fn keys_missing_doubled_or_endless_are_refused() {
    let refused = |app: &str, name: &str| {
        let mut talk = Talk::new();
        talk.say(&connect(app)).expect("no error");
        talk.fails(&publish(name)).1.concat()
    };
    let denied = "onStatus 0 error NetStream.Publish.Denied: the stream key";
    assert_eq!(refused("live", ""), format!("{denied} is missing"));
    assert_eq!(refused("live/a", "b"), format!("{denied} stands both in the URL and in the publish name"));
    assert_eq!(refused("live", &"k".repeat(300)), format!("{denied} has 300 bytes, it is not one of ours"));
}

#[test]
fn each_refusal_has_its_code_and_sentence() {
    let refused = |refusal: Refusal| {
        let mut talk = Talk::new();
        talk.say(&[connect("live"), publish("key")].concat()).expect("no error");
        let bytes = talk.session.refuse(&refusal);
        talk.heard(&bytes).concat()
    };
    let status = "onStatus 0 error NetStream.Publish";
    assert_eq!(refused(Refusal::WrongKey), format!("{status}.Denied: the stream key is wrong"));
    let in_use = "another encoder is sending with this stream key";
    assert_eq!(refused(Refusal::KeyInUse), format!("{status}.BadName: {in_use}"));
    assert_eq!(refused(Refusal::Unavailable("not today".to_owned())), format!("{status}.Denied: not today"));
}

#[test]
fn media_weir_does_not_take_ends_the_session_with_its_name() {
    let hevc = Talk::publishing().fails(&chunk(9, 0, b"\x90hvc1\x01")).1;
    assert_eq!(hevc, ["onStatus 0 error NetStream.Publish.Denied: video is HEVC; send H.264"]);
    let mp3 = Talk::publishing().fails(&chunk(8, 0, &[0x2f, 0])).1;
    assert_eq!(mp3, ["onStatus 0 error NetStream.Publish.Denied: audio is MP3; send AAC"]);
    let deep = Talk::publishing().fails(&chunk(9, 0, &[&[0x17, 0, 0, 0, 0], AVCC_422].concat())).0;
    let wanted = UnsupportedMedia::PixelFormat { bit_depth: 10, chroma_format_idc: 2 };
    assert_eq!(deep, SessionError::Unsupported(wanted));
    let broken = Talk::publishing().fails(&chunk(9, 0, &[0x17, 0, 0, 0, 0, 9])).0;
    assert!(matches!(broken, SessionError::Unsupported(UnsupportedMedia::VideoConfig(_))));
    let scalable = Talk::publishing().fails(&chunk(8, 0, &[0xaf, 0, 0x31, 0x90])).0;
    assert_eq!(scalable, SessionError::Unsupported(UnsupportedMedia::AacObjectType(6)));
}

#[test]
fn a_player_is_turned_away() {
    let mut talk = Talk::new();
    talk.say(&connect("live")).expect("no error");
    let (error, last_words) = talk.fails(&on_stream("play", 3.0, "key"));
    assert_eq!(error, SessionError::Play);
    let wanted = "onStatus 0 error NetStream.Play.Failed: this server takes streams in over RTMP, players use HLS";
    assert_eq!(last_words, [wanted]);
}

#[test]
fn a_bad_command_ends_the_session_before_connect_only() {
    let bomb = chunk(20, 0, &b"\x0a\0\0\0\x01".repeat(11_000));
    let (error, last_words) = Talk::new().fails(&bomb);
    assert_eq!((error, last_words.len()), (SessionError::Command(CommandError::Amf(amf0::AmfError::Depth)), 0));
    let (error, _) = Talk::new().fails(&publish("key"));
    assert_eq!(error, SessionError::NotConnected("publish".to_owned()));

    let mut talk = Talk::new();
    talk.say(&connect("live")).expect("no error");
    let wild = command("xyz", 9.0, vec![]);
    assert_eq!(talk.say(&[bomb, chunk(20, 0, &[]), connect("live"), wild].concat()), Ok(vec![]));
    assert_eq!(talk.say(&publish("key")).map(|words| words.len()), Ok(1));
}

#[test]
fn what_comes_while_the_answer_is_awaited_is_kept() {
    let mut talk = Talk::new();
    let config = chunk(8, 0, &[0xaf, 0, 0x11, 0x90]);
    let words = talk.say(&[connect("live"), publish("key"), config].concat()).expect("no error");
    assert_eq!(words.last().map(String::as_str), Some("PUBLISH key FMLE/3.0"));
    talk.session.accept();
    assert_eq!(talk.say(&[]), Ok(vec!["audio 48000 Hz".to_owned()]));
}

#[test]
fn parameters_are_told_once_and_again_when_they_change() {
    let mut talk = Talk::publishing();
    let avc = [&[0x17, 0, 0, 0, 0], AVCC].concat();
    let other = [&[0x17, 0, 0, 0, 0], AVCC, &[0]].concat();
    let aac = [0xaf, 0, 0x11, 0x90];
    let all = [&avc[..], &aac, &avc, &aac, &other, &[0xaf, 0, 0x12, 0x10], &avc]
        .map(|body| chunk(if body[0] == 0xaf { 8 } else { 9 }, 0, body));
    let words = talk.say(&all.concat()).expect("no error");
    assert_eq!(words, ["video 64x48", "audio 48000 Hz", "video 64x48", "audio 44100 Hz", "video 64x48"]);
}

#[test]
fn frames_carry_the_raw_clock_and_keyframes_are_what_the_bitstream_says() {
    let mut talk = Talk::publishing();
    talk.say(&chunk(9, 0, &[&[0x17, 0, 0, 0, 0], AVCC].concat())).expect("no error");
    talk.say(&chunk(8, 0, &[0xaf, 0, 0x11, 0x90])).expect("no error");
    let idr = [0, 0, 0, 1, 0x65];
    let slice = [0, 0, 0, 1, 0x41];
    let frames = [
        chunk(9, 1000, &[&[0x27, 1, 0, 0, 80][..], &idr].concat()),
        chunk(9, 1040, &[&[0x17, 1, 0xff, 0xff, 0xd8][..], &slice].concat()),
        chunk(8, 1001, &[0xaf, 1, 0x21]),
        chunk(9, 1080, &[0x17, 1, 0, 0, 0]),
        chunk(9, 1080, &[0x17, 2, 0, 0, 0]),
        chunk(9, 1080, &[0x17, 1, 0]),
    ];
    let words = talk.say(&frames.concat()).expect("no error");
    assert_eq!(words, ["Video 1000 1080 key", "Video 1040 1000", "Audio 1001 1001 key", "DROPPED malformed"]);
}

#[test]
fn frames_without_parameters_or_publication_are_dropped() {
    let media = [chunk(9, 0, &[0x27, 1, 0, 0, 0, 9]), chunk(8, 0, &[0xaf, 1, 9]), chunk(22, 0, &[9])].concat();
    let dropped = |reason: &str| format!("DROPPED {reason}");
    let mut talk = Talk::new();
    talk.say(&connect("live")).expect("no error");
    assert_eq!(talk.say(&media), Ok(["not_publishing", "not_publishing", "aggregate"].map(dropped).to_vec()));
    assert_eq!(Talk::publishing().say(&media), Ok(["no_config", "no_config", "aggregate"].map(dropped).to_vec()));
}

#[test]
fn metadata_is_handed_on_and_nonsense_is_not() {
    let object = [("encoder".to_owned(), text("obs"))].into_iter().collect();
    let values = vec![text("@setDataFrame"), text("onMetaData"), Amf0Value::Object(object)];
    let body = rml_rtmp::rml_amf0::serialize(&values).expect("serialized");
    let amf3 = [&[0][..], &body].concat();
    let data = [chunk(18, 0, &body), chunk(15, 0, &amf3), chunk(18, 0, &[]), chunk(18, 0, &[0x11]), chunk(15, 0, &[])];
    assert_eq!(Talk::publishing().say(&data.concat()), Ok(vec!["Some(\"obs\")".to_owned(); 2]));
}

#[test]
fn pings_are_answered() {
    let mut talk = Talk::publishing();
    let ping = chunk(4, 0, &[0, 6, 1, 2, 3, 4]);
    assert_eq!(talk.say(&ping), Ok(vec!["message 4 [0, 7, 1, 2, 3, 4]".to_owned()]));
    assert_eq!(talk.say(&[chunk(4, 0, &[0, 6, 1]), chunk(4, 0, &[0, 99, 0, 0, 0, 0])].concat()), Ok(vec![]));
}

#[test]
fn acknowledgements_carry_the_running_total() {
    let mut talk = Talk::publishing();
    talk.say(&chunk(5, 0, &100_000_u32.to_be_bytes())).expect("no error");
    let received = talk.session.acks.received;
    let message = chunk(18, 0, &[0; 25_000]);
    let words: Vec<_> = (0..4).flat_map(|_| talk.say(&message).expect("no error")).collect();
    // At half the window, counted from the beginning of the connection.
    let total = |bytes: u32| format!("message 3 {:?}", bytes.to_be_bytes());
    let first = received + 2 * 25_012;
    assert_eq!(words, [total(first), total(first + 2 * 25_012)]);
}

#[test]
fn large_messages_are_for_publishers_only() {
    let large = |bytes: usize| [chunk(1, 0, &0x7fff_ffff_u32.to_be_bytes()), chunk(18, 0, &vec![0; bytes])].concat();
    let mut talk = Talk::new();
    talk.say(&connect("live")).expect("no error");
    assert!(matches!(talk.fails(&large(70_000)).0, SessionError::Chunk(ChunkError::MessageTooLong { .. })));
    assert_eq!(Talk::publishing().say(&large(MAX)), Ok(vec![]));
    let (_, last_words) = Talk::publishing().fails(&large(MAX + 1));
    let wanted =
        "onStatus 0 error NetStream.Failed: a message of type 18 has 1048577 bytes, at most 1048576 are taken here";
    assert_eq!(last_words, [wanted]);
}

#[test]
fn an_encoder_that_is_done_gets_no_answer() {
    for name in ["FCUnpublish", "deleteStream", "closeStream"] {
        let mut talk = Talk::publishing();
        let done = [on_stream(name, 6.0, "key"), on_stream("deleteStream", 7.0, "key")].concat();
        assert_eq!(talk.say(&done), Ok(vec!["FINISHED".to_owned()]));
        assert!(talk.input.is_empty());
    }
}

#[test]
fn what_does_not_begin_like_rtmp_fails_at_its_first_byte() {
    let mut session = Session::new(MAX);
    let error = session.next(&mut BytesMut::from(&b"GET / HTTP/1.1\r\n"[..])).expect_err("refused");
    assert!(matches!(&error, SessionError::Handshake(_)), "{error}");
    assert!(session.farewell(&error).is_empty());
}

#[test]
fn a_plain_handshake_is_taken_too() {
    let mut session = Session::new(MAX);
    let c1: Vec<u8> = (0..1536_u32).map(|at| if at < 8 { 0 } else { (at * 7) as u8 }).collect();
    let mut input = BytesMut::from(&[&[3], &c1[..]].concat()[..]);
    let Ok(Some(Output::Send(answer))) = session.next(&mut input) else { panic!("no answer") };
    assert_eq!((answer.len(), &answer[1537..]), (1 + 2 * 1536, &c1[..]));
    input.extend_from_slice(&answer[1..1537]);
    assert!(matches!(session.next(&mut input), Ok(None)));
    assert!(!session.is_shaking_hands());
}

#[test]
fn ends_read_as_sentences() {
    assert_eq!(EndReason::Closed(CloseReason::Silent).to_string(), "no media came in, the stream was given up");
    assert_eq!(
        EndReason::Unsupported(UnsupportedMedia::Multitrack("video")).to_string(),
        "video comes as multitrack; send a single track"
    );
    assert_eq!(format!("{:?}", LostReason::QueueFull), "QueueFull");
}

/// The bytes of an encoder from the first to the last, with a handshake of the plain kind.
fn whole_session() -> Vec<u8> {
    let mut bytes = vec![3];
    bytes.extend([0; 2 * 1536]);
    let idr = [0x17, 1, 0, 0, 0, 0, 0, 0, 1, 0x65];
    bytes.extend([set_chunk_size(), connect("live"), publish("key")].concat());
    bytes.extend(chunk(9, 0, &[&[0x17, 0, 0, 0, 0], AVCC].concat()));
    bytes.extend(chunk(8, 0, &[0xaf, 0, 0x11, 0x90]));
    bytes.extend([chunk(9, 40, &idr), chunk(8, 41, &[0xaf, 1, 0x21]), chunk(9, 80, &idr)].concat());
    bytes.extend(on_stream("deleteStream", 7.0, "key"));
    bytes
}

/// Plays `bytes` to a session that accepts everybody; the words of what is not sent.
fn play(bytes: &[u8], piece: usize) -> Vec<String> {
    let mut session = Session::new(MAX);
    let mut input = BytesMut::new();
    let mut words = Vec::new();
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        loop {
            match session.next(&mut input) {
                Ok(None) => break,
                Ok(Some(Output::Publish { .. })) => drop(session.accept()),
                Ok(Some(Output::Media(event))) => words.push(media(&event)),
                Ok(Some(Output::Send(bytes))) => assert!(!bytes.is_empty()),
                Ok(Some(other)) => words.push(format!("{other:?}")),
                Err(error) => {
                    words.push(error.to_string());
                    session.farewell(&error);
                    return words;
                }
            }
        }
    }
    words
}

proptest! {
    #[test]
    fn a_session_split_anywhere_is_the_same_session(piece in 1_usize..4000) {
        let words = play(&whole_session(), piece);
        let wanted = ["video 64x48", "audio 48000 Hz", "Video 40 40 key", "Audio 41 41 key", "Video 80 80 key", "Finished"];
        prop_assert_eq!(words, wanted);
    }

    #[test]
    fn a_session_with_wrong_bytes_in_it_never_panics(
        faults in prop::collection::vec((3073_usize..3700, any::<u8>()), 0..12),
        cut in 3073_usize..4000,
        rest in prop::collection::vec(any::<u8>(), 0..300),
        piece in 1_usize..4000,
    ) {
        let mut bytes = whole_session();
        for (at, byte) in faults {
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        bytes.truncate(cut);
        bytes.extend(rest);
        play(&bytes, piece);
    }
}

#[test]
fn keys_are_never_printed() {
    let key = StreamKey::new("s3cret");
    assert_eq!(format!("{key} {key:?}"), "redacted StreamKey(redacted)");
    let output = Output::Publish { key, encoder: Encoder::default() };
    assert!(!format!("{output:?}").contains("s3cret"));
    assert_eq!(Bytes::from_static(b"s3cret"), StreamKey::new("s3cret").as_bytes());
}
