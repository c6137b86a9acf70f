// Records the devnet's L1: deploys the OP contracts on a scratch anvil and writes the genesis that holds them.
//
//   node tools/genesis/l1.mjs      writes vectors/l1-genesis.json and vectors/l1-contracts.json
//
// Everything is deployed in ONE block: OptimismPortal2 remembers the block of its deployment and refuses deposits in
// earlier ones, and in the devnet the contracts exist from block 0 on, so deposits work from block 1.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import {
  createPublicClient, createWalletClient, defineChain, encodeDeployData, encodeFunctionData, getContractAddress, http,
  keccak256, maxUint128, pad, parseEther, toHex, zeroAddress,
} from 'viem';
import { mnemonicToAccount } from 'viem/accounts';
import { freePort } from '../../e2e/support.mjs';

const root = path.resolve(import.meta.dirname, '../..');
const anvil = path.join(root, 'node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil');
const artifacts = path.join(root, 'node_modules/@eth-optimism/contracts-bedrock/forge-artifacts');

const L1_CHAIN_ID = 900;
const L2_CHAIN_ID = 901n;
const account = (index) => mnemonicToAccount('test test test test test test test test test test test junk', { addressIndex: index });
const DEV_ACCOUNTS = [...Array(20).keys()].map((index) => account(index).address.toLowerCase());
const GOVERNOR = account(0); // owns everything
const POSTER = account(10).address; // the devnet's operator k posts with account 10 + k; operator 0 posts first
const GUARDIAN = GOVERNOR.address;
const BATCH_INBOX = '0xff00000000000000000000000000000000000901';
const START = 1_760_000_000; // the portal remembers when it was deployed
const GAS_LIMIT = 200_000_000n; // the most that SystemConfig 2.3.0 allows (docs/adr/004-genesis-and-capacity.md)
const BASE_FEE_SCALAR = 1368;
const BLOB_BASE_FEE_SCALAR = 810949;
const RESOURCE_CONFIG = {
  maxResourceLimit: 20_000_000, elasticityMultiplier: 10, baseFeeMaxChangeDenominator: 8,
  minimumBaseFee: 1_000_000_000, systemTxMaxGas: 1_000_000, maximumBaseFee: maxUint128,
};
const BLOCK_HASH_HISTORY = '0x0000f90827f1c53a10cb7a02335b175320002935'; // EIP-2935: starts empty
const ETHER = '0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE';
// Short delays, so that a withdrawal can be watched: seconds.
const PROOF_MATURITY = 12n;
const GAME_FINALITY = 6n;
const WETH_DELAY = 10n;

const artifact = (name) => {
  const { abi, bytecode } = JSON.parse(fs.readFileSync(`${artifacts}/${name}.sol/${name}.json`));
  return { abi, bytecode: bytecode.object };
};

/** Collects the transactions of the governor; their addresses follow from the nonces, so nothing needs to be mined yet. */
class Deployment {
  transactions = [];
  contracts = {};
  implementations = {};

  send(name, transaction) {
    this.transactions.push({ name, ...transaction });
  }

  create(name, args = []) {
    const address = getContractAddress({ from: GOVERNOR.address, nonce: BigInt(this.transactions.length) });
    const { abi, bytecode } = artifact(name);
    this.send(name, { data: encodeDeployData({ abi, bytecode, args }) });
    return address;
  }

  call(to, name, functionName, args) {
    this.send(`${name}.${functionName}`, { to, data: encodeFunctionData({ abi: artifact(name).abi, functionName, args }) });
  }

  /** A contract that stands alone. */
  plain(name, args) {
    return (this.contracts[name] = this.create(name, args));
  }

  /** An implementation and a proxy of the proxy admin's. */
  proxied(name, args, implementation = name) {
    this.implementations[name] = { name: implementation, address: this.create(implementation, args) };
    return (this.contracts[name] = this.create('Proxy', [this.contracts.ProxyAdmin]));
  }

  initialize(proxy, args) {
    const { name, address } = this.implementations[proxy];
    const data = encodeFunctionData({ abi: artifact(name).abi, functionName: 'initialize', args });
    this.call(this.contracts.ProxyAdmin, 'ProxyAdmin', 'upgradeAndCall', [this.contracts[proxy], address, data]);
  }
}

