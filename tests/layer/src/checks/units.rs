//! Owns: systemd's own word on the units that the layer installs: no line that it does not understand, none wide open.
//! Never: the running system: it reads a directory that has our units and those of this machine's systemd.
//! Called by: `scripts/layer static`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::Context;
use crate::tools::run;
use crate::{Book, Fault};

/// Most exposure, in tenths. (What each unit may have exactly, `scripts/image security` says with the image's own systemd.)
const MOST: &str = "30";
/// Settings that start a program.
const STARTS: &[&str] =
    &["ExecStart", "ExecStartPre", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost", "ExecCondition"];
/// What systemd 252 (Debian 12) does not know and 257 and later do: asked on such a machine, it is no fault of the unit.
const NEWER: &[(u32, &str)] = &[
    (254, "Unknown key 'RestartMode'"),
    (254, "Unknown key 'RestartSteps'"),
    (254, "Unknown key 'RestartMaxDelaySec'"),
    (254, "Unknown system call group, ignoring: @sandbox"),
    (257, "Failed to parse boolean value, ignoring: disconnected"),
    (257, "Failed to parse boolean value, ignoring: strict"),
];

pub(super) fn check(with: &Context<'_>) -> Vec<Fault> {
    let mut book = Book::new("units");
    if with.tools.is_none() {
        return book.faults;
    }
    if let Err(why) = look(&mut book, with, &with.dir.join("root-of-units")) {
        book.fault("systemd-analyze", why, "install systemd, 252 or newer");
    }
    book.faults
}

fn look(book: &mut Book, with: &Context<'_>, root: &Path) -> Result<(), String> {
    let version = version()?;
    let units = lay_out(with, root).map_err(|why| format!("{}: {why}", root.display()))?;
    let starts = |name: &&String| {
        name.ends_with(".service") || name.ends_with(".target") || name.ends_with(".socket") || name.ends_with(".mount")
    };
    let names: Vec<String> = units.iter().filter(starts).map(|name| name.replace("@.", "@x.")).collect();
    let mut verify = Command::new("systemd-analyze");
    verify.arg("verify").arg(format!("--root={}", root.display())).args(["--man=no", "--recursive-errors=yes"]).args(&names);
    let told = run(&mut verify)?;
    let words = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
    let excused = |line: &str| NEWER.iter().any(|(since, words)| version < *since && line.contains(words));
    let mut lines: Vec<&str> = words.lines().filter(|line| !line.trim().is_empty() && !excused(line)).collect();
    lines.sort_unstable();
    lines.dedup();
    for line in lines {
        book.fault("systemd-analyze verify", line.replace(&root.display().to_string(), ""), "correct the unit");
    }
    for unit in names.iter().filter(|name| name.ends_with(".service")) {
        let mut security = Command::new("systemd-analyze");
        security
            .arg("security")
            .arg(format!("--root={}", root.display()))
            .args(["--offline=true", "--no-pager"])
            .arg(format!("--threshold={MOST}"))
            .arg(unit);
        let told = run(&mut security)?;
        let words = String::from_utf8_lossy(&told.stdout).into_owned();
        let last = words.lines().last().unwrap_or("systemd-analyze says nothing");
        book.hold(told.status.success(), unit, last, format!("close what systemd-analyze security names, down to {MOST} tenths"));
    }
    Ok(())
}

/// Our units and those of this machine, with a stand-in for every program that ours start. Names of ours.
fn lay_out(with: &Context<'_>, root: &Path) -> std::io::Result<Vec<String>> {
    let dir = root.join("usr/lib/systemd/system");
    fs::create_dir_all(dir.parent().unwrap_or(root))?;
    let _ = fs::remove_dir_all(&dir);
    Command::new("cp").args(["-r", "/usr/lib/systemd/system"]).arg(&dir).status()?;
    let mut names = Vec::new();
    for (path, one) in with.manifest.files.iter().filter(|(path, _)| path.starts_with("/usr/lib/systemd/system/")) {
        let to = root.join(&path[1..]);
        fs::create_dir_all(to.parent().unwrap_or(root))?;
        // The machine's own may be a link to elsewhere.
        let _ = fs::remove_file(&to);
        match &one.link {
            Some(target) => std::os::unix::fs::symlink(target, &to)?,
            None => fs::write(&to, &one.bytes)?,
        }
        let name = path["/usr/lib/systemd/system/".len()..].to_owned();
        let text = String::from_utf8_lossy(&one.bytes).into_owned();
        for program in text.lines().filter_map(|line| line.split_once('=')).filter(|(key, _)| STARTS.contains(key)) {
            let program = program.1.trim_start_matches(['-', '@', ':', '+', '!']).split_whitespace().next().unwrap_or_default();
            if let Some(below) = program.strip_prefix('/') {
                let file = root.join(below);
                fs::create_dir_all(file.parent().unwrap_or(root))?;
                fs::write(&file, "")?;
                fs::set_permissions(&file, PermissionsExt::from_mode(0o755))?;
            }
        }
        if !name.contains('/') {
            names.push(name);
        }
    }
    Ok(names)
}

fn version() -> Result<u32, String> {
    let told = run(Command::new("systemd-analyze").arg("--version"))?;
    let words = String::from_utf8_lossy(&told.stdout).into_owned();
    words
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| format!("systemd-analyze --version says {words}"))
}
