//! The ledger on a real engine.

use super::{
    InboxPosition, LedgerError, Located, LogLimits, LogsError, Overruled, PostedDifference, Retention,
    fixture::{Fixture, account, certificate, logger, sign, spec},
};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::Filter;
use rota_consensus::{Evidence, EvidenceKind};
use rota_execution::{EmbeddedEngine, ExecutionEngine, MemoryStore};
use rota_types::merkle;
use std::sync::Arc;

const SOMEBODY: Address = Address::repeat_byte(0x77);

#[test]
fn an_empty_store_becomes_genesis() {
    let fixture = Fixture::new();
    let head = fixture.ledger.head();
    assert_eq!(fixture.ledger.tip(), (0, fixture.spec.genesis_flashblock().digest()));
    assert_eq!(head.sealed.hash, fixture.spec.rollup.genesis.l2.hash);
    assert_eq!(fixture.ledger.block_number(&head.sealed.hash).unwrap(), Some(0));
}

#[test]
fn a_block_read_from_disk_is_the_one_that_was_sealed() {
    let fixture = Fixture::new();
    fixture.certify(&[sign(0, 0, Some(SOMEBODY), 5, [])], false, false);
    fixture.certify(&[sign(0, 1, None, 0, logger()), sign(1, 0, Some(SOMEBODY), 1, [])], true, true);
    let before = fixture.ledger.head();
    assert_eq!((before.first_height, before.counts.as_slice()), (1, [2, 2].as_slice()));
    assert_eq!(before.flashblock_of(1), Some((1, 0..2)));
    assert_eq!(before.flashblock_of(3), Some((2, 2..4)));
    assert_eq!(before.flashblock_of(4), None);

    let fixture = fixture.reopened();
    let after = fixture.ledger.block(1).unwrap().unwrap();
    assert_eq!(after.sealed.header, before.sealed.header);
    assert_eq!((after.sealed.hash, after.sealed.size), (before.sealed.hash, before.sealed.size));
    assert_eq!(after.counts, before.counts);
    for (a, b) in after.sealed.transactions.iter().zip(&before.sealed.transactions) {
        assert_eq!(a.transaction, b.transaction);
        assert_eq!(a.receipt, b.receipt);
        assert_eq!((a.gas_used, a.l1_fee, a.created), (b.gas_used, b.l1_fee, b.created));
    }
    assert!(after.sealed.transactions[1].l1_fee > U256::ZERO);
    assert_eq!(after.sealed.transactions[2].created, Some(account(0).address().create(1)));
}

#[test]
fn a_restart_continues_the_open_block() {
    let fixture = Fixture::new();
    fixture.block(&[]);
    let (first, second) = (sign(0, 0, Some(SOMEBODY), 5, []), sign(0, 1, Some(SOMEBODY), 6, []));
    fixture.certify(&[first], false, true);
    fixture.certify(&[second], false, false);
    let (tip, position) = (fixture.ledger.tip(), fixture.engine.certified());

    let fixture = fixture.reopened();
    assert_eq!(fixture.ledger.tip(), tip);
    assert_eq!(fixture.engine.certified(), position);
    assert_eq!(fixture.ledger.open_block().len(), 2);
    let replayed = fixture.ledger.flashblocks_since_seal().unwrap();
    assert_eq!(replayed.iter().map(|r| r.attributes.is_some()).collect::<Vec<_>>(), [true, false]);
    fixture.block(&[sign(0, 2, Some(SOMEBODY), 7, [])]);
    let head = fixture.ledger.head();
    assert_eq!((head.number(), head.counts.as_slice()), (2, [2, 1, 1].as_slice()));
}

#[test]
fn another_flashblock_at_a_certified_height_is_a_conflict() {
    let fixture = Fixture::new();
    let (one, executed) = fixture.propose(&[], true);
    let (other, other_executed) = fixture.propose(&[sign(0, 0, Some(SOMEBODY), 5, [])], true);
    fixture.ledger.append(&one, &executed, None).unwrap();
    let found = fixture.ledger.append(&other, &other_executed, None).unwrap_err();
    assert!(matches!(found, LedgerError::Conflict { height: 1, .. }), "{found}");
    assert_eq!(fixture.ledger.tip(), (1, one.digest()));
}

