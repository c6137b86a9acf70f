// Rota's own benchmarks, for runs that alternate with the peers'.

import { execFile } from "node:child_process";
import { ROTA, root } from "../../e2e/support.mjs";

/** Runs `rota bench NAME` and returns its report, also when a gate doesn't hold. */
export const bench = (...args) =>
  new Promise((done, fail) => {
    const options = { cwd: root, timeout: 1_200_000, maxBuffer: 1 << 28 };
    execFile(ROTA, ["bench", ...args, "--json", "--samples"], options, (error, stdout, stderr) =>
      stdout ? done(JSON.parse(stdout)) : fail(new Error(`rota bench ${args[0]}: ${stderr || error}`)),
    );
  });
