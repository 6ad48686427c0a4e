//! Follows a live presentation and has everything judged that comes.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::across::{self, resolve};
use crate::cmaf;
use crate::exchange::{self, Exchange};
use crate::finding::{Finding, Sink};
use crate::http::Client;
use crate::multivariant::{self, Multivariant, Variant};
use crate::pair::{self, Pace};
use crate::playlist::{Part, Playlist, Segment, read};
use crate::rules;
use crate::track::{Declared, Track};

/// How long and how to watch.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// For how long; it ends sooner when the presentation does.
    pub lasts: Duration,
    /// Rules that may be broken.
    pub allow: Vec<String>,
    /// Where to keep every state of every playlist, for other judges.
    pub keep: Option<PathBuf>,
    /// For how long the server may be away at a time. What it says when it is back is judged as if it had been there.
    pub away: Duration,
    /// Who is told of each finding at once; those of [`allow`](Self::allow) too.
    pub told: Option<mpsc::UnboundedSender<Finding>>,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Everything that breaks a rule.
    pub findings: Vec<Finding>,
    /// Renditions followed, I-frame playlists among them.
    pub renditions: usize,
    /// States of playlists judged.
    pub playlists: usize,
    /// Parts and segments fetched.
    pub parts: usize,
    /// See [`parts`](Self::parts).
    pub segments: usize,
    /// Gap segments seen.
    pub gaps: usize,
    /// Discontinuities seen.
    pub discontinuities: usize,
    /// For how long it was watched.
    pub took: Duration,
}

/// Playlists change on their own, and the renditions are compared now and then only.
const COMPARED_EVERY: Duration = Duration::from_secs(1);

struct Shared {
    client: Client,
    options: Options,
    begun: Instant,
    report: Mutex<Report>,
}

/// Watches the presentation whose multivariant playlist is at `url` (`http:` only).
///
/// # Errors
/// The server cannot be reached, or there is no presentation.
pub async fn watch(url: &str, options: Options) -> Result<Report> {
    let (client, path) = Client::connect(url, options.away).await?;
    if let Some(folder) = &options.keep {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let shared = Arc::new(Shared { client, options, begun: Instant::now(), report: Mutex::default() });
    let answer = shared.client.get(&path).await?;
    ensure!(answer.status == 200, "{url} is answered with {}", answer.status);
    let multivariant = shared.multivariant(&path, &answer)?;
    let mut tasks = JoinSet::new();
    let mut media: Vec<String> = multivariant.variants.iter().map(|variant| resolve(&path, &variant.uri)).collect();
    media.extend(
        multivariant.media.iter().filter(|media| !media.uri.is_empty()).map(|media| resolve(&path, &media.uri)),
    );
    media.sort();
    media.dedup();
    for path in &media {
        tasks.spawn(Follower::new(Arc::clone(&shared), path.clone()).run());
    }
    for uri in &multivariant.iframes {
        tasks.spawn(Follower::new(Arc::clone(&shared), resolve(&path, uri)).run());
    }
    tasks.spawn(compare(Arc::clone(&shared), media.clone()));
    tasks.spawn(probe(Arc::clone(&shared), media.first().cloned()));
    let mut tracks = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        tracks.extend(ended.context("a follower failed")??);
    }
    let last = shared.client.get(&path).await?;
    let multivariant = if last.status == 200 { shared.multivariant(&path, &last)? } else { multivariant };
    shared.bandwidths(&path, &multivariant, &tracks);
    let mut report = shared.report.lock().unwrap_or_else(PoisonError::into_inner).clone();
    report.findings.retain(|finding| !shared.options.allow.iter().any(|rule| rule == finding.rule));
    (report.renditions, report.took) = (tracks.len(), shared.begun.elapsed());
    Ok(report)
}

impl Shared {
    fn is_over(&self) -> bool {
        self.begun.elapsed() >= self.options.lasts
    }

