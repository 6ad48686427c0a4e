use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The names x264 knows, fastest first.
const NAMES: [&str; 10] =
    ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"];

/// CPU time of each for the same picture, in thousandths of what `superfast` takes: measured on 720p footage, without
/// B-frames and look-ahead; the last is a guess.
const COSTS_MILLI: [u64; 10] = [610, 1000, 1680, 2560, 4400, 5700, 10_000, 15_300, 29_000, 60_000];

/// An x264 speed preset that exists; a slower one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Preset(
    /// Index into [`NAMES`] and [`COSTS_MILLI`].
    usize,
);

/// A preset name that x264 does not know.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "x264 has no preset {0:?}; there are ultrafast, superfast, veryfast, faster, fast, medium, slow, slower, veryslow and placebo"
)]
pub struct UnknownPreset(String);

impl Preset {
    /// The one that costs least.
    pub const FASTEST: Self = Self(0);
    /// What two cores hold for 1080p30 in real time.
    pub const SUPERFAST: Self = Self(1);
    /// How many there are to choose from automatically: all but `placebo`, which is for nobody.
    pub const AUTOMATIC: usize = NAMES.len() - 1;

    /// Those to choose from automatically, fastest first.
    pub fn automatic() -> [Self; Self::AUTOMATIC] {
        std::array::from_fn(Self)
    }

    /// Its place among all, the fastest first.
    pub fn index(self) -> usize {
        self.0
    }

    /// All there are, fastest first.
    pub fn all() -> [Self; NAMES.len()] {
        std::array::from_fn(Self)
    }

    /// The name as x264 writes it.
    pub fn name(self) -> &'static str {
        NAMES[self.0]
    }

    /// CPU time in thousandths of what `superfast` takes.
    pub(crate) fn cost_milli(self) -> u64 {
        COSTS_MILLI[self.0]
    }
}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        NAMES.iter().position(|&known| known == name).map(Self).ok_or_else(|| UnknownPreset(name.to_owned()))
    }
}

impl TryFrom<String> for Preset {
    type Error = UnknownPreset;

    fn try_from(name: String) -> Result<Self, UnknownPreset> {
        name.parse()
    }
}

impl From<Preset> for String {
    fn from(preset: Preset) -> String {
        preset.name().to_owned()
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_presets_of_x264_are_taken() {
        assert_eq!("superfast".parse(), Ok(Preset::SUPERFAST));
        let error = "superFast".parse::<Preset>().expect_err("unknown");
        assert!(error.to_string().starts_with("x264 has no preset \"superFast\"; there are ultrafast"));
    }
}
