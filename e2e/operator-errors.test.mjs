// What operators get wrong: each mistake is refused with one clear line, and nobody else notices.

import assert from "node:assert/strict";
import { cp, mkdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mnemonicToAccount } from "viem/accounts";
import { call, caughtUp, devnet, height, rota, sameBlocks, status, until } from "./support.mjs";

const VICTIM = "operator-3";
// Heights of an epoch of the devnet.
const EPOCH = 300;
// Account 10 + K of the devnet's mnemonic posts for operator K.
const mnemonic = `${"test ".repeat(11)}junk`;
const posting = mnemonicToAccount(mnemonic, { addressIndex: 13 }).getHdKey().privateKey;
const SECRETS = [Buffer.from(posting).toString("hex"), "hunter2", "c0ffee"];

let net, victim, witness;

before(
  async () => {
    net = await devnet();
    [witness, , , victim] = net.operators;
  },
  { timeout: 120_000 },
);

after(() => net?.down());

const path = (...names) => join(net.dir, ...names);

/** A copy of the victim's configuration and keys, with ports and data of its own; `edit` makes the mistake. */
async function mistaken(edit) {
  const dir = path("mistaken");
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir);
  for (const name of ["config.toml", "keys", "password"]) await cp(path(VICTIM, name), join(dir, name), { recursive: true });
  const file = (name) => join(dir, name);
  const config = {
    set: async (key, value) => {
      const text = await readFile(file("config.toml"), "utf8");
      const others = text.split("\n").filter((line) => !line.startsWith(`${key} = `));
      await writeFile(file("config.toml"), [...others, `${key} = ${JSON.stringify(value)}`, ""].join("\n"));
    },
  };
  for (const key of ["p2p_listen", "rpc_listen", "metrics_listen"]) await config.set(key, "127.0.0.1:0");
  await edit(config, file);
  return file("config.toml");
}

/** Makes the chain one without a registry: there the committee file says, before anything starts, whose keys are whose. */
async function withoutRegistry(config, file) {
  const { registry, ...committee } = JSON.parse(await readFile(path("committee.json"), "utf8"));
  assert.equal(registry.address.toLowerCase(), net.contracts.OperatorRegistry.toLowerCase());
  const operators = [];
  for (const { name } of net.operators) {
    const keys = ["--dir", path(name, "keys"), "--password-file", path(name, "password")];
    const { code, stdout, stderr } = await rota("keys", "show", ...keys, "--name", name);
    assert.equal(code, 0, stderr);
    operators.push(JSON.parse(stdout));
  }
  await writeFile(file("committee.json"), JSON.stringify({ ...committee, operators }));
  await config.set("committee", "committee.json");
}

/** The last line of a node that refuses to run. */
async function refused(config, ...options) {
  const { code, stderr } = await rota("node", "--config", config, ...options);
  assert.equal(code, 1, stderr);
  const lines = stderr.trimEnd().split("\n");
  assert.equal(lines.filter((line) => line.startsWith("error: ")).length, 1, stderr);
  assert.doesNotMatch(stderr, /panic|backtrace/i);
  for (const secret of SECRETS) assert.ok(!stderr.includes(secret), `a secret in: ${stderr}`);
  return lines.at(-1);
}

const refusedAfter = async (edit) => refused(await mistaken(edit));

/** The others have not noticed anything. */
async function undisturbed(node) {
  const pid = await net.pid(node.name);
  assert.ok(pid, `${node.name} runs`);
  const now = await height(node);
  await until(`new heights at ${node.name}`, async () => (await height(node)) > now + 3);
  assert.equal(await net.pid(node.name), pid);
}

describe("configuration", () => {
  test("a file that is not there is named", async () => {
    assert.match(await refused(path("nowhere.toml")), /^error: cannot read .*nowhere\.toml: No such file or directory/);
    assert.match(await refusedAfter((config) => config.set("genesis", "gone.json")), /gone\.json: No such file/);
    assert.match(await refusedAfter((_, file) => rm(file("password"))), /password: No such file/);
  });

  test("an unknown key is named", async () => {
    assert.match(await refusedAfter((config) => config.set("retentoin_blocks", 5)), /unknown field `retentoin_blocks`/);
  });

  test("a value of another type is named, a line that is no TOML is counted", async () => {
    assert.match(await refusedAfter((config) => config.set("pool_bytes", "many")), /invalid type.*`pool_bytes`/);
    const broken = (_, file) => writeFile(file("config.toml"), 'name = "a"\ngenesis = = 1\n');
    assert.match(await refusedAfter(broken), /config\.toml: line 2: /);
  });

  test("the key of an L1 provider is in no log", async () => {
    const mistake = async (config) => {
      await config.set("l1_endpoints", ["https://user:hunter2@127.0.0.1:1/v3/c0ffee?key=c0ffee"]);
      await config.set("genesis", "gone.json");
    };
    assert.match(await refusedAfter(mistake), /gone\.json/);
  });

  test("a port that is taken is named", async () => {
    const text = await readFile(path("operator-2", "config.toml"), "utf8");
    for (const [key, what] of [["p2p_listen", "p2p"], ["rpc_listen", "rpc"], ["metrics_listen", "metrics"]]) {
      const [, taken] = text.match(new RegExp(`^${key} = "(.*)"$`, "m"));
      const line = await refusedAfter((config) => config.set(key, taken));
      assert.match(line, new RegExp(`^error: ${what} on ${taken}: Address already in use`));
    }
    await undisturbed(net.operators[2]);
  });

  test("chain files that contradict each other are refused", async () => {
    const rollup = JSON.parse(await readFile(path("rollup.json"), "utf8"));
    const mistake = async (config, file) => {
      await writeFile(file("rollup.json"), JSON.stringify({ ...rollup, l2_chain_id: 902 }));
      await config.set("rollup", "rollup.json");
      await config.set("genesis", path("genesis.json"));
    };
    assert.match(await refusedAfter(mistake), /chain id: genesis\.json says 901, rollup\.json 902/);
  });
});

