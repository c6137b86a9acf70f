//! An operator whose gossip lies: it has confirmed L1 blocks that do not exist, it is an hour later, and it holds every
//! transaction that anybody mentions.

use alloy_primitives::keccak256;
use rota_consensus::simulated::{Channel, Forge, Outgoing, Tamper};
use rota_node::gossip::Message;
use rota_types::BlockId;

/// How far its lies about time are from the truth, ms.
const LATER: u64 = 3_600_000;

/// Announces false origins and times, and acknowledges transactions that it has only heard of.
#[derive(Debug, Clone, Copy, Default)]
pub struct FalseHints;

impl Tamper for FalseHints {
    fn send(&self, channel: Channel, message: Outgoing, _: &Forge) -> Vec<Outgoing> {
        if channel != Channel::Gossip {
            return vec![message];
        }
        let lies = match Message::decode(&message.bytes) {
            Ok(Message::Origin(origin)) => {
                let hash = keccak256(origin.hash);
                vec![
                    Message::Origin(BlockId { number: origin.number + 100, hash }),
                    Message::Origin(BlockId { hash, ..origin }),
                ]
            }
            Ok(Message::Clock(millis)) => vec![Message::Clock(millis + LATER)],
            // It keeps them to itself, and says that it has those of which nobody else may know.
            Ok(Message::Transactions(transactions)) => {
                vec![Message::Acknowledge(transactions.iter().map(keccak256).collect())]
            }
            _ => return vec![message],
        };
        lies.iter().map(|lie| Outgoing { to: message.to.clone(), bytes: lie.encode().0 }).collect()
    }
}
