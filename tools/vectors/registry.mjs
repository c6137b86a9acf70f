// Records what an operator signs for the registry, made with independent libraries (noble, viem).
//
//   node tools/vectors/registry.mjs      writes vectors/registry/{bls,keys,attestation}.json
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import {
  bytesToHex, concatHex, encodePacked, getContractAddress, hashTypedData, hexToBytes, keccak256, numberToHex, padHex,
  stringToHex, toHex,
} from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

// noble's curves come with viem.
const require = createRequire(createRequire(import.meta.url).resolve('viem'));
const { bls12_381: bls } = require('@noble/curves/bls12-381');
const { ed25519 } = require('@noble/curves/ed25519');

const out = path.resolve(import.meta.dirname, '../../vectors/registry');
const write = (name, value) => fs.writeFileSync(path.join(out, name), `${JSON.stringify(value, null, 2)}\n`);
const must = (condition, what) => {
  if (!condition) throw new Error(what);
};

// ---------------------------------------------------------------------------------------------------------- BLS12-381

const POP_DST = 'BLS_POP_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_';
const SIG_DST = 'BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_';
const RFC_DST = 'QUUX-V01-CS02-with-BLS12381G2_XMD:SHA-256_SSWU_RO_';
const { G1, G2, fields } = bls;
const P = fields.Fp.ORDER;

/** Encodings of EIP-2537. */
const fp = (value) => numberToHex(value, { size: 64 });
const fp2 = ({ c0, c1 }) => concatHex([fp(c0), fp(c1)]);
const g1 = (point) => concatHex([fp(point.toAffine().x), fp(point.toAffine().y)]);
const g2 = (point) => concatHex([fp2(point.toAffine().x), fp2(point.toAffine().y)]);

const hash = (message, dst) => G2.ProjectivePoint.fromAffine(G2.hashToCurve(message, { DST: dst }).toAffine());
const publicKey = (secret) => G1.ProjectivePoint.BASE.multiply(secret);
const sign = (secret, message, dst) => hash(message, dst).multiply(secret);
const utf8 = (text) => new TextEncoder().encode(text);

// RFC 9380 J.10.1, P of the first two messages: noble must agree with the text.
const rfc = {
  '': '0141ebfbdca40eb85b87142e130ab689c673cf60f1a3e98d69335266f30d9b8d4ac44c1038e9dcdd5393faf5c41fb78a',
  abc: '02c2d18e033b960562aae3cab37a27ce00d80ccd5ba4b7fe0e7a210245129dbec7780ccc7954725f4168aff2787776e6',
};
for (const [message, x] of Object.entries(rfc)) {
  must(hash(utf8(message), RFC_DST).toAffine().x.c0 === BigInt(`0x${x}`), `RFC 9380: "${message}"`);
}

const messages = ['', 'abc', 'abcdef0123456789', `q128_${'q'.repeat(128)}`, `a512_${'a'.repeat(512)}`];
const hashes = [RFC_DST, POP_DST, SIG_DST].flatMap((dst) =>
  messages.map((message) => ({ dst, message: toHex(message), point: g2(hash(utf8(message), dst)) })),
);

const SECRET = 0x2fd6bbd5f1fb0cc5c6e1a3c5d1d0d41bb1e3a5c0b6b6b3cd8ea2a8f1c9b50f11n;
const MESSAGE = utf8('a message');
const key = publicKey(SECRET);
const signature = sign(SECRET, MESSAGE, SIG_DST);
const vector = (name, valid, change = {}) => ({
  name,
  valid,
  key: g1(key),
  signature: g2(signature),
  message: toHex(MESSAGE),
  dst: SIG_DST,
  ...change,
});

