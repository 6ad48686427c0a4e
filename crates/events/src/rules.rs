//! The figures of the rules, which the operator may set.

/// The shortest planned duration. Below a minute nobody plans.
const DURATION_MS_MIN: i64 = 60_000;
/// How far ahead an event may be planned: whoever plans for longer has mistyped the year.
const AHEAD_MS_MAX: i64 = 366 * 24 * 3_600_000;

/// All lengths of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The longest that a live may last.
    pub duration_ms_max: i64,
    /// How long before the planned start an event is made ready by itself.
    pub lead_ms: i64,
    /// How long a started event may be without input before it ends by itself.
    pub no_input_ms: i64,
}

impl Rules {
    /// The shortest planned duration.
    pub fn duration_ms_min(&self) -> i64 {
        DURATION_MS_MIN.min(self.duration_ms_max)
    }

    /// How far ahead an event may be planned.
    pub fn ahead_ms_max(&self) -> i64 {
        AHEAD_MS_MAX
    }
}

impl Default for Rules {
    fn default() -> Self {
        Self { duration_ms_max: 3 * 3_600_000, lead_ms: 5 * 60_000, no_input_ms: 5 * 60_000 }
    }
}
