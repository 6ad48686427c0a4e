//! Faults planted in what is good: each must be found, and nothing must be found in what is good.
#![cfg(test)]

mod media;
mod playlists;
mod server;
mod times;

use std::collections::BTreeSet;

use weir_hls_lint::{Finding, rule};

/// One planted fault: its name, the rule that it breaks, and what the judges said.
pub struct Planted {
    name: &'static str,
    rule: &'static str,
    findings: Vec<Finding>,
}

/// The rules that were found broken.
pub fn broken(findings: &[Finding]) -> BTreeSet<&'static str> {
    findings.iter().map(|finding| finding.rule).collect()
}

fn all() -> Vec<Planted> {
    [playlists::planted(), times::planted(), media::planted()].into_iter().flatten().collect()
}

#[test]
fn every_planted_fault_is_found() {
    for Planted { name, rule: expected, findings } in all() {
        assert!(rule(expected).is_some(), "{name}: there is no rule {expected}");
        let found = broken(&findings);
        assert!(found.contains(expected), "{name}: {expected} was not found, but {findings:#?}");
        assert!(found.len() <= 2, "{name}: one fault, and {found:?} are found");
    }
}

#[test]
fn there_are_forty_and_more_of_them_and_no_rule_is_left_out() {
    let planted = all();
    let names: BTreeSet<_> = planted.iter().map(|planted| planted.name).collect();
    assert_eq!(names.len(), planted.len(), "a name stands twice");
    assert!(names.len() >= 40, "{} planted faults", names.len());
    let covered: BTreeSet<_> = planted.iter().map(|planted| planted.rule).collect();
    // What needs a whole server is planted in one: see `server`.
    let by_server = server::FAULTS.map(|fault| fault.rule);
    let missing: Vec<_> = weir_hls_lint::RULES
        .iter()
        .filter(|rule| !covered.contains(rule.id) && !by_server.contains(&rule.id))
        .map(|rule| rule.id)
        .collect();
    assert!(missing.is_empty(), "no fault is planted for {missing:?}");
}
