//! Owns: the pictures that stand without a program behind them: what the TV says while everything starts, and when the screen keeps ending.
//! Never: a running screen; a language that is not in the binary.
//! Called by: main with `--stills DIRECTORY` (where an image is made), tests/stills.rs.

use crate::language::{LANGUAGES, speak};
use crate::pictures::{Canvas, Headless, save_png};
use crate::shown::{Said, Still, Stills};
use slint::{ComponentHandle as _, ModelRc, VecModel};
use std::error::Error;
use std::path::Path;

/// Name of the file, and whether it asks for help.
pub const STILLS: [(&str, bool); 2] = [("starting", false), ("help", true)];
/// What staff tell whoever helps; never changes its meaning: the screen has ended again and again.
pub const CODE: &str = "ScreenStopped";

/// Writes each as a PNG of 1280x720, with what it says in every language of the binary.
///
/// # Errors
/// This process has a screen already, or a file cannot be written.
pub fn write(directory: &Path) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(directory)?;
    let canvas = Canvas::new(None)?;
    slint::platform::set_platform(Box::new(Headless::new(canvas.clone()))).map_err(|e| e.to_string())?;
    let still = Still::new()?;
    still.show()?;
    still.set_code(CODE.into());
    for (name, help) in STILLS {
        still.set_help(help);
        still.set_said(ModelRc::new(VecModel::from(said(&still, help))));
        slint::platform::update_timers_and_animations();
        canvas.draw();
        save_png(&canvas.pixels(), &directory.join(format!("{name}.png")))?;
    }
    Ok(())
}

fn said(still: &Still, help: bool) -> Vec<Said> {
    let real = LANGUAGES.iter().filter(|tag| **tag != "en-XA");
    let words = real.map(|tag| {
        speak(tag);
        let words = still.global::<Stills<'_>>();
        Said { title: words.invoke_title(help), more: words.invoke_more(help) }
    });
    words.collect()
}
