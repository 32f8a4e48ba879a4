//! Owns: what every screen looks like: renders each from a fixed view and compares with the picture that was reviewed.
//! Never: a running clock, a scanned font; `UPDATE=1` writes the pictures anew, to be looked at before they are kept.
//! Called by: cargo test.

mod common;

use parloir_ui::bridge::FromBus;
use parloir_ui::pictures::{Canvas, Headless, save_png};
use parloir_ui::screen::Stage;
use parloir_ui::shown::{Api, App};
use parloir_ui::video::Mailbox;
use slint::{ComponentHandle as _, Image, Rgb8Pixel, Rgba8Pixel, SharedPixelBuffer};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Most that a channel of a pixel may differ, and most pixels that may differ more.
const CHANNEL: u8 = 6;
const PIXELS: usize = 60;

#[test]
fn every_screen_is_as_reviewed() {
    let canvas = Canvas::new(None).unwrap();
    let time = Rc::new(Cell::new(Duration::from_millis(1)));
    slint::platform::set_platform(Box::new(Headless::with_time(canvas.clone(), time.clone()))).unwrap();
    let app = App::new().unwrap();
    app.show().unwrap();
    let (requests, _asked) = tokio::sync::mpsc::unbounded_channel();
    let mut wrong = Vec::new();
    for (name, view) in common::all() {
        // Each on a stage of its own: no picture depends on the one before.
        let mut stage = Stage::new(app.clone_strong(), requests.clone(), Arc::new(Mailbox::default()));
        stage.take(FromBus::View(Box::new(view)));
        stage.tick(common::WALL);
        if name.starts_with("live") || name == "held" {
            put_pictures(&app);
        }
        for _ in 0..2 {
            time.set(time.get() + Duration::from_secs(1));
            slint::platform::update_timers_and_animations();
            canvas.draw();
        }
        wrong.extend(compare(name, &canvas.pixels()).err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Something with light and dark for words to stand on.
fn put_pictures(app: &App) {
    let mut far = SharedPixelBuffer::<Rgb8Pixel>::new(1280, 720);
    for (i, pixel) in far.make_mut_slice().iter_mut().enumerate() {
        let (x, y) = (i % 1280, i / 1280);
        let face = (x as i32 - 640).pow(2) + (y as i32 - 330).pow(2) < 130 * 130;
        let light = (90 + x / 10 + y / 12).min(255) as u8;
        *pixel = if face { Rgb8Pixel::new(205, 150, 120) } else { Rgb8Pixel::new(light, light, light.saturating_sub(40)) };
    }
    let mut own = SharedPixelBuffer::<Rgba8Pixel>::new(320, 180);
    own.make_mut_slice().fill(Rgba8Pixel::new(150, 155, 165, 255));
    let api = app.global::<Api<'_>>();
    api.set_far(Image::from_rgb8(far));
    api.set_far_shown(true);
    api.set_own(Image::from_rgba8(own));
    api.set_own_shown(true);
}

fn compare(name: &str, drawn: &SharedPixelBuffer<Rgb8Pixel>) -> Result<(), String> {
    let reviewed = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/pictures/{name}.png"));
    if std::env::var_os("UPDATE").is_some() {
        return save_png(drawn, &reviewed).map_err(|e| format!("{name}: {e}"));
    }
    let expected = read_png(&reviewed).map_err(|e| format!("{name}: {}: {e}", reviewed.display()))?;
    let differs = |(a, b): &(&u8, &u8)| a.abs_diff(**b) > CHANNEL;
    let pixels = drawn.as_bytes().chunks(3).zip(expected.chunks(3));
    let count = pixels.filter(|(a, b)| a.iter().zip(*b).any(|p| differs(&p))).count();
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
