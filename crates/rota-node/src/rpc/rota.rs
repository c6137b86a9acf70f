//! `rota_`: the node's status, the schedule, how far transactions have come, and what proves it.

use super::{
    NodeStatus, PoolSize, RpcError,
    context::Rpc,
    errors::{invalid, parse_hash},
    fees::Count,
    stages::{StageChange, TrackedTransaction},
};
use alloy_primitives::{Address, B256, Bytes};
use jsonrpsee::proc_macros::rpc;
use rota_types::{
    BlockId, Body, Certificate, Digest, Epoch, Header, Identity, Operator, PROTOCOL_VERSION, Stage, Strategy,
    merkle::Branch,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Turns in one schedule answer, at most.
const MAX_TURNS: u64 = 1_024;

/// A flashblock by height (number or hex quantity) or by digest, or a transaction by hash.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Reference {
    /// 32 bytes of hex.
    Hash(B256),
    /// A height.
    Height(Count),
}

/// An operator for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperatorAnswer {
    /// Name.
    pub name: String,
    /// p2p identity.
    pub identity: Identity,
    /// Address that posts batches.
    pub posting_address: Address,
    /// L1 account that owns the entry in the registry.
    pub account: Address,
    /// Share of turns.
    pub weight: u64,
    /// A voting member without regular turns.
    pub reserve: bool,
}

impl From<&Operator> for OperatorAnswer {
    fn from(operator: &Operator) -> Self {
        Self {
            name: operator.name.clone(),
            identity: operator.identity,
            posting_address: operator.posting_address,
            account: operator.account,
            weight: operator.weight,
            reserve: operator.reserve,
        }
    }
}

/// One turn of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnAnswer {
    /// Epoch.
    pub epoch: u64,
    /// Index in the epoch.
    pub turn: u64,
    /// Its first view.
    pub first_view: u64,
    /// Its last view.
    pub last_view: u64,
    /// Who leads.
    pub leader: Identity,
    /// That operator's name.
    pub name: String,
}

/// Answer of `rota_schedule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleAnswer {
    /// Heights of an epoch.
    pub epoch_length: u64,
    /// Views of a turn.
    pub turn_length: u32,
    /// Who gives the turns.
    pub strategy: Strategy,
    /// Randomness of the strategies that need it.
    pub seed: B256,
    /// Turns that belong to regular operators.
    pub regular_turns: u32,
    /// The committee, in canonical order.
    pub committee: Vec<OperatorAnswer>,
    /// The turns.
    pub turns: Vec<TurnAnswer>,
}

/// Heads of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HeadsAnswer {
    /// Newest certified flashblock: height.
    pub certified_height: u64,
    /// Newest certified flashblock: digest.
    pub certified_digest: Digest,
    /// Certified flashblocks of the open block.
    pub open_flashblocks: usize,
    /// Last sealed, certified block.
    pub latest: BlockId,
    /// Last block that is in L1 blocks.
    pub posted: Option<u64>,
    /// Last block derived from L1.
    pub safe: BlockId,
    /// Last block derived from finalized L1.
    pub finalized: BlockId,
}

/// Who must be honest for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrustAnswer {
    /// Members of the committee.
    pub operators: usize,
    /// Votes that certify.
    pub quorum: usize,
    /// Byzantine members tolerated.
    pub faults_tolerated: usize,
    /// What a certificate rests on.
    pub certified: String,
    /// What can still overrule it.
    pub until_safe: String,
}

/// Answer of `rota_status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusAnswer {
    /// Name and version of the software.
    pub client: String,
    /// Protocol version.
    pub protocol_version: u16,
    /// Chain id.
    pub chain_id: u64,
    /// Lineage.
    pub lineage: u32,
    /// What the node knows about itself.
    #[serde(flatten)]
    pub node: NodeStatus,
    /// This operator's name (if it is one).
    pub name: Option<String>,
    /// The turn of the current view.
    pub leader: TurnAnswer,
    /// The turn after it.
    pub next_leader: TurnAnswer,
    /// Heads.
    pub heads: HeadsAnswer,
    /// The pool.
    pub pool: PoolSize,
    /// The committee in canonical order.
    pub committee: Vec<OperatorAnswer>,
    /// Who must be honest.
    pub trust: TrustAnswer,
    /// The stages of a transaction, in order, that this node can tell.
    pub stages: Vec<Stage>,
}

