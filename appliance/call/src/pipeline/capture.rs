//! Owns: the way out: camera and microphone through encoders to `webrtcbin`, and the self view.
//! Never: opens a source by itself; the door does, with a clip's descriptor or with the device that has become ours.
//! Called by: mod.rs beside it.
//!
//! camera -> tee -> [gate] -> scale -> H.264 -> RTP -> [gate] -> webrtcbin; tee -> [gate] -> scale 320x180 -> screen;
//! microphone -> volume -> Opus -> RTP -> [gate] -> webrtcbin.

use super::gate::{Gate, Guard, guard};
use super::session::TWCC_URI;
use super::{PipelineError, Screen, caps, make, playback, preferences};
use crate::camera::{Pace, PictureClip, SoundClip};
use crate::events::{Event, Post};
use crate::sdp;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use gstreamer_rtp::prelude::*;
use gstreamer_video as video;
use gstreamer_webrtc as webrtc;
use parloir_frames::Stream;
use parloir_wire::lease::{Fingerprint, Trouble};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

/// Size of the self view, pixels.
const SELF_VIEW: (u16, u16) = (320, 180);
const CAMERA: &str = "camera";
const MICROPHONE: &str = "microphone";

/// What a door brings.
#[derive(Debug)]
pub enum Source {
    /// Bench: a clip.
    Clip(OwnedFd),
    /// The device node is ours now.
    Device,
}

/// The way out.
pub struct Capture {
    camera: gstreamer::Element,
    microphone: gstreamer::Element,
    size: gstreamer::Element,
    encoder: gstreamer::Element,
    opus: gstreamer::Element,
    volume: gstreamer::Element,
    fps: Arc<AtomicU8>,
    stop: Arc<AtomicBool>,
}

/// Which trouble an error of the element at this path is.
pub fn trouble_of(path: &str) -> Option<Trouble> {
    let in_source = |name: &str| path.split('/').any(|part| part.split(':').next_back().is_some_and(|p| p.starts_with(name)));
    if in_source("camera-source") {
        Some(Trouble::Camera)
    } else if in_source("microphone-source") {
        Some(Trouble::Microphone)
    } else {
        None
    }
}

/// Builds both ways out, without their sources.
pub fn build(
    pipeline: &gstreamer::Pipeline,
    webrtc: &gstreamer::Element,
    gate: &Arc<Gate>,
    screen: &Screen,
    own: &Fingerprint,
) -> Result<Capture, PipelineError> {
    // SSRCs are random by way of the certificate's hash; the last bit keeps them apart.
    let ssrc = u32::from_le_bytes([own[0], own[1], own[2], own[3]]) & !1;
    let (microphone, volume, opus) = sound_out(pipeline, webrtc, gate, ssrc)?;
    let fps = Arc::new(AtomicU8::new(60));
    let (camera, size, encoder) = pictures_out(pipeline, webrtc, gate, ssrc | 1, &fps)?;
    self_view(pipeline, &camera, gate, screen)?;
    Ok(Capture { camera, microphone, size, encoder, opus, volume, fps, stop: Arc::default() })
}

fn sound_out(
    pipeline: &gstreamer::Pipeline,
    webrtc: &gstreamer::Element,
    gate: &Arc<Gate>,
    ssrc: u32,
) -> Result<(gstreamer::Element, gstreamer::Element, gstreamer::Element), PipelineError> {
    let microphone = make("queue", MICROPHONE)?;
    leaky(&microphone, 5);
    let volume = make("volume", "microphone-volume")?;
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
    let chain = [&microphone, &volume, &opus, &pay];
    pipeline.add_many(chain)?;
    gstreamer::Element::link_many(chain)?;
    enter(webrtc, "sink_0", &pay, "audio", ssrc, gate, Guard::SoundOut)?;
    Ok((microphone, volume, opus))
}

fn pictures_out(
    pipeline: &gstreamer::Pipeline,
    webrtc: &gstreamer::Element,
    gate: &Arc<Gate>,
    ssrc: u32,
    fps: &Arc<AtomicU8>,
) -> Result<(gstreamer::Element, gstreamer::Element, gstreamer::Element), PipelineError> {
    let camera = make("tee", CAMERA)?;
    camera.set_property("allow-not-linked", true);
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
    let chain = [&camera, &queue, &scale, &size, &encoder, &profile, &parse, &pay, &level];
    pipeline.add_many(chain)?;
    gstreamer::Element::link_many(chain)?;
    guard(&static_pad(&queue, "sink")?, gate, Guard::CameraToEncoder);
    // Another pad: of two probes on one pad the second may meet a buffer that is gone.
    thin_out(&static_pad(&queue, "src")?, fps);
    enter(webrtc, "sink_1", &level, "video", ssrc, gate, Guard::PicturesOut)?;
    Ok((camera, size, encoder))
}

