//! PostingTurns on an L1 in memory, by the contract's rules: windows, rotation by anybody, skip by more than a third.

use super::{MemoryL1, MemoryView, Transaction};
use crate::{
    provider::ProviderError,
    sender::Payload,
    system_config::ConfigUpdate,
    turns::{PostingTurn, PostingTurns, SkipDomain, TurnSource, abi},
};
use alloy_primitives::{Address, B256, Signature};
use alloy_sol_types::SolCall;
use async_trait::async_trait;
use std::{collections::BTreeMap, sync::Arc};

/// A member of the registry, as PostingTurns sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TurnMember {
    /// p2p identity: the place in the order.
    pub identity: B256,
    /// Its account.
    pub operator: Address,
    /// Its posting address.
    pub posting: Address,
}

/// The contract's state after an L1 block.
#[derive(Debug, Clone)]
pub(super) struct Turns {
    domain: SkipDomain,
    window: u64,
    tenure: u64,
    /// By identity.
    members: BTreeMap<B256, TurnMember>,
    turn: PostingTurn,
    round: u64,
    served: BTreeMap<Address, u64>,
}

impl Turns {
    pub(super) fn new(domain: SkipDomain, window: u64, tenure: u64, members: &[TurnMember]) -> Self {
        let members = members.iter().map(|member| (member.identity, *member)).collect();
        let (turn, served) = (PostingTurn::default(), BTreeMap::new());
        Self { domain, window, tenure, members, turn, round: 0, served }
    }

    pub(super) const fn contract(&self) -> Address {
        self.domain.contract
    }

    pub(super) fn remove(&mut self, identity: B256) {
        self.members.remove(&identity);
    }

    /// Executes a call of the contract in block `number`; `None` if it reverts, else what changed in `SystemConfig`.
    pub(super) fn execute(&mut self, transaction: &Transaction, number: u64) -> Option<ConfigUpdate> {
        let Payload::Call { input, .. } = &transaction.submission.payload else { return None };
        if abi::rotateCall::abi_decode(input).is_ok() {
            self.over(number).then_some(())?;
        } else {
            let call = abi::skipCall::abi_decode(input).ok()?;
            let ours = self.turn.number != 0 && call.number == self.turn.number;
            (ours && number >= self.turn.start_block + self.tenure).then_some(())?;
            let mut signers = Vec::new();
            for signature in &call.signatures {
                let signature = Signature::try_from(signature.as_ref()).ok()?;
                let signer = self.domain.signer(call.number, &signature)?;
                signers.last().is_none_or(|last| *last < signer).then_some(())?;
                signers.push(signer);
            }
            let member = |signer: &&Address| self.members.values().any(|member| member.posting == **signer);
            (3 * signers.iter().filter(member).count() > self.members.len()).then_some(())?;
        }
        self.advance(number)
    }

    fn over(&self, number: u64) -> bool {
        number >= self.turn.end_block || !self.members.values().any(|member| member.operator == self.turn.operator)
    }

    /// The members from the one after this identity on, wrapping.
    fn after(&self, place: B256) -> impl Iterator<Item = &TurnMember> {
        use std::ops::Bound::{Excluded, Unbounded};
        let after = self.members.range((Excluded(place), Unbounded));
        after.chain(self.members.range(..=place)).map(|(_, member)| member)
    }

    fn advance(&mut self, number: u64) -> Option<ConfigUpdate> {
        let (mut place, mut round) = (self.turn.identity, self.round);
        let next = loop {
            let next = *self.after(place).next()?;
            if next.identity <= place || self.round == 0 {
                round = self.round + 1;
            }
            place = next.identity;
            if self.served.get(&next.operator) != Some(&round) {
                break next;
            }
        };
        self.round = round;
        self.served.insert(next.operator, round);
        self.turn = PostingTurn {
            number: self.turn.number + 1,
            start_block: number,
            end_block: number + self.window,
            operator: next.operator,
            identity: next.identity,
            posting: next.posting,
        };
        Some(ConfigUpdate::Batcher(next.posting))
    }

    fn overview(&self, number: u64) -> PostingTurns {
        PostingTurns {
            turn: self.turn,
            skippable_from: self.turn.start_block + self.tenure,
            rotatable: self.over(number) && !self.members.is_empty(),
            owned: true,
        }
    }
}

impl MemoryL1 {
    /// Deploys PostingTurns, owning `SystemConfig`: windows and tenure in L1 blocks. No turn runs until it is rotated.
    pub fn deploy_turns(&self, contract: Address, window: u64, tenure: u64, members: &[TurnMember]) {
        let mut chain = self.0.lock();
        let domain = SkipDomain { l1_chain_id: chain.rollup.l1_chain_id, contract };
        chain.turns = Some(Turns::new(domain, window, tenure, members));
        let state = chain.turns.clone();
        chain.blocks.last_mut().expect("the genesis block is never removed").turns = state;
    }

    /// Takes a member out of the registry, from the next block on.
    pub fn remove_member(&self, identity: B256) {
        if let Some(turns) = &mut self.0.lock().turns {
            turns.remove(identity);
        }
    }
}

/// PostingTurns as a view of the L1 shows it.
#[derive(Debug)]
pub struct MemoryTurns {
    view: Arc<MemoryView>,
    domain: SkipDomain,
}

impl MemoryTurns {
    /// The contract that was deployed at this address.
    pub fn new(view: Arc<MemoryView>, domain: SkipDomain) -> Self {
        Self { view, domain }
    }

    fn read<T>(&self, read: impl FnOnce(&Turns, u64) -> T) -> Result<T, ProviderError> {
        self.view.look(|chain, head| {
            let mined = MemoryView::number(chain, head, head).expect("the head exists");
            let turns = mined.turns.as_ref().filter(|turns| turns.domain == self.domain);
            let missing = || ProviderError::Inconsistent("no PostingTurns there".into());
            turns.map(|turns| read(turns, head)).ok_or_else(missing)
        })?
    }
}

#[async_trait]
impl TurnSource for MemoryTurns {
    fn domain(&self) -> SkipDomain {
        self.domain
    }

    async fn turns(&self) -> Result<PostingTurns, ProviderError> {
        self.read(|turns, head| turns.overview(head))
    }

    async fn order(&self) -> Result<Vec<Address>, ProviderError> {
        self.read(|turns, _| turns.after(turns.turn.identity).map(|member| member.posting).collect())
    }
}
