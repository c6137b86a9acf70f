//! What happens in the blocks: everything that an EVM, a fee market and L1 can do to a chain.

use crate::contracts::*;
use alloy_consensus::{SignableTransaction, TxLegacy};
use alloy_eips::{eip2718::Encodable2718, eip2930::AccessList};
use alloy_primitives::{Address, B64, B256, Bytes, Log, TxKind, U256, hex, keccak256};
use alloy_signer::SignerSync;
use op_alloy_consensus::{OpTxEnvelope, TxDeposit};
use rota_execution::testing::{
    Chain, Request,
    accounts::authorize,
    contracts::{COUNTER, FORWARDER, LOOP, REVERTER, SELF_DESTRUCT_INIT, forward, init_code},
    dev_account,
};
use rota_l1::{ConfigUpdate, deposits};
use rota_types::Transaction;
use std::{collections::BTreeMap, sync::Arc};

/// The account that deploys [`CONTRACTS`], and does nothing else.
const DEPLOYER: usize = 0;

const NAMES: [&str; 9] =
    ["counter", "reverter", "loop", "forwarder", "environment", "refund", "factory", "recursion", "self-destruct"];

fn code(name: &str) -> Vec<u8> {
    match name {
        "counter" => COUNTER.into(),
        "reverter" => REVERTER.into(),
        "loop" => LOOP.into(),
        "forwarder" => FORWARDER.into(),
        "environment" => environment(),
        "refund" => REFUND.into(),
        "factory" => FACTORY.into(),
        "recursion" => RECURSION.into(),
        "self-destruct" => SELF_DESTRUCT.into(),
        other => unreachable!("no contract {other}"),
    }
}

/// Address of a contract that the first block deploys.
pub(crate) fn contract(name: &str) -> Address {
    let nonce = NAMES.iter().position(|known| *known == name).expect("a contract of that name");
    dev_account(DEPLOYER).address().create(nonce as u64)
}

/// Seeded randomness (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The transactions of one block, in order.
pub(crate) struct Block<'a> {
    chain: &'a Chain,
    nonces: BTreeMap<usize, u64>,
    pub(crate) transactions: Vec<Arc<Transaction>>,
}

impl<'a> Block<'a> {
    pub(crate) const fn new(chain: &'a Chain) -> Self {
        Self { chain, nonces: BTreeMap::new(), transactions: Vec::new() }
    }

    /// The nonce that the account's next transaction must have; counts it.
    fn nonce(&mut self, account: usize) -> u64 {
        let nonce = self.nonces.entry(account).or_insert_with(|| self.chain.nonce(dev_account(account).address()));
        *nonce += 1;
        *nonce - 1
    }

    /// Signs a request with the account's next nonce and appends it.
    pub(crate) fn send(&mut self, account: usize, request: Request) {
        let nonce = self.nonce(account);
        self.transactions.push(Request { nonce, ..request }.sign(dev_account(account)));
    }

    fn call(&mut self, account: usize, to: Address, input: impl Into<Bytes>) {
        self.send(account, Request::call(0, to, input));
    }

    /// The first block: contracts.
    pub(crate) fn deploy(&mut self) {
        for name in NAMES {
            self.send(DEPLOYER, Request::create(0, init_code(&code(name))));
        }
    }

    /// Transfers of every envelope: to new accounts, to oneself, of nothing, with access lists, before EIP-155.
    pub(crate) fn transfers(&mut self, number: u64) {
        let stranger = Address::left_padding_from(&(0xabcd_0000 + number).to_be_bytes());
        for ty in [0, 1, 2] {
            self.send(1, Request { ty, ..Request::transfer(0, stranger, number) });
        }
        self.send(1, Request::transfer(0, dev_account(1).address(), 1));
        self.send(1, Request::transfer(0, Address::repeat_byte(number as u8), 0));
        self.send(1, Request::transfer(0, SEQUENCER_FEE_VAULT, 3));
        self.send(2, Request { priority_fee: 0, ..Request::transfer(0, stranger, 1) });
        self.send(2, Request { priority_fee: 100_000_000_000, ..Request::transfer(0, stranger, 1) });
        let list = serde_json::json!([
            { "address": contract("counter"), "storageKeys": [B256::ZERO, B256::with_last_byte(1)] },
            { "address": stranger, "storageKeys": [] },
        ]);
        let access_list: AccessList = serde_json::from_value(list).expect("an access list");
        for ty in [1, 2, 4] {
            let authorizations = vec![authorize(dev_account(3), 901, contract("counter"), u64::MAX)];
            let call = Request::call(0, contract("counter"), Bytes::new());
            self.send(2, Request { ty, access_list: access_list.clone(), authorizations, ..call });
        }
        let nonce = self.nonce(2);
        let old = TxLegacy {
            chain_id: None,
            nonce,
            gas_price: 100_000_000_000,
            gas_limit: 21_000,
            to: TxKind::Call(stranger),
            value: U256::from(9),
            input: Bytes::new(),
        };
        let signature = dev_account(2).sign_hash_sync(&old.signature_hash()).expect("a local key signs");
        let encoded = OpTxEnvelope::Legacy(old.into_signed(signature)).encoded_2718();
        self.transactions.push(Arc::new(Transaction::decode(encoded.into()).expect("a transaction")));
    }

