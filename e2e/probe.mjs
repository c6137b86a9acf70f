// Probe.sol, compiled.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import solc from "solc";
import { root } from "./support.mjs";

const sources = { Probe: { content: readFileSync(join(root, "e2e/Probe.sol"), "utf8") } };
const settings = { evmVersion: "cancun", outputSelection: { "*": { "*": ["abi", "evm.bytecode.object"] } } };
const output = JSON.parse(solc.compile(JSON.stringify({ language: "Solidity", sources, settings })));
const { abi, evm } = output.contracts.Probe.Probe;

export const probe = { abi, bytecode: `0x${evm.bytecode.object}` };
