// Owns: the views of the visitor's page, the socket to the facility, and what is said to the visitor.
// Never: an answer by itself: nothing leaves this device before Join is pressed.
// Called by: index.html.

import { canSign, identityOf } from "/identity.js";
import { Media, canH264, wanted } from "/media.js";

const $ = id => document.getElementById(id);
const LOOK_MS = 250;
const LOOK_FIRST_MS = 50;

/** All that this page knows. `visit` is there between Join and the end. */
const page = { socket: undefined, delay: 500, waiting: undefined, ringing: undefined, visit: undefined, local: undefined, ready: false };

// ---- views

const focusOf = { check: "try", ringing: "join", visit: "mute", ended: "again", stopped: "stopped-again" };

function show(view) {
  if (document.body.dataset.view === view) return;
  document.body.dataset.view = view;
  document.querySelectorAll("section").forEach(s => { s.hidden = s.dataset.for !== view; });
  $(focusOf[view])?.focus({ preventScroll: true });
}

function fill(values) {
  for (const [name, value] of Object.entries(values)) {
    document.querySelectorAll(`[data-text=${name}]`).forEach(e => { e.textContent = value; });
  }
}

function about({ person, site }) {
  fill({ person, initial: [...person][0] ?? "", ...(site && { site }) });
}

function stop(title, why, code) {
  $("stopped-title").textContent = title;
  $("stopped-why").textContent = why;
  $("stopped-code").textContent = code;
  show("stopped");
}