    /// Creations that succeed and that fail in each way, destruction, reverts, out of gas, deep calls.
    pub(crate) fn contracts(&mut self, number: u64) {
        for name in ["counter", "reverter", "environment", "refund", "factory", "counter"] {
            self.call(4, contract(name), Bytes::new());
        }
        self.send(4, Request { gas: 60_000, ..Request::call(0, contract("loop"), Bytes::new()) });
        self.send(4, Request { gas: 3_000_000, ..Request::call(0, contract("recursion"), Bytes::new()) });
        self.send(
            4,
            Request { value: U256::from(number), ..Request::call(0, contract("self-destruct"), Bytes::new()) },
        );
        let refused_code = [&[0xef][..], &[0; 10]].concat();
        let large = [&hex!("61700080600c6000396000f3")[..], &[0x5b; 0x7000]].concat();
        for init in [
            SELF_DESTRUCT_INIT.to_vec(),
            init_code(COUNTER).to_vec(),
            init_code(&refused_code).to_vec(),
            large,
            REVERTER.to_vec(),
            hex!("fe").to_vec(),
            Vec::new(),
        ] {
            self.send(4, Request { value: U256::from(7), gas: 7_000_000, ..Request::create(0, init) });
        }
        self.send(4, Request { gas: 60_000, ..Request::create(0, init_code(&[0x5b; 200])) });
        let salted = [&B256::from(U256::from(number))[..], &init_code(COUNTER)].concat();
        self.call(4, CREATE2, salted.clone());
        self.call(4, CREATE2, salted);
        self.call(4, BEACON_ROOTS, U256::from(number).to_be_bytes_vec());
        self.call(4, HISTORY, U256::from(number.saturating_sub(2)).to_be_bytes_vec());
    }

    /// An ERC-20, withdrawals to L1 (the withdrawals root), a fee vault paying out.
    pub(crate) fn tokens(&mut self, number: u64) {
        let (me, friend) = (dev_account(5).address(), dev_account(6).address());
        let amount = U256::from(1_000 + number);
        self.send(5, Request { value: amount, ..Request::call(0, WETH, abi(hex!("d0e30db0"), &[])) });
        self.call(5, WETH, abi(hex!("a9059cbb"), &[word(friend), U256::from(number)]));
        self.call(5, WETH, abi(hex!("a9059cbb"), &[word(friend), U256::MAX]));
        self.call(5, WETH, abi(hex!("095ea7b3"), &[word(friend), U256::from(500)]));
        self.call(6, WETH, abi(hex!("23b872dd"), &[word(me), word(friend), U256::from(10)]));
        self.call(6, WETH, abi(hex!("2e1a7d4d"), &[U256::from(5)]));
        let withdrawal = abi(hex!("c2b3e5ac"), &[word(me), U256::from(100_000), U256::from(96), U256::ZERO]);
        self.send(5, Request { value: amount, ..Request::call(0, MESSAGE_PASSER, withdrawal) });
        self.send(5, Request { gas: 500_000, ..Request::call(0, SEQUENCER_FEE_VAULT, abi(hex!("3ccfd60b"), &[])) });
    }

    /// Every precompile, called directly with nothing, with its smallest input, and with too much; and through a call.
    pub(crate) fn precompiles(&mut self) {
        let inputs: [(u64, usize); 19] = [
            (0x01, 128),
            (0x02, 40),
            (0x03, 40),
            (0x04, 40),
            (0x05, 96),
            (0x06, 128),
            (0x07, 96),
            (0x08, 192),
            (0x09, 213),
            (0x0a, 192),
            (0x0b, 256),
            (0x0c, 160),
            (0x0d, 512),
            (0x0e, 288),
            (0x0f, 384),
            (0x10, 64),
            (0x11, 128),
            (0x12, 32),
            (0x100, 160),
        ];
        for (number, size) in inputs {
            let to = Address::left_padding_from(&number.to_be_bytes());
            let zeros = vec![0; size];
            self.call(7, to, Bytes::new());
            self.call(7, to, zeros.clone());
            self.call(7, to, [&zeros[..], &[1; 33]].concat());
            self.call(8, contract("forwarder"), forward(to, &zeros));
            self.call(8, contract("forwarder"), forward(to, &[0xff; 96]));
        }
        // 2^255 mod 7, and a modulus that is longer than anything else.
        let word = |value: u64| U256::from(value).to_be_bytes::<32>();
        let modexp = [word(1), word(1), word(1)].concat();
        self.call(7, Address::with_last_byte(5), [&modexp[..], &[2, 255, 7]].concat());
        let modexp = [word(1), word(1), word(1_000)].concat();
        self.call(7, Address::with_last_byte(5), [&modexp[..], &[2, 255], &[0xff; 1_000]].concat());
        // Pairings: at Jovian's input limit it would cost too much; one pair above it fails at once.
        let pairs = vec![0; 428 * 192];
        self.send(7, Request { gas: 2_000_000, ..Request::call(0, Address::with_last_byte(8), pairs) });
    }

