//! How much of the machine the channel takes: its claim, and going down before it falls behind.

use std::time::Instant;

use metrics::{counter, gauge};
use tracing::warn;
use weir_ladder::{MachineSpeed, Preset, plan};
use weir_media::{FrameRate, SpsInfo};

use super::Channel;
use crate::capacity::{Costs, Full};
use crate::settings::{ChannelSpec, PresetChoice, Settings};
use crate::show::{Load, Show};
use crate::source::{Change, Feed, Source};

/// The rate at which a source is reckoned with before it was seen; most send this one.
const USUAL_RATE: FrameRate = FrameRate::new(30, 1);
/// How much less than it just manages a ladder is to take after it fell behind, in per mille: it has to catch up too.
const HEADROOM_MILLI: u64 = 800;

impl Channel {
    /// Sees that there is room for the ladder, reckoned by what the encoder is said to send, before it is let in.
    pub(super) fn claim_machine(&mut self) -> Result<(), Full> {
        if let (PresetChoice::Auto(capacity), None) = (&self.settings.preset, &self.claim) {
            self.claim = Some(capacity.claim(expected_costs(&self.settings, &self.spec, capacity.speed()))?);
        }
        Ok(())
    }

    /// Gives the part of the machine back, unless there still is something that the encoder may return to.
    pub(super) fn release_claim(&mut self) {
        if self.show.is_none() {
            self.claim = None;
        }
    }

    /// Goes down with the preset, then with the rungs, before the ladder falls behind; and makes room for others.
    pub(super) fn keep_pace(&mut self, now: Instant) {
        let Some(Source { feed: Feed::Running(running), shed, .. }) = &mut self.source else { return };
        gauge!("weir_ladder_copied", "channel" => self.spec.name.clone())
            .set(f64::from(u8::from(running.copy.is_some())));
        let Some((claim, load)) = self.claim.as_ref().zip(self.show.as_ref().and_then(|show| Show::load(show, now)))
        else {
            return;
        };
        let Load { backlog_ms, speed_milli, cores } = load;
        let preset = running.current.preset;
        if let Some(cores) = cores {
            claim.measured(preset, cores);
        }
        let behind = self.pace.falls_behind(backlog_ms, now);
        if running.change.is_some() {
            return;
        }
        let why = if behind {
            let enough = (speed_milli.min(1000) * HEADROOM_MILLI / 1000) as u32;
            if !claim.step_down(preset, enough) {
                if running.current.encoded.len() + usize::from(running.copy.is_some()) < 2 {
                    return;
                }
                *shed += 1;
            }
            "it falls behind"
        } else if claim.preset_of_running() < preset {
            "the machine has to hold more than it"
        } else {
            return;
        };
        self.change_ladder(preset, why, backlog_ms, now);
    }

    fn change_ladder(&mut self, preset: Preset, why: &str, backlog_ms: i64, now: Instant) {
        warn!(channel = self.spec.name, %preset, backlog_ms, "the ladder takes less from the next segment on: {why}");
        counter!("weir_ladder_changes_total", "channel" => self.spec.name.clone()).increment(1);
        let Some(worker) = self.spawn_worker(now) else { return };
        if let Some(Source { feed: Feed::Running(running), .. }) = &mut self.source {
            running.change = Some(Change { since: now, worker });
        }
    }
}

/// What a ladder of the input that was declared takes.
fn expected_costs(settings: &Settings, spec: &ChannelSpec, speed: MachineSpeed) -> Costs {
    let (width, height, sample_aspect) = (spec.input.width(), spec.input.height(), (1, 1));
    let sps = SpsInfo {
        width,
        height,
        sample_aspect,
        declared_rate: None,
        interlaced: false,
        bit_depth: 8,
        chroma_format_idc: 1,
    };
    plan(spec.input, &settings.rungs, &sps, USUAL_RATE, settings.packager.segment_ms()).costs(&sps, speed)
}