const minutes = s => s >= 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s} s`;
const plural = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
const talked = s => `You talked for ${s >= 60 ? plural(Math.round(s / 60), "minute") : plural(s, "second")}`;

// ---- device check

const problems = {
  old: "This browser is too old for the visit. Please update it, or use the newest Chrome, Edge, Firefox or Safari.",
  h264: "This browser cannot show the kind of picture that we use (H.264). Please use Chrome, Edge or Safari.",
  sign: "This browser cannot sign (Ed25519), which the receipt of your visit needs. Please update it.",
  denied: "The browser may not use your camera and microphone. Press the small sign beside the address, choose Allow, then try again.",
  none: "We found no camera or no microphone. Plug one in or use another device, then try again.",
  busy: "Another program uses your camera. Close it, then try again.",
  other: "Your camera did not start. Close other programs that use it, then try again.",
};

function tell(keys) {
  $("problems").replaceChildren(...keys.map(key => Object.assign(document.createElement("li"), { textContent: problems[key] })));
}

async function missing() {
  if (!window.RTCPeerConnection || !navigator.mediaDevices || !window.indexedDB || !crypto.subtle) return ["old"];
  return [...(canH264() ? [] : ["h264"]), ...(await canSign() ? [] : ["sign"])];
}

async function tryDevices() {
  const lacking = await missing();
  tell(lacking);
  if (lacking.length) return false;
  try {
    page.local ??= await navigator.mediaDevices.getUserMedia(wanted(page.waiting?.media ?? page.ringing?.media));
  } catch (e) {
    const key = { NotAllowedError: "denied", NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "busy" }[e.name] ?? "other";
    tell([key]);
    return false;
  }
  $("preview").srcObject = $("near").srcObject = page.local;
  meter(page.local);
  keepAwake();
  return true;
}

async function devicesPressed() {
  $("try").disabled = true;
  page.ready = page.allowed = await tryDevices();
  $("try").disabled = false;
  $("check-says").hidden = !page.ready && $("problems").childElementCount > 0;
  if (!page.ready) return $("try").focus();
  say({ type: "ready" });
  if (page.visit && !page.visit.over) begin(page.visit);
  else if (page.ringing) ring(page.ringing);
  else show("waiting");
}

let audio;
function meter(stream) {
  audio ??= new AudioContext();
  const analyser = audio.createAnalyser();
  audio.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  clearInterval(page.metering);
  page.metering = setInterval(() => {
    if (document.body.dataset.view !== "waiting") return;
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, v) => sum + v * v, 0) / samples.length;
    $("level").value = Math.min(1, Math.sqrt(power) * 4);
  }, 100);
}

async function keepAwake() {
  if (page.awake && !page.awake.released) return;
  page.awake = await navigator.wakeLock?.request("screen").catch(() => undefined);
}
document.addEventListener("visibilitychange", () => { if (!document.hidden && page.ready) keepAwake(); });

// ---- ringing

async function ring(ringing) {
  page.ringing = ringing;
  about(ringing);
  heading();
  const recorded = ringing.recorded_by ? `Recorded by ${ringing.recorded_by}` : "not recorded";
  const watched = ringing.watched_by ? ` · watched by ${ringing.watched_by}` : "";
  $("terms").textContent = `${ringing.price || "Free"} · up to ${Math.floor(ringing.slot_s / 60)} minutes · ${recorded}${watched}`;
  document.title = `${ringing.person} is calling`;
  // Allowed before: the camera is tried again without a question. Never: the visitor presses first.
  if (!page.ready && page.allowed) page.ready = await tryDevices();
  if (!page.ready) return show("check");
  show("ringing");
  clearInterval(page.tone);
  chime();
  page.tone = setInterval(chime, 3000);
  // Made while it rings, so that Join has nothing to wait for.
  page.identity = identityOf(ringing.call);
}

/** Two soft notes. */
function chime() {
  if (!audio || audio.state !== "running") return;
  [523, 659].forEach((frequency, i) => {
    const at = audio.currentTime + i * 0.28, tone = audio.createOscillator(), gain = audio.createGain();
    tone.frequency.value = frequency;
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime(0.12, at + 0.04);
    gain.gain.exponentialRampToValueAtTime(0.001, at + 0.6);
    tone.connect(gain).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.65);
  });
}

function heading() {
  $("check-title").textContent = page.ringing ? `${page.person} is calling` : `Visit with ${page.person}`;
}

function quiet() {
  clearInterval(page.tone);
  document.title = "Video visit";
}

async function joinPressed() {
  const { call } = page.ringing;
  $("join").disabled = true;
  quiet();
  const identity = await (page.identity ?? identityOf(call));
  say({ type: "join", call, certificate: identity.fingerprint(), statement_key: await identity.statementKey() });
  $("join").disabled = false;
}

function declinePressed() {
  quiet();
  say({ type: "decline", call: page.ringing.call });
  page.ringing = undefined;
  show("waiting");
}

// ---- the visit

async function admitted(plan) {
  if (page.visit?.plan.call === plan.call) return;
  page.ringing = undefined;
  quiet();
  about(plan);
  fill({ recorded: plan.recorded_by ? `Recorded by ${plan.recorded_by}` : "Not recorded" });
  const queue = [];
  page.visit = { plan, hear: body => queue.push(body), over: false };
  $("hide").hidden = $("seen").parentElement.hidden = plan.media === "voice";
  notice(`Connecting to ${plan.person}…`);
  page.visit.queue = queue;
  begin(page.visit);
}

/** Opens the media of a visit; after a reload this is where it goes on. */
async function begin(visit) {
  const { plan, queue } = visit;
  show("visit");
  clock();
  if (!page.local && !(page.ready = await tryDevices())) return show("check");
  const identity = await identityOf(plan.call);
  const media = new Media(plan, identity, page.local, {
    signal: body => say({ type: "signal", body: { v: 1, call: plan.call, ...body } }),
    stream: far => hearFar(far),
    refused: what => refuse(what),
    bye: () => leave(false),
    trouble: (what, detail) => say({ type: "trouble", what, detail }),
  });
  if (visit.over) return;
  Object.assign(visit, { media, hear: body => media.hear(body) });
  // Whatever this page's predecessor had is gone with it: the box offers anew.
  if (plan.resumed) media.on.signal({ generation: media.kept.generation ?? 0, kind: "again" });
  queue.forEach(body => media.hear(body));
  watch(visit);
}

function hearFar(far) {
  if ($("far").srcObject === far) return;
  $("far").srcObject = far;
  // After a reload nobody has pressed anything yet, and a browser may want that before it plays sound.
  $("far").play().catch(e => { if (e.name === "NotAllowedError") $("sound").hidden = false; });
}

/** Looks at the counters often, and says what is seen each second and at changes. */
async function watch(visit) {
  let said = 0;
  while (!visit.over) {
    const changed = await visit.media.look();
    if (visit.over) return;
    if (changed) notice(visit.media.decoding ? "" : "The picture stopped. Your time stands still. Waiting up to one minute.");
    if (changed || performance.now() - said >= 1000) {
      said = performance.now();
      await state(visit, false);
      clock();
    }
    await new Promise(done => setTimeout(done, visit.media.kept.frames ? LOOK_MS : LOOK_FIRST_MS));
  }
}

async function state(visit, last) {
  const { jws, stats } = await visit.media.statement(last);
  document.body.dataset.stats = JSON.stringify({ ...stats, at_ms: performance.now() });
  say({ type: "statement", jws, stats });
}

function notice(words) {
  $("notice-text").textContent = words;
  $("notice").hidden = !words;
}

function clock() {
  const { plan, media } = page.visit ?? {};
  if (!plan) return;
  const left = Math.max(0, Math.round(plan.slot_s - (media?.kept.decodedMs ?? 0) / 1000));
  $("left").textContent = left > 90 ? `${Math.round(left / 60)} min left` : `${left} s left`;
}

/** Ends our side: the last word, then nothing leaves this device. */
async function leave(tellBox) {
  const visit = page.visit;
  if (!visit || visit.over) return;
  visit.over = true;
  if (visit.media) {
    await visit.media.look().catch(() => false);
    await state(visit, true);
    if (tellBox && visit.media.generation >= 0) visit.media.on.signal({ generation: visit.media.generation, kind: "bye" });
    visit.media.drop();
  }
  $("far").srcObject = null;
  endDevices();
  const seconds = Math.round((visit.media?.kept.decodedMs ?? 0) / 1000);
  $("ended-title").textContent = seconds ? talked(seconds) : "You did not see each other";
  $("ended-why").textContent = tellBox ? "You ended the visit." : "";
  $("facts").replaceChildren(fact("i-clock", "soon", "The receipt is on its way"));
  $("ended-code").textContent = "";
  show("ended");
}

function endDevices() {
  page.local?.getTracks().forEach(t => t.stop());
  page.local = undefined;
  page.ready = false;
  page.awake?.release?.();
}

const refusals = {
  "box-certificate": "The other side is not the device that was announced. To keep you safe, nothing was sent.",
};

function refuse(what) {
  say({ type: "trouble", what, detail: "" });
  const visit = page.visit;
  if (visit) { visit.over = true; visit.media?.drop(); }
  page.visit = undefined;
  endDevices();
  stop("The visit could not start", refusals[what], what);
}

// ---- the end

const lost = () => "The picture did not come back. What was not seen was not counted.";
const fault = () => "The television on the other side had a fault. What was not seen was not counted.";
const reasons = {
  PersonEnded: () => `${page.person} ended the visit.`,
  VisitorLeft: () => "You ended the visit.",
  SlotOver: () => "The time of the visit is over.",
  LeaseOver: () => "The time of the visit is over.",
  Revoked: () => "Staff ended the visit.",
  MediaLost: lost, BeatMissing: lost, NeverConnected: lost,
  FarCertificate: () => "This page is not the one that was announced. To keep you safe, nothing was sent.",
  CallFailed: fault, GateLost: fault, GateShut: fault, ScreenGone: fault, PowerLost: fault, Fault: fault,
};
const misses = {
  VisitorAbsent: ["You missed a call", "It rang here for a minute. It may ring again."],
  VisitorDeclined: ["You chose Not now", "It may ring again."],
  CalledAgain: ["It rings again", ""],
};

function fact(icon, colour, words) {
  const svg = (name, attributes) => {
    const e = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.entries(attributes).forEach(([k, v]) => e.setAttribute(k, v));
    return e;
  };
  const drawing = svg("svg", { class: `icon ${colour}`, "aria-hidden": "true" });
  drawing.append(svg("use", { href: `#${icon}` }));
  const item = document.createElement("li");
  item.append(drawing, words);
  return item;
}

