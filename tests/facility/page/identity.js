// Owns: who this page is in one visit: a certificate, a statement key, what it counted, and the statements signed by it. Kept across a reload.
// Never: a key that leaves the browser: both are made unextractable; one half of a code for two commitments of the box.
// Called by: visit.js.

import { half } from "/code.js";

const DAY_MS = 24 * 3600 * 1000;

const text = new TextEncoder();
export const base64url = bytes =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const bytesOfHex = hex => Uint8Array.from(hex.match(/../g), pair => parseInt(pair, 16));
const sha256 = data => crypto.subtle.digest("SHA-256", data);

/** Whether this browser can sign; old ones cannot. */
export async function canSign() {
  try { await crypto.subtle.generateKey("Ed25519", false, ["sign"]); return true; } catch { return false; }
}

function store(mode, use) {
  return new Promise((done, failed) => {
    const open = indexedDB.open("parloir", 1);
    open.onupgradeneeded = () => open.result.createObjectStore("visits", { keyPath: "call" });
    open.onerror = () => failed(open.error);
    open.onsuccess = () => {
      const database = open.result;
      const transaction = database.transaction("visits", mode);
      const request = use(transaction.objectStore("visits"));
      transaction.oncomplete = () => { database.close(); done(request.result); };
      transaction.onabort = () => { database.close(); failed(transaction.error); };
    };
  });
}

/** The identity of one visit: the stored one after a reload, else a new one. */
export async function identityOf(call) {
  const kept = await store("readonly", s => s.get(call)).catch(() => undefined);
  if (kept) return new Identity(kept);
  const certificate = await RTCPeerConnection.generateCertificate({ name: "ECDSA", namedCurve: "P-256" });
  const keys = await crypto.subtle.generateKey("Ed25519", false, ["sign", "verify"]);
  const made = { call, certificate, keys, at: Date.now(), totals: undefined };
  // Private windows may keep nothing: the visit works all the same, only a reload ends it.
  await store("readwrite", s => s.put(made)).catch(() => {});
  await forgetOlder(call).catch(() => {});
  return new Identity(made);
}

async function forgetOlder(call) {
  const all = await store("readonly", s => s.getAll());
  for (const old of all.filter(v => v.call !== call && Date.now() - v.at > DAY_MS)) {
    await store("readwrite", s => s.delete(old.call));
  }
}

class Identity {
  constructor(record) {
    const { call, certificate, keys, totals } = record;
    Object.assign(this, { record, call, certificate, keys, totals });
  }

  /** In a private visit our half of the short code, for this commitment of the box and no other: whoever learned it can offer nothing else. */
  async bind(commitment) {
    const bound = this.record.bound ?? { commitment, half: half() };
    if (bound.commitment !== commitment) return undefined;
    this.record.bound = bound;
    await store("readwrite", s => s.put({ ...this.record, totals: this.totals })).catch(() => {});
    return bound.half;
  }

  /** Commitment and half of a private visit; undefined in every other. */
  bound() { return this.record.bound; }

  /** Keeps what was counted before it is said, so that no count is said twice. A page that may keep nothing goes on without. */
  async keep(totals) {
    this.totals = totals;
    await store("readwrite", s => s.put({ ...this.record, totals })).catch(() => {});
  }

  /** base64url of the SHA-256 of our certificate (RFC 8122). */
  fingerprint() {
    const found = this.certificate.getFingerprints().find(f => f.algorithm.toLowerCase() === "sha-256");
    return base64url(bytesOfHex(found.value.replaceAll(":", "")));
  }

  /** base64url of our Ed25519 public key (RFC 8032). */
  async statementKey() {
    return base64url(await crypto.subtle.exportKey("raw", this.keys.publicKey));
  }

  /** A statement as compact JWS, in the one spelling that the box accepts: members of the header in this order, thumbprint as RFC 7638. */
  async sign(statement) {
    const x = await this.statementKey();
    const kid = base64url(await sha256(text.encode(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`)));
    const header = `{"alg":"EdDSA","kid":"${kid}","typ":"parloir-statement+jws"}`;
    const input = `${base64url(text.encode(header))}.${base64url(text.encode(JSON.stringify(statement)))}`;
    const signature = await crypto.subtle.sign("Ed25519", this.keys.privateKey, text.encode(input));
    return `${input}.${base64url(signature)}`;
  }
}
