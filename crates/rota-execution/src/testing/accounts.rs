//! The funded accounts of development chains, and signing.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEip2930, TxEip7702, TxLegacy};
use alloy_eips::{
    eip2718::Encodable2718,
    eip2930::AccessList,
    eip7702::{Authorization, SignedAuthorization},
};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};
use op_alloy_consensus::OpTxEnvelope;
use rota_types::Transaction;
use std::sync::{Arc, LazyLock};

const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// The number of funded accounts.
pub const DEV_ACCOUNTS: u32 = 20;

static ACCOUNTS: LazyLock<Vec<PrivateKeySigner>> = LazyLock::new(|| {
    let derive = |index| MnemonicBuilder::<English>::default().phrase(MNEMONIC).index(index)?.build();
    (0..DEV_ACCOUNTS).map(|index| derive(index).expect("the mnemonic is valid")).collect()
});

/// Funded account `index` of the "test … junk" mnemonic (modulo 20): 1 000 000 ETH each in the development genesis.
pub fn dev_account(index: usize) -> &'static PrivateKeySigner {
    &ACCOUNTS[index % ACCOUNTS.len()]
}

/// A transaction to sign. The default is a plain EIP-1559 transfer of nothing to nobody on chain 901.
#[derive(Debug, Clone)]
pub struct Request {
    /// EIP-2718 type: 0, 1, 2 or 4.
    pub ty: u8,
    /// Chain id.
    pub chain_id: u64,
    /// Nonce.
    pub nonce: u64,
    /// Callee, or creation.
    pub to: TxKind,
    /// Value, wei.
    pub value: U256,
    /// Gas limit.
    pub gas: u64,
    /// Gas price or fee cap, wei.
    pub max_fee: u128,
    /// Priority fee, wei.
    pub priority_fee: u128,
    /// Input.
    pub input: Bytes,
    /// Access list (types 1, 2, 4).
    pub access_list: AccessList,
    /// Authorizations (type 4).
    pub authorizations: Vec<SignedAuthorization>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            ty: 2,
            chain_id: 901,
            nonce: 0,
            to: TxKind::Call(Address::ZERO),
            value: U256::ZERO,
            gas: 21_000,
            max_fee: 100_000_000_000,
            priority_fee: 1_000_000,
            input: Bytes::new(),
            access_list: AccessList::default(),
            authorizations: Vec::new(),
        }
    }
}

impl Request {
    /// A transfer.
    pub fn transfer(nonce: u64, to: Address, value: u64) -> Self {
        Self { nonce, to: TxKind::Call(to), value: U256::from(value), ..Default::default() }
    }

    /// A call with 200 000 gas.
    pub fn call(nonce: u64, to: Address, input: impl Into<Bytes>) -> Self {
        Self { nonce, to: TxKind::Call(to), gas: 200_000, input: input.into(), ..Default::default() }
    }

    /// A creation with 500 000 gas.
    pub fn create(nonce: u64, code: impl Into<Bytes>) -> Self {
        Self { nonce, to: TxKind::Create, gas: 500_000, input: code.into(), ..Default::default() }
    }

    /// Signs the transaction; its sender is set without recovery.
    pub fn sign(&self, signer: &PrivateKeySigner) -> Arc<Transaction> {
        let Self { chain_id, nonce, to, value, gas, max_fee, priority_fee, .. } = *self;
        let (input, access_list) = (self.input.clone(), self.access_list.clone());
        let envelope: OpTxEnvelope = match self.ty {
            0 => signed(
                TxLegacy { chain_id: Some(chain_id), nonce, gas_price: max_fee, gas_limit: gas, to, value, input },
                signer,
            )
            .into(),
            1 => signed(
                TxEip2930 { chain_id, nonce, gas_price: max_fee, gas_limit: gas, to, value, access_list, input },
                signer,
            )
            .into(),
            4 => signed(
                TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit: gas,
                    max_fee_per_gas: max_fee,
                    max_priority_fee_per_gas: priority_fee,
                    to: to.into_to().unwrap_or_default(),
                    value,
                    access_list,
                    authorization_list: self.authorizations.clone(),
                    input,
                },
                signer,
            )
            .into(),
            _ => signed(
                TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit: gas,
                    max_fee_per_gas: max_fee,
                    max_priority_fee_per_gas: priority_fee,
                    to,
                    value,
                    access_list,
                    input,
                },
                signer,
            )
            .into(),
        };
        Arc::new(Transaction::decode(envelope.encoded_2718().into()).expect("a signed transaction decodes"))
    }
}

/// Signs an EIP-7702 authorization.
pub fn authorize(signer: &PrivateKeySigner, chain_id: u64, address: Address, nonce: u64) -> SignedAuthorization {
    let authorization = Authorization { chain_id: U256::from(chain_id), address, nonce };
    let signature = signer.sign_hash_sync(&authorization.signature_hash()).expect("a local key signs");
    authorization.into_signed(signature)
}

fn signed<T: SignableTransaction<Signature>>(transaction: T, signer: &PrivateKeySigner) -> alloy_consensus::Signed<T> {
    let signature = signer.sign_hash_sync(&transaction.signature_hash()).expect("a local key signs");
    transaction.into_signed(signature)
}
