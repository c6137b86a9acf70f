//! What peers send on the node's own channel: `rota-node`.

use crate::Target;
use alloy_primitives::{B256, Bytes};
use rota_node::gossip::Message;
use rota_types::BlockId;

pub(crate) const GOSSIP: Target = Target {
    name: "gossip",
    executions: 100_000,
    seeds: || {
        [
            Message::Transactions(vec![Bytes::from_static(b"a"), Bytes::from(vec![7; 300])]),
            Message::Acknowledge(vec![B256::repeat_byte(1), B256::repeat_byte(2)]),
            Message::Origin(BlockId { number: 7, hash: B256::repeat_byte(3) }),
        ]
        .map(|message| message.encode().into())
        .into()
    },
    feed: |bytes| {
        let Ok(message) = Message::decode(bytes) else { return false };
        assert_eq!(message.encode().as_ref(), bytes);
        true
    },
};
