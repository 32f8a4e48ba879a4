//! Owns: running a whole demo from a test and reading what it left.
//! Never: looks inside; it has the command line, the report, the pictures and the logs.
//! Called by: visit, bite, window, resume.
#![allow(dead_code)] // each of them uses its part

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// Root of the source tree.
pub fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("two rooms up").to_path_buf()
}

/// Where a run of that name writes; it stays for a look after a failure, and the next run replaces it.
pub fn out(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The demo's command line with `more` behind it.
pub fn demo(name: &str, more: &[&str]) -> Command {
    bench("demo", name, more)
}

/// As [`demo`], of another course.
pub fn bench(course: &str, name: &str, more: &[&str]) -> Command {
    let out = out(name);
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out).expect("the output directory");
    let mut command = Command::new(env!("CARGO_BIN_EXE_parloir-bench"));
    command.arg(course).arg("--tree").arg(tree()).arg("--out").arg(&out);
    command.arg("--report").arg(out.join("report.json")).args(more);
    command
}

/// The roles cannot be separated here: such a test says so and counts as skipped.
pub fn cannot() -> bool {
    let why = parloir_bench::walls::obstacle();
    if let Some(why) = &why {
        println!("skipped: {why}");
    }
    why.is_some()
}

/// Runs a demo to its end: what it printed, and its report.
pub fn run(name: &str, more: &[&str]) -> (Output, Value) {
    course("demo", name, more)
}

/// As [`run`], of another course.
pub fn course(course: &str, name: &str, more: &[&str]) -> (Output, Value) {
    let output = bench(course, name, more).output().expect("the bench starts");
    println!("{}", String::from_utf8_lossy(&output.stdout));
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    let report = std::fs::read_to_string(out(name).join("report.json")).unwrap_or_default();
    (output, serde_json::from_str(&report).unwrap_or(Value::Null))
}

/// Luma (BT.709, limited range as in the clips) of an RGB or RGBA picture, with width and height.
pub fn luma(path: &Path) -> (Vec<u8>, usize, usize) {
    let file = std::io::BufReader::new(std::fs::File::open(path).expect("the picture"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("pixels");
    let step = info.color_type.samples();
    let luma = pixels[..info.buffer_size()].chunks_exact(step).map(|p| {
        let (r, g, b) = if step < 3 { (p[0], p[0], p[0]) } else { (p[0], p[1], p[2]) };
        let full = 0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b);
        (16.0 + full * 219.0 / 255.0) as u8
    });
    (luma.collect(), info.width as usize, info.height as usize)
}
