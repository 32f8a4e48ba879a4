//! Owns: the bare codec, without a call around it: what this machine can do at all, and what nobody can go below.
//! Never: network, screens, our own processes.
//! Called by: demo (was the machine free just before?), the side-by-side bench (the floor).

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::outside::{cpu_seconds, pss_mib};

/// How the loop did.
#[derive(Clone, Debug, Serialize)]
pub struct Reference {
    /// Frames in a second that went through encoder and decoder, paced at 30.
    pub fps: f64,
    /// It held 30 (within 2 %), in the first or the second try.
    pub held: bool,
    /// How often it was tried.
    pub tries: u32,
}

/// Frames of one try.
const FRAMES: u32 = 90;

/// Encodes and decodes three seconds of the clip at its own pace; once more if the machine was not free.
#[must_use]
pub fn reference(clips: &Path) -> Reference {
    let mut fps = 0.0;
    for tries in 1..=2 {
        fps = paced(clips).unwrap_or(0.0);
        if fps >= 29.4 {
            return Reference { fps, held: true, tries };
        }
    }
    Reference { fps, held: false, tries: 2 }
}

fn paced(clips: &Path) -> Option<f64> {
    let output =
        Command::new("gst-launch-1.0").args(pipeline(clips, FRAMES)).env("LC_ALL", "C").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // "Execution ended after 0:00:03.012345678": the run without the start of the tool.
    let time = text.lines().find_map(|line| line.strip_prefix("Execution ended after "))?;
    let seconds = time.split(':').try_fold(0.0, |sum, part| part.parse::<f64>().ok().map(|v| sum * 60.0 + v))?;
    Some(f64::from(FRAMES) / seconds)
}

/// The pipeline: the box's encoder and decoder settings, fed from the clip, paced by the clock.
fn pipeline(clips: &Path, frames: u32) -> Vec<String> {
    let clip = clips.join("cell.y4m");
    let mut words = vec!["filesrc".to_owned(), format!("location={}", clip.display()), "!".to_owned()];
    let rest = format!(
        "y4mdec ! identity eos-after={} ! clocksync ! queue max-size-buffers=2 \
         ! openh264enc usage-type=camera complexity=low rate-control=bitrate bitrate=1500000 gop-size=300 \
         ! h264parse ! openh264dec ! fakesink sync=false",
        frames + 1
    );
    words.extend(rest.split_whitespace().map(str::to_owned));
    words
}

/// The floor for the side-by-side bench: encode, decode and sound for `seconds`. Cores and MiB, from the second second on.
///
/// # Errors
/// gst-launch cannot be started.
pub fn cost(clips: &Path, seconds: u32) -> io::Result<(f64, f64)> {
    let mut words = pipeline(clips, (seconds + 3) * 30);
    let sound = "audiotestsrc is-live=true wave=pink-noise ! audio/x-raw,rate=48000,channels=1 ! opusenc bitrate=32000 frame-size=20 \
                 audio-type=voice ! opusdec ! fakesink sync=false";
    words.extend(sound.split_whitespace().map(str::to_owned));
    let mut child =
        Command::new("gst-launch-1.0").args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    std::thread::sleep(Duration::from_secs(2));
    let (before, start) = (cpu_seconds(child.id()), Instant::now());
    std::thread::sleep(Duration::from_secs(u64::from(seconds)));
    let cores = (cpu_seconds(child.id()) - before) / start.elapsed().as_secs_f64();
    let memory = pss_mib(child.id());
    child.kill()?;
    child.wait()?;
    Ok((cores, memory))
}
