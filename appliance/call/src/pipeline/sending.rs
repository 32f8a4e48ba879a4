//! Owns: the way out of one session: samples from capture through the encoders to `webrtcbin`.
//! Never: opens a source; sends a sample that the gate does not let out.
//! Called by: mod.rs beside it.
//!
//! camera inlet -> [gate] -> scale -> [black] -> H.264 -> RTP -> [gate] -> webrtcbin; microphone inlet -> Opus -> RTP -> [gate] -> webrtcbin.

use super::blank::blank_out;
use super::capture::{Inlet, leaky, static_pad};
use super::gate::{Gate, Guard, guard};
use super::session::TWCC_URI;
use super::thinning::thin_out;
use super::{PipelineError, caps, make, preferences};
use crate::sdp;
use gstreamer::prelude::*;
use gstreamer_rtp::prelude::*;
use gstreamer_video as video;
use gstreamer_webrtc as webrtc;
use parloir_wire::lease::Fingerprint;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The way out.
pub struct Sending {
    /// Where capture's samples enter.
    pub camera: Inlet,
    /// Where capture's samples enter.
    pub microphone: Inlet,
    size: gstreamer::Element,
    encoder: gstreamer::Element,
    opus: gstreamer::Element,
    fps: Arc<AtomicU8>,
}

/// Builds both ways out.
pub fn build(
    pipeline: &gstreamer::Pipeline,
    webrtc: &gstreamer::Element,
    gate: &Arc<Gate>,
    own: &Fingerprint,
) -> Result<Sending, PipelineError> {
    // SSRCs are random by way of the certificate's hash; the last bit keeps them apart.
    let ssrc = u32::from_le_bytes([own[0], own[1], own[2], own[3]]) & !1;
    let (microphone, opus) = sound_out(pipeline, webrtc, gate, ssrc)?;
    let fps = Arc::new(AtomicU8::new(60));
    let (camera, size, encoder) = pictures_out(pipeline, webrtc, gate, ssrc | 1, &fps)?;
    Ok(Sending { camera, microphone, size, encoder, opus, fps })
}

fn sound_out(
    pipeline: &gstreamer::Pipeline,
    webrtc: &gstreamer::Element,
    gate: &Arc<Gate>,
    ssrc: u32,
) -> Result<(Inlet, gstreamer::Element), PipelineError> {
    let inlet = Inlet::new("microphone");
    let queue = make("queue", "microphone-queue")?;
    leaky(&queue, 5);
    let opus = make("opusenc", "opus")?;
    opus.set_property("bitrate", 32_000_i32);
    opus.set_property("inband-fec", true);
    opus.set_property("packet-loss-percentage", 10_i32);
    opus.set_property_from_str("frame-size", "20");
    opus.set_property_from_str("audio-type", "voice");
    let pay = make("rtpopuspay", "opus-pay")?;
    pay.set_property("pt", u32::from(sdp::OPUS));
    pay.set_property("ssrc", ssrc);
    count_packets(&pay)?;
    let chain = [inlet.element(), &queue, &opus, &pay];
    pipeline.add_many(chain)?;
    gstreamer::Element::link_many(chain)?;
    enter(webrtc, "sink_0", &pay, "audio", ssrc, gate, Guard::SoundOut)?;
    Ok((inlet, opus))
}

