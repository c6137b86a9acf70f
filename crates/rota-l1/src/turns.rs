//! Whose turn it is to post: the PostingTurns contract as a node reads and calls it (`contracts/src/PostingTurns.sol`).

use crate::{
    provider::ProviderError,
    rpc::{RpcClient, RpcError},
    sender::Payload,
};
use alloy_primitives::{Address, B256, Bytes, Signature};
use alloy_sol_types::{Eip712Domain, SolCall, SolStruct, eip712_domain};
use async_trait::async_trait;
use serde_json::json;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use url::Url;

/// The contract's functions and what they return, in the words of the contract.
pub(crate) mod abi {
    #![allow(missing_docs, unreachable_pub, reason = "generated; documented in the contract")]

    alloy_sol_types::sol! {
        struct Turn {
            uint64 number;
            uint64 startBlock;
            uint64 endBlock;
            uint64 round;
            address operator;
            bytes32 identity;
            address posting;
        }

        struct Overview {
            Turn turn;
            uint64 skippableFrom;
            bool rotatable;
            bool owned;
            bytes32 batcherHash;
            address unsafeBlockSigner;
            address nextOperator;
            address nextPosting;
        }

        struct Skip {
            uint64 turn;
        }

        function overview() external view returns (Overview memory);
        function order() external view returns (address[] memory operators, address[] memory postings);
        function rotate() external;
        function skip(uint64 number, bytes[] calldata signatures) external;
    }
}

/// Gas that `rotate` may take: 105 000 are usual (`contracts/snapshots`), more if members have moved in the order.
const ROTATE_GAS: u64 = 1_000_000;

/// Gas that `skip` may take beside what each signature takes.
const SKIP_GAS: u64 = 600_000;

/// Gas that verifying one signature may take: recovery, and two cold reads in the registry.
const SIGNATURE_GAS: u64 = 30_000;

/// A posting turn: L1 blocks in which one operator's batches count. All zero before the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PostingTurn {
    /// Never comes again.
    pub number: u64,
    /// L1 block of the rotation: the first in which `posting` posts.
    pub start_block: u64,
    /// First L1 block in which anybody may rotate.
    pub end_block: u64,
    /// The operator's account.
    pub operator: Address,
    /// Its p2p identity when the turn began.
    pub identity: B256,
    /// Whose batches count.
    pub posting: Address,
}

/// What PostingTurns says after the newest L1 block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PostingTurns {
    /// The running turn.
    pub turn: PostingTurn,
    /// First L1 block in which it can be skipped.
    pub skippable_from: u64,
    /// Whether `rotate` would succeed.
    pub rotatable: bool,
    /// Whether the contract owns `SystemConfig`; nothing moves otherwise.
    pub owned: bool,
}

/// EIP-712 domain of whatever members sign together for a contract (`contracts/src/Attestation.sol`).
pub const fn attestation_domain(l1_chain_id: u64, contract: Address) -> Eip712Domain {
    eip712_domain! {
        name: "Rota",
        version: "1",
        chain_id: l1_chain_id,
        verifying_contract: contract,
    }
}

/// What a member signs to say that a poster is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkipDomain {
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// The PostingTurns contract.
    pub contract: Address,
}

impl SkipDomain {
    /// EIP-712 digest of `Skip(turn)`.
    pub fn digest(&self, turn: u64) -> B256 {
        abi::Skip { turn }.eip712_signing_hash(&attestation_domain(self.l1_chain_id, self.contract))
    }

    /// Who said that the poster of `turn` is silent; `None` if the contract would refuse the signature.
    pub fn signer(&self, turn: u64, signature: &Signature) -> Option<Address> {
        if signature.normalize_s().is_some() {
            return None;
        }
        signature.recover_address_from_prehash(&self.digest(turn)).ok()
    }
}

/// Call of `rotate`.
pub fn rotate_call() -> Payload {
    Payload::Call { input: abi::rotateCall {}.abi_encode().into(), gas: ROTATE_GAS }
}

/// Call of `skip` with attestations ascending by their signers, each once.
pub fn skip_call(turn: u64, signatures: &[Signature]) -> Payload {
    let gas = SKIP_GAS + SIGNATURE_GAS * signatures.len() as u64;
    let signatures = signatures.iter().map(|signature| Bytes::from(signature.as_bytes())).collect();
    Payload::Call { input: abi::skipCall { number: turn, signatures }.abi_encode().into(), gas }
}

/// Reads PostingTurns.
#[async_trait]
pub trait TurnSource: std::fmt::Debug + Send + Sync + 'static {
    /// What is signed, and where calls go.
    fn domain(&self) -> SkipDomain;

    /// The turns after the newest L1 block.
    async fn turns(&self) -> Result<PostingTurns, ProviderError>;

    /// The members' posting addresses in the order of their turns, from the one after the running turn's.
    async fn order(&self) -> Result<Vec<Address>, ProviderError>;
}