/// Answer of `rota_getTransactionStatus`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransactionStatus {
    /// The transaction.
    pub hash: B256,
    /// How far it has come; `None` if it left the pool.
    pub stage: Option<Stage>,
    /// Why it left the pool.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub dropped: Option<StageChange>,
    /// When it reached each stage, Unix milliseconds, as far as this node saw it.
    pub times: BTreeMap<Stage, u64>,
    /// Height of its flashblock, from Certified on.
    pub height: Option<u64>,
    /// Number of its block, from Certified on.
    pub block_number: Option<u64>,
    /// Hash of its block, from the seal on.
    pub block_hash: Option<B256>,
    /// Whether it succeeded, from Certified on.
    pub success: Option<bool>,
    /// Gas that it used, from Certified on.
    pub gas_used: Option<u64>,
}

/// Answer of `rota_getCertificate`: enough to check, knowing only the committee, that a flashblock is certified and
/// what became of a transaction in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateAnswer {
    /// Certificate of the flashblock or of its first finalized descendant.
    pub certificate: Certificate,
    /// Its canonical encoding.
    pub encoded_certificate: Bytes,
    /// Headers from the flashblock up to the one that the certificate names, both included.
    pub headers: Vec<Header>,
    /// Their canonical encodings.
    pub encoded_headers: Vec<Bytes>,
    /// For a transaction: its outcome under the first header's outcome root.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<OutcomeAnswer>,
}

/// A transaction's outcome with its branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeAnswer {
    /// The transaction, EIP-2718.
    pub transaction: Bytes,
    /// Its receipt, EIP-2718.
    pub receipt: Bytes,
    /// From their leaf to the outcome root.
    pub branch: Branch,
}

/// Answer of `rota_getFlashblock`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlashblockAnswer {
    /// Digest.
    pub digest: Digest,
    /// Header.
    pub header: Header,
    /// Body.
    pub body: Body,
}

/// What only a Rota node can tell.
#[rpc(server, namespace = "rota")]
pub(super) trait Rota {
    /// The node and the chain, at a glance.
    #[method(name = "status")]
    fn status(&self) -> Result<StatusAnswer, RpcError>;

    /// Who leads: `count` turns of an epoch (the current one) from a turn on (the current one).
    #[method(name = "schedule")]
    fn schedule(
        &self,
        epoch: Option<Count>,
        turn: Option<Count>,
        count: Option<Count>,
    ) -> Result<ScheduleAnswer, RpcError>;

    /// How far a transaction has come, and when.
    #[method(name = "getTransactionStatus")]
    async fn transaction_status(&self, hash: B256) -> Result<Option<TransactionStatus>, RpcError>;

    /// What proves a flashblock (by height or digest) or a transaction (by hash); null if nothing does yet.
    #[method(name = "getCertificate")]
    async fn certificate(&self, reference: Reference) -> Result<Option<CertificateAnswer>, RpcError>;

    /// A certified flashblock by height or digest.
    #[method(name = "getFlashblock")]
    async fn flashblock(&self, reference: Reference) -> Result<Option<FlashblockAnswer>, RpcError>;
}