#[test]
fn an_append_again_adds_only_the_certificate_that_was_missing() {
    let fixture = Fixture::new();
    let (one, executed) = fixture.propose(&[], true);
    fixture.ledger.append(&one, &executed, None).unwrap();
    assert!(fixture.ledger.certificate_for(1).unwrap().is_none());
    fixture.ledger.append(&one, &executed, Some(certificate(&one))).unwrap();
    assert_eq!(fixture.ledger.certificate_for(1).unwrap().unwrap().0, certificate(&one));
}

#[test]
fn a_gap_and_a_certificate_of_something_else_are_refused() {
    let fixture = Fixture::new();
    let (one, executed) = fixture.propose(&[], true);
    let mut later = (*one).clone();
    later.header.height = 3;
    let gap = fixture.ledger.append(&Arc::new(later), &executed, None).unwrap_err();
    assert!(matches!(gap, LedgerError::Gap { expected: 1, found: 3 }), "{gap}");
    let genesis = fixture.spec.genesis_flashblock();
    let wrong = fixture.ledger.append(&one, &executed, Some(certificate(&genesis))).unwrap_err();
    assert!(matches!(wrong, LedgerError::Conflict { .. }), "{wrong}");
}

#[test]
fn a_certificate_covers_its_ancestors_with_the_headers_between() {
    let fixture = Fixture::new();
    let one = fixture.certify(&[], false, false);
    fixture.certify(&[], false, false);
    let three = fixture.certify(&[], true, true);
    let (certificate, headers) = fixture.ledger.certificate_for(1).unwrap().unwrap();
    assert_eq!(certificate.digest, three.digest());
    assert_eq!(headers[0], one.header);
    assert!(headers.windows(2).all(|pair| pair[1].parent == pair[0].digest()));
    assert_eq!(headers.last().unwrap().digest(), certificate.digest);
    assert!(fixture.ledger.certificate_for(4).unwrap().is_none());
}

#[test]
fn an_outcome_proves_itself_against_its_flashblocks_header() {
    let fixture = Fixture::new();
    fixture.certify(&[sign(0, 0, Some(SOMEBODY), 5, [])], false, false);
    let sent = [sign(1, 0, Some(SOMEBODY), 5, []), sign(2, 0, Some(SOMEBODY), 5, [])];
    let second = fixture.certify(&sent, false, false);
    let hash = alloy_primitives::keccak256(&sent[1]);
    let check = |located: Located| {
        let outcome = located.outcome().unwrap();
        assert_eq!((outcome.height, located.height(), &outcome.transaction), (2, 2, &sent[1]));
        let leaf = merkle::leaf(&outcome.transaction, &outcome.receipt);
        assert_eq!(outcome.branch.root(leaf), Some(second.header.outcome_root));
    };
    let open = fixture.ledger.transaction(&hash).unwrap().unwrap();
    assert!(matches!(open, Located::Open { block_index: 3, .. }), "{open:?}");
    check(open);
    fixture.certify(&[], true, true);
    let sealed = fixture.ledger.transaction(&hash).unwrap().unwrap();
    assert!(matches!(sealed, Located::Sealed { index: 3, .. }), "{sealed:?}");
    check(sealed);
}

#[test]
fn logs_are_found_by_topic_and_address_within_limits() {
    let fixture = Fixture::new();
    let contract = account(0).address().create(0);
    fixture.block(&[sign(0, 0, None, 0, logger())]);
    fixture.block(&[sign(0, 1, Some(contract), 0, []), sign(0, 2, Some(contract), 0, [])]);
    fixture.block(&[sign(0, 3, Some(SOMEBODY), 1, [])]);
    let limits = LogLimits::default();
    let topic = B256::with_last_byte(0x2a);
    let filter = Filter::new().event_signature(topic);
    let check = |fixture: &Fixture| {
        let found = fixture.ledger.logs(&filter, 0..=9, &limits).unwrap();
        assert_eq!(found.iter().map(|l| (l.block_number, l.log_index)).collect::<Vec<_>>(), [(2, 0), (2, 1)]);
        assert_eq!((found[1].transaction_index, found[1].log.address), (2, contract));
    };
    check(&fixture);
    assert!(fixture.ledger.logs(&Filter::new().address(SOMEBODY), 0..=9, &limits).unwrap().is_empty());
    let refused = |limits| fixture.ledger.logs(&filter, 0..=9, &limits).unwrap_err();
    assert!(matches!(refused(LogLimits { blocks: 5, ..limits }), LogsError::Limit { limit: 5, .. }));
    assert!(matches!(refused(LogLimits { results: 1, ..limits }), LogsError::Limit { limit: 1, .. }));
    assert!(matches!(refused(LogLimits { receipts: 1, ..limits }), LogsError::Limit { .. }));
    check(&fixture.reopened());
}

