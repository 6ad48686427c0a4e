//! A strict reader of the playlists that weir may write, sharing no code with what writes them. What it does
//! not know it refuses.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

/// An attribute list (rfc8216bis 4.2), quoted strings with their quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, String>);

impl Attributes {
    fn parse(text: &str) -> Result<Self> {
        let mut map = BTreeMap::new();
        let mut rest = text;
        loop {
            let (name, after) = rest.split_once('=').with_context(|| format!("no = in {rest:?}"))?;
            let named = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-';
            ensure!(!name.is_empty() && name.chars().all(named), "attribute name {name:?}");
            let length = match after.strip_prefix('"') {
                Some(inner) => inner.find('"').with_context(|| format!("{name} has no closing quote"))? + 2,
                None => after.find(',').unwrap_or(after.len()),
            };
            let (value, tail) = after.split_at(length);
            let quoted = value.starts_with('"');
            ensure!(!value.is_empty() && (quoted || !value.contains([' ', '"', '\t'])), "{name} is {value:?}");
            ensure!(map.insert(name.to_owned(), value.to_owned()).is_none(), "{name} twice");
            if tail.is_empty() {
                return Ok(Self(map));
            }
            rest = tail.strip_prefix(',').with_context(|| format!("no comma before {tail:?}"))?;
        }
    }

    /// An unquoted value.
    pub fn plain(&self, name: &str) -> Result<&str> {
        let value = self.0.get(name).with_context(|| format!("no {name}"))?;
        ensure!(!value.starts_with('"'), "{name} must not be quoted");
        Ok(value)
    }

    /// A quoted value, without its quotes.
    pub fn quoted(&self, name: &str) -> Result<&str> {
        let value = self.0.get(name).with_context(|| format!("no {name}"))?;
        value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).with_context(|| format!("{name} must be quoted"))
    }

    /// An unquoted whole number.
    pub fn number(&self, name: &str) -> Result<u64> {
        decimal(self.plain(name)?)
    }
}

/// One EXT-X-STREAM-INF and its URI.
#[derive(Debug, Clone)]
pub struct Variant {
    /// The attributes.
    pub attributes: Attributes,
    /// The URI as written.
    pub uri: String,
}

/// A multivariant playlist (rfc8216bis 4.4.6).
#[derive(Debug, Clone)]
pub struct Multivariant {
    /// In the order written.
    pub variants: Vec<Variant>,
    /// The EXT-X-MEDIA lines.
    pub media: Vec<Attributes>,
}

impl Multivariant {
    /// Reads a playlist; anything unknown, missing or doubled is an error.
    pub fn parse(text: &str) -> Result<Self> {
        let mut playlist = Self { variants: Vec::new(), media: Vec::new() };
        let (mut pending, mut independent, mut version) = (None, false, None);
        for line in lines(text)? {
            if let Some(attributes) = pending.take() {
                ensure!(!line.starts_with('#'), "{line:?} where a URI must follow EXT-X-STREAM-INF");
                playlist.variants.push(Variant { attributes, uri: line.to_owned() });
                continue;
            }
            match tag(line) {
                ("#EXT-X-VERSION", Some(n)) => once(&mut version, decimal(n)?, line)?,
                ("#EXT-X-INDEPENDENT-SEGMENTS", None) if !independent => independent = true,
                ("#EXT-X-MEDIA", Some(list)) => playlist.media.push(Attributes::parse(list).context(line.to_owned())?),
                ("#EXT-X-I-FRAME-STREAM-INF", Some(list)) => {
                    let list = Attributes::parse(list).context(line.to_owned())?;
                    list.quoted("URI").and(list.quoted("CODECS")).context(line.to_owned())?;
                }
                ("#EXT-X-STREAM-INF", Some(list)) => {
                    pending = Some(Attributes::parse(list).context(line.to_owned())?);
                }
                _ => bail!("unknown or doubled line {line:?}"),
            }
        }
        ensure!(independent, "no EXT-X-INDEPENDENT-SEGMENTS");
        ensure!(pending.is_none() && !playlist.variants.is_empty(), "no variant, or one without a URI");
        // Nothing in such a playlist needs more (rfc8216bis 8).
        ensure!(version.unwrap_or(1) <= 6, "version {version:?}");
        for variant in &playlist.variants {
            playlist.check_variant(&variant.attributes).with_context(|| format!("variant {}", variant.uri))?;
        }
        Ok(playlist)
    }