function deployment() {
  const d = new Deployment();
  const at = d.contracts;
  d.plain('ProxyAdmin', [GOVERNOR.address]);
  d.proxied('SuperchainConfig');
  d.proxied('ProtocolVersions');
  d.proxied('SystemConfig');
  d.proxied('OptimismPortal', [PROOF_MATURITY, GAME_FINALITY], 'OptimismPortal2');
  d.proxied('DisputeGameFactory');
  d.proxied('AnchorStateRegistry', [at.DisputeGameFactory]);
  d.proxied('DelayedWETH', [WETH_DELAY]);
  d.proxied('L1CrossDomainMessenger');
  d.proxied('L1StandardBridge');
  d.proxied('L1ERC721Bridge');
  d.proxied('OptimismMintableERC20Factory');

  d.initialize('SuperchainConfig', [GUARDIAN, false]);
  d.initialize('ProtocolVersions', [GOVERNOR.address, 0n, 0n]);
  d.initialize('SystemConfig', [
    GOVERNOR.address, BASE_FEE_SCALAR, BLOB_BASE_FEE_SCALAR, pad(POSTER), GAS_LIMIT, POSTER, RESOURCE_CONFIG, BATCH_INBOX,
    {
      l1CrossDomainMessenger: at.L1CrossDomainMessenger, l1ERC721Bridge: at.L1ERC721Bridge,
      l1StandardBridge: at.L1StandardBridge, disputeGameFactory: at.DisputeGameFactory,
      optimismPortal: at.OptimismPortal, optimismMintableERC20Factory: at.OptimismMintableERC20Factory,
      gasPayingToken: ETHER,
    },
  ]);
  d.initialize('DisputeGameFactory', [GOVERNOR.address]);
  d.initialize('DelayedWETH', [GOVERNOR.address, at.SuperchainConfig]);
  d.initialize('OptimismPortal', [at.DisputeGameFactory, at.SystemConfig, at.SuperchainConfig, 0]);
  d.initialize('L1CrossDomainMessenger', [at.SuperchainConfig, at.OptimismPortal, at.SystemConfig]);
  d.initialize('L1StandardBridge', [at.L1CrossDomainMessenger, at.SuperchainConfig, at.SystemConfig]);
  d.initialize('L1ERC721Bridge', [at.L1CrossDomainMessenger, at.SuperchainConfig]);
  d.initialize('OptimismMintableERC20Factory', [at.L1StandardBridge]);
  // The root is a placeholder: the devnet puts its L2 genesis output there (it depends on the start time).
  const anchor = { root: toHex(1, { size: 32 }), l2BlockNumber: 0n };
  d.initialize('AnchorStateRegistry', [[0, 1].map((gameType) => ({ gameType, outputRoot: anchor }))]);

  d.plain('PreimageOracle', [126_000n, 10n]);
  d.plain('MIPS', [at.PreimageOracle]);
  const prestate = keccak256('0x02'); // no fault-proof program is bound yet
  const game = (type) => [type, prestate, 73n, 30n, 30n, 120n, at.MIPS, at.DelayedWETH, at.AnchorStateRegistry, L2_CHAIN_ID];
  d.plain('FaultDisputeGame', game(0));
  d.plain('PermissionedDisputeGame', [...game(1), account(3).address, account(4).address]);
  for (const [type, name] of [[0, 'FaultDisputeGame'], [1, 'PermissionedDisputeGame']]) {
    d.call(at.DisputeGameFactory, 'DisputeGameFactory', 'setImplementation', [type, at[name]]);
    d.call(at.DisputeGameFactory, 'DisputeGameFactory', 'setInitBond', [type, parseEther('0.01')]);
  }
  return d;
}

