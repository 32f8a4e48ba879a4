//! Owns: the way in: far pictures to the screen's frame channel, far sound to the loudspeaker.
//! Never: shows or plays a sample before the gate of the session (gate.rs beside it) is open; writes anything anywhere else.
//! Called by: mod.rs beside it.

use super::capture::static_pad;
use super::gate::{Gate, Guard, guard};
use super::{PipelineError, Screen, caps, device, make};
use crate::devices::Devices;
use crate::events::{Event, Post};
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks};
use gstreamer_video as video;
use gstreamer_video::prelude::*;
use parloir_frames::{FrameError, MAX_HEIGHT, MAX_WIDTH, Picture, Stream};
use parloir_shell::BootTime;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Silence in hundredths of dBFS.
const SILENCE: i16 = -12_700;

/// Builds both ways in; they are linked when `webrtcbin` shows its pads.
pub fn build(
    pipeline: &gstreamer::Pipeline,
    webrtc: &gstreamer::Element,
    gate: &Arc<Gate>,
    screen: &Screen,
    devices: &Devices,
    post: &Post,
) -> Result<(), PipelineError> {
    let codec = Arc::new(OnceLock::new());
    let pictures = pictures_in(pipeline, gate, screen, post, &codec)?;
    let sound = sound_in(pipeline, gate, &devices.loudspeaker, post)?;
    let (gate, post) = (gate.clone(), post.clone());
    webrtc.connect_pad_added(move |_, pad| {
        if pad.direction() != gstreamer::PadDirection::Src {
            return;
        }
        guard(pad, &gate, Guard::In);
        let form = pad.current_caps().and_then(|c| c.structure(0).map(ToOwned::to_owned));
        let text = |field: &str| form.as_ref().and_then(|s| s.get::<String>(field).ok()).unwrap_or_default();
        let to = match text("media").as_str() {
            "video" => {
                let _ = codec.set(text("encoding-name"));
                &pictures
            }
            "audio" => &sound,
            _ => return,
        };
        if to.is_linked() {
            tracing::warn!("a second far stream of one kind is not shown");
        } else if let Err(e) = pad.link(to) {
            let detail = format!("far {} does not fit: {e}", text("encoding-name"));
            post.send(Event::Failed { what: parloir_wire::lease::Trouble::Signalling, detail });
        }
    });
    Ok(())
}

fn pictures_in(
    pipeline: &gstreamer::Pipeline,
    gate: &Arc<Gate>,
    screen: &Screen,
    post: &Post,
    codec: &Arc<OnceLock<String>>,
) -> Result<gstreamer::Pad, PipelineError> {
    let depay = make("rtph264depay", "far-depay")?;
    depay.set_property("request-keyframe", true);
    // A picture with a smear says more than none; the key picture that was asked for mends it.
    depay.set_property("wait-for-keyframe", false);
    let parse = make("h264parse", "far-parse")?;
    let decoder = make("openh264dec", "far-decoder")?;
    let (gate, post, codec) = (gate.clone(), post.clone(), codec.clone());
    let first = AtomicBool::new(true);
    let sink = picture_sink("far-sink", screen, Stream::Far, move |width, height| {
        let at_ns = gate.saw_picture(width, height);
        if first.swap(false, Ordering::AcqRel) {
            post.send(Event::FirstPicture { at_ns, width, height, codec: codec.get().cloned().unwrap_or_default() });
        }
    });
    let chain = [&depay, &parse, &decoder, sink.upcast_ref()];
    pipeline.add_many(chain)?;
    gstreamer::Element::link_many(chain)?;
    static_pad(&depay, "sink")
}

