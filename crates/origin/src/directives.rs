use weir_packager::Edge;

/// Delivery directives of a request for a media playlist (rfc8216bis 6.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Directives {
    /// `_HLS_msn`.
    pub(crate) msn: Option<u64>,
    /// `_HLS_part`; only with `msn`.
    pub(crate) part: Option<u64>,
    /// `_HLS_skip`, with `YES` or `v2`: there are no date ranges here that would tell them apart.
    pub(crate) skip: bool,
}

/// What is to be done with a request for a playlist.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The playlist has what was asked for.
    Deliver,
    /// It will have.
    Hold,
    /// It asks for what nobody can wait for: 400, with the reason.
    Refuse(&'static str),
}

const DUPLICATE: &str = "a delivery directive stands twice in the query\n";
const MSN: &str = "_HLS_msn is not a decimal integer\n";
const PART: &str = "_HLS_part is not a decimal integer\n";
const PART_ALONE: &str = "_HLS_part needs _HLS_msn\n";
const SKIP: &str = "_HLS_skip is neither YES nor v2\n";
const AHEAD: &str = "_HLS_msn and _HLS_part are too far ahead of the playlist\n";

/// Segments that may be asked for beyond the last one (6.2.5.2).
const MSN_AHEAD_MAX: u64 = 2;
/// Time that may be asked for beyond the last part, in milliseconds: the Advance Part Limit is three parts, and
/// three seconds of them where they are shorter than a second (6.2.5.2).
const PARTS_AHEAD_MS: u64 = 3000;
const PARTS_AHEAD_MIN: u64 = 3;

impl Directives {
    /// Reads a query. Parameters that are no delivery directives are ignored, and so are directives that the
    /// specification reserves.
    pub(crate) fn parse(query: &str) -> Result<Self, &'static str> {
        let (mut msn, mut part, mut skip) = (None, None, None);
        for parameter in query.split('&') {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let slot = match name {
                "_HLS_msn" => &mut msn,
                "_HLS_part" => &mut part,
                "_HLS_skip" => &mut skip,
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(DUPLICATE);
            }
        }
        let msn = msn.map(|value| decimal(value).ok_or(MSN)).transpose()?;
        let part = part.map(|value| decimal(value).ok_or(PART)).transpose()?;
        if part.is_some() && msn.is_none() {
            return Err(PART_ALONE);
        }
        match skip {
            None => Ok(Self { msn, part, skip: false }),
            Some("YES" | "v2") => Ok(Self { msn, part, skip: true }),
            Some(_) => Err(SKIP),
        }
    }

    /// Whether the request can be held, and so its answer be kept by caches.
    pub(crate) fn is_blocking(&self) -> bool {
        self.msn.is_some()
    }

    /// Whether the playlist that reaches to `edge` is the answer.
    pub(crate) fn decide(&self, edge: &Edge) -> Decision {
        let Some(msn) = self.msn else { return Decision::Deliver };
        if msn > edge.next_msn.saturating_sub(1).saturating_add(MSN_AHEAD_MAX) {
            return Decision::Refuse(AHEAD);
        }
        let (Some(part), Some(grid)) = (self.part, edge.part) else {
            return if msn < edge.next_msn { Decision::Deliver } else { Decision::Hold };
        };
        // A part behind the last one of a finished segment is the first of the next.
        let (msn, part) = match msn + 1 == edge.next_msn && part >= u64::from(edge.last_parts) {
            true => (edge.next_msn, 0),
            false => (msn, part),
        };
        let listed = u64::from(edge.parts);
        if msn < edge.next_msn || (msn == edge.next_msn && part < listed) {
            return Decision::Deliver;
        }
        let segments = (msn - edge.next_msn).saturating_mul(grid.per_segment.into());
        let ahead = segments.saturating_add(part).saturating_add(1) - listed;
        let limit = PARTS_AHEAD_MIN.max(PARTS_AHEAD_MS / u64::from(grid.target_ms.max(1)));
        if ahead > limit { Decision::Refuse(AHEAD) } else { Decision::Hold }
    }
}