#[jsonrpsee::core::async_trait]
impl RotaServer for Rpc {
    fn status(&self) -> Result<StatusAnswer, RpcError> {
        let node = self.context.status.status();
        let epoch = self.epoch(node.epoch)?;
        let turn = epoch.turn_of(node.view);
        let (tip_height, tip_digest) = self.ledger.tip();
        let head = self.ledger.head();
        let committee = epoch.committee();
        let derived = self.derived();
        let posted = node.posted.or(Some(self.stages.posted()).filter(|posted| *posted > 0));
        Ok(StatusAnswer {
            client: super::net_web3::client_version(),
            protocol_version: PROTOCOL_VERSION,
            chain_id: self.spec.chain_id(),
            lineage: self.spec.lineage,
            name: committee.find(&node.identity).map(|(_, operator)| operator.name.clone()),
            leader: self.turn(&epoch, turn),
            next_leader: self.turn(&epoch, turn + 1),
            heads: HeadsAnswer {
                certified_height: tip_height,
                certified_digest: tip_digest,
                open_flashblocks: self.ledger.open_block().len(),
                latest: BlockId { number: head.number(), hash: head.sealed.hash },
                posted,
                safe: self.block_id(derived.safe)?,
                finalized: self.block_id(derived.finalized)?,
            },
            pool: self.pool.size(),
            committee: committee.operators().iter().map(OperatorAnswer::from).collect(),
            trust: trust(committee.operators().len(), committee.quorum(), committee.faults()),
            stages: vec![
                Stage::Pooled,
                Stage::Proposed,
                Stage::Notarized,
                Stage::Certified,
                Stage::Posted,
                Stage::Safe,
                Stage::Finalized,
            ],
            node,
        })
    }

    fn schedule(
        &self,
        epoch: Option<Count>,
        turn: Option<Count>,
        count: Option<Count>,
    ) -> Result<ScheduleAnswer, RpcError> {
        let now = self.context.status.status();
        let epoch = self.epoch(epoch.map_or(now.epoch, u64::from))?;
        let current = if epoch.number() == now.epoch { epoch.turn_of(now.view) } else { 0 };
        let first = turn.map_or(current, u64::from);
        let count = count.map_or(epoch.committee().operators().len() as u64, u64::from);
        if count > MAX_TURNS {
            return Err(RpcError::Limit(format!("more than {MAX_TURNS} turns")));
        }
        let last = first.checked_add(count).filter(|last| last.checked_mul(self.spec.turn_length.into()).is_some());
        let last = last.ok_or_else(|| invalid("turn"))?;
        Ok(ScheduleAnswer {
            epoch_length: self.spec.epoch_length,
            turn_length: self.spec.turn_length,
            strategy: epoch.turns().plan().strategy,
            seed: epoch.turns().plan().seed,
            regular_turns: epoch.turns().plan().regular_turns,
            committee: epoch.committee().operators().iter().map(OperatorAnswer::from).collect(),
            turns: (first..last).map(|turn| self.turn(&epoch, turn)).collect(),
        })
    }

    async fn transaction_status(&self, hash: B256) -> Result<Option<TransactionStatus>, RpcError> {
        self.blocking(move |rpc| rpc.standing(hash)).await
    }

    async fn certificate(&self, reference: Reference) -> Result<Option<CertificateAnswer>, RpcError> {
        self.blocking(move |rpc| rpc.prove_certified(&reference)).await
    }

    async fn flashblock(&self, reference: Reference) -> Result<Option<FlashblockAnswer>, RpcError> {
        self.blocking(move |rpc| {
            let Some(height) = rpc.height(&reference)? else { return Ok(None) };
            let flashblock = rpc.ledger.flashblock(height)?;
            Ok(flashblock.map(|f| FlashblockAnswer { digest: f.digest(), header: f.header, body: f.body }))
        })
        .await
    }
}

impl Rpc {
    /// What an epoch runs on.
    fn epoch(&self, number: u64) -> Result<Arc<Epoch>, RpcError> {
        self.ledger.epoch(number)?.ok_or_else(|| invalid("epoch: it is not fixed yet"))
    }

    fn turn(&self, epoch: &Epoch, turn: u64) -> TurnAnswer {
        let leader = epoch.turn_leader(turn);
        let length = u64::from(self.spec.turn_length);
        let name = epoch.committee().find(&leader).map(|(_, operator)| operator.name.clone());
        TurnAnswer {
            epoch: epoch.number(),
            turn,
            first_view: turn * length + 1,
            last_view: (turn + 1) * length,
            leader,
            name: name.unwrap_or_default(),
        }
    }

    fn height(&self, reference: &Reference) -> Result<Option<u64>, RpcError> {
        match reference {
            Reference::Hash(digest) => Ok(self.ledger.height_of(digest)?),
            Reference::Height(height) => Ok(Some((*height).into())),
        }
    }

