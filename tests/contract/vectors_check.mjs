// Checks schemas/vectors with nothing but Node's own crypto: node vectors_check.mjs DIRECTORY
// Written from PROTOCOL.md alone; run by test_other_language.py. Exit 0 and counts as JSON, or 1 and a reason.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { openGcm, unwrap } from "./hpke.mjs";

const load = (name) => JSON.parse(readFileSync(path.join(process.argv[2], `${name}.json`), "utf8"));
const sha256 = (...parts) => {
  const hash = crypto.createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const counts = { keys: 0, signatures: 0, sealed: 0, digests: 0, paddings: 0, leaves: 0, refused: 0 };

class Malformed extends Error {}
class Untrusted extends Error {}

// ---- Strict forms -------------------------------------------------------------------------------------

function base64(text) {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) throw new Malformed("base64 that is not canonical");
  return bytes;
}

// JSON.parse takes the last of duplicate keys in silence, so the text is read once more, key by key.
function strictJson(bytes) {
  let text, tree;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    tree = JSON.parse(text);
  } catch {
    throw new Malformed("not JSON in UTF-8");
  }
  const open = [];
  let expectsKey = false;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(null);
    else if (token === "}" || token === "]") open.pop();
    else if (token[0] === '"') {
      const value = JSON.parse(token);
      if (/[\p{Cc}\p{Cf}\p{Cs}]/u.test(value)) throw new Malformed("control or invisible character");
      if (expectsKey) {
        if (open.at(-1).has(value)) throw new Malformed("duplicate key");
        open.at(-1).add(value);
      }
    }
    expectsKey = token === "{" || (token === "," && open.at(-1) instanceof Set);
  }
  return tree;
}

// ---- Keys ---------------------------------------------------------------------------------------------

const keys = load("keys").keys.map((entry) => {
  const der = base64(entry.public);
  return {
    ...entry,
    der,
    publicKey: crypto.createPublicKey({ key: der, format: "der", type: "spki" }),
    privateKey: crypto.createPrivateKey(entry.private_pem),
  };
});
const keyOf = (party, use) => {
  const found = keys.find((key) => key.party === party && key.use === use);
  assert.ok(found, `no ${use} key of ${party}`);
  return found;
};

function checkKeys() {
  for (const key of keys) {
    assert.equal(sha256(key.der).toString("hex").slice(0, 32), key.key_id, "key id");
    const derived = crypto.createPublicKey(key.privateKey).export({ format: "der", type: "spki" });
    assert.deepEqual(derived, key.der, "private and public key belong together");
    counts.keys += 1;
  }
}

// ---- Envelopes ----------------------------------------------------------------------------------------

