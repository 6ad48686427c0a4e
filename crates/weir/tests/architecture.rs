//! ARCHITECTURE.md's arrows, held against what the manifests really say.

use std::collections::BTreeSet;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Every crate of the workspace, and which of the others its code may use. A crate that is not here is a fault:
/// whoever adds one says where it stands.
const MAY_USE: [(&str, &[&str]); 17] = [
    ("weir-media", &[]),
    ("weir-ingest", &["weir-media"]),
    ("weir-ladder", &["weir-media"]),
    ("weir-packager", &["weir-media"]),
    ("weir-origin", &["weir-packager"]),
    ("weir-broadcast", &["weir-media", "weir-ingest", "weir-ladder", "weir-packager"]),
    ("weir-events", &[]),
    ("weir-store", &["weir-events"]),
    ("weir-outbound", &[]),
    (
        "weir-director",
        &["weir-events", "weir-store", "weir-outbound", "weir-ingest", "weir-ladder", "weir-broadcast", "weir-origin"],
    ),
    ("weir-api", &["weir-events", "weir-store", "weir-outbound", "weir-origin", "weir-director"]),
    (
        "weir",
        &[
            "weir-media",
            "weir-ingest",
            "weir-ladder",
            "weir-packager",
            "weir-origin",
            "weir-broadcast",
            "weir-events",
            "weir-store",
            "weir-outbound",
            "weir-director",
            "weir-api",
        ],
    ),
    ("weir-testkit", &["weir-media"]),
    // The judge shares no code with what it judges.
    ("weir-hls-lint", &[]),
    ("weir-tests", &["weir-hls-lint", "weir-testkit", "weir-media"]),
    // Ingest and origin are measured alone, without the daemon around them; the judge looks on at the soak.
    ("weir-benches", &["weir-testkit", "weir-media", "weir-ingest", "weir-origin", "weir-packager", "weir-hls-lint"]),
    // Whatever reads bytes from outside.
    (
        "weir-fuzz-targets",
        &["weir-media", "weir-ingest", "weir-ladder", "weir-packager", "weir-origin", "weir-outbound", "weir"],
    ),
];

/// Crates that compute and never wait: no runtime, no sockets.
const PURE: [&str; 3] = ["weir-media", "weir-packager", "weir-events"];

/// What a pure crate must not bring in.
const RUNTIMES: [&str; 4] = ["tokio", "tokio-rustls", "hyper", "hyper-util"];

#[cfg(test)]
fn workspace() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().other_options(["--offline".to_owned()]).exec().unwrap()
}

/// What the crate's own code uses; what only its tests use does not count.
fn used(package: &Package) -> BTreeSet<&str> {
    let dependencies = package.dependencies.iter().filter(|dependency| dependency.kind != DependencyKind::Development);
    dependencies.map(|dependency| dependency.name.as_str()).collect()
}

#[test]
fn crates_use_only_the_crates_they_may() {
    for package in &workspace().packages {
        let Some((_, may_use)) = MAY_USE.iter().find(|(name, _)| *name == package.name.as_str()) else {
            panic!("{} has no place in the architecture: add it to the table and to ARCHITECTURE.md", package.name);
        };
        for name in used(package).into_iter().filter(|name| *name == "weir" || name.starts_with("weir-")) {
            assert!(may_use.contains(&name), "{} must not use {name}", package.name);
        }
    }
}

#[test]
fn every_crate_of_the_table_exists() {
    let workspace = workspace();
    for (name, _) in MAY_USE {
        assert!(
            workspace.packages.iter().any(|package| package.name == name),
            "{name} is gone: take it out of the table"
        );
    }
}

#[test]
fn gstreamer_is_named_in_the_ladder_alone() {
    for package in &workspace().packages {
        let names_it = package.dependencies.iter().any(|dependency| dependency.name.starts_with("gstreamer"));
        assert_eq!(names_it, package.name == "weir-ladder", "{}", package.name);
    }
}

#[test]
fn media_packager_and_events_wait_for_nothing() {
    for package in workspace().packages.iter().filter(|package| PURE.contains(&package.name.as_str())) {
        for runtime in RUNTIMES {
            assert!(!used(package).contains(runtime), "{} must not use {runtime}", package.name);
        }
    }
}

#[test]
fn codecs_stay_out_of_the_daemon_s_own_crates() {
    // Libraries that meet hostile bitstreams in C belong into the worker process.
    for package in workspace().packages.iter().filter(|package| package.name != "weir-ladder") {
        for name in used(package) {
            assert!(!name.starts_with("ffmpeg") && !name.starts_with("x264"), "{} must not use {name}", package.name);
        }
    }
}