    fn prove_certified(&self, reference: &Reference) -> Result<Option<CertificateAnswer>, RpcError> {
        let located = match reference {
            Reference::Hash(hash) => self.ledger.transaction(hash)?,
            Reference::Height(_) => None,
        };
        let outcome = located.and_then(|located| located.outcome());
        let height = match &outcome {
            Some(outcome) => Some(outcome.height),
            None => self.height(reference)?,
        };
        let Some(height) = height else { return Ok(None) };
        let Some((certificate, headers)) = self.ledger.certificate_for(height)? else { return Ok(None) };
        Ok(Some(CertificateAnswer {
            encoded_certificate: certificate.encode().into(),
            certificate,
            encoded_headers: headers.iter().map(|header| Bytes::copy_from_slice(&header.encode())).collect(),
            headers,
            outcome: outcome.map(|o| OutcomeAnswer {
                transaction: o.transaction,
                receipt: o.receipt,
                branch: o.branch,
            }),
        }))
    }

    fn standing(&self, hash: B256) -> Result<Option<TransactionStatus>, RpcError> {
        let tracked = self.stages.get(&hash);
        let located = self.ledger.transaction(&hash)?;
        let mut status = TransactionStatus {
            hash,
            stage: None,
            dropped: None,
            times: tracked.as_ref().map(TrackedTransaction::times).unwrap_or_default(),
            height: None,
            block_number: None,
            block_hash: None,
            success: None,
            gas_used: None,
        };
        match (located, tracked.and_then(|tracked| tracked.change)) {
            (Some(located), change) => {
                let (number, hash) = match &located {
                    crate::ledger::Located::Sealed { block, .. } => (block.number(), Some(block.sealed.hash)),
                    crate::ledger::Located::Open { certified, .. } => (certified.flashblock.header.block_number, None),
                };
                let node = self.context.status.status();
                let posted = node.posted.unwrap_or_default().max(self.stages.posted());
                let tracked = match change {
                    Some(StageChange::Stage(stage)) => stage,
                    _ => Stage::Certified,
                };
                let reached = |newest: Option<u64>| newest.is_some_and(|newest| number <= newest);
                let floor = if reached(node.finalized) {
                    Stage::Finalized
                } else if reached(node.safe) {
                    Stage::Safe
                } else if number <= posted {
                    Stage::Posted
                } else {
                    Stage::Certified
                };
                status.stage = Some(tracked.max(floor));
                status.height = Some(located.height());
                (status.block_number, status.block_hash) = (Some(number), hash);
                status.success = Some(located.executed().receipt.status());
                status.gas_used = Some(located.executed().gas_used);
            }
            (None, Some(StageChange::Stage(stage))) => status.stage = Some(stage),
            (None, dropped @ Some(_)) => status.dropped = dropped,
            (None, None) if self.pool.get(&hash).is_some() => status.stage = Some(Stage::Pooled),
            (None, None) => return Ok(None),
        }
        Ok(Some(status))
    }
}

impl Rpc {
    /// A block's number and hash; those of genesis if it was pruned.
    fn block_id(&self, number: u64) -> Result<BlockId, RpcError> {
        let header = self.ledger.header(number)?;
        let known = header.map(|header| BlockId { number, hash: header.hash_slow() });
        Ok(known.unwrap_or(self.spec.rollup.genesis.l2))
    }
}

fn trust(operators: usize, quorum: usize, faults: usize) -> TrustAnswer {
    TrustAnswer {
        operators,
        quorum,
        faults_tolerated: faults,
        certified: format!(
            "{quorum} of {operators} operators signed; no other flashblock can be certified at this height while at \
             most {faults} are Byzantine"
        ),
        until_safe: "until it is safe, L1 can overrule what is certified: its L1 origin is reorged away, the \
                     sequencing window expires, or the operator that posts posts something else"
            .into(),
    }
}

/// Reads the filter of a subscription to stages.
pub(super) fn parse_reference(text: &str) -> Result<B256, RpcError> {
    parse_hash(text).ok_or_else(|| invalid("transaction hash"))
}
