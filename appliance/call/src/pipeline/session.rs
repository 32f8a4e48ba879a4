//! Owns: `webrtcbin`: certificate, verification of the far one, negotiation, relays, congestion control, statistics.
//! Never: touches media elements; opens the gate on anything but a granted certificate.
//! Called by: mod.rs beside it.

use super::gate::{Gate, Turned};
use super::{ALLOWED, Identity, PipelineError};
use crate::events::{Event, Post};
use crate::plan::{Rates, Settings};
use crate::verify::{self, Verdict};
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSrc};
use gstreamer_sdp::SDPMessage;
use gstreamer_webrtc as webrtc;
use parloir_wire::lease::{Fingerprint, Trouble};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, RwLock};

/// Transport-wide congestion control, draft-holmer-rmcat-transport-wide-cc-extensions-01.
pub const TWCC_URI: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Waiting for retransmissions, milliseconds: above the round trip of a bad line, and free on a clean one (pictures are shown at once).
const JITTER_MS: u32 = 300;
const BANDWIDTH: &str = "bandwidth";

/// What the plan says to threads of the transport: the certificates that the far side may show, none until the plan, and bit rates.
#[derive(Clone, Default)]
pub struct Granted(Arc<RwLock<(Vec<Fingerprint>, Rates)>>);

impl Granted {
    pub fn set(&self, far: &[Fingerprint], rates: Rates) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = (far.to_vec(), rates);
    }
    fn judge(&self, pem: &str) -> Verdict {
        verify::judge(pem, &self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).0)
    }
    fn rates(&self) -> Rates {
        self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner).1
    }
}

/// Makes `webrtcbin` inside `pipeline`, with everything hooked that has to be there before its first transport.
fn make_webrtc(granted: &Granted, post: &Post) -> Result<gstreamer::Element, PipelineError> {
    let webrtc = super::make("webrtcbin", "webrtc")?;
    webrtc.set_property_from_str("bundle-policy", "max-bundle");
    webrtc.set_property("latency", JITTER_MS);
    // No TCP candidates of our own (the relay speaks TCP where UDP is shut) and no UPnP: both only cost time and reach.
    let ice: glib::Object = webrtc.property("ice-agent");
    if ice.find_property("agent").is_some() {
        let agent: glib::Object = ice.property("agent");
        agent.set_property("ice-tcp", false);
        agent.set_property("upnp", false);
    }
    let (granted, estimate) = (granted.clone(), post.clone());
    // Asked for with the local description, so after the plan: with other rates its lower bound was above what a small plan starts with.
    webrtc.connect("request-aux-sender", false, move |_| {
        let element = super::make("rtpgccbwe", BANDWIDTH).ok()?;
        apply(&element, &granted.rates());
        let estimate = estimate.clone();
        element.connect_notify(Some("estimated-bitrate"), move |e, _| {
            estimate.send(Event::Estimate(e.property::<u32>("estimated-bitrate") / 1000));
        });
        Some(element.to_value())
    });
    let candidates = post.clone();
    webrtc.connect("on-ice-candidate", false, move |values| {
        let mline = values.get(1)?.get::<u32>().ok()?;
        let text = values.get(2)?.get::<String>().ok()?;
        candidates.send(Event::Candidate { mline, text });
        None
    });
    let failed = post.clone();
    webrtc.connect_notify(Some("connection-state"), move |w, _| {
        let state = w.property::<webrtc::WebRTCPeerConnectionState>("connection-state");
        tracing::info!("connection is {state:?}");
        if state == webrtc::WebRTCPeerConnectionState::Failed {
            failed.send(Event::Failed { what: Trouble::NotConnected, detail: "ICE or DTLS failed".into() });
        }
    });
    Ok(webrtc)
}

/// Makes `webrtcbin` in the pipeline and watches every element that it adds.
pub fn make(
    pipeline: &gstreamer::Pipeline,
    identity: &Identity,
    gate: &Arc<Gate>,
    granted: &Granted,
    post: &Post,
) -> Result<gstreamer::Element, PipelineError> {
    let webrtc = make_webrtc(granted, post)?;
    let (identity, gate, granted, post) = (identity.clone(), gate.clone(), granted.clone(), post.clone());
    pipeline.connect_deep_element_added(move |_, _, element| {
        let name = super::kind(element);
        match name.as_str() {
            "rtpjitterbuffer" => hasten(element),
            "dtlsdec" => secure(element, &identity, &gate, &granted, &post),
            name if ALLOWED.contains(&name) => {}
            name => {
                gate.refuse();
                post.send(Event::Failed { what: Trouble::Pipeline, detail: format!("element {name} is not allowed") });
            }
        }
    });
    pipeline.add(&webrtc)?;
    // The first DTLS element of a process makes an RSA key that nobody needs; better now than between the grant and the offer.
    drop(super::make("dtlssrtpdec", "warm")?);
    Ok(webrtc)
}

