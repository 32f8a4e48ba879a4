//! Owns: camera and microphone from the door to the tap, and the self view: one pipeline for the whole visit, whatever sessions come and go.
//! Never: opens a source by itself; the door does, with a clip's descriptor or with the board's device that has become ours.
//! Called by: run; mod.rs beside it, where a session takes its samples.
//!
//! camera -> tee -> [lets] -> scale 320x180 -> screen; tee -> tap; microphone -> volume -> tap.

use super::gate::{Lets, SWALLOW};
use super::{ALLOWED, PipelineError, Screen, caps, device, kind, make, playback};
use crate::camera::{Pace, PictureClip, SoundClip};
use crate::devices::Devices;
use crate::events::{Event, Post};
use crate::plan::PictureLimits;
use gstreamer::prelude::*;
use gstreamer_app::{AppSink, AppSinkCallbacks, AppSrc};
use parloir_frames::Stream;
use parloir_wire::lease::Trouble;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// Size of the self view, pixels.
const SELF_VIEW: (u16, u16) = (320, 180);

/// What the camera's door brings.
#[derive(Debug)]
pub enum Camera {
    /// Bench: a clip.
    Clip(OwnedFd),
    /// The board's node is ours now; the plan's picture.
    Device(PictureLimits),
}

/// What the microphone's door brings.
#[derive(Debug)]
pub enum Microphone {
    /// Bench: a clip.
    Clip(OwnedFd),
    /// The board's node is ours now.
    Device,
}

/// A session's entry for samples of one kind.
#[derive(Clone)]
pub struct Inlet {
    source: AppSrc,
    /// From capture's running time to the session's, nanoseconds; both tell the time by the same clock.
    shift: Arc<OnceLock<i64>>,
}

impl Inlet {
    /// An entry that keeps nothing: what is not taken at once is overtaken.
    pub fn new(name: &str) -> Self {
        let source = AppSrc::builder().name(name).is_live(true).format(gstreamer::Format::Time).max_buffers(3).max_bytes(0);
        Self { source: source.leaky_type(gstreamer_app::AppLeakyType::Downstream).build(), shift: Arc::default() }
    }

    /// To be linked.
    pub fn element(&self) -> &gstreamer::Element {
        self.source.upcast_ref()
    }

    fn push(&self, sample: &gstreamer::Sample, from: &AppSink) -> Option<()> {
        let (theirs, ours) = (from.current_running_time()?, self.source.current_running_time()?);
        let signed = |t: gstreamer::ClockTime| i64::try_from(t.nseconds()).unwrap_or(i64::MAX);
        let shift = *self.shift.get_or_init(|| signed(ours) - signed(theirs));
        let mut buffer = sample.buffer_owned()?;
        // Captured before the session began: nobody's.
        let at = u64::try_from(signed(buffer.pts()?) + shift).ok()?;
        buffer.make_mut().set_pts(gstreamer::ClockTime::from_nseconds(at));
        let caps = sample.caps_owned()?;
        let _ = self.source.push_sample(&gstreamer::Sample::builder().buffer(&buffer).caps(&caps).build());
        Some(())
    }
}

/// Where the samples of one kind go now.
type Tap = Arc<Mutex<Option<Inlet>>>;

/// See the module.
pub struct Capture {
    pipeline: gstreamer::Pipeline,
    camera: gstreamer::Element,
    microphone: gstreamer::Element,
    volume: gstreamer::Element,
    taps: [Tap; 2],
    lets: Arc<Lets>,
    devices: Devices,
    stop: Arc<AtomicBool>,
    post: Post,
}

/// Which trouble an error of the element at this path is.
fn trouble_of(path: &str) -> Trouble {
    let in_source = |name: &str| path.split('/').any(|part| part.split(':').next_back().is_some_and(|p| p.starts_with(name)));
    if in_source("camera-source") {
        Trouble::Camera
    } else if in_source("microphone-source") {
        Trouble::Microphone
    } else {
        Trouble::Pipeline
    }
}

impl Capture {
    /// Builds everything but the sources.
    ///
    /// # Errors
    /// An element is missing or refuses.
    pub fn build(devices: Devices, screen: &Screen, post: &Post) -> Result<Self, PipelineError> {
        let pipeline = gstreamer::Pipeline::new();
        pipeline.use_clock(Some(&gstreamer::SystemClock::obtain()));
        let (lets, taps) = (Arc::new(Lets::default()), <[Tap; 2]>::default());
        watch(&pipeline, &lets, post);
        let camera = make("tee", "camera")?;
        camera.set_property("allow-not-linked", true);
        pipeline.add(&camera)?;
        self_view(&pipeline, &camera, &lets, screen)?;
        let queue = make("queue", "camera-tap-queue")?;
        leaky(&queue, 2);
        let out = tap("camera-tap", &taps[0]);
        pipeline.add_many([&queue, out.upcast_ref()])?;
        gstreamer::Element::link_many([&camera, &queue, out.upcast_ref()])?;
        let (microphone, volume) = (make("queue", "microphone")?, make("volume", "microphone-volume")?);
        leaky(&microphone, 5);
        let out = tap("microphone-tap", &taps[1]);
        pipeline.add_many([&microphone, &volume, out.upcast_ref()])?;
        gstreamer::Element::link_many([&microphone, &volume, out.upcast_ref()])?;
        pipeline.set_state(gstreamer::State::Playing).map_err(|e| PipelineError::Element(e.to_string()))?;
        Ok(Self { pipeline, camera, microphone, volume, taps, lets, devices, stop: Arc::default(), post: post.clone() })
    }