/// PostingTurns behind L1 endpoints, asked one after the other until one answers.
#[derive(Debug)]
pub struct HttpTurns {
    endpoints: Vec<RpcClient>,
    current: AtomicUsize,
    domain: SkipDomain,
}

impl HttpTurns {
    /// The contract behind these endpoints, whose calls end after `timeout`.
    pub fn new(
        urls: impl IntoIterator<Item = Url>,
        timeout: Duration,
        domain: SkipDomain,
    ) -> Result<Self, ProviderError> {
        let endpoints = urls.into_iter().map(|url| RpcClient::new(url, timeout)).collect::<Result<_, RpcError>>()?;
        Ok(Self { endpoints, current: AtomicUsize::new(0), domain })
    }

    async fn call<C: SolCall>(&self, call: C) -> Result<C::Return, ProviderError> {
        let params = json!([{ "to": self.domain.contract, "input": Bytes::from(call.abi_encode()) }, "latest"]);
        let first = self.current.load(Ordering::Relaxed);
        let mut failure = ProviderError::Unavailable("no L1 endpoint".into());
        for offset in 0..self.endpoints.len() {
            let index = (first + offset) % self.endpoints.len();
            let answer: Result<Bytes, RpcError> = self.endpoints[index].call("eth_call", params.clone()).await;
            let decoded = answer.map_err(ProviderError::from).and_then(|answer| {
                let malformed = |error| ProviderError::Inconsistent(format!("no PostingTurns answers: {error}"));
                C::abi_decode_returns(&answer).map_err(malformed)
            });
            match decoded {
                Ok(answer) => {
                    self.current.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

#[async_trait]
impl TurnSource for HttpTurns {
    fn domain(&self) -> SkipDomain {
        self.domain
    }

    async fn turns(&self) -> Result<PostingTurns, ProviderError> {
        let abi::Overview { turn, skippableFrom, rotatable, owned, .. } = self.call(abi::overviewCall {}).await?;
        let turn = PostingTurn {
            number: turn.number,
            start_block: turn.startBlock,
            end_block: turn.endBlock,
            operator: turn.operator,
            identity: turn.identity,
            posting: turn.posting,
        };
        Ok(PostingTurns { turn, skippable_from: skippableFrom, rotatable, owned })
    }

    async fn order(&self) -> Result<Vec<Address>, ProviderError> {
        Ok(self.call(abi::orderCall {}).await?.postings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{U256, hex};

    /// Made by another library (`vectors/README.md`).
    fn vector() -> serde_json::Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../vectors/registry/attestation.json");
        serde_json::from_slice(&std::fs::read(path).expect("the vectors are committed")).expect("JSON")
    }

    fn parse<T: serde::de::DeserializeOwned>(value: &serde_json::Value) -> T {
        serde_json::from_value(value.clone()).expect("a value of this type")
    }

    #[test]
    fn a_skip_is_signed_as_the_contract_reads_it() {
        let vector = vector();
        let domain = SkipDomain { l1_chain_id: parse(&vector["chainId"]), contract: parse(&vector["contract"]) };
        assert_eq!(domain.digest(7), parse::<B256>(&vector["skip"]["digest"]));
        let bytes: Bytes = parse(&vector["skip"]["signature"]);
        let signature = Signature::try_from(bytes.as_ref()).expect("65 bytes");
        assert_eq!(domain.signer(7, &signature), Some(parse(&vector["signer"])));
        assert_ne!(domain.signer(8, &signature), Some(parse(&vector["signer"])), "another turn");
        assert_eq!(signature.as_bytes().as_slice(), bytes.as_ref());
    }

    #[test]
    fn a_signature_that_the_contract_refuses_is_nobodys() {
        let vector = vector();
        let domain = SkipDomain { l1_chain_id: parse(&vector["chainId"]), contract: parse(&vector["contract"]) };
        let bytes: Bytes = parse(&vector["skip"]["signature"]);
        let signature = Signature::try_from(bytes.as_ref()).expect("65 bytes");
        let order = U256::from_be_bytes(hex!("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141"));
        let high = Signature::new(signature.r(), order - signature.s(), !signature.v());
        assert_eq!(domain.signer(7, &high), None);
    }

    #[test]
    fn calls_begin_with_their_selectors() {
        let Payload::Call { input, .. } = rotate_call() else { panic!("a call") };
        assert_eq!(input.as_ref(), &alloy_primitives::keccak256("rotate()")[..4]);
        let Payload::Call { input, .. } = skip_call(3, &[]) else { panic!("a call") };
        assert_eq!(input[..4], alloy_primitives::keccak256("skip(uint64,bytes[])")[..4]);
    }
}