    fn check_variant(&self, attributes: &Attributes) -> Result<()> {
        let (peak, average) = (attributes.number("BANDWIDTH")?, attributes.number("AVERAGE-BANDWIDTH")?);
        ensure!(average > 0 && average <= peak, "AVERAGE-BANDWIDTH {average}, BANDWIDTH {peak}");
        let (width, height) = resolution(attributes)?;
        ensure!(width > 0 && height > 0, "RESOLUTION {width}x{height}");
        let rate = attributes.plain("FRAME-RATE")?;
        ensure!(rate.split_once('.').is_some_and(|(_, decimals)| decimals.len() == 3), "FRAME-RATE {rate}");
        ensure!(attributes.plain("CLOSED-CAPTIONS")? == "NONE", "CLOSED-CAPTIONS");
        let codecs = attributes.quoted("CODECS")?;
        ensure!(codecs.contains("avc1.") && codecs.contains("mp4a.40.2") && !codecs.contains(' '), "CODECS {codecs}");
        let group = attributes.quoted("AUDIO")?;
        let media = self.media.iter().find(|media| media.quoted("GROUP-ID").is_ok_and(|id| id == group));
        let media = media.with_context(|| format!("no EXT-X-MEDIA of group {group}"))?;
        ensure!(media.plain("TYPE")? == "AUDIO" && media.quoted("CHANNELS")? == "2", "EXT-X-MEDIA of {group}");
        ensure!(!media.quoted("NAME")?.is_empty() && !media.quoted("LANGUAGE")?.is_empty(), "NAME, LANGUAGE");
        Ok(())
    }
}

/// Width and height that a variant declares.
pub fn resolution(attributes: &Attributes) -> Result<(u64, u64)> {
    let (width, height) = attributes.plain("RESOLUTION")?.split_once('x').context("RESOLUTION without x")?;
    Ok((decimal(width)?, decimal(height)?))
}

/// One segment of a media playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Media sequence number.
    pub msn: u64,
    /// Discontinuity sequence number: those of one epoch share it.
    pub epoch: u64,
    /// The URI as written.
    pub uri: String,
    /// The URI of its initialisation section as written.
    pub map: String,
    /// EXTINF in microseconds.
    pub micros: u64,
    /// EXT-X-PROGRAM-DATE-TIME in milliseconds since 1970.
    pub date_ms: i64,
    /// EXT-X-GAP: there is nothing to be had under the URI.
    pub gap: bool,
}

/// A media playlist (rfc8216bis 4.4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaPlaylist {
    /// EXT-X-TARGETDURATION in seconds.
    pub target_duration: u64,
    /// EXT-X-MEDIA-SEQUENCE.
    pub media_sequence: u64,
    /// EXT-X-DISCONTINUITY-SEQUENCE.
    pub discontinuity_sequence: u64,
    /// How many EXT-X-DISCONTINUITY lines it holds.
    pub discontinuities: usize,
    /// EXT-X-PART lines, of all segments and of the one that is not finished.
    pub parts: usize,
    /// Those of the segment that is not finished.
    pub open_parts: usize,
    /// Whether there is an EXT-X-ENDLIST.
    pub ended: bool,
    /// In the order written.
    pub segments: Vec<Segment>,
}

/// A media playlist on its way through [`MediaPlaylist::parse`].
#[derive(Default)]
struct Reading {
    control: Option<()>,
    part_target: Option<u64>,
    parts: usize,
    /// Parts since the last segment.
    open_parts: usize,
    hint: Option<()>,
    gap: Option<()>,
    version: Option<u64>,
    target: Option<u64>,
    sequence: Option<u64>,
    discontinuity_sequence: Option<u64>,
    map: Option<String>,
    discontinuity: Option<()>,
    date_ms: Option<i64>,
    micros: Option<u64>,
    ended: Option<()>,
    discontinuities: usize,
    segments: Vec<Segment>,
}

