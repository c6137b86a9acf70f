// The stock fault-proof program, run natively: it derives blocks from L1 data alone, executes them, and judges a claim.

import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { execute, root } from "./support.mjs";

const OP_PROGRAM = join(root, "interop/bin/op-program");
const PREIMAGES = join(root, "interop/bin/preimages");

/**
 * Op-program for a devnet and its stock verifier, whose op-geth has the state that it reads. Resolves with a judge of
 * claims about the output root of block `to`, given that of block `from`, who sees L1 up to where the verifier is now.
 */
export async function faultProof(devnet, stock) {
  const file = (name) => join(devnet.dir, name);
  const l1Head = await stock.l1();
  const data = file("op-program");
  await mkdir(data);
  // What anvil's headers commit to and its answers don't show.
  const { code, stderr } = await execute(PREIMAGES, devnet.l1.rpc, data, 0, l1Head.number);
  if (code !== 0) throw new Error(`preimages: ${stderr}`);

  return async (from, to, claim) => {
    const agreed = await stock.output(from);
    return execute(
      OP_PROGRAM,
      ...["--l2.custom", "--rollup.config", file("rollup.json"), "--l2.genesis", file("genesis.json")],
      ...["--l1.chainconfig", file("l1-config.json"), "--l1", devnet.l1.rpc, "--l1.trustrpc"],
      ...["--l1.beacon", devnet.l1.beacon, "--l2", stock.rpc, "--datadir", data, "--data.format", "pebble"],
      ...["--l1.head", l1Head.hash, "--l2.head", agreed.blockRef.hash, "--l2.outputroot", agreed.outputRoot],
      ...["--l2.claim", claim, "--l2.blocknumber", to],
    );
  };
}
