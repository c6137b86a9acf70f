//! How a devnet's chain is founded on L1: the operators' contracts, the first members, and SystemConfig in the hands of
//! the posting turns. All of it is in the blocks before the one that the chain starts from.

use super::{accounts, chain::Rhythm, l1};
use crate::{
    contracts::{
        abi::{GovernedAdmission, OperatorRegistry, SystemConfig},
        account::{Receipt, sign},
        deployment::{Addresses, Settings, creations},
        entry,
    },
    rpc::Rpc,
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256};
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::SolCall;
use eyre::OptionExt;
use rota_node::keys::OperatorKeys;
use rota_types::{BlockId, KeyDomain, Operator};
use serde_json::{Value, json};

/// Operators that become members in one L1 block: candidates have 32 places.
const TOGETHER: usize = 32;
/// L1 blocks before a silent poster can be skipped.
const MIN_TENURE: u64 = 5;
/// More than a contract's creation needs.
const CREATION_GAS: u64 = 6_000_000;
/// More than `join` needs: a proof of possession.
const JOIN_GAS: u64 = 1_000_000;
/// More than any other call needs.
const CALL_GAS: u64 = 400_000;
/// Fee cap and tip, wei per gas: far above the base fee of an L1 that just started.
const FEE: (u128, u128) = (100_000_000_000, 1_000_000_000);

/// One of the first operators. Its account on L1 is its posting key's.
pub(super) struct Founder {
    pub(super) keys: OperatorKeys,
    pub(super) endpoint: String,
}

impl Founder {
    /// Its entry in the committee file: what the registry has of it.
    pub(super) fn operator(&self, name: String) -> Operator {
        let account = self.keys.posting_address();
        Operator { account, proof_of_possession: None, ..self.keys.operator(name, self.endpoint.clone()) }
    }
}

/// What was founded.
pub(super) struct Founded {
    pub(super) contracts: Addresses,
    /// The L1 block that the chain starts from.
    pub(super) genesis: BlockId,
}

/// L1 blocks that founding a chain of so many operators takes.
pub(super) const fn blocks(operators: usize) -> u64 {
    1 + operators.div_ceil(TOGETHER) as u64
}

/// Founds a chain on an L1 that mines when it is told to.
pub(super) async fn found(
    rpc: &Rpc,
    system_config: Address,
    rhythm: Rhythm,
    founders: &[Founder],
) -> eyre::Result<Founded> {
    let mut governor = Sender::new(rpc, accounts::account(0)?).await?;
    let settings = Settings {
        system_config,
        governor: governor.signer.address(),
        notice: rhythm.notice(),
        admission_delay: 0,
        window: rhythm.posting_window,
        min_tenure: MIN_TENURE,
    };
    let (contracts, creations) = creations(&settings, governor.signer.address(), governor.nonce)?;
    let mut block = Block::new(rpc);
    for ((name, _), code) in contracts.named().into_iter().zip(creations) {
        block.send(&mut governor, name, TxKind::Create, CREATION_GAS, code).await?;
    }
    let (registry, admission) = (contracts.operator_registry, contracts.governed_admission);
    block.call(&mut governor, registry, &OperatorRegistry::setAdmissionCall { policy: admission }).await?;
    for (id, founder) in founders.iter().enumerate() {
        let operator = founder.keys.posting_address();
        block
            .call(&mut governor, admission, &GovernedAdmission::planAdmitCall { operator, weight: 1, reserve: false })
            .await?;
        block.call(&mut governor, admission, &GovernedAdmission::executeCall { id: U256::from(id) }).await?;
    }
    block.mine().await?;

    let domain = KeyDomain { l1_chain_id: l1::CHAIN_ID, registry };
    for (index, together) in founders.chunks(TOGETHER).enumerate() {
        let mut block = Block::new(rpc);
        for founder in together {
            let account = founder.keys.posting_address();
            let call = entry::join(&founder.keys, &domain, account, account, founder.endpoint.clone())?;
            let mut operator = Sender::new(rpc, founder.keys.posting.clone()).await?;
            block.send(&mut operator, "join", registry.into(), JOIN_GAS, call.abi_encode().into()).await?;
        }
        for founder in together {
            let operator = founder.keys.posting_address();
            let call = OperatorRegistry::activateCall { operator, signatures: Vec::new() };
            block.call(&mut governor, registry, &call).await?;
        }
        if (index + 1) * TOGETHER >= founders.len() {
            block.call(&mut governor, registry, &OperatorRegistry::openCall {}).await?;
            let call = SystemConfig::transferOwnershipCall { newOwner: contracts.posting_turns };
            block.call(&mut governor, system_config, &call).await?;
        }
        block.mine().await?;
    }
    let head: Option<Head> = rpc.call("eth_getBlockByNumber", &[json!("latest"), json!(false)]).await?;
    let Head { number, hash } = head.ok_or_eyre("L1 has no newest block")?;
    eyre::ensure!(number.to::<u64>() == blocks(founders.len()), "L1 is at block {number}: it mines by itself");
    Ok(Founded { contracts, genesis: BlockId { number: number.to(), hash } })
}

