// Owns: the connection of one visit: answers the box's offers, checks its certificate, counts what is decoded.
// Never: offers, restarts ICE, or decodes from a box that is not the one that was announced.
// Called by: visit.js.

/** What is sent to a box that asks for no less. */
const MOST = { width: 1280, height: 720, fps: 30, bps: 1_800_000 };
const START_KBPS = 1200;
const STILL_MS = 2000;
const SILENCE = 1e-6;
const BROKEN = ["disconnected", "failed"];
const MEND_MS = 1000;
const MENDS = 25;
const MAX_SHOWN = 64;

/** A candidate with another foundation and a lower priority (RFC 8839): the same address, and not the same to a browser that drops equal ones. */
function changed(candidate, tries) {
  const words = candidate.split(" ");
  words[0] = `candidate:${1000 + tries}`;
  words[3] = String(Number(words[3]) - tries);
  return words.join(" ");
}

/** Pictures as the visit wants them; voice visits ask for none. */
export const wanted = media => ({
  audio: { echoCancellation: true, noiseSuppression: true, autoGainControl: true },
  video: media === "voice" ? false
    : { width: { ideal: MOST.width }, height: { ideal: MOST.height }, frameRate: { ideal: MOST.fps, max: MOST.fps }, facingMode: "user" },
});

/** What the box asks for: the largest picture (imageattr, RFC 6236), frames in a second (framerate, RFC 8866), bits in a second (TIAS, RFC 3890). */
export function asked(sdp) {
  const video = sdp.split(/^m=/m).find(section => section.startsWith("video ")) ?? "";
  const largest = range => Math.max(...range.match(/\d+/g).map(Number));
  const takes = video.match(/^a=imageattr:\S+.*? recv (.*?)(?= send |\r?$)/m)?.[1] ?? "";
  const sizes = [...takes.matchAll(/x=(\[[\d:,]+\]|\d+),y=(\[[\d:,]+\]|\d+)/g)].map(([, x, y]) => ({ width: largest(x), height: largest(y) }));
  const size = sizes.sort((a, b) => b.width * b.height - a.width * a.height)[0];
  const number = pattern => Number(video.match(pattern)?.[1] ?? Infinity);
  const all = { ...size, fps: number(/^a=framerate:(\d+(?:\.\d+)?)/m), bps: number(/^b=TIAS:(\d+)/m) };
  return Object.fromEntries(Object.entries(MOST).map(([name, most]) => [name, Math.max(1, Math.min(most, all[name] ?? most))]));
}

/** Whether this browser can decode and send H.264. */
export function canH264() {
  const has = side => side.getCapabilities?.("video")?.codecs.some(c => c.mimeType.toLowerCase() === "video/h264");
  return Boolean(has(RTCRtpReceiver) && has(RTCRtpSender));
}

const hexOf = base64url => {
  const bytes = atob(base64url.replaceAll("-", "+").replaceAll("_", "/"));
  return Array.from(bytes, c => c.charCodeAt(0).toString(16).padStart(2, "0").toUpperCase()).join(":");
};

/** Every fingerprint of the offer must be the announced one, and each section must have one (RFC 8122). */
export function isFrom(sdp, certificate) {
  const expected = `sha-256 ${hexOf(certificate)}`.toUpperCase();
  const [session, ...sections] = sdp.split(/^m=/m);
  const prints = part => [...part.matchAll(/^a=fingerprint:(.*?)\s*$/gm)].map(m => m[1].trim().toUpperCase());
  const all = prints(sdp);
  const covered = prints(session).length > 0 || (sections.length > 0 && sections.every(s => prints(s).length > 0));
  return covered && all.every(print => print === expected);
}

