// Owns: the short code of a private visit: what binds the box to its half, and the number that both screens show (ADR 27).
// Never: compares the codes of two screens: two people do, aloud.
// Called by: visit.js, identity.js; appliance/seal/src/code.rs is the other end.

const text = new TextEncoder();
const ofHex = hex => Uint8Array.from(hex.match(/../g), pair => parseInt(pair, 16));
const ofBase64url = s => Uint8Array.from(atob(s.replaceAll("-", "+").replaceAll("_", "/")), c => c.charCodeAt(0));
const base64url = bytes => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

async function hash(purpose, call, parts) {
  const pieces = [text.encode(purpose), ofHex(call), ...parts.map(ofBase64url)];
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  pieces.reduce((at, piece) => { whole.set(piece, at); return at + piece.length; }, 0);
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

/** A half of our own: 32 random bytes. */
export const half = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** What the box committed to, base64url. */
export const commitment = async (call, boxCertificate, boxHalf) =>
  base64url(await hash("parloir/v1/commitment", call, [boxCertificate, boxHalf]));

/** The code, six digits: of the call, both certificates and both halves. */
export async function code(call, [ofBox, ofVisitor], [boxHalf, visitorHalf]) {
  const bytes = await hash("parloir/v1/code", call, [ofBox, ofVisitor, boxHalf, visitorHalf]);
  const first = new DataView(bytes.buffer).getBigUint64(0);
  return String(first % 1000000n).padStart(6, "0");
}

/** As it is read aloud: three and three. */
export const spoken = digits => `${digits.slice(0, 3)} ${digits.slice(3)}`;
