//! Owns: camera, microphone and loudspeaker as elements: V4L2 in the mode that is nearest to the plan, ALSA by the board's names.
//! Never: opens a device whose door is shut (the kernel would refuse); takes a mode that costs more than it must.
//! Called by: capture, playback.
//!
//! v4l2src -> mode -> [thin out] -> [jpegdec] -> scale -> I420.

use super::capture::static_pad;
use super::thinning;
use super::{PipelineError, caps, make};
use crate::devices::{Form, Mode, nearest};
use crate::plan::PictureLimits;
use gstreamer::prelude::*;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;

/// Raw formats (GStreamer's names) that are a cheap conversion away from I420, the cheapest first.
const RAW: [&str; 6] = ["I420", "YV12", "NV12", "YUY2", "UYVY", "YVYU"];

/// The camera at this node, in the mode that is nearest to the plan, as I420 no larger than the plan.
///
/// # Errors
/// The node is not there or not ours, or offers nothing that this process can take; the text names it.
pub fn camera(node: &Path, wanted: PictureLimits) -> Result<gstreamer::Element, PipelineError> {
    let source = make("v4l2src", "camera-device")?;
    source.set_property("device", node.to_string_lossy().as_ref());
    let bus = gstreamer::Bus::new();
    source.set_bus(Some(&bus));
    let opened = source.set_state(gstreamer::State::Ready);
    let refused = |why: &str| PipelineError::Element(format!("camera {}: {why}", node.display()));
    if opened.is_err() {
        let error = bus.pop_filtered(&[gstreamer::MessageType::Error]);
        let _ = source.set_state(gstreamer::State::Null);
        return Err(match error.as_deref().map(gstreamer::MessageRef::view) {
            Some(gstreamer::MessageView::Error(e)) => refused(&format!("{} ({})", e.error(), e.debug().unwrap_or_default())),
            _ => refused("does not open"),
        });
    }
    let (modes, forms): (Vec<_>, Vec<_>) = offers(&static_pad(&source, "src")?.query_caps(None), wanted).into_iter().unzip();
    let Some(best) = nearest(&modes, wanted) else {
        let _ = source.set_state(gstreamer::State::Null);
        return Err(refused("offers neither raw pictures nor Motion JPEG that this box can take"));
    };
    tracing::info!("camera {}: {:?} of {} modes", node.display(), modes[best], modes.len());
    built(&source, modes[best], &forms[best], wanted)
}

/// Everything between the opened camera and I420.
fn built(
    source: &gstreamer::Element,
    mode: Mode,
    form: &gstreamer::Caps,
    wanted: PictureLimits,
) -> Result<gstreamer::Element, PipelineError> {
    let filter = make("capsfilter", "camera-mode")?;
    filter.set_property("caps", form);
    let mut chain = vec![source.clone(), filter.clone()];
    if mode.form == Form::Jpeg {
        chain.push(make("jpegdec", "camera-jpeg")?);
    }
    // Scaled before it is converted, where it is scaled at all: fewer pixels to convert.
    let (scale, convert, out) =
        (make("videoscale", "camera-fit")?, make("videoconvert", "camera-convert")?, make("capsfilter", "camera-form")?);
    let fits = mode.width <= wanted.width && mode.height <= wanted.height;
    let (width, height) = if fits { (mode.width, mode.height) } else { (wanted.width, wanted.height) };
    out.set_property("caps", caps(&format!("video/x-raw, format=I420, width={width}, height={height}, pixel-aspect-ratio=1/1"))?);
    chain.extend([scale, convert, out.clone()]);
    let bin = gstreamer::Bin::with_name("camera-source");
    bin.add_many(&chain)?;
    gstreamer::Element::link_many(&chain)?;
    thinning::thin_out(&static_pad(&filter, "src")?, &Arc::new(AtomicU8::new(wanted.fps)));
    finish(bin, &out)
}

fn finish(bin: gstreamer::Bin, last: &gstreamer::Element) -> Result<gstreamer::Element, PipelineError> {
    let pad = gstreamer::GhostPad::with_target(&static_pad(last, "src")?)?;
    pad.set_active(true)?;
    bin.add_pad(&pad)?;
    Ok(bin.upcast())
}

