//! All fuzz targets for a moment: what is kept in `fuzz/`, and changes of it that are the same each time. `make fuzz` looks
//! further.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use weir_fuzz_targets::{TARGETS, Target};

/// Changed inputs of each target.
const CHANGED_PER_TARGET: usize = 1000;
/// Longer ones are not changed: what matters stands at the beginning, and this is to take seconds.
const CHANGED_BYTES_MAX: usize = 2048;

/// A file of `fuzz/`.
struct Input {
    path: PathBuf,
    bytes: Vec<u8>,
}

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// What is kept for a target below `fuzz/corpus` or `fuzz/failures`, in an order that does not change.
#[cfg(test)]
fn kept(kind: &str, target: Target) -> Vec<Input> {
    let Ok(entries) = fs::read_dir(fuzz_folder().join(kind).join(target.name)) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder that can be read").path()).collect();
    paths.sort();
    let read = |path: PathBuf| Input { bytes: fs::read(&path).expect("a file that can be read"), path };
    paths.into_iter().map(read).collect()
}

/// Whether the target bears the bytes. A panic has been printed by then.
fn is_borne(target: Target, bytes: &[u8]) -> bool {
    catch_unwind(|| (target.run)(bytes)).is_ok()
}

#[test]
fn what_is_kept_is_borne_by_every_target() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let corpus = kept("corpus", target);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        let inputs = corpus.into_iter().chain(kept("failures", target));
        failed.extend(inputs.filter(|input| !is_borne(target, &input.bytes)).map(|input| input.path));
    }
    assert!(failed.is_empty(), "these fail: {failed:#?}");
}

#[test]
fn what_is_kept_is_borne_after_changes_too() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let corpus = kept("corpus", target);
        let mut chance = StdRng::seed_from_u64(1);
        for number in 0..CHANGED_PER_TARGET {
            let bytes = changed(&corpus, &mut chance);
            if !is_borne(target, &bytes) {
                let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{number}", target.name));
                fs::write(&path, bytes).expect("a folder that can be written");
                failed.push(path);
            }
        }
    }
    assert!(failed.is_empty(), "these fail, keep them in fuzz/failures: {failed:#?}");
}

#[test]
fn every_target_has_its_binary_and_no_folder_is_without_a_target() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    let binaries = fs::read_to_string(fuzz_folder().join("Cargo.toml")).expect("a manifest");
    let count = binaries.matches("[[bin]]").count();
    assert_eq!(count, names.len());
    for name in &names {
        assert!(binaries.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} has no binary");
    }
    for kind in ["corpus", "failures"] {
        for entry in fs::read_dir(fuzz_folder().join(kind)).expect("a folder") {
            let name = entry.expect("a folder that can be read").file_name();
            assert!(names.iter().any(|known| name == **known), "{kind}/{name:?} is of no target");
        }
    }
}

/// One of the inputs, changed in one to four places.
fn changed(corpus: &[Input], chance: &mut StdRng) -> Vec<u8> {
    let pick = |chance: &mut StdRng| corpus[chance.random_range(0..corpus.len())].bytes.clone();
    let mut bytes = pick(chance);
    bytes.truncate(CHANGED_BYTES_MAX);
    for _ in 0..chance.random_range(1..=4) {
        let at = chance.random_range(0..=bytes.len());
        let end = (at + chance.random_range(0..16_usize)).min(bytes.len());
        match chance.random_range(0..6) {
            0 => drop(bytes.drain(at..end)),
            1 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            2 => bytes.insert(at, chance.random()),
            3 => bytes.truncate(at),
            4 => drop(bytes.splice(at.., pick(chance).into_iter().skip(at).take(CHANGED_BYTES_MAX))),
            // A bit, or a number that is often at an edge.
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = [*byte ^ 1 << chance.random_range(0..8), 0, 0xff, 0x7f, 0x80][chance.random_range(0..5)];
                }
            }
        }
    }
    bytes
}