#[test]
fn retention_removes_what_is_old_with_its_indexes() {
    // The smallest retention is 4 096 flashblocks and 256 blocks; a pruner of a test keeps less.
    let fixture = Fixture::with_retention(Retention { flashblocks: Some(1), blocks: Some(1) });
    fixture.ledger.writer.lock().keep_for_test(3, 2);
    let sent = sign(0, 0, Some(SOMEBODY), 5, []);
    let first = fixture.block(std::slice::from_ref(&sent));
    let hash = fixture.ledger.head().sealed.hash;
    for _ in 0..3 {
        fixture.block(&[]);
    }
    fixture.ledger.posted_for_good(4);
    for _ in 0..2 {
        fixture.block(&[]);
    }
    let fixture = fixture.reopened();
    let ledger = &fixture.ledger;
    assert!(ledger.flashblock(1).unwrap().is_none() && ledger.flashblock(3).unwrap().is_none());
    assert!(ledger.flashblock(4).unwrap().is_some() && ledger.flashblock(0).unwrap().is_some());
    assert_eq!(ledger.height_of(&first.digest()).unwrap(), None);
    assert!(ledger.certificate_for(4).unwrap().is_some());
    assert!(ledger.block(4).unwrap().is_none() && ledger.block(5).unwrap().is_some());
    assert_eq!(ledger.block_number(&hash).unwrap(), None);
    assert!(ledger.transaction(&alloy_primitives::keccak256(sent)).unwrap().is_none());
    assert_eq!((ledger.oldest_block(), ledger.head().number()), (5, 6));
}

#[test]
fn what_may_still_be_posted_is_not_pruned() {
    let fixture = Fixture::with_retention(Retention { flashblocks: Some(1), blocks: Some(1) });
    fixture.ledger.writer.lock().keep_for_test(100, 2);
    let blocks = |count: usize| (0..count).for_each(|_| drop(fixture.block(&[])));
    blocks(8);
    assert_eq!(fixture.ledger.oldest_block(), 1, "nobody knows what is posted, and no sequencing window is over");
    // Blocks 1 to 8 are on the rollup's first L1 block; the window is three.
    for _ in 0..3 {
        fixture.l1.mine();
        blocks(2);
    }
    assert_eq!(fixture.ledger.oldest_block(), 1);
    fixture.l1.mine();
    blocks(4);
    assert_eq!(fixture.ledger.oldest_block(), 9, "their window is over");
    fixture.ledger.posted_for_good(11);
    blocks(8);
    assert_eq!(fixture.ledger.oldest_block(), 12, "the rest is not posted");
    let ledger = fixture.reopened().ledger;
    assert!(ledger.block(11).unwrap().is_none() && ledger.block(12).unwrap().is_some());
}

#[test]
fn the_origin_is_recalled_as_l1_had_it() {
    let fixture = Fixture::new();
    assert_eq!(fixture.ledger.recall_origin().unwrap(), None, "genesis tells nothing");
    fixture.block(&[]);
    let mut recalled = vec![(fixture.ledger.recall_origin().unwrap().unwrap(), fixture.l1.head())];
    for _ in 0..2 {
        fixture.l1.mine();
        // The second one by an open block.
        for seal in [true, true, false] {
            fixture.certify(&[], seal, true);
        }
        recalled.push((fixture.ledger.recall_origin().unwrap().unwrap(), fixture.l1.head()));
        fixture.certify(&[], true, true);
    }
    assert_eq!(recalled.remove(0).0.id, fixture.spec.rollup.genesis.l1);
    for (recalled, real) in recalled {
        assert_eq!(recalled, *real);
    }
    let fixture = fixture.reopened();
    assert_eq!(fixture.ledger.recall_origin().unwrap().unwrap(), *fixture.l1.head());
}

#[test]
fn that_l1_has_overruled_is_kept_once() {
    let fixture = Fixture::new();
    let overruled = Overruled {
        block: 7,
        height: 31,
        digest: B256::repeat_byte(1),
        l1_number: 3,
        certified: B256::repeat_byte(2),
        finalized: B256::repeat_byte(3),
        noticed: 1_800_000_000,
    };
    assert_eq!(fixture.ledger.overruled(), None);
    fixture.ledger.store_overruled(overruled).unwrap();
    fixture.ledger.store_overruled(Overruled { block: 9, ..overruled }).unwrap();
    assert_eq!(fixture.ledger.overruled(), Some(overruled));
    assert_eq!(fixture.reopened().ledger.overruled(), Some(overruled));
}

