// Owns: the views of the visitor's page, the socket to the facility, and what is pressed.
// Never: an answer by itself: nothing leaves this device before Join or Call is pressed.
// Called by: index.html.

import { code, commitment, spoken } from "/code.js";
import { ending, left, receipt as showReceipt, stopped } from "/ends.js";
import { canSign, identityOf } from "/identity.js";
import { Media, canH264, wanted } from "/media.js";
import { know, offerLanguages, redraw, t, write } from "/words.js";

const $ = id => document.getElementById(id);
const LOOK_MS = 250;
const LOOK_FIRST_MS = 50;
const SAY_MS = 500;
/** Most messages that wait for the socket to come back: an answer with its candidates. */
const MAX_UNSENT = 80;

/** All that this page knows. `visit` is there between Join and the end. */
const page = {
  socket: undefined, delay: 500, unsent: [], lastWord: undefined,
  waiting: undefined, calling: undefined, ringing: undefined, joined: undefined, visit: undefined, local: undefined, ready: false,
};

// ---- views

const focusOf = { check: "try", calling: "cancel", ringing: "join", visit: "mute", ended: "again", stopped: "stopped-again" };

function show(view) {
  if (document.body.dataset.view === view) return;
  document.body.dataset.view = view;
  document.querySelectorAll("section").forEach(s => { s.hidden = s.dataset.for !== view; });
  $(focusOf[view])?.focus({ preventScroll: true });
}

function about({ person, site }) {
  page.person = person;
  document.querySelectorAll("[data-text=person]").forEach(e => { e.textContent = person; });
  document.querySelectorAll("[data-text=initial]").forEach(e => { e.textContent = [...person][0] ?? ""; });
  if (site) document.querySelectorAll(".site").forEach(e => { e.textContent = site; });
  know({ person });
}

function stop({ title, says }, code, button = "ended.back") {
  write($("stopped-title"), title);
  write($("stopped-why"), says);
  write($("stopped-code"), () => code);
  write($("stopped-again"), () => t(button));
  show("stopped");
}

// ---- device check

