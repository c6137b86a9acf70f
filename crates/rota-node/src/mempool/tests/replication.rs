//! Claims about acknowledgements: who counts, who is answered, what is sent again.

use super::spec;
use crate::{
    mempool::replication::{ACKNOWLEDGE_TIMEOUT, Replication},
    rpc::SubmitError,
};
use alloy_primitives::{B256, Bytes};
use futures::channel::oneshot::{self, Receiver};
use rota_types::Identity;
use std::time::{Duration, SystemTime};

type Answer = Receiver<Result<B256, SubmitError>>;

const HASH: B256 = B256::repeat_byte(1);
const START: SystemTime = SystemTime::UNIX_EPOCH;
const MANY: usize = usize::MAX;

fn operator(index: usize) -> Identity {
    spec().committee.operators()[index].identity
}

fn track(replication: &mut Replication, now: SystemTime) -> Answer {
    let (reply, answer) = oneshot::channel();
    assert!(replication.submitted(HASH, Bytes::from_static(b"raw"), reply, now).is_some());
    answer
}

fn answered(answer: &mut Answer) -> Option<Result<B256, SubmitError>> {
    answer.try_recv().expect("not dropped")
}

fn after(milliseconds: u64) -> SystemTime {
    START + Duration::from_millis(milliseconds)
}

#[test]
fn one_other_of_four_is_enough_for_an_operator() {
    let mut replication = Replication::new(&spec().committee, operator(0));
    assert_eq!(replication.others().collect::<Vec<_>>(), [operator(1), operator(2), operator(3)]);
    let mut answer = track(&mut replication, START);
    replication.acknowledged(&operator(0), &[HASH]);
    replication.acknowledged(&Identity::repeat_byte(0xee), &[HASH]);
    replication.acknowledged(&operator(1), &[B256::ZERO]);
    assert_eq!(answered(&mut answer), None, "neither itself, nor a stranger, nor another transaction");
    replication.acknowledged(&operator(1), &[HASH]);
    assert_eq!(answered(&mut answer), Some(Ok(HASH)));
}

#[test]
fn a_follower_needs_one_more_and_each_counts_once() {
    let mut replication = Replication::new(&spec().committee, Identity::repeat_byte(0xee));
    assert_eq!(replication.others().count(), 4);
    let mut answer = track(&mut replication, START);
    replication.acknowledged(&operator(1), &[HASH]);
    replication.acknowledged(&operator(1), &[HASH, HASH]);
    assert_eq!(answered(&mut answer), None);
    replication.acknowledged(&operator(0), &[HASH]);
    assert_eq!(answered(&mut answer), Some(Ok(HASH)));
}

#[test]
fn after_two_seconds_the_answer_is_an_error_and_copies_go_on() {
    let mut replication = Replication::new(&spec().committee, operator(0));
    let mut answer = track(&mut replication, START);
    let mut copies = Vec::new();
    let mut now = START;
    while now < after(60_000) {
        now = replication.next_due().expect("never given up");
        let answered_before = answered(&mut answer);
        copies.extend(replication.tick(now, MANY).iter().map(|_| now));
        if now < START + ACKNOWLEDGE_TIMEOUT {
            assert_eq!(answered_before, None);
        }
        if now == START + ACKNOWLEDGE_TIMEOUT {
            break;
        }
    }
    assert_eq!(answered(&mut answer), Some(Err(SubmitError::NotReplicated(HASH))));
    assert_eq!(copies, [after(500), after(1500)]);
    for expected in [after(3500), after(7500), after(15_500), after(23_500)] {
        assert_eq!(replication.next_due(), Some(expected));
        assert_eq!(replication.tick(expected, MANY).len(), 1);
    }
}

#[test]
fn submitting_again_waits_again_until_enough_hold_it() {
    let mut replication = Replication::new(&spec().committee, operator(0));
    let mut first = track(&mut replication, START);
    replication.tick(after(500), MANY);
    replication.tick(after(2000), MANY);
    assert_eq!(answered(&mut first), Some(Err(SubmitError::NotReplicated(HASH))));
    let (reply, mut second) = oneshot::channel();
    assert!(
        replication.submitted(HASH, Bytes::from_static(b"raw"), reply, after(2100)).is_some(),
        "a copy goes out at once"
    );
    replication.acknowledged(&operator(2), &[HASH]);
    assert_eq!(answered(&mut second), Some(Ok(HASH)));
    let (reply, mut third) = oneshot::channel();
    assert!(replication.submitted(HASH, Bytes::from_static(b"raw"), reply, after(2200)).is_none());
    assert_eq!(answered(&mut third), Some(Err(SubmitError::AlreadyKnown)));
}

#[test]
fn inclusion_answers_and_ends_the_copies() {
    let mut replication = Replication::new(&spec().committee, operator(0));
    let mut answer = track(&mut replication, START);
    replication.end(&HASH, Ok(()));
    assert_eq!(answered(&mut answer), Some(Ok(HASH)));
    assert_eq!(replication.next_due(), None);
    assert!(replication.tick(after(100_000), MANY).is_empty());
}

#[test]
fn copies_at_one_time_are_bounded_and_the_rest_follows() {
    let mut replication = Replication::new(&spec().committee, operator(0));
    let hashes: Vec<_> = (1..=5).map(B256::repeat_byte).collect();
    for hash in &hashes {
        let (reply, _) = oneshot::channel();
        replication.submitted(*hash, Bytes::from(vec![0; 10]), reply, START);
    }
    let mut sent: Vec<_> = replication.tick(after(500), 20).into_iter().map(|(hash, _)| hash).collect();
    assert_eq!(sent.len(), 2);
    sent.extend(replication.tick(after(500), 20).into_iter().map(|(hash, _)| hash));
    sent.extend(replication.tick(after(500), 20).into_iter().map(|(hash, _)| hash));
    assert_eq!(sent, hashes);
}

#[test]
fn acknowledged_copies_go_out_slowly_for_operators_that_restart() {
    let mut replication = Replication::new(&spec().committee, operator(0));
    let _answer = track(&mut replication, START);
    replication.acknowledged(&operator(1), &[HASH]);
    let mut times = Vec::new();
    while let Some(due) = replication.next_due().filter(|due| *due < after(30_000)) {
        times.extend(replication.tick(due, MANY).iter().map(|_| due));
    }
    assert_eq!(times, [after(8_500), after(16_500), after(24_500)]);
}
