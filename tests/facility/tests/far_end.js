// Owns: a box's end of the media for the page's tests: a moving picture, a tone, an offer. Never: the visitor's page. Called by: browser.rs.
const done = arguments[arguments.length - 1];
(async () => {
  window.cert ??= await RTCPeerConnection.generateCertificate({ name: "ECDSA", namedCurve: "P-256" });
  if (!window.stream) {
    const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 }), pen = canvas.getContext("2d");
    document.body.append(canvas);
    let n = 0;
    setInterval(() => { pen.fillStyle = `hsl(${n * 3 % 360} 50% 45%)`; pen.setTransform(0.5, 0, 0, 0.5, 0, 0); pen.fillRect(0, 0, 1280, 720);
      pen.fillStyle = "#d8a785"; pen.beginPath(); pen.arc(640 + 80 * Math.sin(n / 20), 330, 130, 0, 7); pen.fill();
      pen.fillStyle = "#2b3a67"; pen.fillRect(340, 560, 600, 160); n += 1; }, 33);
    const sound = new AudioContext(), tone = sound.createOscillator(), out = sound.createMediaStreamDestination();
    tone.connect(out); tone.start();
    window.stream = new MediaStream([...canvas.captureStream(30).getTracks(), ...out.stream.getTracks()]);
  }
  window.pc?.close();
  const pc = window.pc = new RTCPeerConnection({ certificates: [window.cert], bundlePolicy: "max-bundle" });
  window.stream.getTracks().forEach(t => pc.addTrack(t, window.stream));
  await pc.setLocalDescription(await pc.createOffer());
  await new Promise(r => pc.iceGatheringState === "complete" ? r() : pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && r());
  done({ sdp: pc.localDescription.sdp, print: window.cert.getFingerprints()[0].value });
})();