impl MediaPlaylist {
    /// Reads a playlist; anything unknown, missing, doubled or out of order is an error.
    pub fn parse(text: &str) -> Result<Self> {
        let mut reading = Reading::default();
        for line in lines(text)? {
            ensure!(reading.ended.is_none(), "{line:?} after EXT-X-ENDLIST");
            reading.line(line).with_context(|| format!("at {line:?}"))?;
        }
        reading.finish()
    }

    /// The sum of all EXTINF, in microseconds.
    pub fn total_micros(&self) -> u64 {
        self.segments.iter().map(|segment| segment.micros).sum()
    }

    /// The number that the next segment will have.
    pub fn next_msn(&self) -> u64 {
        self.media_sequence + self.segments.len() as u64
    }
}

impl Reading {
    fn line(&mut self, line: &str) -> Result<()> {
        match tag(line) {
            ("#EXT-X-VERSION", Some(n)) => once(&mut self.version, decimal(n)?, line),
            ("#EXT-X-TARGETDURATION", Some(n)) => once(&mut self.target, decimal(n)?, line),
            ("#EXT-X-MEDIA-SEQUENCE", Some(n)) if self.segments.is_empty() => {
                once(&mut self.sequence, decimal(n)?, line)
            }
            ("#EXT-X-DISCONTINUITY-SEQUENCE", Some(n)) if self.segments.is_empty() && self.discontinuities == 0 => {
                once(&mut self.discontinuity_sequence, decimal(n)?, line)
            }
            ("#EXT-X-MAP", Some(list)) => {
                self.map = Some(Attributes::parse(list)?.quoted("URI")?.to_owned());
                Ok(())
            }
            ("#EXT-X-DISCONTINUITY", None) => {
                self.discontinuities += 1;
                once(&mut self.discontinuity, (), line)
            }
            ("#EXT-X-PROGRAM-DATE-TIME", Some(date)) => once(&mut self.date_ms, date_ms(date)?, line),
            ("#EXTINF", Some(value)) => {
                let seconds = value.strip_suffix(',').context("EXTINF without its comma, or with a title")?;
                once(&mut self.micros, micros(seconds)?, line)
            }
            ("#EXT-X-SERVER-CONTROL", Some(list)) => {
                let list = Attributes::parse(list)?;
                ensure!(list.plain("CAN-BLOCK-RELOAD")? == "YES", "no blocking reload");
                once(&mut self.control, (), line)
            }
            ("#EXT-X-PART-INF", Some(list)) => {
                once(&mut self.part_target, micros(Attributes::parse(list)?.plain("PART-TARGET")?)?, line)
            }
            ("#EXT-X-PART", Some(list)) => self.part(&Attributes::parse(list)?),
            ("#EXT-X-PRELOAD-HINT", Some(list)) => {
                ensure!(Attributes::parse(list)?.plain("TYPE")? == "PART", "a hint at something else than a part");
                once(&mut self.hint, (), line)
            }
            ("#EXT-X-RENDITION-REPORT", Some(list)) => {
                let list = Attributes::parse(list)?;
                list.quoted("URI").and(list.number("LAST-MSN"))?;
                Ok(())
            }
            ("#EXT-X-GAP", None) => once(&mut self.gap, (), line),
            ("#EXT-X-ENDLIST", None) => once(&mut self.ended, (), line),
            (uri, _) if !uri.starts_with('#') => self.segment(line),
            _ => bail!("unknown or misplaced"),
        }
    }

    fn part(&mut self, list: &Attributes) -> Result<()> {
        let (target, micros) =
            (self.part_target.context("no EXT-X-PART-INF before it")?, micros(list.plain("DURATION")?)?);
        ensure!(micros > 0 && micros <= target, "a part of {micros} us, PART-TARGET is {target} us");
        list.quoted("URI")?;
        ensure!(self.date_ms.is_some(), "no EXT-X-PROGRAM-DATE-TIME before the first part");
        self.parts += 1;
        self.open_parts += 1;
        Ok(())
    }

