//! The [`ExecutionEngine`] trait of the embedded engine; what reads and calls see.

use crate::{
    database::{BlockHashes, OverlayDatabase},
    embedded::EmbeddedEngine,
    engine::{
        AccountProof, AccountState, At, BlockAttributes, CallOutcome, CallRequest, Draft, EngineError, Executed,
        ExecutionEngine, Finished,
    },
    history,
    l1_fees::L1Fees,
    state::hashed_slot,
    store::Batch,
    view::{Past, View},
};
use alloy_consensus::Header;
use alloy_evm::{Evm, EvmFactory};
use alloy_op_evm::{OpEvmFactory, OpTx, OpTxError};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, TxKind, U256, address, map::B256Map};
use op_revm::{L1BlockInfo, OpHaltReason, OpTransaction, OpTransactionError};
use revm::{
    bytecode::Bytecode,
    context::TxEnv,
    context_interface::result::{EVMError, ExecutionResult, InvalidTransaction},
};
use rota_types::{Digest, Position};
use std::sync::Arc;

/// Where a simulated caller's own code is put for the time of a call (see [`let_contract_send`]).
const CALLER_CODE: Address = address!("0x726f746100000000000000000000000063616c6c");

/// A state with the block that it belongs to.
struct Context {
    view: View,
    header: Arc<Header>,
    hashes: BlockHashes,
}

impl EmbeddedEngine {
    fn context(&self, at: At) -> Result<Context, EngineError> {
        match at {
            At::Flashblock(digest) => {
                let node = self.node(digest)?;
                let overlay = &node.overlay;
                Ok(Context {
                    view: overlay.state.clone().into(),
                    header: overlay.header.clone(),
                    hashes: overlay.hashes.clone(),
                })
            }
            At::Block(number) => {
                let head = self.head_block();
                let newest = head.header.number;
                if number == newest {
                    return Ok(Context { view: head.state.into(), header: head.header, hashes: head.hashes });
                }
                if number > newest {
                    return Err(EngineError::UnknownBlock(number));
                }
                self.check_window(number, newest)?;
                let header = history::header(&*self.store, number)?.ok_or(EngineError::StatePruned)?;
                let past = Past { store: self.store.clone(), block: number, head: newest };
                Ok(Context {
                    view: View { state: head.state, past: Some(past) },
                    header: Arc::new(header),
                    hashes: head.hashes,
                })
            }
        }
    }

    fn check_window(&self, number: u64, head: u64) -> Result<(), EngineError> {
        if number < head.saturating_sub(self.state_window) { Err(EngineError::StatePruned) } else { Ok(()) }
    }

    /// Reads at a state. A past block that left the window meanwhile is reported as pruned.
    fn read<T>(
        &self,
        at: At,
        read: impl FnOnce(OverlayDatabase, &Header) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let Context { view, header, hashes } = self.context(at)?;
        let result = read(self.database(view, hashes), &header);
        if let At::Block(number) = at {
            self.check_window(number, self.head_block().header.number)?;
        }
        result
    }
}

impl ExecutionEngine for EmbeddedEngine {
    fn certified(&self) -> Position {
        self.certified_position()
    }

    fn head(&self) -> Arc<Header> {
        self.head_block().header
    }

    fn executed(&self, digest: Digest) -> Option<Arc<Executed>> {
        self.node(digest).ok().map(|node| node.executed.clone())
    }

    fn draft(&self, parent: Digest, attributes: Option<&BlockAttributes>) -> Result<Box<dyn Draft>, EngineError> {
        self.start_draft(parent, attributes)
    }

    fn adopt(&self, digest: Digest, height: u64, finished: Finished) -> Result<Arc<Executed>, EngineError> {
        self.insert(digest, height, finished)
    }

    fn commit(&self, digest: Digest, extra: Batch) -> Result<(), EngineError> {
        self.certify(digest, extra)
    }

    fn discard(&self, digest: Digest) {
        self.remove(digest);
    }

    fn block_header(&self, at: At) -> Result<Arc<Header>, EngineError> {
        Ok(self.context(at)?.header)
    }

    fn changed(&self, digest: Digest) -> Result<Vec<(Address, AccountState)>, EngineError> {
        let node = self.node(digest)?;
        let accounts = node.overlay.changes.last().into_iter().flat_map(|changes| &changes.accounts);
        let mut changed: Vec<_> =
            accounts.map(|(address, fields)| (*address, fields.unwrap_or_default().into())).collect();
        changed.sort_unstable_by_key(|(address, _)| *address);
        Ok(changed)
    }

    fn account(&self, at: At, address: Address) -> Result<Option<AccountState>, EngineError> {
        Ok(self.read(at, |database, _| database.account(address))?.map(Into::into))
    }

    fn code(&self, at: At, address: Address) -> Result<Bytes, EngineError> {
        self.read(at, |database, _| match database.account(address)? {
            Some(account) if account.code_hash != KECCAK256_EMPTY => {
                Ok(database.code(account.code_hash)?.original_bytes())
            }
            _ => Ok(Bytes::new()),
        })
    }

    fn storage(&self, at: At, address: Address, slot: U256) -> Result<U256, EngineError> {
        self.read(at, |database, _| database.slot(address, slot))
    }

