//! The protocol holds in every order of events, and each way to break it is noticed.

use std::collections::BTreeSet;

use rstest::rstest;
use stateright::{Checker, HasDiscoveries, Model};
use trials::protocol::{
    Protocol,
    config::{Breakage, Config, Faults},
    properties::{ITS_OWN_IS_SAFE, NOTHING_IS_SILENT, SURPLUS_NEEDS_A_LATE_POST},
};

/// One of each fault in one run of a batch.
const ONE_RUN: Faults =
    Faults { kills: 1, stops: 1, lost_answers: 1, late_posts: 1, failures: 1, deadlines: 0, reruns: 0 };
/// A failed batch is run again while a late request, a stopped process and an audit are about.
const RUN_AGAIN: Faults = Faults { lost_answers: 0, reruns: 1, ..ONE_RUN };
/// A task outlives the run that started it.
const DEADLINE: Faults =
    Faults { failures: 0, lost_answers: 0, stops: 0, deadlines: 1, reruns: 1, ..ONE_RUN };

fn protocol(faults: Faults, breakage: Option<Breakage>) -> Protocol {
    Protocol { config: Config { replicas: 2, attempts: 3, faults, breakage } }
}

#[rstest]
#[case::in_one_run(ONE_RUN)]
#[case::over_two_runs(RUN_AGAIN)]
#[case::after_a_deadline(DEADLINE)]
fn one_backup_counts_and_no_surplus_is_silent(#[case] faults: Faults) {
    let checker = protocol(faults, None).checker().spawn_bfs().join();
    for property in checker.model().properties() {
        let found = checker.discovery(property.name);
        let is_failure = found.is_some() && property.expectation.discovery_is_failure();
        assert!(!is_failure, "{}: {}", property.name, found.expect("it was found"));
    }
}

/// What must come about for the promise to say anything.
#[test]
fn surplus_comes_about_and_is_aborted_or_kept() {
    let checker = protocol(RUN_AGAIN, None).checker();
    let checker = checker.finish_when(HasDiscoveries::AllOf(examples())).spawn_bfs().join();
    for example in examples() {
        assert!(checker.discovery(example).is_some(), "never: {example}");
    }
}

fn examples() -> BTreeSet<&'static str> {
    let properties = protocol(RUN_AGAIN, None).properties();
    let examples = properties.iter().filter(|property| !property.expectation.discovery_is_failure());
    examples.map(|property| property.name).collect()
}

#[rstest]
#[case(Breakage::NoSettling, SURPLUS_NEEDS_A_LATE_POST)]
#[case(Breakage::BlindRepost, SURPLUS_NEEDS_A_LATE_POST)]
#[case(Breakage::SendBeforeRecord, NOTHING_IS_SILENT)]
#[case(Breakage::NoFence, NOTHING_IS_SILENT)]
#[case(Breakage::NoAudit, NOTHING_IS_SILENT)]
#[case(Breakage::AuditOnce, NOTHING_IS_SILENT)]
#[case(Breakage::AdoptionForgets, NOTHING_IS_SILENT)]
#[case(Breakage::AuditOpenBatches, ITS_OWN_IS_SAFE)]
#[case(Breakage::UnfencedAudit, ITS_OWN_IS_SAFE)]
#[case(Breakage::AbortBeforeRecord, ITS_OWN_IS_SAFE)]
#[case(Breakage::AbortOfAFailedBatch, ITS_OWN_IS_SAFE)]
fn a_broken_protocol_is_noticed(#[case] breakage: Breakage, #[case] property: &'static str) {
    let checker = protocol(RUN_AGAIN, Some(breakage)).checker();
    let checker = checker.finish_when(HasDiscoveries::AllOf(BTreeSet::from([property])));
    assert!(checker.spawn_bfs().join().discovery(property).is_some(), "{breakage:?} goes unnoticed");
}
