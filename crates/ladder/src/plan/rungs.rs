use std::fmt;

use serde::{Deserialize, Serialize};

/// The H.264 profile of a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// For small pictures on old phones and set-top boxes.
    Main,
    /// For everything else: the same picture in some 10 % fewer bits.
    High,
}

impl Profile {
    /// The name GStreamer's caps and x264 use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::High => "high",
        }
    }
}

/// One rung as configured, before a real picture is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RungSpec {
    /// Name of the rendition, for example `720p`.
    pub name: String,
    /// Width of the box the picture must fit into, in pixels; swapped with the height for upright pictures.
    pub width: u32,
    /// Height of that box, in pixels.
    pub height: u32,
    /// Bit rate up to 30 frames a second, in kbps.
    pub kbps: u32,
    /// Bit rate above 30 frames a second, in kbps.
    pub kbps_high: u32,
    /// Most frames a second; faster pictures lose every second frame until they fit.
    pub fps_max: Option<u32>,
    /// H.264 profile.
    pub profile: Profile,
}

/// The ladder when nothing is configured: 1080p, 720p and 360p, best first.
pub fn default_rungs() -> Vec<RungSpec> {
    let rung = |name: &str, width, height, kbps, kbps_high, fps_max, profile| RungSpec {
        name: name.to_owned(),
        width,
        height,
        kbps,
        kbps_high,
        fps_max,
        profile,
    };
    vec![
        rung("1080p", 1920, 1080, 5000, 6000, None, Profile::High),
        rung("720p", 1280, 720, 3000, 4500, None, Profile::High),
        rung("360p", 640, 360, 800, 1000, Some(30), Profile::Main),
    ]
}

/// The input quality an operator declares; it limits the ladder from above.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum DeclaredInput {
    /// 1920x1080.
    #[serde(rename = "1080p")]
    P1080,
    /// 1280x720.
    #[serde(rename = "720p")]
    P720,
}

impl DeclaredInput {
    /// The tallest rung this input allows, in pixels.
    pub fn height(self) -> u32 {
        match self {
            Self::P1080 => 1080,
            Self::P720 => 720,
        }
    }

    /// Width that belongs to [`height`](Self::height) at 16:9, in pixels.
    pub fn width(self) -> u32 {
        match self {
            Self::P1080 => 1920,
            Self::P720 => 1280,
        }
    }
}

impl fmt::Display for DeclaredInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}p", self.height())
    }
}
