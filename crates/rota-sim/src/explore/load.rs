//! Background load: wallets that send one transfer after the other through changing operators.

use crate::{chance::Chance, wallet::Wallet, world::World};
use alloy_primitives::{B256, Bytes};
use commonware_runtime::{Clock as _, Spawner as _, Supervisor as _};
use parking_lot::Mutex;
use rota_node::rpc::Submit as _;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

/// Wallets.
const WALLETS: u32 = 6;

/// How long a wallet waits for an answer, or for the inclusion of what was answered, until it tries another operator.
const PATIENCE: Duration = Duration::from_secs(3);

/// Pause between a wallet's transfers.
const PAUSE: Duration = Duration::from_millis(150);

/// A wallet and what it has sent last.
struct Sender {
    wallet: Wallet,
    sent: Option<(B256, Bytes)>,
    next: SystemTime,
}

/// The wallets of one run.
pub(super) struct Load {
    senders: Vec<Sender>,
    chance: Chance,
    /// Transfers that were sent, and operators' answers with a hash.
    pub(super) sent: u64,
    pub(super) answered: Arc<Mutex<u64>>,
}

impl Load {
    pub(super) fn new(world: &World, chance: Chance) -> Self {
        let sender = |index| Sender { wallet: world.wallet(index), sent: None, next: world.now() };
        Self { senders: (0..WALLETS).map(sender).collect(), chance, sent: 0, answered: Arc::default() }
    }

    /// Sends what is due. A wallet goes on to its next nonce when its last transfer is included, and hands that one to
    /// another operator when it has waited for too long.
    pub(super) fn tick(&mut self, world: &World) {
        let now = world.now();
        let running: Vec<_> = world.operators().filter(|operator| world.runs(*operator)).collect();
        if running.is_empty() {
            return;
        }
        for sender in self.senders.iter_mut() {
            let included = sender.sent.as_ref().is_none_or(|(hash, _)| world.invariants.is_included(hash));
            if included && sender.sent.is_some() {
                sender.sent = None;
                sender.next = now + PAUSE * self.chance.within(1..=8) as u32 / 4;
            }
            if now < sender.next {
                continue;
            }
            let wallet = &mut sender.wallet;
            let (hash, raw) = sender.sent.get_or_insert_with(|| wallet.transfer(wallet.address())).clone();
            sender.next = now + PATIENCE;
            self.sent += 1;
            let operator = self.chance.pick(&running);
            let mempool = world.node(operator).mempool.clone();
            let (invariants, answered) = (world.invariants.clone(), self.answered.clone());
            world.context.child("wallet").spawn(move |clock| async move {
                if mempool.submit(raw).await == Ok(hash) {
                    *answered.lock() += 1;
                    invariants.returned(operator, hash, clock.current());
                }
            });
        }
    }
}