    /// EIP-7702: delegation set, used, moved and cleared; authorizations that are skipped.
    pub(crate) fn delegations(&mut self, number: u64) {
        let authority = dev_account(10);
        let nonce = self.chain.nonce(authority.address());
        let delegate = match number % 3 {
            0 => Address::ZERO,
            1 => contract("counter"),
            _ => Address::with_last_byte(4),
        };
        let authorizations = vec![
            authorize(authority, 901, contract("reverter"), nonce + 5),
            authorize(authority, 902, contract("reverter"), nonce),
            authorize(authority, 901, delegate, nonce),
            authorize(authority, 0, delegate, nonce + 1),
            authorize(dev_account(DEPLOYER), 901, delegate, 1),
        ];
        let base = Request::call(0, authority.address(), Bytes::new());
        self.send(9, Request { ty: 4, authorizations, ..base.clone() });
        self.send(9, base.clone());
        // An account that delegates itself: its own transaction counts first.
        let own = self.chain.nonce(dev_account(11).address());
        let authorizations = vec![authorize(dev_account(11), 901, contract("environment"), own + 1)];
        self.send(
            11,
            Request {
                ty: 4,
                authorizations,
                gas: 600_000,
                ..Request::call(0, dev_account(11).address(), Bytes::new())
            },
        );
        self.call(9, dev_account(11).address(), Bytes::new());
        self.send(12, Request::transfer(0, authority.address(), 1_000));
    }

    /// Random programs: as init code, and as contracts that later blocks call with random input.
    pub(crate) fn random(&mut self, random: &mut Random) {
        for _ in 0..25 {
            let program = random_code(&mut || random.next());
            let value = U256::from(random.next() % 3);
            let gas = 100_000 + random.next() % 900_000;
            if random.next().is_multiple_of(2) {
                self.send(13, Request { value, gas, ..Request::create(0, program) });
            } else {
                let length = (program.len() as u16).to_be_bytes();
                let deploy = [&[0x61, length[0], length[1]], &hex!("80600c6000396000f3")[..], &program].concat();
                let created = dev_account(13).address().create(
                    self.nonces.get(&13).copied().unwrap_or_else(|| self.chain.nonce(dev_account(13).address())),
                );
                self.send(13, Request { gas: 2_000_000, ..Request::create(0, deploy) });
                let input = random.next().to_be_bytes().repeat(random.next() as usize % 12);
                self.send(14, Request { value, gas, ..Request::call(0, created, input) });
            }
        }
    }

    /// As many calls that burn all their gas as fill a block of this gas limit.
    pub(crate) fn fill_gas(&mut self, gas_limit: u64) {
        const BURN: u64 = 16_000_000;
        for _ in 0..(gas_limit - 2_000_000) / BURN {
            self.send(15, Request { gas: BURN, ..Request::call(0, contract("loop"), Bytes::new()) });
        }
    }

    /// Incompressible data: the DA footprint binds before gas does.
    pub(crate) fn fill_data(&mut self, random: &mut Random) {
        for _ in 0..3 {
            let data: Vec<u8> = (0..1_800).flat_map(|_| random.next().to_be_bytes()).collect();
            self.send(16, Request { gas: 5_000_000, ..Request::call(0, Address::ZERO, data) });
        }
    }
}

