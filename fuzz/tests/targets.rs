//! Every target survives its share of hostile inputs.

use rota_fuzz::{TARGETS, corpus, run};

/// Runs a target, its corpus first; it must have accepted something and refused something, or it tests nothing.
fn survives(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of that name");
    let kept = corpus::load(target).expect("readable");
    assert!(!kept.is_empty() && kept.iter().all(|input| input.len() <= corpus::KEPT_MAX), "{name} has a small corpus");
    let until = |executions: u64| run(target, &kept, 1, |report| report.executions < executions);
    let report = until(target.executions);
    let few = target.executions.min(1_000);
    assert_eq!(until(few), until(few), "the same inputs every time");
    assert!(
        report.accepted * 500 > report.executions,
        "{name} accepts too little to get anywhere: {} of {}",
        report.accepted,
        report.executions
    );
    assert!(report.accepted < report.executions, "{name} refuses nothing");
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
    block = "block",
    votes = "votes",
    certificates = "certificates",
    welcome = "welcome",
    verifier = "verifier",
    registry_log = "registry-log",
    l1_json = "l1-json",
    beacon_json = "beacon-json",
    rpc = "rpc",
    config_toml = "config-toml",
    keystore = "keystore",
    ledger_row = "ledger-row",
    restart = "restart",
}