    /// The board's devices.
    pub(super) const fn devices(&self) -> &Devices {
        &self.devices
    }

    /// What the person lets out; a session's gate asks it too.
    #[must_use]
    pub fn lets(&self) -> &Arc<Lets> {
        &self.lets
    }

    /// Without camera black pictures leave and the self view stops; without microphone silence leaves.
    pub fn let_out(&self, camera: bool, microphone: bool) {
        self.volume.set_property("mute", !microphone);
        self.lets.set_camera(camera);
    }

    /// The session is over: samples go nowhere until the next one.
    pub fn pour_nowhere(&self) {
        self.pour(None);
    }

    /// From now on the samples go there, or nowhere.
    pub(super) fn pour(&self, inlets: Option<(&Inlet, &Inlet)>) {
        let inlets = inlets.map_or([None, None], |(camera, microphone)| [Some(camera.clone()), Some(microphone.clone())]);
        for (tap, inlet) in self.taps.iter().zip(inlets) {
            *tap.lock().unwrap_or_else(PoisonError::into_inner) = inlet;
        }
    }

    /// Connects the camera. A device is opened by a thread of its own, for its driver may be asked for hundreds of modes meanwhile; what
    /// fails there is told as [`Trouble::Camera`].
    ///
    /// # Errors
    /// The clip cannot be read; the board names no camera.
    pub fn open_camera(&self, source: Camera) -> Result<(), PipelineError> {
        match source {
            Camera::Clip(fd) => self.way_in(&self.camera, Trouble::Camera).enter(&self.picture_clip(fd)?),
            Camera::Device(wanted) => {
                let unnamed = || PipelineError::Element("the board names no camera: --camera".into());
                let node = self.devices.camera.clone().ok_or_else(unnamed)?;
                let way_in = self.way_in(&self.camera, Trouble::Camera);
                std::thread::spawn(move || {
                    if let Err(e) = device::camera(&node, wanted).and_then(|source| way_in.enter(&source)) {
                        way_in.post.send(Event::Failed { what: Trouble::Camera, detail: e.to_string() });
                    }
                });
                Ok(())
            }
        }
    }

    /// Connects the microphone.
    ///
    /// # Errors
    /// The source refuses.
    pub fn open_microphone(&self, source: Microphone) -> Result<(), PipelineError> {
        let source = match source {
            Microphone::Clip(fd) => self.sound_clip(fd)?,
            Microphone::Device => device::microphone(&self.devices.microphone)?,
        };
        self.way_in(&self.microphone, Trouble::Microphone).enter(&source)
    }

    fn way_in(&self, to: &gstreamer::Element, what: Trouble) -> WayIn {
        WayIn { pipeline: self.pipeline.clone(), to: to.clone(), what, post: self.post.clone() }
    }

    fn picture_clip(&self, fd: OwnedFd) -> Result<gstreamer::Element, PipelineError> {
        let clip = PictureClip::open(fd).map_err(|e| PipelineError::Element(e.to_string()))?;
        let form = format!(
            "video/x-raw, format=I420, width={}, height={}, framerate={}/1, colorimetry=bt709, interlace-mode=progressive, \
             pixel-aspect-ratio=1/1",
            clip.width, clip.height, clip.fps
        );
        let feed = feeder("camera-source", &form)?;
        let (pace, unit_ns) = (Pace::new(Instant::now(), clip.fps.into(), 1), 1_000_000_000 / u64::from(clip.fps));
        let bytes = clip.frame_bytes();
        self.play(&feed, pace, unit_ns, Trouble::Camera, move |n| {
            let mut buffer = gstreamer::Buffer::with_size(bytes).ok()?;
            clip.read(n, buffer.get_mut()?.map_writable().ok()?.as_mut_slice()).ok()?;
            Some(buffer)
        });
        Ok(feed.upcast())
    }

    fn sound_clip(&self, fd: OwnedFd) -> Result<gstreamer::Element, PipelineError> {
        let clip = SoundClip::open(fd).map_err(|e| PipelineError::Element(e.to_string()))?;
        let feed = feeder("microphone-source", "audio/x-raw, format=S16LE, rate=48000, channels=1, layout=interleaved")?;
        let pace = Pace::new(Instant::now(), 50, 1);
        self.play(&feed, pace, SoundClip::BLOCK_MS * 1_000_000, Trouble::Microphone, move |n| {
            let mut buffer = gstreamer::Buffer::with_size(SoundClip::BLOCK_BYTES).ok()?;
            clip.read(n, buffer.get_mut()?.map_writable().ok()?.as_mut_slice()).ok()?;
            Some(buffer)
        });
        Ok(feed.upcast())
    }