    fn segment(&mut self, uri: &str) -> Result<()> {
        let target = self.target.context("no EXT-X-TARGETDURATION before it")?;
        let micros = self.micros.take().context("no EXTINF")?;
        ensure!((micros + 500_000) / 1_000_000 <= target, "EXTINF of {micros} us over a target of {target} s");
        ensure!(!uri.contains(char::is_whitespace), "blanks in a URI");
        let first = self.discontinuity_sequence.context("no EXT-X-DISCONTINUITY-SEQUENCE before it")?;
        self.discontinuity = None;
        self.open_parts = 0;
        let gap = self.gap.take().is_some();
        // A gap has nothing that a map could be for, and before one it may be left out.
        let map = if gap { String::new() } else { self.map.clone().context("no EXT-X-MAP before it")? };
        self.segments.push(Segment {
            msn: self.sequence.context("no EXT-X-MEDIA-SEQUENCE before it")? + self.segments.len() as u64,
            epoch: first + self.discontinuities as u64,
            uri: uri.to_owned(),
            map,
            micros,
            date_ms: self.date_ms.take().context("no EXT-X-PROGRAM-DATE-TIME")?,
            gap,
        });
        Ok(())
    }

    fn finish(self) -> Result<MediaPlaylist> {
        let begun = self.date_ms.is_some() || self.discontinuity.is_some();
        let dangling = self.micros.is_some() || self.gap.is_some() || (begun && self.open_parts == 0);
        ensure!(!dangling, "tags of a segment that is not there");
        // EXT-X-GAP, which may come at any time, needs 8, nothing else needs more (rfc8216bis 8).
        ensure!(self.version == Some(8), "version {:?}, wanted 8", self.version);
        Ok(MediaPlaylist {
            target_duration: self.target.context("no EXT-X-TARGETDURATION")?,
            media_sequence: self.sequence.context("no EXT-X-MEDIA-SEQUENCE")?,
            discontinuity_sequence: self.discontinuity_sequence.context("no EXT-X-DISCONTINUITY-SEQUENCE")?,
            discontinuities: self.discontinuities,
            parts: self.parts,
            open_parts: self.open_parts,
            ended: self.ended.is_some(),
            segments: self.segments,
        })
    }
}

/// The lines behind `#EXTM3U`, blank ones left out.
fn lines(text: &str) -> Result<impl Iterator<Item = &str>> {
    ensure!(!text.chars().any(|c| c == '\u{feff}' || c.is_control() && c != '\n'), "BOM or control characters");
    let rest = text.strip_prefix("#EXTM3U\n").context("does not begin with #EXTM3U")?;
    ensure!(text.ends_with('\n'), "the last line is not ended");
    if let Some(line) = rest.lines().find(|line| line.trim() != *line) {
        bail!("blanks around {line:?}");
    }
    Ok(rest.lines().filter(|line| !line.is_empty()))
}

/// A line parted into name and value; a line that is no tag is its own name.
fn tag(line: &str) -> (&str, Option<&str>) {
    match line.split_once(':') {
        Some((name, value)) if line.starts_with('#') => (name, Some(value)),
        _ => (line, None),
    }
}

fn once<T>(slot: &mut Option<T>, value: T, line: &str) -> Result<()> {
    ensure!(slot.replace(value).is_none(), "a second {line:?}");
    Ok(())
}

fn decimal(text: &str) -> Result<u64> {
    ensure!(!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()), "{text:?} is no decimal integer");
    Ok(text.parse()?)
}

/// Microseconds of a decimal number of seconds.
fn micros(text: &str) -> Result<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    ensure!(part.len() <= 6, "{text}: more than six decimals");
    Ok(decimal(whole)? * 1_000_000 + decimal(part)? * 10_u64.pow(6 - part.len() as u32))
}

/// Milliseconds since 1970 of `2026-11-23T06:43:33.125Z` and nothing looser.
fn date_ms(text: &str) -> Result<i64> {
    ensure!(text.len() == 24 && text.ends_with('Z') && text.as_bytes()[19] == b'.', "{text:?}: not ms and Z");
    let date: jiff::Timestamp = text.parse()?;
    Ok(date.as_millisecond())
}
