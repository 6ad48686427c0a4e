use serde::Serialize;
use utoipa::ToSchema;

/// What an external HLS URL is.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct HlsReport {
    /// Where the playlist came from in the end, after redirects.
    pub url: String,
    /// Whether browsers can play it as far as could be told: no finding is an error.
    pub playable: bool,
    /// Whether it lists variants or is one; absent when it is no playlist.
    pub kind: Option<PlaylistKind>,
    /// Of the media playlist that was looked at (the first variant's if there are several), as all that follows.
    pub timing: Option<Timing>,
    /// TARGETDURATION in seconds: no segment is longer.
    pub target_duration_s: Option<u64>,
    /// What the segments are.
    pub container: Option<Container>,
    /// Whether segments are encrypted.
    pub encrypted: bool,
    /// Whether it has parts for low latency.
    pub low_latency: bool,
    /// The variants in their order; empty for a media playlist.
    pub variants: Vec<Variant>,
    /// What is wrong or worth knowing, in the order in which it was found.
    pub findings: Vec<HlsFinding>,
}

/// The two kinds of playlist (rfc8216bis 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlaylistKind {
    /// Lists variants.
    Multivariant,
    /// Lists segments.
    Media,
}

/// Whether a playlist grows, and at which end it may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Timing {
    /// Goes on; old segments leave it.
    Live,
    /// Goes on; everything stays in it.
    Event,
    /// Complete.
    Vod,
}

/// What segments are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// Fragmented MP4, or CMAF.
    Fmp4,
    /// MPEG transport stream.
    MpegTs,
    /// Audio frames without a container.
    PackedAudio,
}

/// One variant as the multivariant playlist declares it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Variant {
    /// Peak bits per second.
    pub bandwidth: Option<u64>,
    /// Size of the picture.
    pub resolution: Option<Resolution>,
    /// The CODECS attribute.
    pub codecs: Option<String>,
    /// Frames per second.
    pub frame_rate: Option<f64>,
    /// The NAME attribute, which no standard knows and many servers write.
    pub name: Option<String>,
}

/// Size of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Resolution {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// Something found while checking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HlsFinding {
    /// A stable name for programs.
    pub code: HlsCode,
    /// Follows from the code.
    pub severity: Severity,
    /// For people.
    pub sentence: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It cannot be played.
    Error,
    /// It can be played, but not everywhere or not all of it.
    Warning,
}

/// The kinds of finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HlsCode {
    /// The answer is something else.
    NotAPlaylist,
    /// The answer has no bytes.
    Empty,
    /// A line or a list is longer than weir reads.
    LimitExceeded,
    /// A multivariant playlist without variants.
    NoVariants,
    /// A media playlist without segments.
    NoSegments,
    /// All segments are marked as gaps.
    OnlyGaps,
    /// The first variant's playlist could not be fetched.
    VariantUnreachable,
    /// The first variant is no media playlist.
    VariantNotMedia,
    /// The initialisation section could not be fetched.
    InitUnreachable,
    /// The newest segment could not be fetched.
    SegmentUnreachable,
    /// The newest segment is a page of text.
    SegmentNotMedia,
    /// Every variant is in codecs that browsers do not play.
    CodecsNotPlayed,
    /// Segments are encrypted for a DRM system.
    Drm,
    /// Some variants are in codecs that browsers do not play.
    SomeCodecsNotPlayed,
    /// Browsers may not read it from pages of other sites.
    NoCors,
    /// It comes over http, which pages that came over https cannot load.
    MixedContent,
    /// There is no TARGETDURATION.
    NoTargetDuration,
}

impl HlsCode {
    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::NotAPlaylist
            | Self::Empty
            | Self::LimitExceeded
            | Self::NoVariants
            | Self::NoSegments
            | Self::OnlyGaps
            | Self::VariantUnreachable
            | Self::VariantNotMedia
            | Self::InitUnreachable
            | Self::SegmentUnreachable
            | Self::SegmentNotMedia
            | Self::CodecsNotPlayed
            | Self::Drm => Severity::Error,
            Self::SomeCodecsNotPlayed | Self::NoCors | Self::MixedContent | Self::NoTargetDuration => Severity::Warning,
        }
    }
}

impl HlsReport {
    /// Nothing is known yet but where it came from.
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            playable: true,
            kind: None,
            timing: None,
            target_duration_s: None,
            container: None,
            encrypted: false,
            low_latency: false,
            variants: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Adds a finding; an error makes the whole unplayable. What is found twice is told once.
    pub(crate) fn find(&mut self, code: HlsCode, sentence: impl Into<String>) {
        if self.findings.iter().any(|finding| finding.code == code) {
            return;
        }
        let severity = code.severity();
        self.playable &= severity != Severity::Error;
        self.findings.push(HlsFinding { code, severity, sentence: sentence.into() });
    }
}
