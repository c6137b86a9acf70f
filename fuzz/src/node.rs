//! What peers send on the node's own channel: `rota-node`.

use crate::{Target, refused};
use alloy_primitives::{Address, B256, Bytes, Signature};
use rota_l1::SkipDomain;
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
            Message::Clock(1_700_000_000_123),
            Message::Skip { turn: 7, signature: Signature::test_signature() },
        ]
        .map(|message| message.encode().into())
        .into()
    },
    feed: |bytes| {
        let message = Message::decode(bytes).map_err(refused)?;
        assert_eq!(message.encode().as_ref(), bytes);
        if let Message::Skip { turn, signature } = message {
            let domain = SkipDomain { l1_chain_id: 900, contract: Address::ZERO };
            assert_eq!(domain.signer(turn, &signature), domain.signer(turn, &signature));
        }
        Ok(())
    },
};
