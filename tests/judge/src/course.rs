//! Owns: a whole box on the bench in which call, link and screen are taken over one after the other, and what is seen of it from outside.
//! Never: believes a captive about what can be seen from outside.
//! Called by: main, within the bench's namespaces.

use crate::contract;
use crate::deeds::{Role, Seen};
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::Signal;
use parloir_bench::faults::rig::Rig;
use parloir_bench::outside::{FileId, holders, user_of};
use parloir_bench::play::{Halt, Play, say};
use parloir_bench::stage::Wanted;
use parloir_bench::walls::{RUN, bind, room, show};
use parloir_wire::keys::Key;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Longest that a captive may take for all that it tries, in seconds: many times what it takes.
const LONG: u64 = 90;
/// Gate acts within 2 s; this much later nothing may be open.
const SHUT: u64 = 10;

/// Plays all three.
///
/// # Errors
/// The box does not come to where a captive is wanted, or one does not come to its end.
pub fn run(wanted: &Wanted, captive: &Path) -> Result<Seen, Halt> {
    let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
    let wanted = Wanted { headless: true, facility: words(&["--console", "--absent-after", "18"]), ..wanted.clone() };
    let rig = Rig::start(&wanted, |play| prepare(play, captive, &wanted.tree))?;
    for source in sources() {
        rig.doors.also(FileId::of(&source)?);
    }
    let mut course = Course { rig, seen: Seen::new() };
    course.call()?;
    course.link()?;
    course.screen()?;
    course.rig.play.stop();
    Ok(course.seen)
}

fn sources() -> [PathBuf; 2] {
    ["camera", "microphone"].map(|name| Path::new(RUN).join("doors").join(name))
}

/// Camera and microphone in a directory of gate's, as device nodes are nobody else's on the box; and what the captives are told.
fn prepare(play: &mut Play, captive: &Path, tree: &Path) -> Result<(), Halt> {
    show(captive, "bin/parloir-judge")?;
    let rights = contract::rights(tree)?;
    let methods = contract::methods(tree)?;
    let supervisor = &mut play.stage.supervisor;
    let gate = supervisor.user("parloir-gate")?;
    room("doors", Some(gate), 0o700)?;
    for path in sources() {
        fs::write(&path, [7; 65536])?;
        chown(&path, Some(gate), Some(gate))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        supervisor.values.insert(name, path.display().to_string());
    }
    for role in Role::ALL {
        let own = rights.get(&format!("parloir-{}", role.cell())).cloned().unwrap_or_default();
        let others = methods.iter().filter(|method| !own.contains(&method.interface));
        let others: Vec<String> = others.map(|method| format!("{}.{}", method.interface, method.name)).collect();
        supervisor.environment(role.cell(), "PARLOIR_JUDGE_OTHERS", &others.join(" "));
    }
    let broker = supervisor.values.get("broker").cloned().unwrap_or_default();
    supervisor.environment("call", "PARLOIR_JUDGE_BROKER", &broker);
    take_over(Role::Call)
}

/// From its next start on the captive stands in the place of that cell's binary.
fn take_over(role: Role) -> Result<(), Halt> {
    Ok(bind(&Path::new(RUN).join("bin/parloir-judge"), &binary(role))?)
}

fn give_back(role: Role) -> Result<(), Halt> {
    umount2(&binary(role), MntFlags::MNT_DETACH).map_err(|e| Halt::Failed(format!("{}: {e}", binary(role).display())))
}

fn binary(role: Role) -> PathBuf {
    Path::new(RUN).join(format!("bin/parloir-{}", role.cell()))
}

struct Course {
    rig: Rig,
    seen: Seen,
}

impl Course {
    fn told(&self, role: Role) -> Vec<String> {
        let log = fs::read(self.rig.logs().join(format!("{}.log", role.cell()))).unwrap_or_default();
        String::from_utf8_lossy(&log).lines().map(str::to_owned).collect()
    }

    /// Waits until the captive has said this as often.
    fn until_told(&mut self, role: Role, line: &str, times: usize) -> Result<(), Halt> {
        let limit = Instant::now() + Duration::from_secs(LONG);
        while self.told(role).iter().filter(|told| *told == line).count() < times {
            if Instant::now() > limit {
                return Err(Halt::Failed(format!("the captive {} does not say `{line}`: {:?}", role.cell(), self.told(role))));
            }
            self.rig.idle(Duration::from_millis(50))?;
        }
        Ok(())
    }