async function ended({ reason }) {
  await leave(false);
  $("ended-why").textContent = reasons[reason]?.() ?? "The visit is over.";
}

async function receipt(r) {
  await leave(false);
  if (page.visit?.plan.call !== r.call) return;
  $("ended-title").textContent = r.seconds_counted ? talked(r.seconds_counted) : "The visit did not begin";
  $("ended-why").textContent = reasons[r.reason]?.() ?? "The other side could not start. Nothing was counted.";
  const { recorded_by } = page.visit.plan;
  $("facts").replaceChildren(
    fact("i-clock", "good", `${minutes(r.seconds_counted)} counted`),
    ...(r.seconds_seen === null ? [] : [fact("i-seen", "good", `You saw the picture for ${minutes(r.seconds_seen)}`)]),
    ...(r.seconds_lost ? [fact("i-pause", "soon", `${minutes(r.seconds_lost)} lost, not counted`)] : []),
    recorded_by ? fact("i-rec", "soon", `Recorded by ${recorded_by}`) : fact("i-lock", "good", "Nothing was recorded"),
    fact("i-video-off", "good", "Your camera is off"),
    signatures(r),
  );
  $("ended-code").textContent = `${r.reason} · receipt ${r.receipt.slice(0, 8)}`;
}

function signatures({ verified, both_sides }) {
  if (!verified) return fact("i-x", "ends", "The receipt is not right. Please tell the facility");
  return both_sides ? fact("i-check", "good", "Both sides signed the receipt") : fact("i-check", "soon", "Only the other side signed the receipt");
}