/// First packet at once; a missing one asked for after 20 ms and every 40 ms. Left to its own estimate (115 ms on a short line) the element asks twice, gives
/// up within its latency, and then refuses the answer as unsolicited (1.22).
fn hasten(jitterbuffer: &gstreamer::Element) {
    jitterbuffer.set_property("faststart-min-packets", 1_u32);
    jitterbuffer.set_property("rtx-delay", 20_i32);
    jitterbuffer.set_property("rtx-retry-timeout", 40_i32);
    jitterbuffer.set_property("rtx-min-retry-timeout", 20_i32);
}

/// Gives the DTLS element the certificate of this visit, and judges the far one at the moment of the handshake when it is shown: before the keys exist,
/// so before any sample.
fn secure(dtls: &gstreamer::Element, identity: &Identity, gate: &Arc<Gate>, granted: &Granted, post: &Post) {
    dtls.set_property("pem", &*identity.pem);
    let used: Option<String> = dtls.property("pem");
    if used.and_then(|pem| verify::fingerprint(&pem)) != Some(identity.fingerprint) {
        gate.refuse();
        post.send(Event::Failed { what: Trouble::Pipeline, detail: "DTLS does not use the certificate of this visit".into() });
    }
    let (gate, granted, post) = (gate.clone(), granted.clone(), post.clone());
    dtls.connect_notify(Some("peer-pem"), move |dtls, _| {
        let shown: Option<String> = dtls.property("peer-pem");
        // The element shows the certificate more than once; only a turn of the gate is told.
        match granted.judge(&shown.unwrap_or_default()) {
            Verdict::Granted(far) if gate.open() == Turned::Now => post.send(Event::FarVerified(far)),
            Verdict::Granted(_) => {}
            Verdict::Refused(far) if gate.refuse() == Turned::Now => post.send(Event::FarRefused(far)),
            Verdict::Refused(_) => {}
        }
    });
}

/// Relays and policy, then the offer. The order matters: 1.22 gives a relay only to streams that are made after it, and the offer makes them.
pub fn offer(webrtc: &gstreamer::Element, settings: &Settings, post: &Post) -> Result<(), PipelineError> {
    for relay in &settings.relays {
        if !webrtc.emit_by_name::<bool>("add-turn-server", &[&relay.uri()]) {
            return Err(PipelineError::Element("the ICE agent refuses a relay".into()));
        }
    }
    webrtc.set_property_from_str("ice-transport-policy", if settings.relay_only { "relay" } else { "all" });
    if settings.relay_only {
        // One allocation, from the address that reaches the relay. libnice would take every interface but the loopback, and bind to it.
        for address in settings.relays.iter().filter_map(|r| way_to(r.address?)) {
            let ice: glib::Object = webrtc.property("ice-agent");
            ice.emit_by_name::<bool>("add-local-ip-address", &[&address.to_string()]);
        }
    }
    let post = post.clone();
    let promise = gstreamer::Promise::with_change_func(move |reply| {
        let offer = reply.ok().flatten().and_then(|r| r.get::<webrtc::WebRTCSessionDescription>("offer").ok());
        post.send(match offer {
            Some(offer) => Event::Offer(offer),
            None => Event::Failed { what: Trouble::Pipeline, detail: "no offer could be made".into() },
        });
    });
    webrtc.emit_by_name::<()>("create-offer", &[&None::<gstreamer::Structure>, &promise]);
    Ok(())
}