fn pictures_out(
    pipeline: &gstreamer::Pipeline,
    webrtc: &gstreamer::Element,
    gate: &Arc<Gate>,
    ssrc: u32,
    fps: &Arc<AtomicU8>,
) -> Result<(Inlet, gstreamer::Element, gstreamer::Element), PipelineError> {
    let inlet = Inlet::new("camera");
    let queue = make("queue", "camera-queue")?;
    leaky(&queue, 2);
    let scale = make("videoscale", "camera-scale")?;
    let size = make("capsfilter", "camera-size")?;
    let encoder = make("openh264enc", "h264")?;
    encoder.set_property_from_str("usage-type", "camera");
    encoder.set_property_from_str("complexity", "low");
    encoder.set_property_from_str("rate-control", "bitrate");
    encoder.set_property("gop-size", 300_u32);
    encoder.set_property("enable-frame-skip", false);
    encoder.set_property("bitrate", 1_200_000_u32);
    encoder.set_property("max-bitrate", 8_000_000_u32);
    let profile = make("capsfilter", "h264-profile")?;
    profile.set_property("caps", caps("video/x-h264, profile=constrained-baseline, stream-format=byte-stream, alignment=au")?);
    let parse = make("h264parse", "h264-parse")?;
    let pay = make("rtph264pay", "h264-pay")?;
    pay.set_property("pt", u32::from(sdp::H264));
    pay.set_property("ssrc", ssrc);
    pay.set_property("mtu", 1200_u32);
    pay.set_property("config-interval", -1_i32);
    pay.set_property_from_str("aggregate-mode", "zero-latency");
    count_packets(&pay)?;
    // OpenH264 writes 42c01f into its parameter sets, browsers offer 42e01f, and webrtcbin compares the strings; both are constrained baseline.
    let level = make("capssetter", "h264-level")?;
    level.set_property("join", true);
    level.set_property("replace", false);
    level.set_property("caps", caps(&format!("application/x-rtp, profile-level-id=(string){}", sdp::PROFILE))?);
    let chain = [inlet.element(), &queue, &scale, &size, &encoder, &profile, &parse, &pay, &level];
    pipeline.add_many(chain)?;
    gstreamer::Element::link_many(chain)?;
    guard(&static_pad(&queue, "sink")?, gate, Guard::CameraToEncoder);
    // Another pad: of two probes on one pad the second may meet a buffer that is gone.
    thin_out(&static_pad(&queue, "src")?, fps);
    blank_out(&static_pad(&encoder, "sink")?, gate);
    enter(webrtc, "sink_1", &level, "video", ssrc, gate, Guard::PicturesOut)?;
    Ok((inlet, size, encoder))
}

/// Links a payloader to a new request pad of `webrtcbin`, guarded, with what the section prefers.
fn enter(
    webrtc: &gstreamer::Element,
    name: &str,
    from: &gstreamer::Element,
    kind: &str,
    ssrc: u32,
    gate: &Arc<Gate>,
    what: Guard,
) -> Result<(), PipelineError> {
    let sink = webrtc.request_pad_simple(name).ok_or_else(|| PipelineError::Element(format!("webrtcbin gives no {name}")))?;
    let transceiver: webrtc::WebRTCRTPTransceiver = sink.property("transceiver");
    transceiver.set_property("codec-preferences", preferences(kind, ssrc)?);
    transceiver.set_property("do-nack", kind == "video");
    let src = static_pad(from, "src")?;
    guard(&src, gate, what);
    src.link(&sink).map_err(|e| PipelineError::Element(format!("{name}: {e}")))?;
    Ok(())
}

/// Transport-wide sequence numbers on every packet, for congestion control.
fn count_packets(pay: &gstreamer::Element) -> Result<(), PipelineError> {
    let extension = gstreamer_rtp::RTPHeaderExtension::create_from_uri(TWCC_URI)
        .ok_or_else(|| PipelineError::Element("no transport-wide congestion control extension".into()))?;
    extension.set_id(u32::from(sdp::TWCC));
    pay.emit_by_name::<()>("add-extension", &[&extension]);
    Ok(())
}

impl Sending {
    /// The next picture becomes a key picture (it is queued at the encoder; nothing waits).
    pub fn force_key(&self) {
        if let Some(pad) = self.encoder.static_pad("src") {
            pad.send_event(video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
        }
    }

    /// Size, rate and bit rate of the pictures.
    pub fn set_rung(&self, width: u16, height: u16, fps: u8, kbps: u32) {
        let wanted = format!("video/x-raw, width={width}, height={height}, pixel-aspect-ratio=1/1");
        if let Ok(wanted) = caps(&wanted)
            && self.size.property::<Option<gstreamer::Caps>>("caps").as_ref() != Some(&wanted)
        {
            self.size.set_property("caps", wanted);
        }
        self.fps.store(fps, Ordering::Relaxed);
        self.encoder.set_property("bitrate", kbps.saturating_mul(1000));
    }

    /// Bit rate of the sound, and the computing power that it may take (`complexity`, 0 to 10).
    pub fn set_sound(&self, kbps: u32, sparing: bool) {
        self.opus.set_property("bitrate", i32::try_from(kbps * 1000).unwrap_or(32_000));
        self.opus.set_property("complexity", if sparing { 0_i32 } else { 10 });
    }
}