function preAuthentication(type, payload) {
  const head = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${payload.length} `;
  return Buffer.concat([Buffer.from(head), payload]);
}

function signersOf(envelope, uses, at) {
  const signed = preAuthentication(envelope.payloadType, base64(envelope.payload));
  const parties = new Set();
  for (const { keyid, sig } of envelope.signatures) {
    const key = keys.find((candidate) => candidate.key_id === keyid && uses.includes(candidate.use));
    if (!key) throw new Untrusted("a key that the agreement does not name");
    if (at < Date.parse(key.valid_from) || at >= Date.parse(key.valid_until)) {
      throw new Untrusted("a key outside its validity");
    }
    if (!crypto.verify(null, signed, key.publicKey, base64(sig))) throw new Untrusted("bad signature");
    parties.add(key.party);
  }
  return [...parties].sort();
}

function checkSigned() {
  const expected = {
    control: { uses: ["official"], parties: ["ice", "irs"] },
    request: { uses: ["sign"], parties: ["ice"] },
    verdict: { uses: ["sign"], parties: ["irs"] },
  };
  for (const [name, vector] of Object.entries(load("signed").messages)) {
    const body = Buffer.from(vector.body);
    const envelope = strictJson(body);
    const payload = base64(envelope.payload);
    assert.equal(payload.toString(), vector.payload, "payload");
    assert.equal(preAuthentication(envelope.payloadType, payload).toString("hex"), vector.pae_hex, "PAE");
    assert.equal(strictJson(payload).subject, vector.subject, "subject");
    const parties = signersOf(envelope, expected[name].uses, Date.parse("2025-10-08T14:30:00Z"));
    assert.deepEqual(parties, expected[name].parties, `signers of ${name}`);
    assert.equal(sha256(body).toString("hex"), vector.body_sha256, "digest of the body");
    counts.signatures += envelope.signatures.length;
    counts.digests += 1;
  }
}

// ---- Sealing -----------------------------------------------------------------------------------------

function unpad(padded) {
  let end = padded.length;
  while (end > 0 && padded[end - 1] === 0) end -= 1;
  if (end === 0 || padded[end - 1] !== 0x80) throw new Malformed("bad padding");
  return padded.subarray(0, end - 1);
}

function pad(plaintext, sizes) {
  const size = sizes.find((candidate) => plaintext.length < candidate);
  if (size === undefined) throw new Malformed("too long");
  return Buffer.concat([plaintext, Buffer.from([0x80]), Buffer.alloc(size - plaintext.length - 1)]);
}

function open(sealed, reader, info, aad) {
  const key = keyOf(reader, "seal");
  if (sealed.key_id !== key.key_id) throw new Malformed("sealed to a key that is not held");
  let padded;
  try {
    const contentKey = unwrap(base64(sealed.wrap), key.privateKey, key.publicKey, Buffer.from(info));
    padded = openGcm(contentKey, base64(sealed.nonce), base64(sealed.ciphertext), Buffer.from(aad));
  } catch {
    throw new Malformed("does not open");
  }
  return [unpad(padded), padded.length];
}

function checkSealed() {
  const vectors = load("sealed");
  for (const [part, vector] of Object.entries(vectors.parts)) {
    const info = `glomar/v1 ${vector.direction} ${vector.agreement} ${vector.agency}`;
    const aad = `${part} ${vectors.request_id}`;
    assert.equal(info, vector.info, "info");
    assert.equal(aad, vector.aad, "aad");
    const [plaintext, paddedBytes] = open(vector.sealed, vector.reader, info, aad);
    assert.equal(plaintext.toString(), vector.plaintext, `plaintext of ${part}`);
    assert.equal(paddedBytes, vector.padded_bytes, "padded size");
    assert.equal(sha256(plaintext).toString("hex"), vector.plaintext_sha256, "digest of the plaintext");
    counts.sealed += 1;
    counts.digests += 1;
  }
}

function checkPadding() {
  for (const { plaintext_hex, padded_hex, sizes } of load("padding").cases) {
    const plaintext = Buffer.from(plaintext_hex, "hex");
    assert.equal(pad(plaintext, sizes).toString("hex"), padded_hex, "padding on");
    assert.equal(unpad(Buffer.from(padded_hex, "hex")).toString("hex"), plaintext_hex, "padding off");
    counts.paddings += 1;
  }
  for (const { plaintext_bytes, sizes } of load("padding").too_long) {
    refused({ error: "Malformed", name: "too long" }, () => pad(Buffer.alloc(plaintext_bytes), sizes));
  }
}

// ---- Ledger -------------------------------------------------------------------------------------------

function leafOf({ sequence, time_ns, subject, body_sha256 }) {
  const ns = BigInt(time_ns); // larger than 2**53: a double would lose digits
  const second = new Date(Number(ns / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  const time = `${second}.${String(ns % 1_000_000_000n).padStart(9, "0")}Z`;
  return JSON.stringify({ body_sha256, seq: sequence, subject, time });
}

function checkLedger() {
  const { leaves, gaps, receipt, vkey } = load("ledger");
  for (const { sequence, leaf, leaf_hash } of gaps) {
    assert.equal(JSON.stringify({ gap: true, seq: sequence }), leaf, "gap");
    assert.equal(sha256(Buffer.from([0]), Buffer.from(leaf)).toString("hex"), leaf_hash, "gap hash");
  }
  const hashes = leaves.map((leaf) => {
    assert.equal(leafOf(leaf), leaf.leaf, "leaf");
    const hash = sha256(Buffer.from([0]), Buffer.from(leaf.leaf));
    assert.equal(hash.toString("hex"), leaf.leaf_hash, "leaf hash");
    counts.leaves += 1;
    return hash;
  });
  const [head, checkpoint] = splitOnce(receipt, "\n\n");
  const [header, index, sibling] = head.split("\n");
  assert.equal(header, "c2sp.org/tlog-proof@v1");
  assert.equal(index, "index 2");
  const node = (left, right) => sha256(Buffer.from([1]), left, right);
  assert.deepEqual(base64(sibling), node(hashes[0], hashes[1]), "proof");
  checkCheckpoint(checkpoint, vkey, node(base64(sibling), hashes[2]));
}

function checkCheckpoint(text, vkey, root) {
  const [body, signature] = splitOnce(text, "\n\n");
  const [name, keyIdAndKey] = splitOnce(vkey, "+");
  const [, encoded] = splitOnce(keyIdAndKey, "+"); // base64 may hold a plus, so no split()
  const material = base64(encoded);
  const lines = body.split("\n");
  assert.equal(lines[0], name, "origin");
  assert.deepEqual(base64(lines[2]), root, "root");
  const raw = base64(signature.trim().split(" ")[2]);
  assert.deepEqual(raw.subarray(0, 4), sha256(`${name}\n`, material).subarray(0, 4), "key id of the log");
  const jwk = { kty: "OKP", crv: "Ed25519", x: material.subarray(1).toString("base64url") };
  const key = crypto.createPublicKey({ key: jwk, format: "jwk" });
  assert.ok(crypto.verify(null, Buffer.from(`${body}\n`), key, raw.subarray(4)), "checkpoint signature");
}

function splitOnce(text, separator) {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
}

// ---- What must be refused -----------------------------------------------------------------------------

function refused({ name, error }, action) {
  const kind = { Malformed, Untrusted }[error];
  assert.throws(action, kind, `${name}: must be refused as ${error}`);
  counts.refused += 1;
}

function openEnvelope({ body_base64, subject, party, at }) {
  const envelope = strictJson(base64(body_base64));
  const payload = strictJson(base64(envelope.payload));
  envelope.signatures.forEach(({ sig }) => base64(sig));
  base64(payload.particulars.ciphertext);
  const own = `glomar.${payload.agreement}.request.${payload.agency}.${payload.id}`;
  const type = "application/vnd.glomar.request.v1+json";
  if (envelope.payloadType !== type || payload.subject !== subject || own !== subject) {
    throw new Malformed("not for this place");
  }
  const parties = signersOf(envelope, ["sign"], Date.parse(at));
  if (parties.length !== 1 || parties[0] !== party) throw new Untrusted("another party");
}

function checkNegative() {
  const { envelopes, sealed, paddings } = load("negative");
  // The layer "form" needs a JSON Schema validator, which Node has none of.
  for (const vector of envelopes.filter(({ layer }) => layer !== "form")) {
    refused(vector, () => openEnvelope(vector));
  }
  for (const vector of sealed) {
    const info = `glomar/v1 ${vector.direction} ${vector.agreement} ${vector.agency}`;
    refused(vector, () => open(vector.sealed, vector.reader, info, `${vector.part} ${vector.request_id}`));
  }
  for (const vector of paddings) refused(vector, () => unpad(Buffer.from(vector.padded_hex, "hex")));
}

try {
  checkKeys();
  checkSigned();
  checkSealed();
  checkPadding();
  checkLedger();
  checkNegative();
  console.log(JSON.stringify(counts));
} catch (error) {
  console.error(error.stack);
  process.exitCode = 1;
}