/// Our address on the way to `far`, as the kernel routes; nothing is sent.
fn way_to(far: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if far.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(far).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// The offer becomes the local description: ICE begins to gather.
pub fn gather(webrtc: &gstreamer::Element, offer: &webrtc::WebRTCSessionDescription, post: &Post) {
    webrtc.emit_by_name::<()>("set-local-description", &[offer, &watched(post, "local description")]);
}

/// The far side's answer.
pub fn answer(webrtc: &gstreamer::Element, text: &str, post: &Post) -> Result<(), PipelineError> {
    let message = SDPMessage::parse_buffer(text.as_bytes())?;
    let answer = webrtc::WebRTCSessionDescription::new(webrtc::WebRTCSDPType::Answer, message);
    webrtc.emit_by_name::<()>("set-remote-description", &[&answer, &watched(post, "far description")]);
    Ok(())
}

/// A promise whose failure is told.
fn watched(post: &Post, what: &'static str) -> gstreamer::Promise {
    let post = post.clone();
    gstreamer::Promise::with_change_func(move |reply| {
        let refused = match reply {
            Ok(Some(structure)) => structure.get::<glib::Error>("error").ok().map(|e| e.to_string()),
            Ok(None) => None,
            Err(e) => Some(format!("{e:?}")),
        };
        if let Some(why) = refused {
            post.send(Event::Failed { what: Trouble::Signalling, detail: format!("{what}: {why}") });
        }
    })
}

/// Bounds of congestion control.
fn apply(bandwidth: &gstreamer::Element, rates: &Rates) {
    // Sound comes on top of what the plan allows for pictures.
    let bps = |kbps: u32| kbps.saturating_add(rates.audio + 16).saturating_mul(1000);
    bandwidth.set_property("min-bitrate", bps(rates.min));
    bandwidth.set_property("max-bitrate", bps(rates.max).saturating_mul(10) / 9);
    bandwidth.set_property("estimated-bitrate", bps(rates.start));
}

/// Round trip and loss out of `webrtcbin`'s statistics (W3C webrtc-stats names).
pub fn ask_network(webrtc: &gstreamer::Element, post: &Post) {
    let post = post.clone();
    let promise = gstreamer::Promise::with_change_func(move |reply| {
        let Ok(Some(all)) = reply else { return };
        let (mut rtt, mut lost, mut received) = (0_f64, 0, 0);
        for (_, value) in all.iter() {
            let Ok(one) = value.get::<gstreamer::Structure>() else { continue };
            rtt = rtt.max(one.get("round-trip-time").unwrap_or(0.0));
            let video =
                one.get::<String>("kind").is_ok_and(|k| k == "video") || one.get::<u32>("clock-rate").is_ok_and(|c| c == 90_000);
            if video && let Ok(n) = one.get::<u64>("packets-received") {
                received = n;
                lost = one.get::<i64>("packets-lost").map_or(0, |n| n.max(0).unsigned_abs());
            }
        }
        let rtt_ms = (rtt * 1000.0).clamp(0.0, f64::from(u16::MAX)) as u16;
        post.send(Event::Network { rtt_ms, lost, received });
    });
    webrtc.emit_by_name::<()>("get-stats", &[&None::<gstreamer::Pad>, &promise]);
}

/// Makes an offer without a certificate of ours, for no visit; answers the kinds of elements that it took.
pub fn probe() -> Result<Vec<String>, PipelineError> {
    let pipeline = gstreamer::Pipeline::new();
    let webrtc = super::make("webrtcbin", "webrtc")?;
    webrtc.set_property_from_str("bundle-policy", "max-bundle");
    pipeline.add(&webrtc)?;
    let playing = pipeline.set_state(gstreamer::State::Playing);
    playing.map_err(|e| PipelineError::Element(format!("webrtcbin: {e}")))?;
    for kind in ["audio", "video"] {
        let direction = webrtc::WebRTCRTPTransceiverDirection::Sendrecv;
        webrtc.emit_by_name::<webrtc::WebRTCRTPTransceiver>("add-transceiver", &[&direction, &super::preferences(kind, 1)?]);
    }
    let promise = gstreamer::Promise::new();
    webrtc.emit_by_name::<()>("create-offer", &[&None::<gstreamer::Structure>, &promise]);
    promise.wait();
    let inside = pipeline.iterate_recurse().into_iter().flatten().map(|e| super::kind(&e)).collect();
    let _ = pipeline.set_state(gstreamer::State::Null);
    Ok(inside)
}

/// Encrypts one packet (RFC 3711): ciphers may be libraries that nothing links to, and without them a call connects and stays dark.
pub fn probe_srtp() -> Result<(), PipelineError> {
    let form = super::caps("application/x-rtp, media=(string)video, clock-rate=(int)90000, payload=(int)96, ssrc=(uint)1")?;
    let source = AppSrc::builder().name("packet").caps(&form).format(gstreamer::Format::Time).build();
    let cipher = super::make("srtpenc", "cipher")?;
    // A key and a salt of the default profile, AES_CM_128_HMAC_SHA1_80.
    cipher.set_property("key", gstreamer::Buffer::from_slice([7_u8; 30]));
    let sink = AppSink::builder().sync(false).async_(false).build();
    let pipeline = gstreamer::Pipeline::new();
    pipeline.add_many([source.upcast_ref(), &cipher, sink.upcast_ref()])?;
    source.upcast_ref::<gstreamer::Element>().link_pads(None, &cipher, Some("rtp_sink_0"))?;
    cipher.link_pads(Some("rtp_src_0"), &sink, None)?;
    let playing = pipeline.set_state(gstreamer::State::Playing);
    playing.map_err(|e| PipelineError::Element(format!("srtpenc: {e}")))?;
    // Version 2, payload type 96, sequence number, time stamp and source of one.
    let packet = [0x80, 96, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 2, 3, 4];
    let pushed = source.push_buffer(gstreamer::Buffer::from_slice(packet));
    let made = sink.try_pull_sample(gstreamer::ClockTime::from_seconds(3));
    let _ = pipeline.set_state(gstreamer::State::Null);
    match made.as_ref().and_then(|sample| sample.buffer()) {
        Some(buffer) if buffer.size() == packet.len() + 10 => Ok(()),
        _ => Err(PipelineError::Element(format!("srtpenc encrypts nothing ({pushed:?}); are its ciphers installed?"))),
    }
}
