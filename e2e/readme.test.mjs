// What the README tells people to paste works as pasted.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { devnet, root } from "./support.mjs";

const run = promisify(execFile);
let cwd, net;

// A directory like the repository's root after `make devnet`: node_modules and .devnet are in it.
before(
  async () => {
    cwd = await mkdtemp(join(tmpdir(), "rota-e2e-readme-"));
    await symlink(join(root, "node_modules"), join(cwd, "node_modules"));
    net = await devnet({ base: join(cwd, ".devnet") });
  },
  { timeout: 120_000 },
);

after(async () => {
  await net?.down();
  if (!process.env.ROTA_E2E_KEEP) await rm(cwd, { recursive: true, force: true });
});

test("the wallet snippet prints the stage of its transaction and success", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const [, name] = readme.match(/save it as `([\w.]+)`/) ?? [];
  const [, snippet] = readme.match(/```js\n([\s\S]+?)```/) ?? [];
  assert.match(name, /\.mjs$/);
  await writeFile(join(cwd, name), snippet);
  const { stdout } = await run(process.execPath, [name], { cwd, timeout: 30_000 });
  const lines = stdout.trim().split("\n");
  assert.equal(lines.at(-1), "success");
  assert.match(stdout, /stage: '(pooled|proposed|notarized|certified)'/i);
});
