//! What people send to a rollup, as far as posting and replaying it cares: a mix of transfers and contract calls.

use super::cluster::Cluster;
use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use eyre::ensure;
use futures::future::join_all;
use jsonrpsee::{core::client::ClientT, rpc_params};
use std::time::{Duration, Instant};

/// The mix in words, for the conditions of a benchmark.
pub(super) const MIX: &str = "50% ether transfers, 30% ERC-20 transfers (68 bytes of call data, 40 tokens), 15% swaps \
                              (260 bytes), 5% calls with 600 random bytes; 10% of all are legacy; 64 senders";

/// Senders: each sends every 64th transaction.
const SENDERS: usize = 64;

/// Senders with ether, and what they have sent.
pub(super) struct Workload {
    senders: Vec<PrivateKeySigner>,
    sent: usize,
    chain_id: u64,
}

impl Workload {
    /// Funds the senders.
    pub(super) async fn new(cluster: &Cluster) -> eyre::Result<Self> {
        Ok(Self { senders: cluster.fund(SENDERS).await?, sent: 0, chain_id: cluster.chain_id })
    }

    /// Sends `rate` transactions a second for `lasts` to these operators in turn; returns how many were taken. That one
    /// is refused is an error: the rate is meant to be an easy one.
    pub(super) async fn send(
        &mut self,
        cluster: &Cluster,
        operators: &[usize],
        rate: usize,
        lasts: Duration,
    ) -> eyre::Result<usize> {
        let clients = cluster.clients(operators.iter().copied()).await?;
        let total = rate * lasts.as_secs() as usize;
        let signed = (0..total).map(|_| self.next()).collect::<eyre::Result<Vec<_>>>()?;
        let (start, mut answers) = (Instant::now(), Vec::with_capacity(total));
        for (index, (sender, raw)) in signed.into_iter().enumerate() {
            let due = start + lasts.mul_f64(index as f64 / total as f64);
            tokio::time::sleep_until(due.into()).await;
            // A sender stays with one operator, so that its nonces arrive in order.
            let client = clients[sender % clients.len()].clone();
            answers.push(tokio::spawn(async move {
                client.request::<B256, _>("eth_sendRawTransaction", rpc_params![raw]).await
            }));
        }
        let refused = join_all(answers).await.into_iter().find_map(|answer| match answer {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        });
        ensure!(refused.is_none(), "a transaction was refused: {}", refused.unwrap_or_default());
        Ok(total)
    }

    /// The next transaction, signed, and its sender's index.
    fn next(&mut self) -> eyre::Result<(usize, Bytes)> {
        let index = self.sent;
        self.sent += 1;
        let (sender, nonce) = (index % SENDERS, (index / SENDERS) as u64);
        let noise = noise(index as u64);
        let pick = noise[0] as usize * 100 / 256;
        let (to, value, input) = call(pick, noise);
        let gas_limit = 21_000 + 40 * input.len() as u64;
        let price = 10_000_000_000;
        let (chain_id, to) = (self.chain_id, TxKind::Call(to));
        let signer = &self.senders[sender];
        let signed: TxEnvelope = if noise[1] < 26 {
            let chain_id = Some(chain_id);
            let legacy = TxLegacy { chain_id, nonce, gas_price: price, gas_limit, to, value, input };
            let signature = signer.sign_hash_sync(&legacy.signature_hash())?;
            legacy.into_signed(signature).into()
        } else {
            let max_priority_fee_per_gas = 1_000 * u128::from(noise[2]);
            let transaction = TxEip1559 {
                chain_id,
                nonce,
                gas_limit,
                max_fee_per_gas: price,
                max_priority_fee_per_gas,
                to,
                value,
                input,
                ..Default::default()
            };
            let signature = signer.sign_hash_sync(&transaction.signature_hash())?;
            transaction.into_signed(signature).into()
        };
        Ok((sender, signed.encoded_2718().into()))
    }
}

/// Bytes without pattern, the same in every run.
fn noise(seed: u64) -> B256 {
    keccak256(seed.to_be_bytes())
}

/// Receiver, value and call data. The contracts have no code: nothing here depends on what they would do.
fn call(pick: usize, noise: B256) -> (Address, U256, Bytes) {
    let word = |bytes: &[u8]| -> [u8; 32] { U256::from_be_slice(bytes).to_be_bytes() };
    // Amounts as people write them: three digits and zeros.
    let amount = |byte: u8| U256::from(u64::from(byte) + 1) * U256::from(10).pow(U256::from(13));
    let contract = |kind: u8| Address::from_slice(&keccak256([kind, noise[3] % 40])[..20]);
    let party = Address::from_slice(&noise[12..]);
    match pick {
        0..50 => (party, amount(noise[4]), Bytes::new()),
        50..80 => {
            // transfer(address,uint256)
            let parts = [&[0xa9, 0x05, 0x9c, 0xbb][..], &word(party.as_slice()), &amount(noise[4]).to_be_bytes::<32>()];
            (contract(1), U256::ZERO, parts.concat().into())
        }
        80..95 => {
            // exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))
            let (bought, sold) = (contract(1), contract(2));
            let parts = [
                &[0x41, 0x4b, 0xf3, 0x89][..],
                &word(bought.as_slice()),
                &word(sold.as_slice()),
                &word(&[0x0b, 0xb8]),
                &word(party.as_slice()),
                &word(&[0x68, 0x00, 0x00, noise[5]]),
                &amount(noise[4]).to_be_bytes::<32>(),
                &word(&noise[6..15]),
                &word(&[]),
            ];
            (contract(3), U256::ZERO, parts.concat().into())
        }
        _ => {
            let input: Vec<u8> = (0..19u8).flat_map(|part| keccak256([noise.as_slice(), &[part]].concat())).collect();
            (contract(4), U256::ZERO, input[..600].to_vec().into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_what_its_words_say() {
        let lengths: Vec<_> =
            (0..10_000).map(noise).map(|noise| call(noise[0] as usize * 100 / 256, noise).2.len()).collect();
        let share = |length| lengths.iter().filter(|found| **found == length).count() as f64 / 100.0;
        for (length, percent) in [(0, 50.0), (68, 30.0), (260, 15.0), (600, 5.0)] {
            assert!((share(length) - percent).abs() < 1.5, "{length} bytes: {} %", share(length));
        }
    }
}
