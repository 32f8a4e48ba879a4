//! Owns: the attacks on what starts: a changed byte of the root, the probe before the product, a command line by the firmware.
//! Never: a boot that comes further than it must.
//! Called by: `whole_attacks.rs`.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use parloir_bench::walls::RUN;
use parloir_image::picture::Picture;
use parloir_image::scene::{BOOT_LIMIT, HOME_LIMIT};
use parloir_image::tools::command;
use parloir_image::{Halt, Machine, Options, Scene, Uki};
use serde_json::{Value, json};

use super::{Report, told};

/// What is changed: a program that every boot runs.
const PROGRAM: &str = "/usr/libexec/parloir/parloir-arbiter";
/// Words that a firmware would add to come in.
const WORDS: &str = "io.systemd.stub.kernel-cmdline-extra=systemd.debug_shell=1 systemd.import_credentials=yes";
/// After the box is there, for a probe that is late.
const LATE: Duration = Duration::from_secs(10);

/// The course.
///
/// # Errors
/// The facility's side cannot be set.
pub fn course(report: &mut Report) -> Result<(), Halt> {
    let mut scene = Scene::set("attacks-sealed")?;
    report.note("firmware", firmware(&mut scene));
    report.note("changed", changed(&mut scene));
    report.note("product", product(&mut scene));
    scene.keep()?;
    report.note("whole", Ok(json!(true)));
    Ok(())
}

/// Waits until the machine resets or switches itself off, which ends QEMU here.
fn ends(scene: &mut Scene, machine: &mut Machine) -> Result<(bool, f64), Halt> {
    let begun = Instant::now();
    while !machine.ended() && begun.elapsed() < BOOT_LIMIT {
        scene.play.idle(Duration::from_millis(100))?;
    }
    Ok((machine.ended(), begun.elapsed().as_secs_f64()))
}

/// One byte in the middle of a program on the verified root.
fn changed(scene: &mut Scene) -> Result<Value, Halt> {
    let disk = scene.disk(Uki::Probe)?;
    let start = partition(&disk, "root-a")?;
    let at = start + extent(scene, PROGRAM)?;
    flip(&disk, at)?;
    let options = Options { ends_at_reset: true, ..Options::new("changed", &disk) };
    let mut machine = scene.start(&options)?;
    let probe = scene.listen(&machine)?;
    let (ended, seconds) = ends(scene, &mut machine)?;
    let serial = machine.serial();
    let found: Vec<&str> = serial.lines().filter(|line| line.contains("verity") || line.contains("corrupt")).collect();
    let ran = scene.journal().into_iter().any(|entry| entry.from == "parloir-arbiter");
    Ok(json!({
        "byte": at, "ended": ended, "seconds": seconds, "console": found, "greeted": probe.hello().is_some(),
        "ran": ran, "phase": scene.play.seen.phase, "attached": scene.play.seen.attached,
    }))
}

/// The product with the credentials that let the probe into the other one.
fn product(scene: &mut Scene) -> Result<Value, Halt> {
    let disk = scene.disk(Uki::Box)?;
    let mut machine = scene.start(&Options::new("product", &disk))?;
    let probe = scene.listen(&machine)?;
    let there = scene.until(&mut machine, "the box at its facility", BOOT_LIMIT + HOME_LIMIT, |scene| scene.play.seen.attached);
    let came = match there {
        Ok(()) => "attached".to_owned(),
        Err(why) => told(&why),
    };
    scene.play.idle(LATE)?;
    let path = scene.out.join("product.png");
    machine.screendump(&path)?;
    let colours = Picture::read(&path)?.colours();
    let seconds = machine.started.elapsed().as_secs_f64();
    machine.quit();
    Ok(
        json!({ "came": came, "colours": colours, "greeted": probe.hello().is_some(), "journal": scene.journal().len(), "seconds": seconds }),
    )
}

/// The product with more words on the kernel's command line.
fn firmware(scene: &mut Scene) -> Result<Value, Halt> {
    let disk = scene.disk(Uki::Box)?;
    let strings = vec![WORDS.to_owned()];
    let options = Options { strings, ends_at_reset: true, probe: false, ..Options::new("firmware", &disk) };
    let mut machine = scene.start(&options)?;
    let (ended, seconds) = ends(scene, &mut machine)?;
    let serial = machine.serial();
    let said: Vec<&str> = serial.lines().filter(|line| line.contains("parloir:")).collect();
    Ok(json!({ "ended": ended, "seconds": seconds, "console": said, "attached": scene.play.seen.attached }))
}

/// First byte of a partition by its name in the GPT (UEFI 2.10, section 5.3: entries of 128 bytes from sector 2 on, names in UTF-16).
fn partition(disk: &Path, name: &str) -> io::Result<u64> {
    let file = fs::File::open(disk)?;
    let mut entries = [0; 128 * 128];
    file.read_exact_at(&mut entries, 1024)?;
    let wanted: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for entry in entries.chunks_exact(128) {
        let label = &entry[56..];
        if label.starts_with(&wanted) && label[wanted.len()..wanted.len() + 2] == [0, 0] {
            let first: [u8; 8] = entry[32..40].try_into().map_err(io::Error::other)?;
            return Ok(u64::from_le_bytes(first) * 512);
        }
    }
    Err(io::Error::other(format!("{} has no partition {name}", disk.display())))
}

/// A byte in the first extent of a file in the root image, as erofs-utils tells it.
fn extent(scene: &Scene, path: &str) -> Result<u64, Halt> {
    let tools = Path::new(RUN).join("tools");
    let words = command(&tools, "usr/bin/dump.erofs");
    let image = scene.built.dir.join("out/root.img");
    let told = std::process::Command::new(&words[0]).args(&words[1..]).args(["-e", "--path", path]).arg(&image).output()?;
    let text = String::from_utf8_lossy(&told.stdout).into_owned();
    // ` Ext:   logical offset   |  length :     physical offset    |  length`, then lines `   0:        0..   65536 |   65536 :    4096..   45056 |   40960`
    let first = text
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(number, rest)| number.trim().parse::<u32>().is_ok() && rest.contains(".."));
    let physical =
        first.and_then(|(_, rest)| rest.split_once(':')).and_then(|(_, at)| at.split("..").next()?.trim().parse::<u64>().ok());
    physical
        .map(|at| at + 100)
        .ok_or_else(|| Halt::Failed(format!("dump.erofs told of {path}: {text} {}", String::from_utf8_lossy(&told.stderr))))
}

fn flip(disk: &Path, at: u64) -> io::Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(disk)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    file.write_all_at(&[byte[0] ^ 1], at)
}