describe("keys", () => {
  test("a wrong password", async () => {
    const line = await refusedAfter((_, file) => writeFile(file("password"), "hunter2\n"));
    assert.match(line, /identity\.json: wrong password or damaged keystore/);
  });

  test("a truncated, an empty, a missing keystore", async () => {
    assert.match(await refusedAfter((_, file) => truncate(file("keys/voting.json"), 200)), /voting\.json: not a usable/);
    assert.match(await refusedAfter((_, file) => truncate(file("keys/identity.json"))), /identity\.json: not a usable/);
    assert.match(await refusedAfter((_, file) => rm(file("keys/posting.json"))), /posting\.json: No such file/);
  });

  test("keys of a stranger, where the committee never changes", async () => {
    const stranger = async (config, file) => {
      await withoutRegistry(config, file);
      await rm(file("keys"), { recursive: true });
      const { code } = await rota("keys", "new", "--dir", file("keys"), "--password-file", file("password"));
      assert.equal(code, 0);
    };
    assert.match(await refusedAfter(stranger), /0x[0-9a-f]{64} is not in the committee: run it with follower = true/);
  });

  test("the voting or the posting key of another operator, where the committee never changes", async () => {
    const copied = (name) => async (config, file) => {
      await withoutRegistry(config, file);
      await cp(path("operator-2", "keys", name), file(`keys/${name}`));
    };
    const voting = /the voting key is not the one that the committee file names for operator operator-3/;
    assert.match(await refusedAfter(copied("voting.json")), voting);
    assert.match(await refusedAfter(copied("posting.json")), /the posting key is 0x\w{40}'s, .* names 0x\w{40} for operator operator-3/);
  });
});

describe("data directory", () => {
  test("a second process is refused and the first one does not notice", async () => {
    const line = await refusedAfter((config) => config.set("data_dir", path(VICTIM, "data")));
    assert.match(line, /operator-3\/data\/store is in use by another process/);
    assert.match(await refused(path(VICTIM, "config.toml")), /in use by another process/);
    await undisturbed(victim);
  });

  test("data of another chain or lineage are refused and stay as they are", async () => {
    await net.stop(VICTIM);
    const other = async (name, edit) => {
      const file = JSON.parse(await readFile(path(name), "utf8"));
      edit(file);
      await writeFile(path("mistaken", name), JSON.stringify(file));
    };
    const chain = async (config) => {
      await other("genesis.json", (genesis) => (genesis.config.chainId = 902));
      await other("rollup.json", (rollup) => (rollup.l2_chain_id = 902));
      for (const name of ["genesis", "rollup"]) await config.set(name, `${name}.json`);
      await config.set("data_dir", path(VICTIM, "data"));
    };
    const lineage = async (config) => {
      await other("committee.json", (committee) => (committee.lineage = 1));
      await config.set("committee", "committee.json");
      await config.set("data_dir", path(VICTIM, "data"));
    };
    const found = [];
    for (const mistake of [chain, lineage]) {
      const line = await refusedAfter(mistake);
      assert.match(line, /another chain or lineage/);
      found.push(line.match(/0x[0-9a-f]{64}/g));
    }
    assert.ok(found.every((ids) => ids.length === 2 && ids[0] === found[0][0]), "both name what is on the disk");
    assert.equal(new Set(found.flat()).size, 3, "and what it was opened as");
    await net.restart(VICTIM);
    await caughtUp(victim, witness);
  });

  test("a first start is refused where the chain exists", async () => {
    // The next test needs some of the epoch's heights.
    await until("far from an epoch's end", async () => (await height(witness)) % EPOCH < EPOCH - 120, 30_000);
    await net.stop(VICTIM);
    await rename(path(VICTIM, "data"), path(VICTIM, "saved"));
    assert.match(await refused(path(VICTIM, "config.toml"), "--first-start"), /first start refused.*start without the flag/);
  });

  test("an empty disk follows and does not vote", async () => {
    // Left by the test before: the disk is lost.
    const lost = Math.floor((await height(witness)) / EPOCH);
    await net.restart(VICTIM);
    await until("it has the chain", async () => (await height(victim)) > 0);
    const tip = await caughtUp(victim, witness, 60_000);
    assert.equal((await status(victim)).signing, false);
    await until("it follows", async () => (await height(victim)) > tip + 30);
    await sameBlocks(victim, witness);

    const index = (await status(witness)).committee.findIndex(({ name }) => name === VICTIM);
    const certificates = [];
    for (let at = tip; at <= tip + 30; at++) certificates.push((await call(witness.rpc, "rota_getCertificate", [at])).certificate);
    const ofEpoch = certificates.filter(({ epoch }) => epoch === lost);
    assert.ok(ofEpoch.length > 20, `${ofEpoch.length} certificates of epoch ${lost}`);
    assert.ok(ofEpoch.every(({ signers }) => !signers[index] && signers.filter(Boolean).length === 3));
  });

  test("the disk that was lost for a while votes again", async () => {
    await net.stop(VICTIM);
    await rm(path(VICTIM, "data"), { recursive: true });
    await rename(path(VICTIM, "saved"), path(VICTIM, "data"));
    await net.restart(VICTIM);
    await caughtUp(victim, witness);
    assert.equal((await status(victim)).signing, true);
  });
});