/// What the camera offers, each with the caps that ask for it, the cheapest forms first: of every range the value that is nearest to what is
/// wanted.
fn offers(offered: &gstreamer::CapsRef, wanted: PictureLimits) -> Vec<(Mode, gstreamer::Caps)> {
    let raw = RAW.map(|format| (format!("video/x-raw, format={format}"), Form::Raw));
    let forms = raw.into_iter().chain([("image/jpeg".to_owned(), Form::Jpeg)]);
    let mut all = Vec::new();
    for (name, form) in forms {
        let Ok(only) = caps(&name) else { continue };
        for (structure, features) in offered.iter_with_features() {
            let plain = features.contains(gstreamer::CAPS_FEATURE_MEMORY_SYSTEM_MEMORY);
            let fits = only.structure(0).filter(|_| plain).and_then(|only| structure.intersect(only));
            all.extend(fits.and_then(|structure| offer(structure, form, wanted)));
        }
    }
    all
}

fn offer(mut structure: gstreamer::Structure, form: Form, wanted: PictureLimits) -> Option<(Mode, gstreamer::Caps)> {
    structure.fixate_field_nearest_int("width", wanted.width.into());
    structure.fixate_field_nearest_int("height", wanted.height.into());
    structure.fixate_field_nearest_fraction("framerate", gstreamer::Fraction::new(wanted.fps.into(), 1));
    // The source knows better which colours it means.
    structure.remove_field("colorimetry");
    if structure.has_field("interlace-mode") {
        structure.fixate_field_str("interlace-mode", "progressive");
    }
    structure.fixate();
    // Half pictures would need another element, and no camera of this century sends them.
    if structure.get::<&str>("interlace-mode").is_ok_and(|mode| mode != "progressive") {
        return None;
    }
    let size = |name: &str| structure.get::<i32>(name).ok().and_then(|n| u16::try_from(n).ok()).filter(|n| *n >= 16);
    let rate = structure.get::<gstreamer::Fraction>("framerate").ok().filter(|f| f.denom() > 0 && f.numer() > 0)?;
    let fps = u8::try_from((rate.numer() + rate.denom() / 2) / rate.denom()).ok()?;
    let mode = Mode { form, width: size("width")?, height: size("height")?, fps };
    Some((mode, gstreamer::Caps::builder_full().structure(structure).build()))
}

/// The microphone that ALSA knows by this name, as the encoder takes it.
///
/// # Errors
/// An element is missing; a device that does not open is told when it starts.
pub fn microphone(pcm: &str) -> Result<gstreamer::Element, PipelineError> {
    let source = make("alsasrc", "microphone-device")?;
    source.set_property("device", pcm);
    let (convert, resample) = (make("audioconvert", "microphone-convert")?, make("audioresample", "microphone-resample")?);
    let out = make("capsfilter", "microphone-form")?;
    out.set_property("caps", caps("audio/x-raw, format=S16LE, rate=48000, channels=1, layout=interleaved")?);
    let bin = gstreamer::Bin::with_name("microphone-source");
    let chain = [&source, &convert, &resample, &out];
    bin.add_many(chain)?;
    gstreamer::Element::link_many(chain)?;
    finish(bin, &out)
}