fn self_view(
    pipeline: &gstreamer::Pipeline,
    camera: &gstreamer::Element,
    gate: &Arc<Gate>,
    screen: &Screen,
) -> Result<(), PipelineError> {
    let queue = make("queue", "self-queue")?;
    leaky(&queue, 1);
    let scale = make("videoscale", "self-scale")?;
    scale.set_property_from_str("method", "nearest-neighbour");
    let size = make("capsfilter", "self-size")?;
    size.set_property("caps", caps(&format!("video/x-raw, format=I420, width={}, height={}", SELF_VIEW.0, SELF_VIEW.1))?);
    let sink = playback::picture_sink("self-sink", screen, Stream::SelfView, |_, _| {});
    pipeline.add_many([&queue, &scale, &size, sink.upcast_ref()])?;
    gstreamer::Element::link_many([camera, &queue, &scale, &size, sink.upcast_ref()])?;
    guard(&static_pad(&queue, "sink")?, gate, Guard::CameraToScreen);
    Ok(())
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

/// Drops pictures above the ladder's frame rate, evenly, counted against the source's 30 a second.
fn thin_out(pad: &gstreamer::Pad, fps: &Arc<AtomicU8>) {
    let fps = fps.clone();
    let credit = AtomicU8::new(30);
    pad.add_probe(gstreamer::PadProbeType::BUFFER, move |_, _| {
        let limit = fps.load(Ordering::Relaxed).min(30);
        let sum = credit.load(Ordering::Relaxed) + limit;
        let keep = sum >= 30;
        credit.store(if keep { sum - 30 } else { sum }, Ordering::Relaxed);
        if keep { gstreamer::PadProbeReturn::Ok } else { super::gate::SWALLOW }
    });
}

fn leaky(queue: &gstreamer::Element, buffers: u32) {
    queue.set_property("max-size-buffers", buffers);
    queue.set_property("max-size-bytes", 0_u32);
    queue.set_property("max-size-time", 0_u64);
    queue.set_property_from_str("leaky", "downstream");
}

pub(super) fn static_pad(element: &gstreamer::Element, name: &str) -> Result<gstreamer::Pad, PipelineError> {
    element.static_pad(name).ok_or_else(|| PipelineError::Element(format!("{} has no pad {name}", element.name())))
}

impl Capture {
    /// The next picture becomes a key picture (it is queued at the encoder; nothing waits).
    pub fn force_key(&self) {
        if let Some(pad) = self.encoder.static_pad("src") {
            pad.send_event(video::UpstreamForceKeyUnitEvent::builder().all_headers(true).build());
        }
    }

    pub fn let_out(&self, _camera: bool, microphone: bool) {
        self.volume.set_property("mute", !microphone);
    }

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

    pub fn set_audio_kbps(&self, kbps: u32) {
        self.opus.set_property("bitrate", i32::try_from(kbps * 1000).unwrap_or(32_000));
    }

    /// Ends the feeding threads.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    pub fn open_camera(&self, pipeline: &gstreamer::Pipeline, source: Source, post: &Post) -> Result<(), PipelineError> {
        let source = match source {
            Source::Clip(fd) => {
                let clip = PictureClip::open(fd).map_err(|e| PipelineError::Element(e.to_string()))?;
                let form = format!(
                    "video/x-raw, format=I420, width={}, height={}, framerate={}/1, colorimetry=bt709, interlace-mode=progressive, \
                     pixel-aspect-ratio=1/1",
                    clip.width, clip.height, clip.fps
                );
                let feed = feeder("camera-source", &form)?;
                self.play(
                    &feed,
                    Pace::new(Instant::now(), clip.fps.into(), 1),
                    1_000_000_000 / u64::from(clip.fps),
                    Trouble::Camera,
                    post,
                    {
                        let bytes = clip.frame_bytes();
                        move |n| {
                            let mut buffer = gstreamer::Buffer::with_size(bytes).ok()?;
                            clip.read(n, buffer.get_mut()?.map_writable().ok()?.as_mut_slice()).ok()?;
                            Some(buffer)
                        }
                    },
                );
                feed.upcast()
            }
            Source::Device => device(
                "camera-source",
                "v4l2src ! image/jpeg, width=1280, height=720, framerate=30/1 ! jpegdec ! videoconvert ! video/x-raw, format=I420",
            )?,
        };
        enter_source(pipeline, &source, &self.camera)
    }

    pub fn open_microphone(&self, pipeline: &gstreamer::Pipeline, source: Source, post: &Post) -> Result<(), PipelineError> {
        let source = match source {
            Source::Clip(fd) => {
                let clip = SoundClip::open(fd).map_err(|e| PipelineError::Element(e.to_string()))?;
                let feed = feeder("microphone-source", "audio/x-raw, format=S16LE, rate=48000, channels=1, layout=interleaved")?;
                let pace = Pace::new(Instant::now(), 50, 1);
                self.play(&feed, pace, SoundClip::BLOCK_MS * 1_000_000, Trouble::Microphone, post, move |n| {
                    let mut buffer = gstreamer::Buffer::with_size(SoundClip::BLOCK_BYTES).ok()?;
                    clip.read(n, buffer.get_mut()?.map_writable().ok()?.as_mut_slice()).ok()?;
                    Some(buffer)
                });
                feed.upcast()
            }
            Source::Device => device(
                "microphone-source",
                "alsasrc ! audioconvert ! audioresample ! audio/x-raw, format=S16LE, rate=48000, channels=1, layout=interleaved",
            )?,
        };
        enter_source(pipeline, &source, &self.microphone)
    }

    /// A thread that feeds a clip at its pace, time-stamped by its own number, until the source or the visit ends.
    fn play(
        &self,
        feed: &AppSrc,
        mut pace: Pace,
        unit_ns: u64,
        trouble: Trouble,
        post: &Post,
        read: impl Fn(u64) -> Option<gstreamer::Buffer> + Send + 'static,
    ) {
        let (feed, stop, post) = (feed.clone(), self.stop.clone(), post.clone());
        std::thread::spawn(move || {
            let mut zero = None;
            while !stop.load(Ordering::Acquire) {
                let (n, wait) = pace.due(Instant::now());
                // Short sleeps keep the end prompt.
                std::thread::sleep(wait.min(Duration::from_millis(100)));
                let Some(running) = feed.current_running_time() else { continue };
                let zero = *zero.get_or_insert(running.nseconds().saturating_sub(n * unit_ns));
                let Some(mut buffer) = read(n) else {
                    post.send(Event::Failed { what: trouble, detail: format!("the clip could not be read at unit {n}") });
                    return;
                };
                if let Some(b) = buffer.get_mut() {
                    b.set_pts(gstreamer::ClockTime::from_nseconds(zero + n * unit_ns));
                    b.set_duration(gstreamer::ClockTime::from_nseconds(unit_ns));
                }
                if feed.push_buffer(buffer).is_err() {
                    return;
                }
            }
        });
    }
}