    /// Takes over what the captive printed.
    fn note(&mut self, role: Role) {
        for line in self.told(role) {
            let mut words = line.splitn(4, ' ');
            if words.next() == Some("deed")
                && let (Some(name), Some(could)) = (words.next(), words.next())
            {
                say(&format!("{} {line}", role.cell()));
                self.seen.insert((role, name.to_owned()), could == "can");
            }
        }
    }

    fn saw(&mut self, role: Role, deed: &str, could: bool) {
        say(&format!("{} seen from outside: {deed} {}", role.cell(), if could { "can" } else { "no" }));
        self.seen.insert((role, deed.to_owned()), could);
    }

    fn call(&mut self) -> Result<(), Halt> {
        self.rig.begin();
        let began = Instant::now();
        self.rig.joining()?;
        self.until_told(Role::Call, "passed", 1)?;
        let call = self.rig.play.stage.supervisor.user("parloir-call")?;
        let others = sources().into_iter().filter_map(|source| FileId::of(&source).ok()).flat_map(holders);
        let passed = others.filter_map(user_of).any(|user| user != call);
        self.saw(Role::Call, "pass-on", passed);
        self.until_told(Role::Call, "done", 1)?;
        self.note(Role::Call);
        let ended = Instant::now();
        self.rig.press(Key::Back);
        let shut = self.rig.until("every door shut and call dead", SHUT, |rig| rig.doors.all_shut(ended));
        self.saw(Role::Call, "live-on", matches!(shut, Err(Halt::Failed(_))));
        say(&format!("the call process that ignores its end was gone {:?} after Back", self.rig.doors.shut_after(ended)));
        self.rig.until("the receipt", 20, |rig| !rig.trail.receipts.is_empty())?;
        let counted: u64 = self.rig.trail.receipts.iter().map(|(_, receipt)| receipt.counted).sum();
        let live = self.rig.trail.showed("live", began);
        self.saw(Role::Call, "pretend", live || counted > 0);
        give_back(Role::Call)?;
        self.rig.home()
    }

    fn link(&mut self) -> Result<(), Halt> {
        self.rig.begin();
        let began = Instant::now();
        take_over(Role::Link)?;
        self.rig.hurt("link", Signal::SIGKILL)?;
        self.until_told(Role::Link, "want ok", 1)?;
        self.rig.ok()?;
        self.until_told(Role::Link, "kept back", 1)?;
        self.rig.idle(Duration::from_secs(1))?;
        let asking = self.rig.trail.phase() == "asking" && !self.rig.doors.ever_open(began);
        self.saw(Role::Link, "withhold", asking);
        // Now it may go on.
        fs::write(room("judge", None, 0o755)?.join("go"), "")?;
        self.until_told(Role::Link, "done", 1)?;
        let refused = self.rig.until("what the screen says to nonsense", 20, |rig| rig.trail.phase() == "refused");
        self.saw(Role::Link, "spoil", refused.is_ok());
        self.saw(Role::Link, "door", self.rig.doors.ever_open(began));
        self.note(Role::Link);
        give_back(Role::Link)?;
        self.rig.hurt("link", Signal::SIGKILL)?;
        self.rig.home()
    }

    fn screen(&mut self) -> Result<(), Halt> {
        self.rig.begin();
        let began = Instant::now();
        take_over(Role::Screen)?;
        self.rig.hurt("ui", Signal::SIGKILL)?;
        for time in 1..=2 {
            self.until_told(Role::Screen, "want ok", time)?;
            self.rig.idle(Duration::from_millis(300))?;
            self.rig.press(Key::Ok);
        }
        self.until_told(Role::Screen, "want back", 1)?;
        self.rig.idle(Duration::from_millis(500))?;
        let asking = self.arbiters_phase();
        self.rig.press(Key::Back);
        let pressed = Instant::now();
        while self.arbiters_phase() == "asking" && pressed.elapsed() < Duration::from_secs(SHUT) {
            self.rig.idle(Duration::from_millis(50))?;
        }
        let kept = asking != "asking" || self.arbiters_phase() == "asking";
        say(&format!("a call ({asking}) whose end key the screen kept was over {:.1?} after Back", pressed.elapsed()));
        self.saw(Role::Screen, "keep-end", kept);
        self.saw(Role::Screen, "door", self.rig.doors.ever_open(began));
        self.note(Role::Screen);
        Ok(())
    }

    /// The phase that the arbiter told last: the screen is not to be believed here.
    fn arbiters_phase(&self) -> String {
        let log = fs::read_to_string(self.rig.logs().join("arbiter.log")).unwrap_or_default();
        log.rsplit_once(" phase=\"").and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default().to_owned()
    }
}
