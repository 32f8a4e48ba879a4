//! Owns: what every screen looks like: renders each from a fixed view and compares with the picture that was reviewed.
//! Never: a running clock, a scanned font; `UPDATE=1` writes the pictures anew, to be looked at before they are kept.
//! Called by: cargo test.

mod common;

use common::Scene;
use common::theatre::Theatre;
use parloir_ui::pictures::save_png;
use slint::{Rgb8Pixel, SharedPixelBuffer};
use std::path::{Path, PathBuf};

/// Most that a channel of a pixel may differ, and most pixels that may differ more.
const CHANNEL: u8 = 6;
const PIXELS: usize = 60;

#[test]
fn every_screen_is_as_reviewed() {
    let theatre = Theatre::new();
    let all = common::all().into_iter().chain(in_french());
    let wrong: Vec<String> = all.filter_map(|scene| compare(&scene.name, &theatre.show(&scene, face)).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// One screen of each kind; tests/languages.rs measures all of them.
fn in_french() -> impl Iterator<Item = Scene> {
    const KINDS: [&str; 12] = [
        "home",
        "signin-wrong-code",
        "code",
        "home-updating",
        "home-update-refused",
        "ringing-recorded",
        "asking",
        "live",
        "held",
        "ended-picture-lost",
        "refused-hours",
        "refused-device",
    ];
    common::all().into_iter().filter(|scene| KINDS.contains(&scene.name.as_str())).map(|scene| scene.spoken("fr"))
}

/// Light and dark for words to stand on.
fn face(x: usize, y: usize) -> u8 {
    let round = x.abs_diff(640).pow(2) + y.abs_diff(330).pow(2) < 130 * 130;
    if round { 160 } else { u8::try_from(60 + x / 10 + y / 20).unwrap_or(u8::MAX) }
}

fn compare(name: &str, drawn: &SharedPixelBuffer<Rgb8Pixel>) -> Result<(), String> {
    let reviewed = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/pictures/{name}.png"));
    if std::env::var_os("UPDATE").is_some() {
        return save_png(drawn, &reviewed).map_err(|e| format!("{name}: {e}"));
    }
    let expected = read_png(&reviewed).map_err(|e| format!("{name}: {}: {e}", reviewed.display()))?;
    let differs = |(a, b): (&u8, &u8)| a.abs_diff(*b) > CHANNEL;
    let pixels = drawn.as_bytes().chunks(3).zip(expected.chunks(3));
    let count = pixels.filter(|(a, b)| a.iter().zip(*b).any(differs)).count();
    if expected.len() == drawn.as_bytes().len() && count <= PIXELS {
        return Ok(());
    }
    let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
    save_png(drawn, &kept).map_err(|e| format!("{name}: {e}"))?;
    Err(format!("{name}: {count} pixels are not as reviewed; drawn: {}; UPDATE=1 accepts all", kept.display()))
}

fn read_png(path: &Path) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut reader = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path)?)).read_info()?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("too large")?];
    let size = reader.next_frame(&mut bytes)?.buffer_size();
    bytes.truncate(size);
    Ok(bytes)
}