    fn with<T>(&self, change: impl FnOnce(&mut Report) -> T) -> T {
        change(&mut self.report.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn take(&self, sink: Sink) {
        if let Some(told) = &self.options.told {
            // Who has gone need not be told.
            sink.findings.iter().for_each(|finding| drop(told.send(finding.clone())));
        }
        self.with(|report| report.findings.extend(sink.findings));
    }

    fn multivariant(&self, path: &str, answer: &Exchange) -> Result<Multivariant> {
        let mut sink = Sink::new(path);
        exchange::playlist(answer, 1, false, false, &mut sink);
        let text = std::str::from_utf8(&answer.body).with_context(|| format!("{path} is no UTF-8"))?;
        let found = multivariant::judge(text, &mut sink);
        self.keep(path, text)?;
        self.take(sink);
        Ok(found)
    }

    fn keep(&self, path: &str, text: &str) -> Result<()> {
        let Some(folder) = &self.options.keep else { return Ok(()) };
        let number = self.with(|report| report.playlists);
        let name = format!("{number:06}-{}", path.trim_matches('/').replace('/', "_"));
        std::fs::write(folder.join(&name), text).with_context(|| format!("cannot write {name}"))
    }

    /// Declared against measured: a variant is its own track and the audio of its group.
    fn bandwidths(&self, base: &str, multivariant: &Multivariant, tracks: &[Followed]) {
        let mut sink = Sink::new(base);
        let track = |uri: &str| tracks.iter().find(|followed| followed.path == resolve(base, uri));
        for variant in &multivariant.variants {
            let audio = multivariant.media.iter().find(|media| Some(&media.group) == variant.audio.as_ref());
            let Some(own) = track(&variant.uri) else { continue };
            let with = audio.and_then(|media| track(&media.uri));
            measured(variant, own, with, &mut sink);
        }
        self.take(sink);
    }
}

fn measured(variant: &Variant, own: &Followed, audio: Option<&Followed>, sink: &mut Sink) {
    let rates = |followed: &Followed| followed.track.rates(followed.target_s);
    let (own_rates, audio_rates) = (rates(own), audio.map_or((0, 0), rates));
    let (peak, average) = (own_rates.0 + audio_rates.0, own_rates.1 + audio_rates.1);
    let line = variant.line;
    sink.check("C-peak", line, peak * 100 <= variant.bandwidth * 125, || {
        format!("measured {peak}, BANDWIDTH {}", variant.bandwidth)
    });
    sink.check("C-average", line, average * 100 <= variant.average * 110, || {
        format!("measured {average}, AVERAGE-BANDWIDTH {}", variant.average)
    });
    let inits = |followed: &Followed| followed.track.inits.values().flatten().cloned().collect::<Vec<_>>();
    for init in inits(own).iter().chain(&audio.map_or_else(Vec::new, inits)) {
        let codec = variant.codecs.split(',').any(|codec| codec == init.codec);
        // The playlist of a rendition that its encoder no longer fills goes on with another's.
        let sole = inits(own).len() == 1 || !init.video;
        sink.check("C-codecs", line, !sole || codec, || {
            format!("CODECS {:?}, the media are {}", variant.codecs, init.codec)
        });
        let size = !init.video || variant.resolution.is_none_or(|wanted| wanted == init.size);
        sink.check("C-codecs", line, !sole || size, || {
            format!("RESOLUTION {:?}, the media are {:?}", variant.resolution, init.size)
        });
    }
}

/// What a follower leaves behind.
struct Followed {
    path: String,
    track: Track,
    target_s: u64,
}

/// Follows one media playlist.
struct Follower {
    shared: Arc<Shared>,
    path: String,
    track: Track,
    last: Option<Playlist>,
    pace: Pace,
    seen: HashSet<String>,
    /// Bytes of the parts of the segment that is not finished.
    open: Vec<u8>,
    reloads: u64,
}

/// Of so many reloads one asks for a delta, and one for media that left.
const DELTA_EVERY: u64 = 7;
const LEFT_EVERY: u64 = 11;
/// Segments that are asked for once more at the end.
const ASKED_AGAIN: usize = 3;

impl Follower {
    fn new(shared: Arc<Shared>, path: String) -> Self {
        let (track, last, pace, seen, open) = Default::default();
        Self { shared, path, track, last, pace, seen, open, reloads: 0 }
    }

    async fn run(mut self) -> Result<Option<Followed>> {
        while !self.shared.is_over() && !self.last.as_ref().is_some_and(|last| last.ended) {
            let asked = self.last.as_ref().and_then(next_asked);
            let answer = self.shared.client.get(&with_directives(&self.path, asked)).await?;
            let at = self.shared.begun.elapsed();
            // A held request may end in 503 while nothing comes; the next one shows what is there.
            if answer.status == 503 && asked.is_some() {
                let target = self.last.as_ref().and_then(|last| last.target_s).unwrap_or(1);
                let mut sink = Sink::new(&self.path);
                sink.check("P12", 0, answer.took.as_secs() < 3 * target, || {
                    format!("nothing came for {:?}", answer.took)
                });
                self.shared.take(sink);
                continue;
            }
            self.see(&answer, asked, at).await?;
            if asked.is_none() && !self.last.as_ref().is_some_and(|last| last.ended) {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
        self.again().await?;
        let mut sink = Sink::new(&self.path);
        self.pace.finish(&mut sink);
        self.shared.take(sink);
        let target_s = self.last.as_ref().and_then(|last| last.target_s).unwrap_or(1);
        Ok(Some(Followed { path: self.path, track: self.track, target_s }))
    }

    async fn see(&mut self, answer: &Exchange, asked: Option<(u64, Option<u64>)>, at: Duration) -> Result<()> {
        let mut sink = Sink::new(&self.path);
        if answer.status != 200 {
            exchange::playlist(answer, 1, asked.is_some(), true, &mut sink);
            self.shared.take(sink);
            anyhow::bail!("{} is answered with {}", answer.path, answer.status);
        }
        let text = std::str::from_utf8(&answer.body).with_context(|| format!("{} is no UTF-8", self.path))?.to_owned();
        let playlist = read(&text, &mut sink);
        let live = !playlist.ended;
        exchange::playlist(answer, playlist.target_s.unwrap_or(1), asked.is_some(), live, &mut sink);
        rules::judge(&playlist, &mut sink);
        if let Some((msn, part)) = asked {
            exchange::blocked(&playlist, msn, part, &mut sink);
        }
        if let Some(before) = &self.last {
            pair::judge(before, &playlist, &mut sink);
        }
        self.pace.see(&playlist, at, &mut sink);
        self.shared.with(|report| report.playlists += 1);
        self.shared.keep(&self.path, &text)?;
        self.reloads += 1;
        if self.reloads.is_multiple_of(DELTA_EVERY) {
            self.delta(&mut sink).await?;
        }
        if self.reloads.is_multiple_of(LEFT_EVERY) {
            self.left(&playlist, &mut sink).await?;
        }
        self.media(&playlist, &mut sink).await?;
        self.last = Some(playlist);
        self.shared.take(sink);
        Ok(())
    }

    /// Asks for a delta and, beside it, for the full playlist: where both end alike, one must be in the other.
    async fn delta(&self, sink: &mut Sink) -> Result<()> {
        let (delta, full) = (format!("{}?_HLS_skip=YES", self.path), self.path.clone());
        let (delta, full) = tokio::try_join!(self.shared.client.get(&delta), self.shared.client.get(&full))?;
        let text = |exchange: &Exchange| String::from_utf8_lossy(&exchange.body).into_owned();
        let (delta, full) = (text(&delta), text(&full));
        let mut ignored = Sink::default();
        let (skipped, whole) = (read(&delta, sink), read(&full, &mut ignored));
        rules::judge(&skipped, sink);
        let same_moment = skipped.next_msn() == whole.next_msn() && skipped.open.parts.len() == whole.open.parts.len();
        if same_moment {
            delta_fits(&skipped, &whole, sink);
        }
        Ok(())
    }

    /// Asks once more for the first segment of the playlist before, which may have left: it must still be there.
    async fn left(&mut self, now: &Playlist, sink: &mut Sink) -> Result<()> {
        let Some((msn, segment)) = self.last.as_ref().and_then(|last| last.numbered().next()) else { return Ok(()) };
        if segment.gap || segment.uri.is_empty() {
            return Ok(());
        }
        let url = resolve(&self.path, &segment.uri);
        let answer = self.shared.client.get(&url).await?;
        exchange::media(&answer, false, msn < now.msn, sink);
        self.track.same_bytes(&url, &answer.body, sink);
        Ok(())
    }

    /// Asks once more for the newest segments: a URL never gets other bytes.
    async fn again(&mut self) -> Result<()> {
        let Some(last) = &self.last else { return Ok(()) };
        let whole = last.segments.iter().rev().filter(|segment| !segment.gap).take(ASKED_AGAIN);
        let uris: Vec<_> = whole.map(|segment| segment.uri.clone()).collect();
        let mut sink = Sink::new(&self.path);
        for uri in uris {
            self.fetch(&uri, &mut sink).await?;
        }
        self.shared.take(sink);
        Ok(())
    }

    async fn media(&mut self, playlist: &Playlist, sink: &mut Sink) -> Result<()> {
        for (_, segment) in playlist.numbered() {
            let finished = !segment.uri.is_empty();
            if finished && !self.seen.insert(segment.uri.clone()) {
                continue;
            }
            if segment.gap {
                self.track.interrupted();
                self.open.clear();
                self.shared.with(|report| report.gaps += 1);
                continue;
            }
            let Some(map) = &segment.map else { continue };
            let map = resolve(&self.path, map);
            if !self.track.inits.contains_key(&map) {
                self.init(&map, sink).await?;
            }
            if playlist.iframes_only {
                self.iframe(segment, &map, sink).await?;
                continue;
            }
            self.parts(segment, &map, sink).await?;
            if finished {
                self.segment(segment, &map, sink).await?;
            }
        }
        Ok(())
    }

    async fn init(&mut self, map: &str, sink: &mut Sink) -> Result<()> {
        let answer = self.shared.client.get(map).await?;
        exchange::media(&answer, true, false, sink);
        self.track.same_bytes(map, &answer.body, sink);
        let init = cmaf::init(&answer.body, sink);
        self.track.inits.insert(map.to_owned(), init);
        Ok(())
    }

    async fn parts(&mut self, segment: &Segment, map: &str, sink: &mut Sink) -> Result<()> {
        for part in &segment.parts {
            if part.gap || !self.seen.insert(part.uri.clone()) {
                continue;
            }
            let body = self.fetch(&part.uri, sink).await?;
            self.shared.with(|report| report.parts += 1);
            if part == &segment.parts[0] {
                self.open.clear();
            }
            self.open.extend_from_slice(&body);
            self.judge_part(part, map, &body, sink);
        }
        Ok(())
    }

    fn judge_part(&self, part: &Part, map: &str, body: &[u8], sink: &mut Sink) {
        let Some(Some(init)) = self.track.inits.get(map) else { return };
        if let Some(media) = cmaf::media(body, init, sink) {
            let (duration_us, independent) = (part.duration_us, Some(part.independent));
            self.track.declared(&media, Declared { map, duration_us, independent, discontinuity: false }, sink);
        }
    }

    async fn segment(&mut self, segment: &Segment, map: &str, sink: &mut Sink) -> Result<()> {
        let body = self.fetch(&segment.uri, sink).await?;
        self.shared.with(|report| {
            report.segments += 1;
            report.discontinuities += usize::from(segment.discontinuity);
        });
        let opened = std::mem::take(&mut self.open);
        sink.check("C-parts", segment.line, segment.parts.is_empty() || opened == body, || {
            format!("{} is not what its parts are: {} bytes and {}", segment.uri, body.len(), opened.len())
        });
        let Some(Some(init)) = self.track.inits.get(map).cloned() else { return Ok(()) };
        if let Some(media) = cmaf::media(&body, &init, sink) {
            let (duration_us, discontinuity) = (segment.duration_us, segment.discontinuity);
            let declared = Declared { map, duration_us, independent: None, discontinuity };
            self.track.declared(&media, declared, sink);
            self.track.follows(&media, body.len(), declared, sink);
        }
        Ok(())
    }

    async fn iframe(&mut self, segment: &Segment, map: &str, sink: &mut Sink) -> Result<()> {
        let body = self.fetch(&segment.uri, sink).await?;
        let Some(Some(init)) = self.track.inits.get(map).cloned() else { return Ok(()) };
        let Some(media) = cmaf::media(&body, &init, sink) else { return Ok(()) };
        let wanted = (media.first_sample.1 - media.first_sample.0, media.first_sample.0);
        sink.check("C-iframe", segment.line, segment.range == Some(wanted) && media.idr, || {
            format!("the range {:?}, the first picture is at {wanted:?}", segment.range)
        });
        Ok(())
    }

    async fn fetch(&mut self, uri: &str, sink: &mut Sink) -> Result<bytes::Bytes> {
        let url = resolve(&self.path, uri);
        let answer = self.shared.client.get(&url).await?;
        exchange::media(&answer, false, false, sink);
        self.track.same_bytes(&url, &answer.body, sink);
        Ok(answer.body)
    }
}

/// Judges that a delta update is the full playlist of the same moment without its skipped head.
pub fn delta_fits(delta: &Playlist, full: &Playlist, sink: &mut Sink) {
    let skipped = delta.skipped.unwrap_or(0) as usize;
    let kept = full.segments.get(skipped..).unwrap_or_default();
    let shape = |segments: &[Segment]| {
        segments
            .iter()
            .map(|s| (s.uri.clone(), s.duration_us, s.date_ms, s.discontinuity, s.gap, s.parts.len()))
            .collect::<Vec<_>>()
    };
    let same = shape(&delta.segments) == shape(kept) && delta.dseq == full.dseq && delta.msn == full.msn;
    sink.check("L13", 0, same, || format!("a delta that skips {skipped} does not make the full playlist"));
}

/// What to ask for next, where reloads can block.
fn next_asked(last: &Playlist) -> Option<(u64, Option<u64>)> {
    last.control.filter(|control| control.block)?;
    let parts = last.open.parts.len() as u64;
    Some((last.next_msn(), last.part_target_us.map(|_| parts)))
}

fn with_directives(path: &str, asked: Option<(u64, Option<u64>)>) -> String {
    match asked {
        None => path.to_owned(),
        Some((msn, None)) => format!("{path}?_HLS_msn={msn}"),
        Some((msn, Some(part))) => format!("{path}?_HLS_msn={msn}&_HLS_part={part}"),
    }
}

/// Compares the renditions with one another, now and then.
async fn compare(shared: Arc<Shared>, paths: Vec<String>) -> Result<Option<Followed>> {
    while !shared.is_over() {
        let mut fetches = JoinSet::new();
        for path in paths.clone() {
            let shared = Arc::clone(&shared);
            fetches.spawn(async move {
                let answer = shared.client.get(&path).await;
                answer.map(|answer| (path, answer))
            });
        }
        let mut renditions = Vec::new();
        while let Some(fetched) = fetches.join_next().await {
            let (path, answer) = fetched.context("a request failed")??;
            if answer.status == 200 {
                let playlist = read(&String::from_utf8_lossy(&answer.body), &mut Sink::default());
                renditions.push((path, playlist));
            }
        }
        let ended = renditions.iter().any(|(_, playlist)| playlist.ended);
        let mut sink = Sink::new("all renditions");
        across::judge(&renditions, &mut sink);
        shared.take(sink);
        if ended {
            break;
        }
        tokio::time::sleep(COMPARED_EVERY).await;
    }
    Ok(None)
}

/// Asks what nobody should ask.
async fn probe(shared: Arc<Shared>, path: Option<String>) -> Result<Option<Followed>> {
    let Some(path) = path else { return Ok(None) };
    let plain = shared.client.get(&path).await?;
    let playlist = read(&String::from_utf8_lossy(&plain.body), &mut Sink::default());
    if playlist.ended || next_asked(&playlist).is_none() {
        return Ok(None);
    }
    let mut sink = Sink::new(&path);
    let far = playlist.next_msn() + 50;
    for (rule, query, wanted) in [
        ("L11-alone", "_HLS_part=0".to_owned(), 400),
        ("L11-ahead", format!("_HLS_msn={far}"), 400),
        ("L11-old", format!("_HLS_msn={}", playlist.msn), 200),
    ] {
        exchange::probe(rule, &shared.client.get(&format!("{path}?{query}")).await?, wanted, &mut sink);
    }
    let missing = resolve(&path, "no-such-part.m4s");
    exchange::probe("L9", &shared.client.get(&missing).await?, 404, &mut sink);
    shared.take(sink);
    Ok(None)
}
