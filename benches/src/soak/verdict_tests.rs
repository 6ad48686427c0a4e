use super::*;

const FAULT: Made = Made {
    fault: Fault::UplinkStall,
    from: Duration::from_secs(100),
    over: Duration::from_secs(103),
    until: Duration::from_secs(110),
    recovered: Some(Duration::from_secs(7)),
};

fn good() -> Run {
    Run {
        head: String::new(),
        made: vec![FAULT],
        unmade: Vec::new(),
        left_out: Vec::new(),
        findings: Vec::new(),
        judged: Ok(String::new()),
        seen: Seen::default(),
        first: Vitals::default(),
        last: Vitals::default(),
        notes: Notes::default(),
        death: None,
    }
}

fn finding(at_s: u64, rule: &'static str) -> (Duration, Finding) {
    let finding = Finding { rule, place: "v0".to_owned(), line: 0, what: "late".to_owned() };
    (Duration::from_secs(at_s), finding)
}

#[test]
fn whatever_did_not_hold_spoils_the_run() {
    assert!(good().is_good());
    let spoils: [fn(&mut Run); 8] = [
        |run| run.made[0].recovered = None,
        |run| run.unmade.push("no ladder worker runs".to_owned()),
        |run| run.judged = Err("the server was away".to_owned()),
        |run| run.seen.lost = 1,
        |run| run.seen.skipped = 1,
        |run| run.seen.changed = 1,
        |run| run.notes.panics.push("panicked".to_owned()),
        |run| run.death = Some("killed".to_owned()),
    ];
    for spoil in spoils {
        let mut run = good();
        spoil(&mut run);
        assert!(!run.is_good());
        assert!(run.markdown().ends_with("**Not everything held.**\n"));
    }
}

#[test]
fn a_stalled_uplink_excuses_late_parts_and_nothing_else() {
    let during = FAULT.from.as_secs() + 1;
    let aftermath = FAULT.over.as_secs() + AFTERMATH.as_secs();
    for (at_s, rule, is_good) in
        [(during, "L2", true), (aftermath, "L2", true), (aftermath + 1, "L2", false), (during, "P5", false)]
    {
        let run = Run { findings: vec![finding(at_s, rule)], ..good() };
        assert_eq!(run.is_good(), is_good, "{rule} at {at_s} s");
    }
}

#[test]
fn what_could_not_be_made_is_in_the_table() {
    let run = Run { unmade: vec!["ladder worker killed, 12 s: no ladder worker runs".to_owned()], ..good() };
    assert!(run.markdown().contains("could not be made:** ladder worker killed, 12 s: no ladder worker runs\n"));
}
