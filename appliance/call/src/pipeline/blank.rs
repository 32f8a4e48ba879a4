//! Owns: black pictures in place of the camera's while the person keeps the camera off (ADR 33): the far end goes on decoding, so the visit goes on.
//! Never: looks at a picture, or lets one of the camera's pass that it cannot replace.
//! Called by: sending beside it.

use super::gate::{Gate, SWALLOW};
use gstreamer::prelude::*;
use gstreamer_video::{VideoFormat, VideoInfo};
use std::sync::Arc;

/// Black of ITU-R BT.709, limited range: luma and both chroma.
const BLACK: (u8, u8) = (16, 128);

/// Replaces what passes this pad, the last before the encoder, while the camera may not be seen.
pub fn blank_out(pad: &gstreamer::Pad, gate: &Arc<Gate>) {
    let gate = gate.clone();
    pad.add_probe(gstreamer::PadProbeType::BUFFER | gstreamer::PadProbeType::BUFFER_LIST, move |pad, info| {
        if gate.lets_camera_out() {
            return gstreamer::PadProbeReturn::Ok;
        }
        let Some(gstreamer::PadProbeData::Buffer(buffer)) = &mut info.data else { return SWALLOW };
        match pad.current_caps().and_then(|caps| black(buffer, &caps)) {
            Some(black) => {
                *buffer = black;
                gstreamer::PadProbeReturn::Ok
            }
            None => SWALLOW,
        }
    });
}

/// A black picture of this form, in the place of that one; `None` for a form that the encoder does not take.
fn black(like: &gstreamer::BufferRef, caps: &gstreamer::Caps) -> Option<gstreamer::Buffer> {
    let form = VideoInfo::from_caps(caps).ok().filter(|form| form.format() == VideoFormat::I420)?;
    let mut made = gstreamer::Buffer::with_size(form.size()).ok()?;
    let buffer = made.get_mut()?;
    buffer.set_pts(like.pts());
    buffer.set_dts(like.dts());
    buffer.set_duration(like.duration());
    let chroma = *form.offset().get(1)?;
    let mut pixels = buffer.map_writable().ok()?;
    let (light, colours) = pixels.as_mut_slice().split_at_mut_checked(chroma)?;
    light.fill(BLACK.0);
    colours.fill(BLACK.1);
    drop(pixels);
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_picture_is_left_but_its_time() {
        gstreamer::init().unwrap();
        let caps = |format: &str| {
            let builder = gstreamer::Caps::builder("video/x-raw").field("format", format);
            builder.field("width", 322).field("height", 182).field("framerate", gstreamer::Fraction::new(30, 1)).build()
        };
        let mut seen = gstreamer::Buffer::from_slice(vec![77_u8; 100_000]);
        seen.get_mut().unwrap().set_pts(gstreamer::ClockTime::from_mseconds(40));
        let made = black(&seen, &caps("I420")).unwrap();
        let form = VideoInfo::from_caps(&caps("I420")).unwrap();
        assert_eq!((made.pts(), made.size()), (seen.pts(), form.size()));
        let pixels = made.map_readable().unwrap();
        let (light, colours) = pixels.split_at(form.offset()[1]);
        assert!(light.iter().all(|p| *p == 16) && colours.iter().all(|p| *p == 128) && !colours.is_empty());
        assert!(black(&seen, &caps("YUY2")).is_none(), "a form in which this would not be black");
    }
}