/** Chromium starts at 300 kbit/s and a small picture unless the SDP that it reads says more. Only what we read is changed. */
function withStartRate(sdp) {
  const h264 = [...sdp.matchAll(/^a=rtpmap:(\d+) H264\//gm)].map(m => m[1]);
  return h264.reduce((s, pt) => s.replace(new RegExp(`^(a=fmtp:${pt} (?!.*x-google-start-bitrate).*?)(\\r?)$`, "m"),
    `$1;x-google-start-bitrate=${START_KBPS}$2`), sdp);
}

export class Media {
  /** @param plan what `admitted` said. @param identity of identity.js. @param local our stream. @param on {signal, stream, secure, refused, bye, trouble} */
  constructor(plan, identity, local, on) {
    Object.assign(this, { plan, identity, local, on });
    this.generation = -1;
    this.queue = Promise.resolve();
    this.early = [];
    this.admittedAt = performance.now();
    // Totals under this certificate, over all generations and a reload. The facility may know a statement that was not kept here.
    this.kept = { count: 0, decodedMs: 0, frames: 0, firstFrameMs: 0, heard: false, generation: 0, ...identity.totals };
    this.kept.count = Math.max(this.kept.count, plan.count);
    // The box's candidates of this generation.
    this.shown = [];
    this.mending = false;
    this.now = { frames: 0, width: 0, height: 0, fps: 0, codec: "", level: 0, sent: 0, sentHeight: 0 };
    this.decoding = false;
    this.lastFrameAt = 0;
  }

  /** A signalling message from the box; they are worked off one after the other. */
  hear(message) {
    this.queue = this.queue.then(() => this.take(message)).catch(e => this.on.trouble("signal", String(e)));
  }

  async take(message) {
    if (message.kind === "offer") {
      if (message.generation > this.generation) await this.answer(message);
    } else if (message.kind === "candidate" && message.generation >= this.generation) {
      if (!this.pc || message.generation > this.generation) this.early.push(message);
      else await this.add(message);
    } else if (message.kind === "bye" && message.generation === this.generation) {
      this.on.bye();
    }
  }

  async add({ mline, candidate }) {
    // An empty one says that there are no more (RFC 8838); Chromium wants it with its m-line.
    await this.pc.addIceCandidate({ candidate, sdpMLineIndex: mline }).catch(() => {});
    if (candidate && this.shown.length < MAX_SHOWN) this.shown.push({ candidate, sdpMLineIndex: mline });
  }

  async answer({ generation, sdp }) {
    if (!isFrom(sdp, this.plan.box_certificate)) return this.on.refused("box-certificate");
    this.drop();
    this.generation = this.kept.generation = generation;
    const pc = this.pc = new RTCPeerConnection({
      certificates: [this.identity.certificate],
      iceServers: this.plan.ice_servers,
      iceTransportPolicy: this.plan.relay_only ? "relay" : "all",
      bundlePolicy: "max-bundle",
    });
    const limits = asked(sdp);
    const fitted = this.fit(limits);
    pc.onicecandidate = ({ candidate }) => this.pc === pc && this.on.signal({
      generation, kind: "candidate", mline: candidate?.sdpMLineIndex ?? 0, candidate: candidate?.candidate ?? "",
    });
    this.shown = [];
    this.on.secure(false);
    pc.onconnectionstatechange = () => {
      if (this.pc !== pc) return;
      // Connected: the certificate of the offer, which is the box's, has answered. After a cut it stands until another answers.
      if (pc.connectionState === "connected") this.on.secure(true);
      if (BROKEN.includes(pc.connectionState)) this.mend(pc);
    };
    const far = new MediaStream();
    pc.ontrack = ({ track }) => {
      // Beside a track of pictures that never come the element would play no sound.
      if (this.plan.media === "voice" && track.kind === "video") return;
      far.addTrack(track);
      if (this.pc === pc) this.on.stream(far);
    };
    this.local.getTracks().forEach(track => {
      if (track.kind === "video") track.contentHint = "motion";
      pc.addTrack(track, this.local);
    });
    await pc.setRemoteDescription({ type: "offer", sdp: withStartRate(sdp) });
    pc.getTransceivers().forEach(preferH264);
    await pc.setLocalDescription(await pc.createAnswer());
    this.on.signal({ generation, kind: "answer", sdp: pc.localDescription.sdp });
    const early = this.early.filter(m => m.generation === generation);
    this.early = [];
    for (const message of early) await this.add(message);
    await fitted;
    await this.limit(pc, limits);
  }

  /** The path to the box is cut. Chromium forgets its pairs after a while and never looks again, the box does not: each of its candidates is
   *  shown anew, changed where nothing depends on it, until one answers. Only when that does not help is the box asked for a new offer. */
  async mend(pc) {
    if (this.mending) return;
    this.mending = true;
    for (let tries = 1; this.pc === pc && BROKEN.includes(pc.connectionState); tries += 1) {
      await new Promise(done => setTimeout(done, MEND_MS));
      if (this.pc !== pc || !BROKEN.includes(pc.connectionState)) break;
      for (const { candidate, ...where } of this.shown) await pc.addIceCandidate({ candidate: changed(candidate, tries), ...where }).catch(() => {});
      if (tries % MENDS === 0) this.again();
    }
    this.mending = false;
  }

  /** Asks the box for a new offer: whatever this page had is gone. */
  again() { this.on.signal({ generation: this.kept.generation, kind: "again" }); }

  /** A box that takes less than the camera gives: the camera gives less. One that cannot is scaled down on its way out. */
  async fit({ width, height, fps }) {
    if (width >= MOST.width && height >= MOST.height && fps >= MOST.fps) return;
    const constraints = { width: { ideal: width, max: width }, height: { ideal: height, max: height }, frameRate: { ideal: fps, max: fps } };
    await Promise.all(this.local.getVideoTracks().map(track => track.applyConstraints(constraints).catch(() => {})));
  }

  /** No more than the box takes; under pressure the picture gets smaller before it gets slower. */
  async limit(pc, { width, height, fps, bps }) {
    for (const sender of pc.getSenders().filter(s => s.track?.kind === "video")) {
      const parameters = sender.getParameters(), camera = sender.track.getSettings();
      const scale = Math.max(1, (camera.width ?? 0) / width, (camera.height ?? 0) / height);
      parameters.degradationPreference = "maintain-framerate";
      parameters.encodings?.forEach(e => { Object.assign(e, { maxBitrate: bps, maxFramerate: fps, scaleResolutionDownBy: scale }); });
      await sender.setParameters(parameters).catch(() => {});
    }
  }

  /** Looks at the counters. Returns true when decoding has begun or stopped. */
  async look() {
    const pc = this.pc;
    const report = pc ? await pc.getStats() : new Map();
    const at = performance.now();
    if (this.pc !== pc) return false;
    let inbound, outbound;
    for (const s of report.values()) {
      if (s.type === "inbound-rtp" && s.kind === "video") inbound = s;
      if (s.type === "outbound-rtp" && s.kind === "video") outbound = s;
      if (s.type === "inbound-rtp" && s.kind === "audio") {
        this.now.level = s.audioLevel ?? 0;
        if ((s.totalAudioEnergy ?? 0) > SILENCE) this.kept.heard = true;
        if (this.plan.media === "voice" && s.packetsReceived > (this.packets ?? 0)) { this.packets = s.packetsReceived; this.frame(at); }
      }
    }
    if (inbound) {
      const fresh = inbound.framesDecoded - (this.decoded ?? 0);
      if (fresh > 0) {
        this.decoded = inbound.framesDecoded;
        this.kept.frames += fresh;
        this.frame(at);
      }
      const codec = report.get(inbound.codecId)?.mimeType?.split("/")[1] ?? this.now.codec;
      Object.assign(this.now, { width: inbound.frameWidth ?? 0, height: inbound.frameHeight ?? 0, codec, fps: inbound.framesPerSecond ?? 0 });
    }
    if (outbound) Object.assign(this.now, { sent: outbound.framesEncoded ?? 0, sentHeight: outbound.frameHeight ?? 0 });
    return this.settle(at);
  }

  /** At least one frame since the last look. Time counts between two of these, unless the picture stood for two seconds. */
  frame(at) {
    if (!this.kept.firstFrameMs) this.kept.firstFrameMs = Math.max(1, Math.round(at - this.admittedAt));
    const since = at - this.lastFrameAt;
    if (this.lastFrameAt && since <= STILL_MS) this.kept.decodedMs += since;
    this.lastFrameAt = at;
  }

  settle(at) {
    const decoding = this.lastFrameAt > 0 && at - this.lastFrameAt <= STILL_MS;
    const changed = decoding !== this.decoding;
    this.decoding = decoding;
    return changed;
  }

  /** The next signed statement and what the bench likes to know beside it. */
  async statement(last) {
    this.kept.count += 1;
    await this.identity.keep(this.kept);
    const { count, decodedMs, frames, firstFrameMs, heard } = this.kept;
    const jws = await this.identity.sign({
      v: 1, call: this.plan.call, count, decoding: this.decoding && !last, decoded_ms: Math.round(decodedMs), frames,
      width: this.now.width, height: this.now.height, first_frame_ms: firstFrameMs, sound_heard: heard, last,
    });
    const stats = {
      frames_decoded: frames, width: this.now.width, height: this.now.height, fps: this.now.fps, codec: this.now.codec,
      audio_level: this.now.level, first_frame_ms: firstFrameMs, generation: Math.max(0, this.generation),
      frames_sent: this.now.sent, sent_height: this.now.sentHeight,
    };
    return { jws, stats };
  }

  drop() {
    this.pc?.close();
    this.pc = undefined;
    this.decoded = 0;
    this.packets = 0;
  }
}

function preferH264(transceiver) {
  if (transceiver.receiver.track.kind !== "video" || !transceiver.setCodecPreferences) return;
  const codecs = RTCRtpReceiver.getCapabilities("video").codecs;
  const rank = c => c.mimeType === "video/H264" ? (c.sdpFmtpLine?.includes("packetization-mode=1") ? 0 : 1) : c.mimeType === "video/rtx" ? 2 : 9;
  const ours = codecs.filter(c => rank(c) < 9).sort((a, b) => rank(a) - rank(b));
  try { transceiver.setCodecPreferences(ours); } catch { /* the offer names the codecs; ours was a wish */ }
}