/// ALSA where there is a card of this name, else a sink that takes the sound at its pace and drops it.
pub fn loudspeaker(pcm: &str) -> Result<gstreamer::Element, PipelineError> {
    if let Ok(sink) = make("alsasink", "loudspeaker") {
        sink.set_property("device", pcm);
        sink.set_property("async", false);
        if sink.set_state(gstreamer::State::Ready).is_ok() {
            return Ok(sink);
        }
        let _ = sink.set_state(gstreamer::State::Null);
    }
    tracing::info!("no loudspeaker {pcm}: far sound is decoded and dropped");
    let sink = make("fakesink", "loudspeaker")?;
    sink.set_property("sync", true);
    sink.set_property("async", false);
    Ok(sink)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_are_read_from_what_v4l2_says() {
        gstreamer::init().unwrap();
        // As a webcam's driver and vivid's say it, shortened; the last three are of no use here.
        let offered = caps(
            "video/x-raw, format=YUY2, width=320, height=180, pixel-aspect-ratio=1/1, framerate={ 1/1, 5/1, 10/1, 30/1 }, \
               interlace-mode=progressive, colorimetry={ bt601, 1:4:7:1 }; \
             video/x-raw, format={ RGB, NV12 }, width=[2, 1920], height=[2, 1080], framerate=[0/1, 60/1]; \
             image/jpeg, parsed=true, width=1280, height=720, framerate={ 30000/1001, 15/1 }; \
             video/x-raw, format=YUY2, width=720, height=576, framerate=25/1, interlace-mode=interleaved; \
             video/x-raw(memory:DMABuf), format=DMA_DRM, width=320, height=180, framerate=10/1; \
             video/x-h264, width=320, height=180, framerate=10/1",
        )
        .unwrap();
        let wanted = PictureLimits { width: 320, height: 180, fps: 10 };
        let (modes, forms): (Vec<_>, Vec<_>) = offers(&offered, wanted).into_iter().unzip();
        let small = Mode { form: Form::Raw, width: 320, height: 180, fps: 10 };
        assert_eq!(modes, [small, small, Mode { form: Form::Jpeg, width: 1280, height: 720, fps: 15 }]);
        assert!(forms.iter().all(|caps| caps.is_fixed()), "{forms:?}");
        let format = |at: usize| forms[at].structure(0).unwrap().get::<String>("format").unwrap();
        assert_eq!((format(0), format(1)), ("NV12".to_owned(), "YUY2".to_owned()), "the cheaper one first");
        let (modes, _): (Vec<_>, Vec<_>) = offers(&offered, PictureLimits::default()).into_iter().unzip();
        assert_eq!(modes.last(), Some(&Mode { form: Form::Jpeg, width: 1280, height: 720, fps: 30 }));
    }

    #[test]
    fn a_camera_that_is_not_there_is_an_error_that_names_it() {
        gstreamer::init().unwrap();
        let error = camera(Path::new("/dev/parloir/no-camera"), PictureLimits::default()).unwrap_err().to_string();
        assert!(error.contains("/dev/parloir/no-camera"), "{error}");
    }

    /// The part after the camera, with a test source in its place: from another size, rate and form to I420 of the plan.
    #[test]
    fn what_the_camera_gives_becomes_what_the_plan_says() {
        gstreamer::init().unwrap();
        for (form, fps, description) in [
            (Form::Raw, 30, "video/x-raw, format=YUY2, width=640, height=480, framerate=30/1"),
            (Form::Raw, 10, "video/x-raw, format=NV12, width=320, height=180, framerate=10/1"),
        ] {
            let source = make("appsrc", "camera-device").unwrap().downcast::<gstreamer_app::AppSrc>().unwrap();
            source.set_format(gstreamer::Format::Time);
            let form_caps = caps(description).unwrap();
            source.set_caps(Some(&form_caps));
            let info = gstreamer_video::VideoInfo::from_caps(&form_caps).unwrap();
            let wanted = PictureLimits { width: 320, height: 180, fps: 10 };
            let mode = Mode { form, width: info.width() as u16, height: info.height() as u16, fps };
            let bin = built(source.upcast_ref(), mode, &form_caps, wanted).unwrap();
            let pipeline = gstreamer::Pipeline::new();
            let sink = gstreamer_app::AppSink::builder().sync(false).build();
            pipeline.add_many([&bin, sink.upcast_ref()]).unwrap();
            bin.link(&sink).unwrap();
            pipeline.set_state(gstreamer::State::Playing).unwrap();
            for n in 0..u64::from(fps) {
                let mut buffer = gstreamer::Buffer::with_size(info.size()).unwrap();
                buffer.get_mut().unwrap().set_pts(gstreamer::ClockTime::from_nseconds(n * 1_000_000_000 / u64::from(fps)));
                source.push_buffer(buffer).unwrap();
            }
            source.end_of_stream().unwrap();
            let mut frames = 0;
            while let Ok(sample) = sink.pull_sample() {
                let info = gstreamer_video::VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
                assert_eq!((info.format(), info.width(), info.height()), (gstreamer_video::VideoFormat::I420, 320, 180));
                frames += 1;
            }
            // The last may be half a period early.
            assert!((10..=11).contains(&frames), "{frames}: {description}");
            pipeline.set_state(gstreamer::State::Null).unwrap();
        }
    }
}
