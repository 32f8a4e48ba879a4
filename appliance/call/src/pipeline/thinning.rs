//! Owns: the dropping of pictures above a frame rate, evenly, by their time stamps.
//! Never: repeats one; a camera that is slower than the limit stays as slow as it is.
//! Called by: device (the camera's rate to the plan's), sending (the ladder's rate).

use super::gate::SWALLOW;
use gstreamer::prelude::*;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// When the next picture is due, nanoseconds; `None` before the first.
#[derive(Debug, Default)]
pub struct Thinning {
    due: Option<u64>,
}

impl Thinning {
    /// Whether the picture of this time stamp stays at `fps` pictures a second. Half a period early is in time, so that jitter drops nothing.
    pub fn keeps(&mut self, pts_ns: u64, fps: u8) -> bool {
        let period = 1_000_000_000 / u64::from(fps.max(1));
        // After a pause, or when time stamps begin anew, the pace begins anew.
        let due = self.due.filter(|due| pts_ns < due + period && *due < pts_ns + 2 * period).unwrap_or(pts_ns);
        let keeps = pts_ns + period / 2 >= due;
        self.due = Some(if keeps { due + period } else { due });
        keeps
    }
}

/// Drops what is above the limit at this pad.
pub fn thin_out(pad: &gstreamer::Pad, fps: &Arc<AtomicU8>) {
    let fps = fps.clone();
    let thinning = Mutex::new(Thinning::default());
    pad.add_probe(gstreamer::PadProbeType::BUFFER, move |_, info| {
        let pts = info.buffer().and_then(|buffer| buffer.pts());
        let mut thinning = thinning.lock().unwrap_or_else(PoisonError::into_inner);
        let keeps = pts.is_none_or(|pts| thinning.keeps(pts.nseconds(), fps.load(Ordering::Relaxed)));
        if keeps { gstreamer::PadProbeReturn::Ok } else { SWALLOW }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `seconds` of a source stay, with a jitter of a tenth of its period.
    fn kept(source: u64, fps: u8, seconds: u64) -> u64 {
        let mut thinning = Thinning::default();
        let stays = |n: u64| thinning.keeps(1_000_000_000 * n / source + [0, 7, 3][n as usize % 3] * 10_000_000 / source, fps);
        (0..source * seconds).map(stays).map(u64::from).sum()
    }

    #[test]
    fn what_is_above_the_limit_is_dropped_evenly_and_the_rest_stays() {
        for (source, fps, a_second) in
            [(30, 30, 30), (30, 60, 30), (10, 10, 10), (10, 30, 10), (30, 20, 20), (30, 10, 10), (25, 10, 10), (60, 24, 24)]
        {
            assert!(kept(source, fps, 10).abs_diff(a_second * 10) <= 1, "{source} to {fps}: {} in 10 s", kept(source, fps, 10));
        }
    }

    #[test]
    fn after_a_pause_and_after_time_began_anew_it_goes_on_at_once() {
        let mut thinning = Thinning::default();
        let s = 1_000_000_000;
        assert!(thinning.keeps(100 * s, 10) && !thinning.keeps(100 * s + s / 30, 10));
        assert!(thinning.keeps(200 * s, 10) && !thinning.keeps(200 * s + s / 30, 10));
        assert!(thinning.keeps(3 * s, 10) && !thinning.keeps(3 * s + s / 30, 10), "no credit from the pause");
    }
}
