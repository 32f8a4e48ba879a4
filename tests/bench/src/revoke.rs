//! Owns: how long it takes from a decision to the last frame that anybody could read, and what a lease costs on the bus: runs and table.
//! Never: judges; it prints.
//! Called by: `scripts/bench revoke`.

use std::fmt::Write as _;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use parloir_bus::proxy::Maintenance1Proxy;
use parloir_wire::keys::Key;
use serde_json::{Value, json};

use crate::closing::Closing;
use crate::compare::insert;
use crate::faults::rig::Rig;
use crate::faults::rows::documents::entitle;
use crate::faults::{Moments, furnished};
use crate::outside::{FileId, holders};
use crate::play::{Halt, boot_ns, say};
use crate::stage::Wanted;
use crate::supervisor::Part;
use crate::walls::RUN;

/// A lease that was given back is free again after some turns of the arbiter's loop; longer than this it is stuck.
const FREE_AGAIN: Duration = Duration::from_secs(10);
/// Of the moments at which a visit is revoked: the same in each run, spread over the periods of gate and arbiter.
const SEED: u64 = 1;

/// What the person at the command line wants.
#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Visits that are ended, in turn by staff and by the person's key; and round trips of each kind.
    #[arg(long, default_value_t = 200)]
    runs: usize,
    /// Writes every figure as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Puts the table between the marks of this page.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Where logs go.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Root of the source tree.
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub tree: PathBuf,
}

impl Arguments {
    /// Where logs go.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        self.out.clone().unwrap_or_else(|| self.tree.join("out/revoke"))
    }
}

/// Who ends the visit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Staff,
    Key,
}

/// What was measured.
#[derive(Default)]
struct Figures {
    /// From the arbiter's decision, ms.
    decision: Vec<f64>,
    /// From the denial at the facility, ms.
    deny: Vec<f64>,
    /// From the person's end key, ms.
    key: Vec<f64>,
    /// Round trips, ms: to the bus itself, to the arbiter, a lease.
    trips: [Vec<f64>; 3],
    /// Runs that gave no figure, and why.
    failed: Vec<String>,
}

/// Measures, prints the table and puts it where it was wanted, inside the namespaces. `true` when every run gave its figure.
///
/// # Errors
/// It was stopped, or no appliance comes to its home screen.
pub fn run(arguments: &Arguments, wanted: &Wanted) -> Result<bool, Halt> {
    let wanted = furnished(wanted, 1);
    fs::create_dir_all(&wanted.out)?;
    let before = load();
    let mut rig = Rig::start(&wanted, |_| Ok(()))?;
    let mut figures = Figures::default();
    let sources = [FileId::of(&wanted.cache.join("cell.y4m"))?, FileId::of(&wanted.cache.join("cell.wav"))?];
    trips_on(&mut rig, arguments.runs, &mut figures)?;
    let mut moments = Moments(SEED);
    for n in 0..arguments.runs {
        let by = if n % 2 == 0 { By::Staff } else { By::Key };
        match once(&mut rig, by, moments.below(1_000), sources, &mut figures) {
            Ok(()) => {}
            Err(Halt::Stopped) => return Err(Halt::Stopped),
            Err(Halt::Failed(why)) => {
                say(&format!("run {}: {why}", n + 1));
                figures.failed.push(why);
                if rig.heal().and_then(|()| rig.home()).is_err() {
                    say("the appliance is not at home again; the runs that are left are not made");
                    break;
                }
            }
        }
        if (n + 1) % 20 == 0 {
            say(&format!("{} of {} runs; {}", n + 1, arguments.runs, line(&figures.decision)));
        }
    }
    drop(rig);
    let table = figures.table(before, load());
    say(&table);
    if let Some(path) = &arguments.json {
        fs::write(path, figures.json().to_string() + "\n")?;
    }
    if let Some(page) = &arguments.page {
        insert(page, "revoke", &table)?;
    }
    Ok(figures.failed.is_empty())
}