    fn call(&self, at: At, request: &CallRequest) -> Result<CallOutcome, EngineError> {
        self.read(at, |mut database, header| {
            let mut environment = self.rules.environment(header);
            environment.cfg_env.disable_nonce_check = true;
            environment.cfg_env.tx_gas_limit_cap = Some(u64::MAX);
            if request.gas_price == 0 {
                // As geth does for calls that name no price.
                environment.block_env.basefee = 0;
            }
            if request.gas > environment.block_env.gas_limit {
                return Ok(CallOutcome::Invalid(format!("gas {} exceeds the block's gas limit", request.gas)));
            }
            let_contract_send(&mut database, request.from)?;
            let nonce = database.account(request.from)?.map_or(0, |account| account.nonce);
            let number = environment.block_env.number;
            let mut evm = OpEvmFactory::<OpTx>::default().create_evm(database, environment);
            // Calls pay neither L1 nor operator fee.
            evm.ctx_mut().chain = L1BlockInfo {
                l2_block: Some(number),
                operator_fee_scalar: Some(U256::ZERO),
                operator_fee_constant: Some(U256::ZERO),
                ..Default::default()
            };
            outcome(evm.transact_raw(transaction(request, self.rules.chain_id, nonce)).map(|executed| executed.result))
        })
    }

    fn proof(&self, address: Address, slots: &[B256]) -> Result<AccountProof, EngineError> {
        let state = self.head_block().state;
        let account = state.account(address);
        let storage = account.map(|account| account.storage.clone()).unwrap_or_default();
        let fields = account.map(|account| account.fields).unwrap_or_default();
        let storage_proofs = slots
            .iter()
            .map(|slot| {
                let key = hashed_slot((*slot).into());
                (*slot, storage.get(&key).copied().unwrap_or_default(), storage.proof(&key))
            })
            .collect();
        Ok(AccountProof {
            account: fields.into(),
            // As op-geth shows an account that does not exist.
            storage_root: account.map_or(B256::ZERO, |_| storage.root()),
            account_proof: state.account_proof(address),
            storage_proofs,
        })
    }

    fn l1_fees(&self, at: At) -> Result<L1Fees, EngineError> {
        self.read(at, |mut database, header| {
            let environment = self.rules.environment(header);
            let (number, spec) = (environment.block_env.number, environment.cfg_env.spec);
            Ok(L1Fees::new(&L1BlockInfo::try_fetch(&mut database, number, spec)?))
        })
    }
}

/// EIP-3607 forbids transactions from accounts with code, which calls may simulate. A delegation (EIP-7702) to the
/// account's own code is exempt from the rule and runs that code in the same context.
fn let_contract_send(database: &mut OverlayDatabase, caller: Address) -> Result<(), EngineError> {
    let Some(mut fields) = database.account(caller)? else { return Ok(()) };
    if fields.code_hash == KECCAK256_EMPTY || database.code(fields.code_hash)?.is_eip7702() {
        return Ok(());
    }
    let own = crate::state::Fields { code_hash: fields.code_hash, ..Default::default() };
    database.changes.accounts.insert(CALLER_CODE, Some(own));
    let delegation = Bytecode::new_eip7702(CALLER_CODE);
    fields.code_hash = delegation.hash_slow();
    database.changes.code = B256Map::from_iter([(fields.code_hash, delegation)]);
    database.changes.accounts.insert(caller, Some(fields));
    Ok(())
}

fn transaction(request: &CallRequest, chain_id: u64, nonce: u64) -> OpTx {
    let has_authorizations = !request.authorizations.is_empty();
    // Type 1 pays exactly the gas price; only type 4 has authorizations.
    let tx_type = if has_authorizations { 4 } else { 1 };
    let base = TxEnv {
        tx_type,
        caller: request.from,
        gas_limit: request.gas,
        gas_price: request.gas_price,
        kind: request.to.map_or(TxKind::Create, TxKind::Call),
        value: request.value,
        data: request.input.clone(),
        nonce,
        chain_id: Some(chain_id),
        access_list: request.access_list.clone(),
        gas_priority_fee: has_authorizations.then_some(0),
        authorization_list: request.authorizations.iter().cloned().map(revm::context::either::Either::Left).collect(),
        ..Default::default()
    };
    // Empty bytes: no L1 fee.
    OpTx(OpTransaction { base, enveloped_tx: Some(Bytes::new()), deposit: Default::default() })
}

fn outcome(
    result: Result<ExecutionResult<OpHaltReason>, EVMError<EngineError, OpTxError>>,
) -> Result<CallOutcome, EngineError> {
    match result {
        Ok(ExecutionResult::Success { gas, output, .. }) => {
            Ok(CallOutcome::Success { output: output.into_data(), gas_used: gas.tx_gas_used() })
        }
        Ok(ExecutionResult::Revert { gas, output, .. }) => {
            Ok(CallOutcome::Revert { output, gas_used: gas.tx_gas_used() })
        }
        Ok(ExecutionResult::Halt { reason, gas, .. }) => {
            Ok(CallOutcome::Halt { reason: format!("{reason:?}"), gas_used: gas.tx_gas_used() })
        }
        Err(EVMError::Database(error)) => Err(error),
        Err(EVMError::Transaction(OpTxError(OpTransactionError::Base(InvalidTransaction::LackOfFundForMaxFee {
            fee,
            balance,
        })))) => Ok(CallOutcome::InsufficientFunds { balance: *balance, cost: *fee }),
        Err(EVMError::Transaction(error)) => Ok(CallOutcome::Invalid(error.to_string())),
        Err(error) => Ok(CallOutcome::Invalid(format!("{error:?}"))),
    }
}
