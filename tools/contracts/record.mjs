// The creation bytecode of the contracts that `rota deploy` puts on L1, as forge has just compiled it.
//
//   node tools/contracts/record.mjs            writes crates/rota/contracts/*.json
//   node tools/contracts/record.mjs --check    fails if what is recorded there is something else
import fs from "node:fs";
import path from "node:path";

const CONTRACTS = ["OperatorRegistry", "GovernedAdmission", "RoundRobin", "Weighted", "PostingTurns"];
const root = path.resolve(import.meta.dirname, "../..");

const compiled = (name) => {
  const { bytecode, metadata } = JSON.parse(fs.readFileSync(path.join(root, "contracts/out", `${name}.sol`, `${name}.json`)));
  if (Object.keys(bytecode.linkReferences).length > 0) throw new Error(`${name} must be linked`);
  const { compiler, settings } = metadata;
  const { optimizer, evmVersion } = settings;
  const record = { contract: name, solc: compiler.version, evmVersion, optimizerRuns: optimizer.runs, bytecode: bytecode.object };
  return `${JSON.stringify(record, null, 1)}\n`;
};

const stale = [];
for (const name of CONTRACTS) {
  const file = path.join(root, "crates/rota/contracts", `${name}.json`);
  if (!process.argv.includes("--check")) fs.writeFileSync(file, compiled(name));
  else if (!fs.existsSync(file) || fs.readFileSync(file, "utf8") !== compiled(name)) stale.push(name);
}
if (stale.length > 0) {
  console.error(`the recorded bytecode of ${stale.join(", ")} is not that of contracts/src: \`make contracts-record\``);
  process.exit(1);
}
