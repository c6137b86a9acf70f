// An unmodified op-node and op-geth beside the devnet, derived from L1 alone: the judge of every block.

import { execFile } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { call, freePort, root, start, until } from "./support.mjs";

const run = promisify(execFile);
const GETH = join(root, "interop/bin/geth");
const OP_NODE = join(root, "interop/bin/op-node");

/** Starts the stock verifier for a devnet. */
export async function verifier(devnet) {
  const dir = join(devnet.dir, "verifier");
  await mkdir(dir, { recursive: true });
  const file = (name) => join(dir, name);
  const rollup = join(devnet.dir, "rollup.json");
  const genesis = join(devnet.dir, "genesis.json");
  await writeFile(file("jwt.hex"), "11".repeat(32));
  await run(GETH, ["init", "--state.scheme", "hash", "--datadir", file("geth"), genesis]);
  const [http, auth, node] = [await freePort(), await freePort(), await freePort()];
  const geth = await start(
    GETH,
    ["--datadir", file("geth"), "--networkid", devnet.chain_id, "--nodiscover", "--maxpeers", 0, "--port", 0]
      .concat(["--ipcdisable", "--syncmode", "full", "--gcmode", "archive", "--state.scheme", "hash"])
      .concat(["--http", "--http.addr", "127.0.0.1", "--http.port", http, "--http.api", "eth,net,web3,debug"])
      .concat(["--authrpc.addr", "127.0.0.1", "--authrpc.port", auth, "--authrpc.jwtsecret", file("jwt.hex")])
      .concat(["--rollup.disabletxpoolgossip=true"]),
    file("geth.log"),
  );
  const rpc = `http://127.0.0.1:${http}`;
  await until("op-geth answers", () => call(rpc, "eth_chainId"));
  const opNode = await start(
    OP_NODE,
    ["--l1", devnet.l1.rpc.replace("http://", "ws://"), "--l1.beacon", devnet.l1.beacon, "--l1.rpckind", "standard"]
      .concat(["--l1.trustrpc", "--l1.epoch-poll-interval", "4s", "--l2", `http://127.0.0.1:${auth}`])
      .concat(["--l2.jwt-secret", file("jwt.hex"), "--rollup.config", rollup])
      .concat(["--rollup.l1-chain-config", join(devnet.dir, "l1-config.json"), "--p2p.disable"])
      .concat(["--safedb.path", file("safedb")])
      .concat(["--rpc.addr", "127.0.0.1", "--rpc.port", node]),
    file("op-node.log"),
  );
  const nodeRpc = `http://127.0.0.1:${node}`;
  await until("op-node answers", () => call(nodeRpc, "optimism_version"));

  const hex = (number) => `0x${number.toString(16)}`;
  const derived = async () => Number(await call(rpc, "eth_blockNumber"));
  let compared = -1;
  return {
    rpc,
    nodeRpc,
    /** Number of the newest block that the stock client derived. */
    derived,
    /** Waits until block `number` is derived, then compares every block not compared before, one by one. */
    async agrees(number, operator, timeoutMs = 120_000) {
      await until(`stock verifier derives block ${number}`, async () => (await derived()) >= number, timeoutMs, 500);
      for (let n = compared + 1; n <= number; n++) {
        const [theirs, ours] = await Promise.all(
          [rpc, operator].map((url) => call(url, "eth_getBlockByNumber", [hex(n), false])),
        );
        if (!ours) throw new Error(`block ${n} is missing at ${operator}`);
        if (theirs.hash !== ours.hash) throw new Error(`block ${n}: derived ${theirs.hash}, certified ${ours.hash}`);
        compared = n;
      }
      return compared + 1;
    },
    /** The L1 block up to which it has derived. */
    l1: async () => (await call(nodeRpc, "optimism_syncStatus")).current_l1,
    /** Number of the safe head after an L1 block, which must be derived. */
    async safeAfter(l1Number) {
      const { safeHead } = await call(nodeRpc, "optimism_safeHeadAtL1Block", [hex(l1Number)]);
      return safeHead.number;
    },
    /** Output root of a block, with what it is made of. */
    output: (number) => call(nodeRpc, "optimism_outputAtBlock", [hex(number)]),
    log: () => readFile(file("op-node.log"), "utf8"),
    async stop() {
      await opNode.stop();
      await geth.stop();
    },
  };
}