/** A point on the curve outside the subgroup of prime order. */
const outsideG1 = () => {
  for (let x = 1n; ; x++) {
    try {
      const y = fields.Fp.sqrt(fields.Fp.create(x ** 3n + 4n));
      const point = G1.ProjectivePoint.fromAffine({ x, y });
      if (!point.isTorsionFree()) return point;
    } catch {
      // no such point
    }
  }
};
const outsideG2 = () => {
  const { Fp2 } = fields;
  const b = Fp2.create({ c0: 4n, c1: 4n });
  for (let c0 = 1n; ; c0++) {
    try {
      const x = Fp2.create({ c0, c1: 1n });
      const y = Fp2.sqrt(Fp2.add(Fp2.mul(Fp2.sqr(x), x), b));
      const point = G2.ProjectivePoint.fromAffine({ x, y });
      if (!point.isTorsionFree()) return point;
    } catch {
      // no such point
    }
  }
};
const affine = key.toAffine();
const signatures = [
  vector('valid', true),
  vector('another valid key', true, { key: g1(publicKey(7n)), signature: g2(sign(7n, MESSAGE, SIG_DST)) }),
  vector('empty message', true, { message: '0x', signature: g2(sign(SECRET, utf8(''), SIG_DST)) }),
  vector('another message', false, { message: toHex('another') }),
  vector('another tag', false, { dst: POP_DST }),
  vector('another key', false, { key: g1(publicKey(7n)) }),
  vector('negated signature', false, { signature: g2(signature.negate()) }),
  vector('negated key', false, { key: g1(key.negate()) }),
  vector('key at infinity', false, { key: padHex('0x', { size: 128 }) }),
  vector('signature at infinity', false, { signature: padHex('0x', { size: 256 }) }),
  vector('both at infinity', false, { key: padHex('0x', { size: 128 }), signature: padHex('0x', { size: 256 }) }),
  vector('key not on the curve', false, { key: concatHex([fp(affine.x), fp(affine.y + 1n)]) }),
  vector('key outside the subgroup', false, { key: g1(outsideG1()) }),
  vector('signature outside the subgroup', false, { signature: g2(outsideG2()) }),
  vector('x not reduced', false, { key: concatHex([fp(affine.x + P), fp(affine.y)]) }),
  vector('padding not zero', false, { key: concatHex(['0x01', `0x${g1(key).slice(4)}`]) }),
  vector('key of 127 bytes', false, { key: g1(key).slice(0, -2) }),
  vector('compressed key', false, { key: `0x${key.toHex(true)}` }),
  vector('signature of 257 bytes', false, { signature: `${g2(signature)}00` }),
  vector('compressed signature', false, { signature: `0x${signature.toHex(true)}` }),
];
write('bls.json', { hashes, signatures });

// ------------------------------------------------------------------------------------- keys that join, keys that attest

const CHAIN_ID = 900n;
const DEPLOYER = '0x00000000000000000000000000000000000de010';
const REGISTRY = getContractAddress({ from: DEPLOYER, nonce: 0n });
const OPERATOR = '0x1111111111111111111111111111111111111111';
const signedPart = (namespace) =>
  concatHex([numberToHex(namespace.length, { size: 1 }), stringToHex(namespace)]);

const identitySecret = keccak256(stringToHex('rota vectors: identity'));
const identity = bytesToHex(ed25519.getPublicKey(hexToBytes(identitySecret)));
const identityMessage = concatHex([
  signedPart('rota_IDENTITY'),
  encodePacked(['uint256', 'address', 'address'], [CHAIN_ID, REGISTRY, OPERATOR]),
]);
const possessionMessage = concatHex([
  signedPart('rota_POSSESSION'),
  encodePacked(['uint256', 'address', 'address', 'bytes32', 'bytes'], [CHAIN_ID, REGISTRY, OPERATOR, identity, g1(key)]),
]);
write('keys.json', {
  chainId: Number(CHAIN_ID),
  deployer: DEPLOYER,
  registry: REGISTRY,
  operator: OPERATOR,
  identitySecret,
  identity,
  identityMessage,
  identityProof: bytesToHex(ed25519.sign(hexToBytes(identityMessage), hexToBytes(identitySecret))),
  blsSecret: numberToHex(SECRET, { size: 32 }),
  blsKeyCompressed: `0x${key.toHex(true)}`,
  blsKey: g1(key),
  possessionMessage,
  possessionDst: POP_DST,
  possessionCompressed: `0x${sign(SECRET, hexToBytes(possessionMessage), POP_DST).toHex(true)}`,
  possession: g2(sign(SECRET, hexToBytes(possessionMessage), POP_DST)),
});

const domain = { name: 'Rota', version: '1', chainId: Number(CHAIN_ID), verifyingContract: REGISTRY };
const attester = privateKeyToAccount(keccak256(stringToHex('rota vectors: posting')));
const attestation = async (primaryType, fields_, message) => {
  const typed = { domain, types: { [primaryType]: fields_ }, primaryType, message };
  return {
    type: primaryType,
    message: Object.fromEntries(Object.entries(message).map(([name, value]) => [name, String(value)])),
    digest: hashTypedData(typed),
    signature: await attester.signTypedData(typed),
  };
};
write('attestation.json', {
  chainId: Number(CHAIN_ID),
  contract: REGISTRY,
  deployer: DEPLOYER,
  signer: attester.address,
  signerSecret: keccak256(stringToHex('rota vectors: posting')),
  ready: await attestation(
    'Ready',
    [{ name: 'operator', type: 'address' }, { name: 'identity', type: 'bytes32' }],
    { operator: OPERATOR, identity },
  ),
  skip: await attestation('Skip', [{ name: 'turn', type: 'uint64' }], { turn: 7n }),
});