#[test]
fn evidence_is_kept_once() {
    let fixture = Fixture::new();
    let evidence = Evidence {
        kind: EvidenceKind::ConflictingFinalize,
        epoch: 2,
        view: 7,
        operator: B256::repeat_byte(9),
        votes: vec![1, 2, 3].into(),
    };
    assert!(fixture.ledger.store_evidence(&evidence).unwrap());
    assert!(!fixture.ledger.store_evidence(&evidence).unwrap());
    let huge = Evidence { view: 8, votes: vec![0; 1 << 20].into(), ..evidence.clone() };
    assert!(!fixture.ledger.store_evidence(&huge).unwrap());
    let fixture = fixture.reopened();
    assert_eq!(fixture.ledger.evidence(0, 10).unwrap(), [evidence]);
    assert!(fixture.ledger.evidence(3, 10).unwrap().is_empty());
}

#[test]
fn the_inboxs_position_and_differences_survive_a_restart() {
    let fixture = Fixture::new();
    assert_eq!(fixture.ledger.inbox_position().unwrap(), None);
    let (l1_hash, batcher) = (B256::repeat_byte(1), Address::repeat_byte(2));
    let position = InboxPosition { l1_number: 7, l1_hash, posted: 90, batcher };
    fixture.ledger.store_inbox_position(&position).unwrap();
    let certified = B256::repeat_byte(3);
    let channel = Bytes::from_static(b"what was posted");
    let difference = PostedDifference { l1_number: 8, l1_hash, batcher, block: 91, certified, channel };
    assert!(fixture.ledger.store_difference(difference.clone()).unwrap());
    assert!(!fixture.ledger.store_difference(difference.clone()).unwrap(), "known");
    let huge = PostedDifference { block: 92, channel: vec![7; 2 << 20].into(), ..difference.clone() };
    assert!(fixture.ledger.store_difference(huge).unwrap());
    let fixture = fixture.reopened();
    assert_eq!(fixture.ledger.inbox_position().unwrap(), Some(position));
    let differences = fixture.ledger.differences().unwrap();
    assert_eq!((differences.len(), &differences[0]), (2, &difference));
    assert_eq!(differences[1].channel.len(), 1 << 20, "cut off");
    assert!(fixture.ledger.evidence(0, 10).unwrap().is_empty(), "no faults in consensus");
    for block in 100..200 {
        fixture.ledger.store_difference(PostedDifference { block, ..difference.clone() }).unwrap();
    }
    assert_eq!(fixture.ledger.differences().unwrap().len(), 64, "a flood does not fill the disk");
}

#[test]
fn the_ledger_of_another_chain_is_refused() {
    let Fixture { store, engine, spec: own, .. } = Fixture::new();
    let mut other = spec();
    other.lineage = 1;
    let refused = super::Ledger::open(Arc::new(store), engine, Arc::new(other), Retention::ALL).unwrap_err();
    assert!(matches!(refused, LedgerError::OtherChain { found, .. } if found == own.id()), "{refused}");
}

#[test]
fn an_empty_ledger_beside_an_engine_with_state_is_corrupt() {
    let fixture = Fixture::new();
    fixture.block(&[]);
    let engine: Arc<EmbeddedEngine> = fixture.engine.clone();
    let opened = super::Ledger::open(Arc::new(MemoryStore::default()), engine, fixture.spec, Retention::ALL);
    assert!(matches!(opened.unwrap_err(), LedgerError::Corrupt(_)));
}

#[test]
fn a_store_that_fails_leaves_the_ledger_where_it_was() {
    let fixture = Fixture::new();
    let (one, executed) = fixture.propose(&[sign(0, 0, Some(SOMEBODY), 5, [])], true);
    fixture.store.fail_writes(true);
    assert!(fixture.ledger.append(&one, &executed, None).is_err());
    assert_eq!(fixture.ledger.tip().0, 0);
    fixture.store.fail_writes(false);
    let fixture = fixture.reopened();
    assert_eq!(fixture.ledger.tip().0, 0);
    assert!(fixture.ledger.flashblock(1).unwrap().is_none());
}
