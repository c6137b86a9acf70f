//! Posting in a simulation: PostingTurns on its L1, a posting account for every operator, and what must hold of it.

use crate::{
    chain::{Chain, account},
    derivation::{Derived, derive},
    invariants::{Invariant, must},
    world::World,
};
use alloy_primitives::{Address, address};
use rota_batch::{BatchBlock, ChannelId, Compression, encode_channel};
use rota_l1::{
    CarrierLimits, L1Sender, MemoryL1, MemorySender, MemoryTurns, Payload, SendPolicy, SkipDomain, TurnMember,
};
use rota_node::poster::{CarrierChoice, InboxView, PostedSource, PosterConfig, Posting, PostingLimits};
use std::{sync::Arc, time::Duration};

/// The address of PostingTurns on L1.
pub const POSTING_TURNS: Address = address!("0000000000000000000000000000000000000905");

/// How long posting may take to go on after the last fault has healed: a silent poster, the skip, and what its
/// successor needs; or the rest of a window.
const PATIENCE: Duration = Duration::from_secs(120);

/// PostingTurns, and how every operator posts.
#[derive(Debug, Clone, Copy)]
pub struct PostingPlan {
    /// L1 blocks of a turn.
    pub window: u64,
    /// L1 blocks of a turn before it can be skipped.
    pub tenure: u64,
    /// How to post.
    pub config: PosterConfig,
}

impl Default for PostingPlan {
    /// Turns of 40 s in which a silent poster is skipped after 20 s; batches every 6 s, in payloads so small that a
    /// channel takes several transactions.
    fn default() -> Self {
        let config = PosterConfig {
            limits: PostingLimits { interval: Duration::from_secs(6), ..PostingLimits::default() },
            send: SendPolicy { resubmission_timeout: Duration::from_secs(8), ..SendPolicy::default() },
            carrier: CarrierChoice::Calldata,
            carried: CarrierLimits { max_calldata: 100, max_blobs: 2 },
            skip_timeout: Duration::from_secs(20),
            ..PosterConfig::default()
        };
        Self { window: 20, tenure: 4, config }
    }
}

/// The posting accounts.
pub(crate) struct Posters {
    plan: PostingPlan,
    domain: SkipDomain,
    senders: Vec<Arc<MemorySender>>,
    /// Whose account an operator posts from: its own, usually.
    accounts: Vec<usize>,
}

impl Posters {
    /// Deploys PostingTurns with the first `members` operators.
    pub(crate) fn deploy(plan: PostingPlan, chain: &Chain, l1: &MemoryL1, members: usize) -> Self {
        let member = |operator: usize| TurnMember {
            identity: chain.keys[operator].identity.identity(),
            operator: account(operator),
            posting: chain.keys[operator].posting.address(),
        };
        l1.deploy_turns(POSTING_TURNS, plan.window, plan.tenure, &(0..members).map(member).collect::<Vec<_>>());
        let domain = SkipDomain { l1_chain_id: chain.spec.rollup.l1_chain_id, contract: POSTING_TURNS };
        let senders = chain.keys.iter().map(|keys| l1.sender(keys.posting.address())).collect();
        Self { plan, domain, senders, accounts: (0..chain.keys.len()).collect() }
    }
}

impl World {
    fn posters(&self) -> &Posters {
        self.posters.as_ref().expect("a scenario with posting")
    }

    /// How an operator takes part in posting.
    pub(crate) fn posting(&self, operator: usize) -> Posting {
        let Some(posters) = &self.posters else { return Posting::default() };
        let turns = MemoryTurns::new(self.l1_view(operator).clone(), posters.domain);
        let account = posters.accounts[operator];
        Posting {
            config: posters.plan.config,
            turns: Some((Arc::new(turns), self.chain.keys[account].posting.clone())),
            sender: Some(posters.senders[account].clone()),
        }
    }

    /// From its next start on, `operator` has the posting key of `other`, which has it too.
    pub fn share_posting_key(&mut self, operator: usize, other: usize) {
        self.posters.as_mut().expect("a scenario with posting").accounts[operator] = other;
    }