fn feeder(name: &str, form: &str) -> Result<AppSrc, PipelineError> {
    Ok(AppSrc::builder()
        .name(name)
        .is_live(true)
        .format(gstreamer::Format::Time)
        .caps(&caps(form)?)
        .max_buffers(3)
        .max_bytes(0)
        .leaky_type(gstreamer_app::AppLeakyType::Downstream)
        .build())
}

fn device(name: &str, description: &str) -> Result<gstreamer::Element, PipelineError> {
    let bin = gstreamer::parse::bin_from_description(description, true).map_err(|e| PipelineError::Element(e.to_string()))?;
    bin.set_property("name", name);
    Ok(bin.upcast())
}

fn enter_source(
    pipeline: &gstreamer::Pipeline,
    source: &gstreamer::Element,
    to: &gstreamer::Element,
) -> Result<(), PipelineError> {
    pipeline.add(source)?;
    source.link(to)?;
    source.sync_state_with_parent()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_below_a_source_is_the_sources() {
        assert_eq!(trouble_of("/GstPipeline:pipeline0/GstBin:camera-source/GstV4l2Src:v4l2src0"), Some(Trouble::Camera));
        assert_eq!(trouble_of("/GstPipeline:pipeline0/GstAppSrc:microphone-source"), Some(Trouble::Microphone));
        assert_eq!(trouble_of("/GstPipeline:pipeline0/GstTee:camera"), None);
    }
}