/// Transactions that no block may hold, by reason.
pub(crate) fn refused(chain: &Chain) -> Vec<(&'static str, Arc<Transaction>)> {
    let account = dev_account(17);
    let nonce = chain.nonce(account.address());
    let transfer = Request::transfer(nonce, Address::ZERO, 1);
    let poor = alloy_signer_local::PrivateKeySigner::from_bytes(&keccak256("poor")).expect("a key");
    let sign = |request: Request| request.sign(account);
    vec![
        ("nonce too high", sign(Request { nonce: nonce + 1, ..transfer.clone() })),
        ("nonce too low", Request { nonce: 0, ..transfer.clone() }.sign(dev_account(DEPLOYER))),
        ("fee cap below the base fee", sign(Request { max_fee: 1, priority_fee: 1, ..transfer.clone() })),
        ("tip above the fee cap", sign(Request { priority_fee: u128::MAX, ..transfer.clone() })),
        ("no balance", Request { nonce: 0, ..transfer.clone() }.sign(&poor)),
        ("more than the balance", sign(Request { value: U256::MAX, ..transfer.clone() })),
        ("another chain", sign(Request { chain_id: 902, ..transfer.clone() })),
        ("intrinsic gas", sign(Request { gas: 20_999, ..transfer.clone() })),
        ("floor gas (EIP-7623)", sign(Request { gas: 30_000, input: vec![1; 500].into(), ..transfer.clone() })),
        (
            "init code too large (EIP-3860)",
            sign(Request { gas: 10_000_000, ..Request::create(nonce, vec![0; 49_153]) }),
        ),
        ("no authorizations", sign(Request { ty: 4, ..Request::call(nonce, Address::ZERO, Bytes::new()) })),
        ("gas above the block's", sign(Request { gas: u64::MAX, max_fee: 0, priority_fee: 0, ..transfer })),
    ]
}

/// What users deposit in an L1 block: money, calls, creations; and all that goes wrong.
pub(crate) fn deposit_logs(portal: Address, number: u64) -> Vec<Log> {
    let from = Address::repeat_byte(0xd0);
    let to = |address| TxKind::Call(address);
    let deposit =
        TxDeposit { from, to: to(Address::repeat_byte(number as u8)), gas_limit: 100_000, ..Default::default() };
    let deposits = [
        TxDeposit { mint: 1_000_000_000_000, value: U256::from(400), ..deposit.clone() },
        // Fails for lack of balance; the mint stays.
        TxDeposit { from: Address::repeat_byte(0xd1), mint: 5, value: U256::MAX, ..deposit.clone() },
        TxDeposit { to: to(contract("reverter")), mint: 7, value: U256::from(1), ..deposit.clone() },
        TxDeposit { to: to(contract("loop")), ..deposit.clone() },
        TxDeposit { to: to(contract("counter")), ..deposit.clone() },
        TxDeposit { to: to(contract("environment")), gas_limit: 800_000, ..deposit.clone() },
        TxDeposit { to: TxKind::Create, input: init_code(COUNTER), gas_limit: 300_000, ..deposit.clone() },
        TxDeposit { to: TxKind::Create, input: init_code(COUNTER), gas_limit: 60_000, ..deposit.clone() },
        // Less than the intrinsic gas, less than the floor.
        TxDeposit { gas_limit: 20_000, mint: 3, ..deposit.clone() },
        TxDeposit { gas_limit: 30_000, input: vec![1; 500].into(), ..deposit.clone() },
        TxDeposit { to: to(Address::with_last_byte(2)), input: vec![1; 50].into(), ..deposit.clone() },
        // An account that also sends transactions: deposits count in its nonce.
        TxDeposit { from: dev_account(18).address(), value: U256::from(1), ..deposit },
    ];
    deposits.map(|deposit| deposits::encode(portal, &deposit)).into()
}

/// The system config changes in this L1 block, one parameter at a time.
pub(crate) fn config_logs(system_config: Address, number: u64) -> Vec<Log> {
    let scalar = |base: u32, blob: u32| {
        let mut scalar = B256::with_last_byte(0);
        scalar[0] = 1;
        scalar[24..28].copy_from_slice(&blob.to_be_bytes());
        scalar[28..].copy_from_slice(&base.to_be_bytes());
        scalar
    };
    let update = match number {
        4 => ConfigUpdate::Scalar(scalar(5_227, 1_014_213)),
        5 => ConfigUpdate::GasLimit(100_000_000),
        6 => ConfigUpdate::OperatorFee { scalar: 1_500_000, constant: 77 },
        7 => ConfigUpdate::Eip1559Params(B64::from(50u64 << 32 | 6)),
        8 => ConfigUpdate::MinBaseFee(2_000_000_000),
        9 => ConfigUpdate::DaFootprintGasScalar(800),
        10 => ConfigUpdate::Batcher(Address::repeat_byte(0xbb)),
        11 => ConfigUpdate::MinBaseFee(1_000),
        12 => ConfigUpdate::Eip1559Params(B64::ZERO),
        13 => ConfigUpdate::GasLimit(60_000_000),
        _ => return Vec::new(),
    };
    vec![update.encode(system_config)]
}
