//! Owns: the side-by-side bench: our box, a kiosk browser and the bare codec, alternating in one run, and the table of it.
//! Never: compares figures of different runs or machines.
//! Called by: `scripts/bench visit`.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::floor;

/// What to compare.
pub struct Comparison {
    /// How often each side runs.
    pub rounds: u32,
    /// Length of a visit, seconds.
    pub seconds: u64,
    /// Root of the source tree.
    pub tree: PathBuf,
    /// Where the runs write.
    pub out: PathBuf,
    /// The clips.
    pub clips: PathBuf,
}

/// Figures of one side over all rounds.
#[derive(Default)]
struct Side {
    cores: Vec<f64>,
    pss_mib: Vec<f64>,
    first_ms: Vec<f64>,
    processes: u64,
    parts: Vec<Value>,
}

impl Side {
    fn add(&mut self, report: &Value, first_ms: &Value) {
        let usage = &report["usage"];
        self.cores.extend(usage["cores"].as_f64());
        self.pss_mib.extend(usage["pss_mib"].as_f64());
        self.first_ms.extend(first_ms.as_f64());
        self.processes = usage["processes"].as_u64().unwrap_or(0);
        self.parts.push(usage["parts"].clone());
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Runs all rounds. The result as JSON and as Markdown.
///
/// # Errors
/// A run fails; its logs are in `out`.
pub fn run(wanted: &Comparison) -> io::Result<(Value, String)> {
    let (mut ours, mut kiosk) = (Side::default(), Side::default());
    let (mut floor_cores, mut floor_mib) = (Vec::new(), Vec::new());
    for round in 1..=wanted.rounds {
        println!("round {round} of {}: the bare codec", wanted.rounds);
        let (cores, mib) = floor::cost(&wanted.clips, 15)?;
        floor_cores.push(cores);
        floor_mib.push(mib);
        println!("round {round} of {}: our box", wanted.rounds);
        let report = one(wanted, "demo", &["--headless", "--visitor", "chromium"])?;
        ours.add(&report, &report["appliance"]["first_frame_ms"]);
        println!("round {round} of {}: the kiosk", wanted.rounds);
        let report = one(wanted, "kiosk", &[])?;
        kiosk.add(&report, &report["first_picture_ms"]);
    }
    let floor = (median(&floor_cores), median(&floor_mib));
    Ok((figures(&ours, &kiosk, floor), table(wanted, &ours, &kiosk, floor)))
}

/// One run of this program with its report.
fn one(wanted: &Comparison, what: &str, more: &[&str]) -> io::Result<Value> {
    let out = wanted.out.join(what);
    fs::create_dir_all(&out)?;
    let report = out.join("report.json");
    let _ = fs::remove_file(&report);
    let status = Command::new(std::env::current_exe()?)
        .arg(what)
        .args(["--for", &wanted.seconds.to_string()])
        .arg("--tree")
        .arg(&wanted.tree)
        .arg("--out")
        .arg(&out)
        .arg("--report")
        .arg(&report)
        .args(more)
        .status()?;
    let text = fs::read_to_string(&report).unwrap_or_default();
    if !status.success() || text.is_empty() {
        return Err(io::Error::other(format!("the {what} run failed ({status}); its logs are in {}", out.display())));
    }
    serde_json::from_str(&text).map_err(io::Error::other)
}

fn round(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

fn figures(ours: &Side, kiosk: &Side, floor: (f64, f64)) -> Value {
    json!({
        "cpu_vs_kiosk": round(median(&ours.cores) / median(&kiosk.cores), 1000.0),
        "pss_vs_kiosk": round(median(&ours.pss_mib) / median(&kiosk.pss_mib), 1000.0),
        "cpu_above_codec_percent": round((median(&ours.cores) - floor.0) * 100.0, 10.0),
        "first_picture_ms": median(&ours.first_ms).round(),
        "kiosk_first_picture_ms": median(&kiosk.first_ms).round(),
        "ours": { "cores": ours.cores, "pss_mib": ours.pss_mib, "first_picture_ms": ours.first_ms, "parts": ours.parts },
        "kiosk": { "cores": kiosk.cores, "pss_mib": kiosk.pss_mib, "first_picture_ms": kiosk.first_ms, "processes": kiosk.processes },
        "floor": { "cores": floor.0, "pss_mib": floor.1 },
    })
}

fn table(wanted: &Comparison, ours: &Side, kiosk: &Side, floor: (f64, f64)) -> String {
    let mut text = String::new();
    let all = |values: &[f64], scale: f64| values.iter().map(|v| format!("{:.1}", v * scale)).collect::<Vec<_>>().join(" ");
    let _ = writeln!(
        text,
        "| what | CPU, % of one core (median; each run) | memory, MiB PSS (median; each run) | processes | first picture, ms (median) |"
    );
    let _ = writeln!(text, "| --- | --- | --- | --- | --- |");
    for (name, side, processes) in
        [("our box, all five processes", ours, ours.processes), ("kiosk Chromium", kiosk, kiosk.processes)]
    {
        let _ = writeln!(
            text,
            "| {name} | **{:.1}**; {} | **{:.0}**; {} | {processes} | {:.0} |",
            median(&side.cores) * 100.0,
            all(&side.cores, 100.0),
            median(&side.pss_mib),
            all(&side.pss_mib, 1.0),
            median(&side.first_ms),
        );
    }
    let _ = writeln!(text, "| bare codec (floor) | **{:.1}** | **{:.0}** | 1 | |", floor.0 * 100.0, floor.1);
    let _ = writeln!(
        text,
        "\n{} rounds, alternating; each visit {} s, counted from the fifth second after the first picture. Ours is {:.2} of the kiosk's CPU \
         and {:.2} of its memory.\n",
        wanted.rounds,
        wanted.seconds,
        median(&ours.cores) / median(&kiosk.cores),
        median(&ours.pss_mib) / median(&kiosk.pss_mib),
    );
    let _ = writeln!(text, "| our process | CPU, % of one core | memory, MiB PSS |\n| --- | --- | --- |");
    for name in ["gate", "arbiter", "link", "ui", "call"] {
        let of = |figure: &str| -> Vec<f64> { ours.parts.iter().filter_map(|p| p[name][figure].as_f64()).collect() };
        let _ = writeln!(text, "| {name} | {:.1} | {:.1} |", median(&of("cores")) * 100.0, median(&of("pss_mib")));
    }
    text
}

/// Puts what `scripts/bench NAME` measured into the page between its two marks, and leaves the words around it alone.
///
/// # Errors
/// The page has no marks, or cannot be written.
pub fn insert(page: &Path, name: &str, table: &str) -> io::Result<()> {
    const TO: &str = "<!-- to here -->";
    let from = format!("<!-- printed by scripts/bench {name}: from here -->");
    let text = fs::read_to_string(page)?;
    let parts = text.split_once(&from).and_then(|(before, rest)| Some((before, rest.split_once(TO)?.1)));
    let (before, after) =
        parts.ok_or_else(|| io::Error::other(format!("{} has lost its marks {from} and {TO}", page.display())))?;
    fs::write(page, format!("{before}{from}\n\n{}\n\n{TO}{after}", table.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_replaces_only_what_stands_between_the_marks() {
        let page = std::env::temp_dir().join(format!("parloir-compare-{}", std::process::id()));
        let place = |name: &str, words: &str| {
            format!("<!-- printed by scripts/bench {name}: from here -->\n\n{words}\n\n<!-- to here -->\n")
        };
        fs::write(&page, format!("a\n{}b\n{}c\n", place("visit", "one"), place("revoke", "two"))).expect("temp file");
        insert(&page, "revoke", "| new |\n").expect("inserted");
        let text = fs::read_to_string(&page).expect("readable");
        assert_eq!(text, format!("a\n{}b\n{}c\n", place("visit", "one"), place("revoke", "| new |")));
        fs::write(&page, "no marks").expect("temp file");
        assert!(insert(&page, "visit", "x").is_err());
        fs::remove_file(page).expect("clean up");
    }

    #[test]
    fn ratios_are_of_medians() {
        let ours = Side { cores: vec![0.2, 9.0, 0.3], pss_mib: vec![100.0], first_ms: vec![400.0], ..Side::default() };
        let kiosk = Side { cores: vec![0.6], pss_mib: vec![400.0], first_ms: vec![200.0], ..Side::default() };
        let figures = figures(&ours, &kiosk, (0.2, 60.0));
        assert_eq!(figures["cpu_vs_kiosk"], json!(0.5));
        assert_eq!(figures["pss_vs_kiosk"], json!(0.25));
        assert_eq!(figures["cpu_above_codec_percent"], json!(10.0));
    }
}
