//! Which renditions to make of an input, and the GStreamer worker process that makes them.
//!
//! Planning ([`plan()`], [`RateFinder`]) and the grids on which a source's frames are put (`grid`) are pure. The encoding runs in a process of its own, [`worker_main`], because libav and x264 meet whatever the network
//! brings; [`Worker`] is the daemon's side of it. One worker encodes one epoch: one unbroken timeline from instant 0.

mod child;
mod copy;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod grid;
mod parent;
mod plan;
mod wire;

pub use child::worker_main;
pub use copy::{CopyWatch, Unfit};
pub use grid::RateFinder;
pub use parent::{
    Job, Output, RenditionStats, Sent, Worker, WorkerCommand, WorkerFailure, WorkerLimits, WorkerStats, check_worker,
    describe_metrics, measure_speed, spawn,
};
pub use plan::{
    DeclaredInput, MachineSpeed, Mismatch, Plan, Preset, Profile, Rung, RungSpec, UnknownPreset, default_rungs, plan,
};