/// A visit with open doors, and its end.
fn once(rig: &mut Rig, by: By, moment_ms: u64, sources: [FileId; 2], figures: &mut Figures) -> Result<(), Halt> {
    rig.begin();
    rig.joining()?;
    rig.idle(Duration::from_millis(moment_ms))?;
    let (grant, call) = (rig.trail.stands.grant.clone(), rig.play.stage.supervisor.pid("call"));
    let closing = Closing::watch(sources[0], call)?;
    let began = boot_ns();
    match by {
        By::Staff => rig.console(&json!({ "do": "deny", "target": { "grant": grant }, "words": "", "code": "Revoked" }))?,
        By::Key => rig.press(Key::Back),
    }
    rig.until("the camera's end", 10, |_| closing.is_over())?;
    let took = closing.finish().ok_or_else(|| Halt::Failed("the camera was still held after ten seconds".to_owned()))?;
    if sources.iter().any(|source| !holders(*source).is_empty()) {
        return Err(Halt::Failed("somebody holds the microphone when the camera is let go".to_owned()));
    }
    rig.until("the arbiter's word of the end", 10, |rig| !rig.trail.decided.is_empty())?;
    let decided = rig.trail.decided.first().copied().unwrap_or(began);
    figures.decision.push(took - (decided - began) as f64 / 1e6);
    match by {
        By::Staff => figures.deny.push(took),
        By::Key => figures.key.push(took),
    }
    rig.home()
}

fn trips_on(rig: &mut Rig, count: usize, figures: &mut Figures) -> Result<(), Halt> {
    // Near a booked visit there is no lease.
    entitle(rig, |list| list["bookings"] = json!([]))?;
    let environment = vec![("DBUS_SYSTEM_BUS_ADDRESS".to_owned(), format!("unix:path={RUN}/bus/socket"))];
    let command = vec![format!("{RUN}/bin/parloir-bench"), "trips".to_owned(), count.to_string()];
    let (name, user) = ("trips", "parloir-updater");
    rig.play.stage.supervisor.part(Part { name, user, command, environment, kept: false, hears: false, place: None })?;
    let limit = 30 + count as u64;
    rig.until("the round trips on the bus", limit, |rig| rig.trail.trips.is_some())?;
    let told = rig.trail.trips.clone().unwrap_or_default();
    for (times, name) in figures.trips.iter_mut().zip(["bus", "answer", "lease"]) {
        *times = told[name].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    }
    rig.home()
}

