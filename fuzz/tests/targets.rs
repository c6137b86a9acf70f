//! Every target survives its share of hostile inputs.

use rota_fuzz::{TARGETS, run};

/// Runs a target; it must have accepted something and refused something, or it tests nothing.
fn survives(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    let report = run(target, 1, |report| report.executions < target.executions);
    assert_eq!(run(target, 1, |report| report.executions < 1_000), run(target, 1, |report| report.executions < 1_000));
    assert!(report.accepted * 100 > report.executions, "{name} accepts too little to get anywhere: {report:?}");
    assert!(report.accepted < report.executions, "{name} refuses nothing: {report:?}");
}

macro_rules! targets {
    ($($test:ident = $name:literal),* $(,)?) => {
        $(#[test] fn $test() { survives($name); })*

        #[test]
        fn every_target_has_its_test() {
            let listed: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(listed, [$($name),*]);
        }
    };
}

targets! {
    flashblock = "flashblock",
    body = "body",
    certificate = "certificate",
    transaction = "transaction",
    branch_json = "branch-json",
    spec_json = "spec-json",
    deposit_log = "deposit-log",
    config_log = "config-log",
    l1_info = "l1-info",
    gossip = "gossip",
    frames = "frames",
    blob = "blob",
    channel = "channel",
    span_batch = "span-batch",
}