async function connect(port) {
  const chain = defineChain({
    id: L1_CHAIN_ID, name: 'scratch L1', nativeCurrency: { name: 'Ether', symbol: 'ETH', decimals: 18 },
    rpcUrls: { default: { http: [`http://127.0.0.1:${port}`] } },
  });
  const client = createPublicClient({ chain, transport: http(undefined, { retryCount: 0, timeout: 60_000 }) });
  for (let attempt = 0; ; attempt++) {
    try {
      await client.getChainId();
      return { client, wallet: createWalletClient({ account: GOVERNOR, chain, transport: http(undefined, { timeout: 60_000 }) }) };
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Mines the whole deployment as block 1 and returns the accounts after it. */
async function mine({ client, wallet }, transactions) {
  const hashes = [];
  for (const [nonce, { name, to, data }] of transactions.entries()) {
    const fees = { maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 0n };
    hashes.push([name, await wallet.sendTransaction({ to, data, nonce, gas: 12_000_000n, type: 'eip1559', ...fees })]);
  }
  await client.request({ method: 'evm_setNextBlockTimestamp', params: [START + 1] });
  await client.request({ method: 'evm_mine', params: [] });
  for (const [name, hash] of hashes) {
    const receipt = await client.getTransactionReceipt({ hash });
    if (receipt.status !== 'success' || receipt.blockNumber !== 1n) throw new Error(`${name}: ${receipt.status} in block ${receipt.blockNumber}`);
  }
  const dump = await client.request({ method: 'anvil_dumpState', params: [] });
  return JSON.parse(zlib.gunzipSync(Buffer.from(dump.slice(2), 'hex'))).accounts;
}

/** Genesis accounts: contracts as deployed, dev accounts with a million ether each, nothing else. */
function alloc(accounts) {
  const word = (value) => toHex(BigInt(value), { size: 32 });
  const entries = Object.entries(accounts).map(([address, state]) => [address.toLowerCase(), state]).sort();
  const out = {};
  for (const [address, { nonce, code, storage }] of entries) {
    const isContract = code && code !== '0x';
    if (!isContract && !DEV_ACCOUNTS.includes(address)) continue;
    const slots = Object.entries(address === BLOCK_HASH_HISTORY ? {} : storage ?? {}).map(([slot, value]) => [word(slot), word(value)]);
    out[address] = {
      balance: isContract ? '0x0' : toHex(parseEther('1000000')),
      nonce: toHex(Number(nonce)),
      ...(isContract && { code, storage: Object.fromEntries(slots.filter(([, value]) => BigInt(value) !== 0n).sort()) }),
    };
  }
  return out;
}

function genesis(accounts) {
  const blocks = [
    'homestead', 'eip150', 'eip155', 'eip158', 'byzantium', 'constantinople', 'petersburg', 'istanbul', 'muirGlacier',
    'berlin', 'london', 'arrowGlacier', 'grayGlacier', 'mergeNetsplit',
  ];
  return {
    config: {
      chainId: L1_CHAIN_ID, ...Object.fromEntries(blocks.map((fork) => [`${fork}Block`, 0])),
      terminalTotalDifficulty: 0, shanghaiTime: 0, cancunTime: 0, pragueTime: 0,
      blobSchedule: {
        cancun: { target: 3, max: 6, baseFeeUpdateFraction: 3338477 },
        prague: { target: 6, max: 9, baseFeeUpdateFraction: 5007716 },
      },
    },
    nonce: '0x0', timestamp: '0x0', extraData: '0x', gasLimit: toHex(60_000_000), difficulty: '0x0',
    mixHash: pad('0x'), coinbase: zeroAddress, number: '0x0', gasUsed: '0x0', parentHash: pad('0x'),
    baseFeePerGas: toHex(1_000_000_000), excessBlobGas: '0x0', blobGasUsed: '0x0',
    alloc: alloc(accounts),
  };
}

const { transactions, contracts } = deployment();
const port = await freePort();
const child = spawn(anvil, [
  '--host', '127.0.0.1', '--port', `${port}`, '--chain-id', `${L1_CHAIN_ID}`, '--hardfork', 'prague', '--no-mining',
  '--order', 'fifo', '--timestamp', `${START}`, '--gas-limit', '1000000000', '--accounts', '20', '--balance', '1000000', '--silent',
], { stdio: 'inherit' });
try {
  const accounts = await mine(await connect(port), transactions);
  const write = (name, value) => fs.writeFileSync(path.join(root, 'vectors', name), `${JSON.stringify(value, null, 1)}\n`);
  write('l1-genesis.json', genesis(accounts));
  write('l1-contracts.json', { ...contracts, BatchInbox: BATCH_INBOX });
  console.log(`${transactions.length} transactions, ${Object.keys(contracts).length} contracts`);
} finally {
  child.kill();
}
