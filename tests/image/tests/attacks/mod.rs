//! Owns: what the courses of attacks share: a report that grows by one attack after another, users to try as, what a try came to.
//! Never: an assertion; the tests beside it make them.
//! Called by: `whole_attacks.rs`.

pub mod forged;
pub mod home;
pub mod inventory;
pub mod sealed;
pub mod visit;
pub mod wire;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use parloir_image::talk::Run;
use parloir_image::tools::tree;
use parloir_image::{Halt, Probe, inside_twice};
use serde_json::{Value, json};

/// One virtual machine at a time: they take both cores.
static ALONE: Mutex<()> = Mutex::new(());

/// Plays a course within the namespaces, by the test of that name, and returns its report; `None` where it cannot be played.
///
/// # Panics
/// The course did not come to its end: its words are above.
pub fn played(test: &str, body: impl FnOnce(&mut Report) -> Result<(), Halt>) -> Option<Value> {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = tree().join("out/image").join(format!("{test}.json"));
    let mut report = Report { path: path.clone(), value: json!({}) };
    let _ = std::fs::remove_file(&path);
    // A course that failed is not played again for the next test: what it did not come to is missing in its report.
    let run = || inside_twice(test, || body(&mut report));
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or(true);
    played.then(|| {
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
        serde_json::from_str(&text).expect("JSON")
    })
}

/// What came of each attack; written after each, so that one that stops the course does not take the others with it.
pub struct Report {
    path: PathBuf,
    value: Value,
}

impl Report {
    /// Notes what came of an attack: its findings, or why it could not be tried.
    pub fn note(&mut self, name: &str, came: Result<Value, Halt>) {
        self.value[name] = came.unwrap_or_else(|why| json!({ "not_tried": told(&why) }));
        println!("{name}: {}", self.value[name]);
        let _ = std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")));
        let _ = std::fs::write(&self.path, format!("{:#}\n", self.value));
    }
}

/// Whom and where a try is made as.
#[derive(Clone, Debug)]
pub struct As {
    /// The user.
    pub user: String,
    /// In the control group and namespaces of this unit, or of none.
    pub unit: String,
}

impl As {
    /// That user, outside of every unit.
    pub fn user(user: &str) -> Self {
        Self { user: user.to_owned(), unit: String::new() }
    }

    /// A cell's user in its unit.
    pub fn cell(name: &str) -> Self {
        Self { user: format!("parloir-{name}"), unit: format!("parloir-{name}.service") }
    }

    /// For reports.
    pub fn name(&self) -> String {
        if self.unit.is_empty() { self.user.clone() } else { format!("{} in {}", self.user, self.unit) }
    }
}

/// What the act said.
///
/// # Errors
/// It could not be started there, or did not end.
pub fn act(probe: &Probe, who: &As, words: &[&str]) -> Result<Value, Halt> {
    let argv = ["parloir-probe", "act"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    let run = Run { argv, user: who.user.clone(), unit: who.unit.clone(), limit_ms: 90_000, ..Run::default() };
    let ran = probe.ask_run(run)?;
    serde_json::from_str(ran.out().trim())
        .map_err(|_| Halt::Failed(format!("act {words:?} as {}: {:?} {} {}", who.name(), ran.code, ran.out(), ran.err())))
}

/// Every user of the box but root, from its own file.
///
/// # Errors
/// The probe is gone.
pub fn users(probe: &Probe) -> Result<Vec<String>, Halt> {
    let text = probe.text("/etc/passwd")?;
    let names = text.lines().filter_map(|line| line.split(':').next()).filter(|name| *name != "root" && !name.is_empty());
    Ok(names.map(str::to_owned).collect())
}

/// Id of the guest's boot: as long as it stays, nothing rebooted it.
///
/// # Errors
/// The probe is gone.
pub fn boot_id(probe: &Probe) -> Result<String, Halt> {
    Ok(probe.text("/proc/sys/kernel/random/boot_id")?)
}

/// Strings of a JSON list.
pub fn strings(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A halt in words.
pub fn told(halt: &Halt) -> String {
    match halt {
        Halt::Stopped => "stopped".to_owned(),
        Halt::Failed(why) => why.clone(),
    }
}