/// A decimal-integer (rfc8216bis 4.2): digits alone, below 2^64.
fn decimal(text: &str) -> Option<u64> {
    let digits = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_packager::PartGrid;

    use super::*;

    /// Segments up to 9 are finished, of four parts; two parts of 10 are listed.
    const EDGE: Edge = Edge {
        next_msn: 10,
        parts: 2,
        last_parts: 4,
        target_duration_s: 2,
        part: Some(PartGrid { target_ms: 512, per_segment: 4 }),
    };

    fn decided(query: &str) -> Decision {
        Directives::parse(query).expect("directives").decide(&EDGE)
    }

    #[test]
    fn what_is_listed_is_delivered_and_what_comes_is_held() {
        for query in ["", "_HLS_msn=0", "_HLS_msn=9", "_HLS_msn=9&_HLS_part=3", "_HLS_msn=10&_HLS_part=1"] {
            assert_eq!(decided(query), Decision::Deliver, "{query}");
        }
        for query in ["_HLS_msn=10", "_HLS_msn=11", "_HLS_msn=10&_HLS_part=2", "_HLS_msn=11&_HLS_part=0"] {
            assert_eq!(decided(query), Decision::Hold, "{query}");
        }
    }

    #[test]
    fn a_part_behind_a_finished_segment_is_the_first_of_the_next() {
        assert_eq!(decided("_HLS_msn=9&_HLS_part=4"), Decision::Deliver);
        let none_yet = Edge { parts: 0, ..EDGE };
        let asked = Directives::parse("_HLS_msn=9&_HLS_part=99").expect("directives");
        assert_eq!(asked.decide(&none_yet), Decision::Hold);
    }

    #[test]
    fn what_is_too_far_ahead_is_refused() {
        assert_eq!(decided("_HLS_msn=12"), Decision::Refuse(AHEAD));
        // Parts up to 10/1 are listed, and five more may be asked for: up to 11/2 where a segment has four.
        assert_eq!(decided("_HLS_msn=11&_HLS_part=2"), Decision::Hold);
        assert_eq!(decided("_HLS_msn=11&_HLS_part=3"), Decision::Refuse(AHEAD));
        assert_eq!(decided("_HLS_msn=10&_HLS_part=18446744073709551615"), Decision::Refuse(AHEAD));
        assert_eq!(decided("_HLS_msn=18446744073709551615"), Decision::Refuse(AHEAD));
    }

    #[test]
    fn without_parts_a_part_is_its_segment() {
        let whole = Edge { parts: 0, last_parts: 0, part: None, ..EDGE };
        let decided = |query| Directives::parse(query).expect("directives").decide(&whole);
        assert_eq!(decided("_HLS_msn=9&_HLS_part=7"), Decision::Deliver);
        assert_eq!(decided("_HLS_msn=10&_HLS_part=0"), Decision::Hold);
    }

    #[test]
    fn what_is_no_directive_is_named() {
        for (query, why) in [
            ("_HLS_msn=", MSN),
            ("_HLS_msn=-1", MSN),
            ("_HLS_msn=+1", MSN),
            ("_HLS_msn=1.5", MSN),
            ("_HLS_msn=18446744073709551616", MSN),
            ("_HLS_msn=1&_HLS_part=x", PART),
            ("_HLS_part=1", PART_ALONE),
            ("_HLS_msn=1&_HLS_msn=1", DUPLICATE),
            ("_HLS_skip=yes", SKIP),
        ] {
            assert_eq!(Directives::parse(query), Err(why), "{query}");
        }
    }

    #[test]
    fn other_parameters_are_ignored() {
        let found = Directives::parse("token=a&_HLS_push=0&_HLS_msn=7&_HLS_skip=v2&&_hls_part=1").expect("directives");
        assert_eq!(found, Directives { msn: Some(7), part: None, skip: true });
    }

    proptest! {
        #[test]
        fn a_request_that_was_held_is_delivered_in_the_end(
            msn in 0_u64..40, part in prop::option::of(0_u64..12), per_segment in 1_u32..6,
        ) {
            let directives = Directives { msn: Some(msn), part, skip: false };
            let edges = (1_u64..60).flat_map(|next_msn| (0..per_segment).map(move |parts| Edge {
                next_msn, parts, last_parts: per_segment, part: Some(PartGrid { target_ms: 512, per_segment }), ..EDGE
            }));
            let decisions: Vec<_> = edges.map(|edge| directives.decide(&edge)).collect();
            // Refused, then held, then delivered for good.
            let rank = |decision: &Decision| match decision {
                Decision::Refuse(_) => 0,
                Decision::Hold => 1,
                Decision::Deliver => 2,
            };
            prop_assert!(decisions.is_sorted_by_key(rank), "{decisions:?}");
            prop_assert_eq!(decisions.last(), Some(&Decision::Deliver));
        }

        #[test]
        fn no_query_makes_the_parser_panic(query in "(_HLS_(msn|part|skip)=?[-0-9A-Za-z.]{0,22}&?){0,4}") {
            if let Ok(directives) = Directives::parse(&query) {
                let _ = directives.decide(&EDGE);
            }
        }
    }
}