    /// An operator's posting account.
    pub fn poster(&self, operator: usize) -> &MemorySender {
        &self.posters().senders[operator]
    }

    /// What the inbox holds, as an operator has read it.
    pub fn inbox(&self, operator: usize) -> InboxView {
        *self.node(operator).inbox.borrow()
    }

    /// Number of the newest block that an operator has certified.
    pub fn block(&self, operator: usize) -> u64 {
        PostedSource::head(&*self.node(operator).ledger)
    }

    /// A certified block as a batch says it, by an operator's ledger.
    pub fn batch(&self, operator: usize, number: u64) -> BatchBlock {
        let block = PostedSource::block(&*self.node(operator).ledger, number).expect("the disk is sound");
        block.expect("the block is certified").batch
    }

    /// The operator with this posting address, if it is one's.
    pub fn poster_at(&self, address: Address) -> Option<usize> {
        self.operators().find(|operator| self.poster(*operator).address() == address)
    }

    /// Index of the operator whose batches count now, as the first running one has read it; `None` before the first
    /// turn.
    pub fn posts(&self) -> Option<usize> {
        let witness = self.operators().find(|operator| self.runs(*operator)).expect("somebody runs");
        self.poster_at(self.inbox(witness).batcher?)
    }

    /// Sends a channel of these blocks from an operator's posting account, whoever's turn it is, and waits until it is
    /// mined.
    pub async fn post_by_hand(&self, operator: usize, blocks: &[BatchBlock]) {
        let (rollup, policy) = (&self.chain.spec.rollup, self.posters().plan.config.send);
        let id = ChannelId::repeat_byte(operator as u8 + 1);
        let pieces = encode_channel(rollup, blocks, id, Compression::Zlib, 10_000).expect("blocks follow each other");
        let payloads: Vec<_> = pieces.into_iter().map(Payload::Calldata).collect();
        let inbox = rollup.batch_inbox_address;
        rota_l1::deliver(&self.context, self.poster(operator), &policy, inbox, &payloads).await.expect("it is mined");
    }

    /// What anybody derives from L1 now. **It is what was certified**, block by block, hash by hash.
    pub fn derived(&self) -> Vec<Derived> {
        let chain = derive(&self.chain.spec, &self.l1);
        let running = self.operators().filter(|operator| self.runs(*operator));
        let witness = running.max_by_key(|operator| self.block(*operator)).expect("somebody runs");
        for block in &chain {
            let certified = PostedSource::hash(&*self.node(witness).ledger, block.number).expect("the disk is sound");
            must(Invariant::PostedIsCertified, certified == Some(block.hash), || {
                format!("block {} is derived as {}, certified is {certified:?}", block.number, block.hash)
            });
        }
        chain
    }

    /// What must hold of posting at the end of every scenario: **it goes on**, **what is derived is what was
    /// certified**, every operator has read the same, and **nobody has evidence of a difference**.
    pub(crate) async fn finish_posting(&self) {
        // One that others have cut off for lying does not hear what is certified.
        let honest = |operator: &usize| self.runs(*operator) && self.invariants.is_honest(*operator);
        let running: Vec<_> = self.operators().filter(honest).collect();
        if self.posters.is_none() || running.is_empty() {
            return;
        }
        let target = running.iter().map(|operator| self.block(*operator)).max().unwrap_or_default();
        let read = |world: &Self| running.iter().all(|operator| world.inbox(*operator).posted >= Some(target));
        let what = format!("block {target} is posted and everybody has read it");
        self.must_within(Invariant::PostingGoesOn, PATIENCE, &what, read).await;
        let derived = self.derived().last().map_or(0, |block| block.number);
        for operator in running {
            let view = self.inbox(operator);
            must(Invariant::PostingGoesOn, view.posted <= Some(derived), || {
                format!("operator {operator} reads {view:?}, L1 has {derived} blocks")
            });
            let differences = self.node(operator).ledger.differences().expect("the disk is sound");
            must(Invariant::PostedIsCertified, differences.is_empty(), || {
                format!("operator {operator} has evidence of a difference: {differences:?}")
            });
        }
    }
}