/// As the updater's user: so many round trips to the bus itself, to the arbiter, and for a lease, in turn; prints them as one line.
///
/// # Errors
/// The bus or the arbiter is not there, or there is no lease.
pub async fn trips(count: usize) -> zbus::Result<()> {
    let connection = zbus::Connection::system().await?;
    let bus = zbus::fdo::DBusProxy::new(&connection).await?;
    let arbiter = Maintenance1Proxy::new(&connection).await?;
    let (mut bare, mut answer, mut lease) = (Vec::new(), Vec::new(), Vec::new());
    let ms = |since: Instant| since.elapsed().as_secs_f64() * 1000.0;
    for _ in 0..count {
        let since = Instant::now();
        bus.get_id().await?;
        bare.push(ms(since));
        let since = Instant::now();
        arbiter.health().await?;
        answer.push(ms(since));
        let since = Instant::now();
        let held: OwnedFd = arbiter.begin("install", "1.0.0").await?.into();
        lease.push(ms(since));
        drop(held);
        let given_back = Instant::now();
        while arbiter.health().await?.get("quiet") != Some(&true) {
            if given_back.elapsed() > FREE_AGAIN {
                return Err(zbus::Error::Failure("a lease that was given back is not free again".to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    println!("{}", json!({ "event": "trips", "bus": bare, "answer": answer, "lease": lease }));
    Ok(())
}

/// The value below which so many of a hundred lie (nearest rank); NaN of nothing.
fn percentile(values: &[f64], of_100: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * of_100).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

fn line(values: &[f64]) -> String {
    format!("p50 {:.1} ms, p99 {:.1} ms of {}", percentile(values, 50), percentile(values, 99), values.len())
}

/// The machine's load of the last minute (proc_loadavg(5)) and its processors.
fn load() -> (f64, usize) {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute = text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0);
    (minute, std::thread::available_parallelism().map_or(1, usize::from))
}

impl Figures {
    fn json(&self) -> Value {
        let [bus, answer, lease] = &self.trips;
        json!({
            "decision_to_no_frame_ms": self.decision, "deny_to_no_frame_ms": self.deny, "key_to_no_frame_ms": self.key,
            "bus_ms": bus, "answer_ms": answer, "lease_ms": lease, "failed": self.failed,
        })
    }

    fn table(&self, before: (f64, usize), after: (f64, usize)) -> String {
        let [bus, answer, lease] = &self.trips;
        let mut text = String::from("| from | to | runs | p50, ms | p99, ms | slowest, ms | required |\n");
        text.push_str("| --- | --- | --- | --- | --- | --- | --- |\n");
        let shut = "nobody holds camera or microphone, call is dead";
        for (from, to, values, required, digits) in [
            ("the arbiter decides that the visit ends", shut, &self.decision, "p99 below 200 ms", 1),
            ("the person presses the end key", shut, &self.key, "", 1),
            ("staff deny at the facility's console", shut, &self.deny, "below 5 s", 1),
            ("a call to the bus itself (`GetId`)", "its answer", bus, "", 2),
            ("a call through the bus to the arbiter (`Maintenance1.Health`)", "its answer", answer, "", 2),
            ("a lease is asked for (`Maintenance1.Begin`)", "its socket is there", lease, "", 2),
        ] {
            let (half, most, all) = (percentile(values, 50), percentile(values, 99), percentile(values, 100));
            let runs = values.len();
            let _ = writeln!(
                text,
                "| {from} | {to} | {runs} | **{half:.digits$}** | **{most:.digits$}** | {all:.digits$} | {required} |"
            );
        }
        let profile = if cfg!(debug_assertions) { "development" } else { "release" };
        let busy = before.0 > 0.5;
        let beside = if busy { "Other work ran on this machine meanwhile" } else { "Nothing else ran on this machine" };
        let _ = writeln!(
            text,
            "\n{beside}: load average {:.1} before and {:.1} after, on {} processors. Programs of the {profile} profile. {} runs gave no figure.",
            before.0,
            after.0,
            before.1,
            self.failed.len()
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        assert_eq!([50, 99, 100].map(|of| percentile(&values, of)), [100.0, 198.0, 200.0]);
        assert_eq!(percentile(&[7.0], 99), 7.0);
        assert!(percentile(&[], 50).is_nan());
    }

    #[test]
    fn the_table_says_how_often_how_long_and_beside_what() {
        let figures = Figures {
            decision: vec![3.0, 5.0, 9.0],
            deny: vec![40.0, 60.0],
            key: vec![30.0],
            trips: [vec![0.1], vec![0.25], vec![1.5]],
            failed: vec!["x".to_owned()],
        };
        let text = figures.table((1.5, 2), (0.2, 2));
        for part in [
            "call is dead | 3 | **5.0** | **9.0** | 9.0 | p99 below 200 ms |",
            "console | nobody holds camera or microphone, call is dead | 2 | **40.0** | **60.0** | 60.0 | below 5 s |",
            "| its socket is there | 1 | **1.50** |",
            "Other work ran on this machine meanwhile: load average 1.5 before and 0.2 after, on 2 processors",
            "1 runs gave no figure",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(figures.table((0.1, 2), (0.9, 2)).contains("Nothing else ran"));
        assert_eq!(figures.json()["lease_ms"], json!([1.5]));
    }
}