function tell(keys) {
  $("problems").replaceChildren(...keys.map(key => {
    const item = document.createElement("li");
    write(item, () => t(`problem.${key}`));
    return item;
  }));
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
    page.local ??= await navigator.mediaDevices.getUserMedia(wanted(page.waiting?.media ?? page.ringing?.media ?? page.visit?.plan.media));
  } catch (e) {
    const key = { NotAllowedError: "denied", NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "busy" }[e.name] ?? "other";
    tell([key]);
    say({ type: "trouble", what: `devices-${key}`, detail: "" });
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
  else if (page.calling) show("calling");
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

// ---- calling

function callPressed() {
  $("call").disabled = true;
  setTimeout(() => { $("call").disabled = false; }, 2000);
  say({ type: "call" });
}

function calling({ person, ring: id, rings }) {
  about({ person });
  page.calling = id;
  write($("calling-title"), () => t(rings ? "calling.rings" : "calling.title"));
  show("calling");
}

function cancelPressed() {
  page.calling = undefined;
  say({ type: "cancel" });
  show(page.ready ? "waiting" : "check");
}

function notReached({ person, why }) {
  about({ person });
  page.calling = undefined;
  // Somebody's call came in between: that is what the visitor sees.
  if (!page.ringing && (!page.visit || page.visit.over)) stop(stopped("reached", why), why);
}

// ---- ringing

async function ring(ringing) {
  page.ringing = ringing;
  about(ringing);
  const recorded = () => t(ringing.recorded_by ? "terms.recorded" : "terms.notrecorded", { who: ringing.recorded_by });
  const watched = () => ringing.watched_by ? t("terms.watched", { who: ringing.watched_by }) : "";
  write($("terms"), () => t("terms", { price: ringing.price || t("terms.free"), minutes: Math.floor(ringing.slot_s / 60), recorded: recorded() }) + watched());
  heading();
  // Made while it rings, so that Join has nothing to wait for.
  page.identity = identityOf(ringing.call);
  // It was answered here, or this is the visitor's own call: nothing is asked twice. In a private visit each half of a code is a press: who
  // carries it could call the page again and again otherwise, until the codes of two calls of his are the same.
  if (page.joined === ringing.call || (!ringing.commitment && ringing.ring && ringing.ring === page.calling)) {
    write($("calling-title"), () => t("calling.answered"));
    return joinPressed();
  }
  write(document.querySelector("title"), () => t("ringing.title"));
  // Allowed before: the camera is tried again without a question. Never: the visitor presses first.
  if (!page.ready && page.allowed) page.ready = await tryDevices();
  if (!page.ready) return show("check");
  show("ringing");
  clearInterval(page.tone);
  chime();
  page.tone = setInterval(chime, 3000);
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
  write($("check-title"), () => t(page.ringing ? "ringing.title" : "check.title"));
}

function quiet() {
  clearInterval(page.tone);
  write(document.querySelector("title"), () => t("page.title"));
}

async function joinPressed() {
  const { call, commitment: bound } = page.ringing;
  $("join").disabled = true;
  quiet();
  page.joined = call;
  await join(call, bound);
  $("join").disabled = false;
}

async function join(call, bound) {
  const identity = await identityOf(call);
  // In a private visit our half of the code goes out only now, when the box is bound to its own.
  const half = bound ? await identity.bind(bound) : undefined;
  if (bound && !half) return refuse("code");
  say({ type: "join", call, certificate: identity.fingerprint(), statement_key: await identity.statementKey(), ...(half && { code_nonce: half }) });
}

function declinePressed() {
  quiet();
  say({ type: "decline", call: page.ringing.call });
  page.ringing = undefined;
  show("waiting");
}

// ---- the visit

/** The grant is on its way to the box, or this page or its socket came back into a visit. */
async function admitted(plan) {
  const before = page.visit;
  if (before && before.plan.call === plan.call && before.plan.certificate === plan.certificate) {
    if (plan.half) revealed(plan);
    return before.over || flush();
  }
  page.ringing = page.calling = undefined;
  page.unsent = [];
  quiet();
  about(plan);
  const who = plan.recorded_by;
  write($("recorded-by"), () => t(who ? "visit.recorded" : "visit.notrecorded", { who }));
  $("hide").hidden = plan.media === "voice";
  secure(undefined);
  // Nothing leaves yet: nobody is seen.
  $("seen").parentElement.hidden = true;
  before?.media?.drop();
  const queue = [];
  const visit = page.visit = { plan, queue, hear: body => queue.push(body), over: false };
  show("visit");
  clock();
  const identity = await identityOf(plan.call);
  if (page.visit !== visit || visit.over) return;
  const bound = identity.bound(), same = identity.fingerprint() === plan.certificate;
  // A private visit is with the page that it began with: another one has no half of the code that the box would take.
  if (plan.commitment && !(same && bound)) return refuse("again");
  visit.bound = bound;
  const half = plan.half ?? visit.early;
  if (same && half) await revealed({ call: plan.call, half });
  if (visit.over) return;
  if (same) {
    notice(plan.resumed ? "visit.anew" : "visit.connecting");
    return begin(visit);
  }
  // The browser forgot who it was: the grant names another certificate, so another grant is asked for. Until then nothing is answered.
  visit.strange = true;
  notice("visit.anew");
  await join(plan.call);
}

/** Opens the media of a visit; after a reload this is where it goes on. */
async function begin(visit) {
  // What is private begins when it can be shown to be.
  if (visit.strange || visit.media || (visit.bound && !visit.code)) return;
  const { plan, queue } = visit;
  show("visit");
  clock();
  if (!page.local && !(page.ready = await tryDevices())) return show("check");
  const identity = await identityOf(plan.call);
  if (visit.over || visit.media || page.visit !== visit) return;
  const media = new Media(plan, identity, page.local, {
    signal: body => say({ type: "signal", body: { v: 1, call: plan.call, ...body } }),
    stream: far => hearFar(far),
    refused: what => refuse(what),
    bye: () => leave(false),
    secure: on => secure(on ? visit.code : undefined),
    trouble: (what, detail) => say({ type: "trouble", what, detail: detail.slice(0, 300) }),
  });
  Object.assign(visit, { media, hear: body => media.hear(body) });
  $("seen").parentElement.hidden = plan.media === "voice";
  // Whatever this page's predecessor had is gone with it: the box offers anew.
  if (plan.resumed) media.again();
  queue.forEach(body => media.hear(body));
  watch(visit);
}

/** The box shows its half of the short code. It fits what this page knew before it showed its own, or nothing begins. */
async function revealed({ call, half }) {
  const visit = page.visit;
  if (visit?.plan.call !== call || visit.code || visit.over) return;
  // The box may be quicker than this page finds what it showed before: that comes next, and asks for this.
  if (!visit.bound) return void (visit.early = half);
  const { plan, bound } = visit, ofBox = plan.box_certificate;
  if (await commitment(call, ofBox, half) !== bound.commitment) return refuse("code");
  visit.code = await code(call, [ofBox, plan.certificate], [half, bound.half]);
  if (page.visit === visit && !visit.over) begin(visit);
}

/** The code and the words that belong to it: only while the box's certificate answers. */
function secure(digits) {
  $("code").hidden = !digits;
  $("digits").textContent = digits ? spoken(digits) : "";
  document.body.dataset.code = digits ?? "";
}

/** Sound in an element of its own: one that has a picture to wait for plays nothing before the first. */
function hearFar(far) {
  const play = (element, tracks) => {
    if (!tracks.length || element.srcObject?.getTracks()[0] === tracks[0]) return;
    element.srcObject = new MediaStream(tracks);
    // After a reload nobody has pressed anything yet, and a browser may want that before it plays sound.
    element.play().catch(e => { if (e.name === "NotAllowedError") $("sound").hidden = false; });
  };
  play($("far"), far.getVideoTracks());
  play($("voice"), far.getAudioTracks());
}

/** Looks at the counters often, and says what is seen twice a second and at changes: what was not said when a page goes is not counted. */
async function watch(visit) {
  let said = 0;
  while (!visit.over) {
    const changed = await visit.media.look();
    if (visit.over) return;
    if (changed) notice(visit.media.decoding ? "" : "visit.still");
    if (changed || performance.now() - said >= SAY_MS) {
      said = performance.now();
      await state(visit, false);
      clock();
    }
    await new Promise(done => setTimeout(done, visit.media.decoding ? LOOK_MS : LOOK_FIRST_MS));
  }
}

/** A reload begins: this page lives on for a moment, long enough to say what it saw since it last spoke. */
window.addEventListener("beforeunload", async () => {
  const visit = page.visit;
  if (!visit?.media || visit.over) return;
  await visit.media.look().catch(() => false);
  if (!visit.over) await state(visit, false);
});

/** One statement after the other: their counts grow on the way too. */
function state(visit, last) {
  const next = async () => {
    const { jws, stats } = await visit.media.statement(last);
    document.body.dataset.stats = JSON.stringify({ ...stats, at_ms: performance.now(), code: document.body.dataset.code ?? "" });
    say({ type: "statement", jws, stats });
  };
  return visit.saying = (visit.saying ?? Promise.resolve()).then(next);
}

function notice(key) {
  write($("notice-text"), () => key && t(key));
  $("notice").hidden = !key;
}

function clock() {
  const { plan, media } = page.visit ?? {};
  if (!plan) return;
  const seconds = Math.max(0, Math.round(plan.slot_s - (media?.kept.decodedMs ?? 0) / 1000));
  write($("left"), () => seconds > 90 ? t("visit.minutes", { n: Math.round(seconds / 60) }) : t("visit.seconds", { n: seconds }));
}

/** Ends our side, once: the last word, then nothing leaves this device. */
function leave(byVisitor) {
  const visit = page.visit;
  if (!visit || (visit.over && !visit.leaving)) return undefined;
  return visit.leaving ??= lastWord(visit, byVisitor);
}

async function lastWord(visit, byVisitor) {
  visit.over = true;
  if (visit.media) {
    await visit.media.look().catch(() => false);
    await state(visit, true);
    if (byVisitor && visit.media.generation >= 0) visit.media.on.signal({ generation: visit.media.generation, kind: "bye" });
    visit.media.drop();
  }
  $("far").srcObject = $("voice").srcObject = null;
  endDevices();
  left($, Math.round((visit.media?.kept.decodedMs ?? 0) / 1000), byVisitor);
  show("ended");
}

function endDevices() {
  page.local?.getTracks().forEach(track => track.stop());
  page.local = undefined;
  page.ready = false;
  page.awake?.release?.();
}

function refuse(what) {
  say({ type: "trouble", what, detail: "" });
  const visit = page.visit;
  if (visit) { visit.over = true; visit.media?.drop(); }
  page.visit = undefined;
  endDevices();
  stop({ title: () => t("refused.title"), says: () => t(`refused.${what}`) }, what);
}

// ---- the end

async function ended({ call, reason }) {
  if (page.visit?.plan.call !== call) return;
  await leave(false);
  write($("ended-why"), () => ending(reason));
  write($("ended-code"), () => reason);
}

async function receipt(r) {
  if (page.visit?.plan.call !== r.call) return;
  await leave(false);
  showReceipt($, r, page.visit.plan.recorded_by);
}

function missed({ call, why }) {
  // The next call rings already.
  if (page.ringing && page.ringing.call !== call) return;
  quiet();
  page.ringing = page.calling = undefined;
  heading();
  if (page.visit && !page.visit.over) leave(false);
  stop(stopped("missed", why), why);
}

async function backToWaiting() {
  if (page.elsewhere) return location.reload();
  page.visit = page.joined = undefined;
  if (page.ringing) return ring(page.ringing);
  page.ready = await tryDevices();
  if (page.ready) say({ type: "ready" });
  show(page.ready ? "waiting" : "check");
}

// ---- the socket

/** What is only true now is said now or not at all; an answer, a press and the last word wait for the socket. */
function say(message) {
  if (page.socket?.readyState === WebSocket.OPEN) return page.socket.send(JSON.stringify(message));
  if (message.type === "statement") page.lastWord = message;
  else if (message.type === "signal" && message.body.kind !== "again" && page.unsent.length < MAX_UNSENT) page.unsent.push(message);
}

function flush() {
  const waiting = page.lastWord ? [...page.unsent, page.lastWord] : page.unsent;
  page.unsent = [];
  page.lastWord = undefined;
  waiting.forEach(say);
}

const heard = {
  waiting(m) {
    page.waiting = m;
    page.ringing = page.calling = undefined;
    about(m);
    heading();
    quiet();
    $("may-call").hidden = !m.call;
    $("call").disabled = false;
    if (page.ready) say({ type: "ready" });
    const view = document.body.dataset.view;
    if (view === "start" || view === "calling" || view === "ringing") show(page.ready ? "waiting" : "check");
    // The facility knows of no visit any more, and so nothing of its end: what this page saw is what it can say.
    if (page.visit && !page.visit.over) leave(false);
  },
  ringing(m) { if (!page.visit || page.visit.over) { page.visit = undefined; ring(m); } },
  signal(m) { if (page.visit?.plan.call === m.body.call) page.visit.hear(m.body); },
  reveal: m => revealed(m),
  calling, "not-reached": notReached, admitted, ended, receipt, missed,
  elsewhere() {
    page.elsewhere = true;
    page.socket.onclose = null;
    quiet();
    if (page.visit) { page.visit.over = true; page.visit.media?.drop(); }
    endDevices();
    stop({ title: () => t("elsewhere.title"), says: () => t("elsewhere.says") }, "Elsewhere", "elsewhere.here");
  },
};

/** What this window calls itself: the same after a reload, another in another window. */
function tab() {
  const fresh = () => Array.from(crypto.getRandomValues(new Uint8Array(8)), b => b.toString(16).padStart(2, "0")).join("");
  try {
    const name = sessionStorage.getItem("tab") ?? fresh();
    sessionStorage.setItem("tab", name);
    return name;
  } catch {
    return page.tab ??= fresh();
  }
}

function connect() {
  const socket = page.socket = new WebSocket(`wss://${location.host}${location.pathname}/socket?tab=${tab()}`);
  socket.onopen = () => { page.delay = 500; write($("line"), () => ""); };
  socket.onmessage = ({ data }) => { const m = JSON.parse(data); if (page.socket === socket) heard[m.type]?.(m); };
  socket.onclose = () => {
    if (page.socket !== socket) return;
    write($("line"), () => t("line.lost"));
    setTimeout(connect, page.delay);
    page.delay = Math.min(page.delay * 2, 4000);
  };
}

// ---- buttons

function toggle(button, kind, on, off, seen) {
  const pressed = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", pressed);
  page.local?.getTracks().filter(track => track.kind === kind).forEach(track => { track.enabled = !pressed; });
  button.querySelector("span").dataset.t = pressed ? off : on;
  button.querySelector("use").setAttribute("href", `#i-${kind === "audio" ? "mic" : "video"}${pressed ? "-off" : ""}`);
  if (seen) $("seen").querySelector("span").dataset.t = pressed ? "visit.unseen" : "visit.seen";
  redraw();
}

$("try").onclick = devicesPressed;
$("call").onclick = callPressed;
$("cancel").onclick = cancelPressed;
$("join").onclick = joinPressed;
$("decline").onclick = declinePressed;
$("mute").onclick = () => toggle($("mute"), "audio", "visit.mute", "visit.muted", false);
$("hide").onclick = () => toggle($("hide"), "video", "visit.hide", "visit.hidden", true);
$("end").onclick = () => leave(true);
$("sound").onclick = () => { $("voice").play(); $("sound").hidden = true; };
$("again").onclick = $("stopped-again").onclick = backToWaiting;

offerLanguages($("language"));
quiet();
redraw();
connect();