    /// A thread that feeds a clip at its pace, time-stamped by its own number, until the source or the visit ends.
    fn play(
        &self,
        feed: &AppSrc,
        mut pace: Pace,
        unit_ns: u64,
        trouble: Trouble,
        read: impl Fn(u64) -> Option<gstreamer::Buffer> + Send + 'static,
    ) {
        let (feed, stop, post) = (feed.clone(), self.stop.clone(), self.post.clone());
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

/// Where a source joins capture.
struct WayIn {
    pipeline: gstreamer::Pipeline,
    to: gstreamer::Element,
    what: Trouble,
    post: Post,
}

impl WayIn {
    fn enter(&self, source: &gstreamer::Element) -> Result<(), PipelineError> {
        let (what, post) = (self.what, self.post.clone());
        static_pad(source, "src")?.add_probe(gstreamer::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            if info.event().is_some_and(|event| event.type_() == gstreamer::EventType::Eos) {
                post.send(Event::Failed { what, detail: "the source ended".into() });
            }
            gstreamer::PadProbeReturn::Ok
        });
        self.pipeline.add(source)?;
        source.link(&self.to)?;
        source.sync_state_with_parent()?;
        Ok(())
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.pour(None);
        let _ = self.pipeline.set_state(gstreamer::State::Null);
    }
}

/// Reports what fails, and takes no element that is not allowed.
fn watch(pipeline: &gstreamer::Pipeline, lets: &Arc<Lets>, post: &Post) {
    let (lets, strange) = (lets.clone(), post.clone());
    pipeline.connect_deep_element_added(move |_, _, element| {
        let name = kind(element);
        if !ALLOWED.contains(&name.as_str()) {
            lets.refuse();
            strange.send(Event::Failed { what: Trouble::Pipeline, detail: format!("element {name} is not allowed") });
        }
    });
    let Some(bus) = pipeline.bus() else { return };
    let post = post.clone();
    bus.set_sync_handler(move |_, message| {
        if let gstreamer::MessageView::Error(e) = message.view() {
            let source = e.src().map(|s| s.path_string().to_string()).unwrap_or_default();
            let detail = format!("{source}: {} ({})", e.error(), e.debug().unwrap_or_default());
            post.send(Event::Failed { what: trouble_of(&source), detail });
        }
        gstreamer::BusSyncReply::Drop
    });
}

fn self_view(
    pipeline: &gstreamer::Pipeline,
    camera: &gstreamer::Element,
    lets: &Arc<Lets>,
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
    let lets = lets.clone();
    static_pad(&queue, "sink")?.add_probe(gstreamer::PadProbeType::BUFFER, move |_, _| {
        if lets.camera_on() { gstreamer::PadProbeReturn::Ok } else { SWALLOW }
    });
    Ok(())
}

/// The end of capture: hands every sample to the session that there is now.
fn tap(name: &str, to: &Tap) -> AppSink {
    let to = to.clone();
    let callbacks = AppSinkCallbacks::builder().new_sample(move |sink| {
        let sample = sink.pull_sample().map_err(|_| gstreamer::FlowError::Eos)?;
        if let Some(inlet) = &*to.lock().unwrap_or_else(PoisonError::into_inner) {
            inlet.push(&sample, sink);
        }
        Ok(gstreamer::FlowSuccess::Ok)
    });
    let sink = AppSink::builder().name(name).sync(false).async_(false).max_buffers(2).drop(true);
    sink.enable_last_sample(false).callbacks(callbacks.build()).build()
}

pub(super) fn leaky(queue: &gstreamer::Element, buffers: u32) {
    queue.set_property("max-size-buffers", buffers);
    queue.set_property("max-size-bytes", 0_u32);
    queue.set_property("max-size-time", 0_u64);
    queue.set_property_from_str("leaky", "downstream");
}

pub(super) fn static_pad(element: &gstreamer::Element, name: &str) -> Result<gstreamer::Pad, PipelineError> {
    element.static_pad(name).ok_or_else(|| PipelineError::Element(format!("{} has no pad {name}", element.name())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_below_a_source_is_the_sources() {
        assert_eq!(trouble_of("/GstPipeline:pipeline0/GstBin:camera-source/GstV4l2Src:v4l2src0"), Trouble::Camera);
        assert_eq!(trouble_of("/GstPipeline:pipeline0/GstAppSrc:microphone-source"), Trouble::Microphone);
        assert_eq!(trouble_of("/GstPipeline:pipeline0/GstTee:camera"), Trouble::Pipeline);
    }
}
