// Verify checks a receipt and the newest checkpoint of a Glomar ledger with Sigstore's code (npm @sigstore/verify),
// none of ours. Run by tests/integration/test_foreign_sigstore.py, and by anyone who wants a second opinion.
//
//	node verify.mjs <ledger directory> <vkey file> <receipt file>
//
// Sigstore checks the two signatures and the inclusion proof; this file only takes the formats apart. Exit 0 or 1.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { createPublicKey } = require("@sigstore/core").crypto;
const { verifyCheckpoint } = require("@sigstore/verify/dist/tlog/checkpoint.js");
const { verifyMerkleInclusion } = require("@sigstore/verify/dist/tlog/merkle.js");

const WIDTH = 256;
const ED25519 = 1;
const SPKI_OF_ED25519 = Buffer.from("302a300506032b6570032100", "hex");

function readLog(text) {
  const [name, id, key] = text.replace(/\n$/, "").split(/\+(.{8})\+/);
  const raw = Buffer.from(key, "base64");
  if (raw.length !== 33 || raw[0] !== ED25519) throw new Error("vkey: not an Ed25519 key");
  const publicKey = createPublicKey(Buffer.concat([SPKI_OF_ED25519, raw.subarray(1)]));
  return { baseURL: name, logID: Buffer.from(id, "hex"), publicKey };
}

function opened(envelope, log) {
  const checkpoint = verifyCheckpoint({ inclusionProof: { checkpoint: { envelope } } }, [log]);
  if (checkpoint.origin !== log.baseURL) throw new Error("checkpoint: of another log");
  return checkpoint;
}

function readReceipt(text) {
  const [, index, hashes, envelope] =
    /^c2sp\.org\/tlog-proof@v1\n(?:extra .*\n)?index (\d+)\n((?:.{44}\n)*)\n([^]*)$/.exec(text) ?? [];
  if (envelope === undefined) throw new Error("receipt: not a c2sp.org/tlog-proof@v1 text");
  return { index, hashes: hashes.split("\n").slice(0, -1).map((line) => Buffer.from(line, "base64")), envelope };
}

function readEntry(directory, index, size) {
  const bundle = Math.floor(index / WIDTH);
  let path = String(bundle % 1000).padStart(3, "0");
  for (let n = Math.floor(bundle / 1000); n > 0; n = Math.floor(n / 1000)) {
    path = `x${String(n % 1000).padStart(3, "0")}/${path}`;
  }
  if (size - bundle * WIDTH < WIDTH) path += `.p/${size - bundle * WIDTH}`;
  const data = readFileSync(join(directory, "tile/entries", path));
  let start = 0;
  for (let skipped = 0; skipped < index % WIDTH; skipped++) start += 2 + data.readUInt16BE(start);
  return data.subarray(start + 2, start + 2 + data.readUInt16BE(start));
}

function verify(directory, vkeyFile, receiptFile) {
  const log = readLog(readFileSync(vkeyFile, "utf8"));
  const newest = opened(readFileSync(join(directory, "checkpoint"), "utf8"), log);
  const { index, hashes, envelope } = readReceipt(readFileSync(receiptFile, "utf8"));
  const canonicalizedBody = readEntry(directory, Number(index), Number(newest.logSize));
  verifyMerkleInclusion({ canonicalizedBody, inclusionProof: { logIndex: index, hashes } }, opened(envelope, log));
  return `${log.baseURL}: checkpoint over ${newest.logSize} entries is signed, receipt for ${index} holds`;
}

if (process.argv.length !== 5) {
  console.error("usage: node verify.mjs <ledger directory> <vkey file> <receipt file>");
  process.exit(2);
}
try {
  console.log("OK", verify(...process.argv.slice(2)));
} catch (error) {
  console.error("REJECTED:", error.message);
  process.exit(1);
}
