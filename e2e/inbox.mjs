// The posting turns and the batch inbox as L1 has them, and copies of what waits for inclusion.

import { createPublicClient, http, parseAbiItem, parseGwei } from "viem";
import { mnemonicToAccount } from "viem/accounts";
import { call, until } from "./support.mjs";

const MNEMONIC = "test test test test test test test test test test test junk";
const ROTATED = parseAbiItem(
  "event Rotated(uint64 indexed turn, address indexed operator, address posting, uint64 startBlock, uint64 endBlock)",
);

/** The account that operator `number` of a devnet posts with. */
export const postingAccount = (number) => mnemonicToAccount(MNEMONIC, { addressIndex: 10 + number });

export function inbox(devnet) {
  const { rpc } = devnet.l1;
  const client = createPublicClient({ transport: http(rpc) });
  const at = devnet.contracts.BatchInbox.toLowerCase();
  const head = async () => Number(await call(rpc, "eth_blockNumber"));
  /** L1 block of an included transaction. */
  const included = async (hash) => {
    const receipt = await until(`L1 includes ${hash}`, () => call(rpc, "eth_getTransactionReceipt", [hash]), 20_000);
    return Number(receipt.blockNumber);
  };

  return {
    head,
    included,
    /** The posting turns so far: number, posting address (lower case), first block, first block after. */
    async turns() {
      const logs = await client.getLogs({ address: devnet.contracts.PostingTurns, event: ROTATED, fromBlock: 0n });
      return logs.map(({ args: { turn, posting, startBlock, endBlock } }) => ({
        number: Number(turn),
        posting: posting.toLowerCase(),
        start: Number(startBlock),
        end: Number(endBlock),
      }));
    },
    /** Transactions to the inbox in these L1 blocks. */
    async transactions(from, to) {
      const found = [];
      for (let number = from; number <= to; number++) {
        const { transactions } = await call(rpc, "eth_getBlockByNumber", [`0x${number.toString(16)}`, true]);
        const batches = transactions.filter((transaction) => transaction.to === at);
        found.push(...batches.map(({ from, type, hash }) => ({ number, from, type: Number(type), hash })));
      }
      return found;
    },
    /** A transaction of this sender to the inbox that waits for inclusion, with its signed bytes. */
    async waiting(sender) {
      const { pending } = await call(rpc, "txpool_content");
      const account = Object.entries(pending).find(([address]) => address.toLowerCase() === sender)?.[1] ?? {};
      const transaction = Object.values(account).find(({ to }) => to === at);
      if (!transaction) return undefined;
      return { ...transaction, raw: await call(rpc, "eth_getRawTransactionByHash", [transaction.hash]) };
    },
    /** Takes a waiting transaction out of L1's pool; false if it is not there any more. */
    drop: async ({ hash }) => (await call(rpc, "anvil_dropTransaction", [hash])) === hash,
    /** Sends signed bytes; resolves with the hash. */
    send: (raw) => call(rpc, "eth_sendRawTransaction", [raw]),
    /** The same batch, signed by another account. */
    async copy({ type, input, blobs, commitments, proofs, blobVersionedHashes }, account) {
      const nonce = Number(await call(rpc, "eth_getTransactionCount", [account.address, "pending"]));
      const fees = { maxFeePerGas: parseGwei("100"), maxPriorityFeePerGas: parseGwei("1") };
      const common = { chainId: 900, nonce, to: at, gas: 2_000_000n, data: input, ...fees };
      if (Number(type) !== 3) return account.signTransaction({ type: "eip1559", ...common });
      const sidecars = blobs.map((blob, index) => ({ blob, commitment: commitments[index], proof: proofs[index] }));
      const carried = { sidecars, blobVersionedHashes, maxFeePerBlobGas: parseGwei("100") };
      return account.signTransaction({ type: "eip4844", ...common, ...carried });
    },
  };
}