#[derive(serde::Deserialize)]
struct Head {
    number: U64,
    hash: B256,
}

/// An account that counts its own transactions.
struct Sender {
    signer: PrivateKeySigner,
    nonce: u64,
}

impl Sender {
    async fn new(rpc: &Rpc, signer: PrivateKeySigner) -> eyre::Result<Self> {
        let nonce: U64 = rpc.call("eth_getTransactionCount", &[json!(signer.address()), json!("latest")]).await?;
        Ok(Self { signer, nonce: nonce.to() })
    }
}

/// Transactions of one L1 block, in order.
struct Block<'a> {
    rpc: &'a Rpc,
    sent: Vec<(String, B256)>,
}

impl<'a> Block<'a> {
    const fn new(rpc: &'a Rpc) -> Self {
        Self { rpc, sent: Vec::new() }
    }

    async fn call<C: SolCall>(&mut self, from: &mut Sender, to: Address, call: &C) -> eyre::Result<()> {
        self.send(from, C::SIGNATURE, to.into(), CALL_GAS, call.abi_encode().into()).await
    }

    async fn send(&mut self, from: &mut Sender, what: &str, to: TxKind, gas: u64, input: Bytes) -> eyre::Result<()> {
        let (max_fee_per_gas, max_priority_fee_per_gas) = FEE;
        let transaction = TxEip1559 {
            chain_id: l1::CHAIN_ID,
            nonce: from.nonce,
            gas_limit: gas,
            max_fee_per_gas,
            max_priority_fee_per_gas,
            to,
            value: U256::ZERO,
            access_list: Default::default(),
            input,
        };
        let (hash, raw) = sign(&from.signer, transaction)?;
        let _: B256 = self.rpc.call("eth_sendRawTransaction", &[raw]).await?;
        from.nonce += 1;
        self.sent.push((what.to_owned(), hash));
        Ok(())
    }

    /// Mines the block; every transaction must be in it and have succeeded.
    async fn mine(self) -> eyre::Result<()> {
        let _: Value = self.rpc.get("evm_mine").await?;
        let receipts: Option<Vec<Receipt>> = self.rpc.call("eth_getBlockReceipts", &["latest"]).await?;
        let receipts = receipts.ok_or_eyre("L1 has no receipts")?;
        for (what, hash) in &self.sent {
            let receipt = receipts.iter().find(|receipt| receipt.transaction_hash == *hash);
            let receipt = receipt.ok_or_else(|| eyre::eyre!("{what} did not fit into its L1 block"))?;
            eyre::ensure!(receipt.succeeded(), "{what} failed in L1 block {}", receipt.block_number);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_find_their_places() {
        assert_eq!([1, 4, 32, 33, 96].map(blocks), [2, 2, 2, 3, 4]);
    }
}