function missed({ why }) {
  quiet();
  page.ringing = undefined;
  heading();
  if (page.visit && !page.visit.over) leave(false);
  const [title, words] = misses[why] ?? ["The call has stopped", "It may ring again."];
  stop(title, words, why);
}

async function backToWaiting() {
  page.visit = undefined;
  if (page.ringing) return ring(page.ringing);
  page.ready = await tryDevices();
  if (page.ready) say({ type: "ready" });
  show(page.ready ? "waiting" : "check");
}

// ---- the socket

function say(message) {
  if (page.socket?.readyState === WebSocket.OPEN) page.socket.send(JSON.stringify(message));
}

const heard = {
  waiting(m) {
    page.waiting = m;
    page.person = m.person;
    about(m);
    heading();
    if (page.ready) say({ type: "ready" });
    if (document.body.dataset.view === "start") show("check");
  },
  ringing(m) { page.person = m.person; if (!page.visit || page.visit.over) { page.visit = undefined; ring(m); } },
  admitted(m) { page.person = m.person; return admitted(m); },
  signal(m) { if (page.visit?.plan.call === m.body.call) page.visit.hear(m.body); },
  ended, receipt, missed,
  elsewhere() {
    page.socket.onclose = null;
    quiet();
    if (page.visit) { page.visit.over = true; page.visit.media?.drop(); }
    endDevices();
    stop("This visit is open in another window", "Go on there, and close this one.", "Elsewhere");
  },
};

/** What this window calls itself: the same after a reload, another in another window. */
function tab() {
  const name = sessionStorage.getItem("tab") ?? Array.from(crypto.getRandomValues(new Uint8Array(8)), b => b.toString(16).padStart(2, "0")).join("");
  sessionStorage.setItem("tab", name);
  return name;
}

function connect() {
  const socket = page.socket = new WebSocket(`wss://${location.host}${location.pathname}/socket?tab=${tab()}`);
  socket.onopen = () => { page.delay = 500; $("line").textContent = ""; };
  socket.onmessage = ({ data }) => { const m = JSON.parse(data); if (page.socket === socket) heard[m.type]?.(m); };
  socket.onclose = () => {
    if (page.socket !== socket) return;
    $("line").textContent = "No connection to the facility. Trying again…";
    setTimeout(connect, page.delay);
    page.delay = Math.min(page.delay * 2, 5000);
  };
}

// ---- buttons

function toggle(button, kind, on, off, seen) {
  const pressed = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", pressed);
  page.local?.getTracks().filter(t => t.kind === kind).forEach(t => { t.enabled = !pressed; });
  button.querySelector("span").textContent = pressed ? off : on;
  button.querySelector("use").setAttribute("href", `#i-${kind === "audio" ? "mic" : "video"}${pressed ? "-off" : ""}`);
  if (seen) $("seen").querySelector("span").textContent = pressed ? "You are not seen" : "You are seen";
}

$("try").onclick = devicesPressed;
$("join").onclick = joinPressed;
$("decline").onclick = declinePressed;
$("mute").onclick = () => toggle($("mute"), "audio", "Mute me", "You are muted", false);
$("hide").onclick = () => toggle($("hide"), "video", "Camera off", "Camera is off", true);
$("end").onclick = () => leave(true);
$("sound").onclick = () => { $("far").play(); $("sound").hidden = true; };
$("again").onclick = $("stopped-again").onclick = backToWaiting;

connect();
