// HPKE base mode, receiving side: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM (RFC 9180), with
// nothing but Node's own crypto.
import crypto from "node:crypto";

const KEM = Buffer.concat([Buffer.from("KEM"), Buffer.from("0010", "hex")]);
const HPKE = Buffer.concat([Buffer.from("HPKE"), Buffer.from("001000010002", "hex")]);
const hmac = (key, data) => crypto.createHmac("sha256", key).update(data).digest();
const labeledExtract = (suite, salt, label, material) =>
  hmac(salt, Buffer.concat([Buffer.from("HPKE-v1"), suite, Buffer.from(label), material]));

function labeledExpand(suite, secret, label, info, length) {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(length);
  const whole = Buffer.concat([size, Buffer.from("HPKE-v1"), suite, Buffer.from(label), info]);
  let block = Buffer.alloc(0);
  let output = Buffer.alloc(0);
  for (let counter = 1; output.length < length; counter += 1) {
    block = hmac(secret, Buffer.concat([block, whole, Buffer.from([counter])]));
    output = Buffer.concat([output, block]);
  }
  return output.subarray(0, length);
}

const EMPTY = Buffer.alloc(0);
const point = (publicKey) => {
  const { x, y } = publicKey.export({ format: "jwk" });
  return Buffer.concat([Buffer.from([4]), Buffer.from(x, "base64url"), Buffer.from(y, "base64url")]);
};

export function openGcm(key, nonce, ciphertext, aad) {
  const cipher = crypto.createDecipheriv("aes-256-gcm", key, nonce);
  cipher.setAAD(aad);
  cipher.setAuthTag(ciphertext.subarray(-16));
  return Buffer.concat([cipher.update(ciphertext.subarray(0, -16)), cipher.final()]);
}

export function unwrap(wrap, privateKey, publicKey, info) {
  const enc = wrap.subarray(0, 65);
  const ecdh = crypto.createECDH("prime256v1");
  ecdh.setPrivateKey(Buffer.from(privateKey.export({ format: "jwk" }).d, "base64url"));
  const context = Buffer.concat([enc, point(publicKey)]);
  const agreed = labeledExtract(KEM, EMPTY, "eae_prk", ecdh.computeSecret(enc));
  const shared = labeledExpand(KEM, agreed, "shared_secret", context, 32);
  const schedule = Buffer.concat([
    Buffer.from([0]),
    labeledExtract(HPKE, EMPTY, "psk_id_hash", EMPTY),
    labeledExtract(HPKE, EMPTY, "info_hash", info),
  ]);
  const secret = labeledExtract(HPKE, shared, "secret", EMPTY);
  const aead = labeledExpand(HPKE, secret, "key", schedule, 32);
  const nonce = labeledExpand(HPKE, secret, "base_nonce", schedule, 12);
  return openGcm(aead, nonce, wrap.subarray(65), EMPTY);
}