fn sound_in(
    pipeline: &gstreamer::Pipeline,
    gate: &Arc<Gate>,
    loudspeaker: &str,
    post: &Post,
) -> Result<gstreamer::Pad, PipelineError> {
    let depay = make("rtpopusdepay", "far-sound-depay")?;
    let decoder = make("opusdec", "far-sound-decoder")?;
    decoder.set_property("plc", true);
    decoder.set_property("use-inband-fec", true);
    let convert = make("audioconvert", "far-sound-convert")?;
    let resample = make("audioresample", "far-sound-resample")?;
    let form = make("capsfilter", "far-sound-form")?;
    form.set_property("caps", caps("audio/x-raw, format=S16LE, rate=48000, layout=interleaved")?);
    let level = make("level", "far-sound-level")?;
    level.set_property("interval", 500_000_000_u64);
    let queue = make("queue", "far-sound-queue")?;
    let sink = device::loudspeaker(loudspeaker)?;
    let chain = [&depay, &decoder, &convert, &resample, &form, &level, &queue, &sink];
    pipeline.add_many(chain)?;
    gstreamer::Element::link_many(chain)?;
    let (gate, post) = (gate.clone(), post.clone());
    static_pad(&decoder, "src")?.add_probe(gstreamer::PadProbeType::BUFFER, move |_, _| {
        let at_ns = BootTime::now_ns();
        if gate.last_sound_ns.swap(at_ns, Ordering::AcqRel) == 0 {
            post.send(Event::FirstSound { at_ns });
        }
        gstreamer::PadProbeReturn::Ok
    });
    static_pad(&depay, "sink")
}

/// A sink that hands every picture to the screen at once and tells its size.
pub fn picture_sink(name: &str, screen: &Screen, stream: Stream, seen: impl Fn(u16, u16) + Send + 'static) -> AppSink {
    let screen = screen.clone();
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gstreamer::FlowError::Eos)?;
        if let Some((width, height)) = show(&sample, &screen, stream) {
            seen(width, height);
        }
        Ok(gstreamer::FlowSuccess::Ok)
    });
    let form = gstreamer::Caps::builder("video/x-raw").field("format", "I420").build();
    let sink = AppSink::builder().name(name).caps(&form).sync(false).async_(false).max_buffers(1).drop(true);
    sink.enable_last_sample(false).callbacks(callbacks.build()).build()
}

/// Hands one decoded picture to the screen's frame channel; answers its size, whether or not the screen took it.
fn show(sample: &gstreamer::Sample, screen: &Screen, stream: Stream) -> Option<(u16, u16)> {
    let info = video::VideoInfo::from_caps(sample.caps()?).ok()?;
    let frame = video::VideoFrameRef::from_buffer_ref_readable(sample.buffer()?, &info).ok()?;
    let (width, height) = (u16::try_from(frame.width()).ok()?, u16::try_from(frame.height()).ok()?);
    if width > MAX_WIDTH || height > MAX_HEIGHT {
        return None;
    }
    let stride = |plane: usize| usize::try_from(frame.plane_stride()[plane]).ok();
    let picture = Picture {
        width,
        height,
        y: frame.plane_data(0).ok()?,
        y_stride: stride(0)?,
        u: frame.plane_data(1).ok()?,
        v: frame.plane_data(2).ok()?,
        c_stride: stride(1)?,
    };
    let mut screen = screen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(sender) = screen.as_mut()
        && let Err(e) = sender.send(stream, BootTime::now_ns(), &picture)
    {
        match e {
            FrameError::Closed => tracing::info!("the screen is gone; pictures wait for the next"),
            e => tracing::warn!("the screen's frame channel was dropped: {e}"),
        }
        *screen = None;
    }
    Some((width, height))
}

/// The far sound's level out of a `level` message, hundredths of dBFS, loudest channel.
pub fn read_level(message: &gstreamer::StructureRef) -> Option<i16> {
    if message.name() != "level" {
        return None;
    }
    let rms = message.get::<glib::ValueArray>("rms").ok()?;
    let loudest = rms.iter().filter_map(|v| v.get::<f64>().ok()).fold(f64::NEG_INFINITY, f64::max);
    Some((loudest * 100.0).clamp(f64::from(SILENCE), 0.0) as i16)
}
