//! Show 5: what the box does when the update server fails, row by row: the real binary against the facility's server, RAUC and the arbiter
//! played on a real bus. The rows are data (rows.rs); `docs/ddi.md` is printed from them.

mod rows;
mod world;

use rows::{ROWS, Row};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use world::{World, rauc};

/// Rows at once: they mostly wait.
const AT_ONCE: usize = 16;

/// One line of a row's script.
#[derive(Clone, Copy, Debug)]
pub enum Do {
    /// The box is switched on.
    On,
    /// A new bundle of this version, soft.
    Offer(&'static str),
    /// A new bundle of this version, forced.
    Force(&'static str),
    /// A bundle of this version for another board, forced.
    Foreign(&'static str),
    /// A file that is no bundle, forced.
    Junk(&'static str),
    /// The last bundle once more, in another action, soft.
    Again,
    /// The operator takes the newest action back.
    Cancel,
    /// An order to the server.
    Server(&'static str),
    /// Waits until the server tells of this, with this member of this value (JSON; `>0` is any number but 0).
    Sees(&'static str, &'static str, &'static str),
    /// The arbiter's answers to the next requests for a lease of this stage.
    Refuse(&'static str, &'static [&'static str]),
    /// RAUC stands still in an installation.
    Hold,
    /// It goes on.
    Release,
    /// The updater is killed, and started again by its supervisor.
    Kill,
    /// The power is cut and comes back.
    PowerCut,
    /// Waits until the box was started once more for the update.
    Restarted,
    /// The version whose screen draws nothing.
    Blind(&'static str),
    /// The server's certificate from now on: `server`, `server-expired`, `stranger`.
    Shows(&'static str),
    /// The box's certificate at its next start: `box`, `box-expired`.
    Holds(&'static str),
    /// Waits until the newest action is over.
    Over,
    /// So many milliseconds go by.
    Rest(u64),
}

struct Seen {
    reports: Vec<String>,
    ends: String,
    code: String,
    downloads: usize,
    installs: u32,
    faults: usize,
    runs: String,
    took: Duration,
    wrong: String,
}

fn play_alone(row: &Row) -> Seen {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(play(row))
}

async fn play(row: &Row) -> Seen {
    let begun = Instant::now();
    // Short: the path of the bus's socket has at most 107 bytes (unix(7)).
    let name = format!("row-{}", ROWS.iter().position(|r| r.case == row.case).unwrap_or_default());
    let mut w = World::new(&name).await;
    let (mut newest, mut last) = (0, json!(null));
    for step in row.script {
        take(&mut w, *step, &mut newest, &mut last).await;
    }
    // What was not meant would come now.
    w.rest(Duration::from_millis(1200)).await;
    w.stop();
    seen(&w, newest, begun.elapsed()).await
}

async fn take(w: &mut World, step: Do, newest: &mut u64, last: &mut Value) {
    let offer = |w: &World, version: &str, update: &str, compatible: &str| json!({"do": "offer", "bundle": w.bundle(version, compatible), "version": version, "update": update});
    let order = match step {
        Do::Offer(version) => offer(w, version, "attempt", rauc::COMPATIBLE),
        Do::Force(version) => offer(w, version, "forced", rauc::COMPATIBLE),
        Do::Foreign(version) => offer(w, version, "forced", "another-board"),
        Do::Junk(version) => {
            let order = offer(w, version, "forced", "junk");
            std::fs::write(order["bundle"].as_str().unwrap(), vec![b'x'; 5000]).unwrap();
            order
        }
        Do::Again => {
            last["update"] = json!("attempt");
            last.clone()
        }
        other => return act(w, other, *newest).await,
    };
    last.clone_from(&order);
    w.order(order).await;
    *newest += 1;
}

async fn act(w: &mut World, step: Do, newest: u64) {
    match step {
        Do::On => w.start(),
        Do::Cancel => w.order(json!({"do": "cancel", "action": newest})).await,
        Do::Server(order) => w.order(serde_json::from_str(order).unwrap()).await,
        Do::Sees(event, member, value) => {
            let is = |found: &Value| match value {
                ">0" => found.as_u64().is_some_and(|n| n > 0),
                value => *found == serde_json::from_str::<Value>(value).unwrap_or_else(|_| json!(value)),
            };
            w.until(event, |e| e["event"] == event && (member.is_empty() || is(&e[member]))).await;
        }
        Do::Refuse(stage, codes) => w.arbiter.lock().refusals.extend(codes.iter().map(|code| (stage, *code))),
        Do::Hold => w.rauc.lock().holds = true,
        Do::Release => w.rauc.lock().holds = false,
        Do::Kill => w.kill(),
        Do::PowerCut => w.power_cut(),
        Do::Restarted => {
            let before = w.starts;
            let begun = Instant::now();
            while w.starts == before {
                w.turn().await;
                assert!(begun.elapsed() < Duration::from_secs(60), "no restart; {}", w.logs());
            }
        }
        Do::Blind(version) => w.arbiter.lock().blind = version,
        Do::Shows(name) => {
            let file = |ending: &str| w.dir.join(format!("keys/{name}.{ending}"));
            w.order(json!({"do": "certificate", "cert": file("pem"), "key": file("key")})).await;
        }
        Do::Holds(name) => w.identity = name,
        Do::Over => {
            let over = |e: &Value| ["finished", "error", "canceled"].contains(&e["state"].as_str().unwrap_or_default());
            drop(w.until("the end of an action", |e| e["action"] == newest && over(e)).await);
        }
        Do::Rest(ms) => w.rest(Duration::from_millis(ms)).await,
        Do::Offer(_) | Do::Force(_) | Do::Foreign(_) | Do::Junk(_) | Do::Again => unreachable!("an offer"),
    }
}

async fn seen(w: &World, newest: u64, took: Duration) -> Seen {
    w.order(json!({"do": "actions"})).await;
    let events: Vec<Value> = w.events.lock().unwrap().iter().map(|(_, e)| e.clone()).collect();
    let actions = events.last().unwrap()["actions"].as_array().unwrap().clone();
    let ends = actions.iter().find(|a| a["action"] == newest).map(|a| a["state"].as_str().unwrap().to_owned());
    let mut failures = events.iter().filter(|e| e["event"] == "ddi-feedback" && e["finished"] == "failure");
    let code = failures.next_back().and_then(|e| e["details"][0].as_str()?.strip_prefix("org.parloir.Error.")?.split(':').next());
    let m = w.rauc.lock();
    let mut wrong = m.wrongs.join("; ");
    if w.logs().contains(" ERROR ") {
        let _ = write!(wrong, "it says ERROR: {}", w.logs());
    }
    if let Err(why) = numbered(&events) {
        let _ = write!(wrong, "{why}");
    }
    let runs = m.slots[m.booted].version.clone();
    let (downloads, faults, code) = (w.count("ddi-download"), w.count("ddi-fault"), code.unwrap_or_default().to_owned());
    Seen {
        reports: w.reports(),
        ends: ends.unwrap_or_default(),
        code,
        downloads,
        installs: m.installs,
        faults,
        runs,
        took,
        wrong,
    }
}

/// Each report that was taken has a number of its own, and they grow.
fn numbered(events: &[Value]) -> Result<(), String> {
    let mut before = 0;
    for event in events.iter().filter(|e| e["event"] == "ddi-feedback" && e["status"] == 200) {
        let text = event["details"][0].as_str().unwrap_or_default();
        let number = text.rsplit("[report ").next().and_then(|n| n.strip_suffix(']')?.parse::<u64>().ok());
        match number {
            Some(number) if number > before => before = number,
            _ => return Err(format!("after report {before}: {text:?}")),
        }
    }
    Ok(())
}

/// Faults that the row orders: one that never happened shows nothing.
fn ordered(row: &Row) -> usize {
    let orders = row.script.iter().filter_map(|step| if let Do::Server(order) = step { Some(*order) } else { None });
    let orders = orders.map(|order| serde_json::from_str::<Value>(order).unwrap()).filter(|order| order["do"] == "fault");
    orders.map(|order| order["times"].as_u64().map_or(1, |times| times.max(1)) as usize).sum()
}

fn compare(row: &Row, seen: &Seen) -> Result<(), String> {
    let mut wrong = seen.wrong.clone();
    let mut differs = |what: &str, found: String, wanted: String| {
        if found != wanted {
            let _ = write!(wrong, "\n    {what}: {found}, where {wanted} is written");
        }
    };
    differs("reports", seen.reports.join(", "), row.reports.join(", "));
    differs("the action", seen.ends.clone(), row.ends.to_owned());
    differs("code", seen.code.clone(), row.code.to_owned());
    differs("downloads", seen.downloads.to_string(), row.downloads.to_string());
    differs("installations", seen.installs.to_string(), row.installs.to_string());
    differs("faults happened", (seen.faults >= ordered(row)).to_string(), true.to_string());
    differs("late", (seen.took.as_secs() > row.within).to_string(), false.to_string());
    differs("runs", seen.runs.clone(), row.runs.to_owned());
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// `ROW=words` plays those whose case has the words.
#[test]
fn every_row_of_the_table_is_seen() {
    let only = std::env::var("ROW").unwrap_or_default();
    let rows: Vec<&Row> = ROWS.iter().copied().filter(|row| row.case.contains(&only)).collect();
    let (next, failures) = (Mutex::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = {
                        let mut next = next.lock().unwrap();
                        *next += 1;
                        *next - 1
                    };
                    let Some(row) = rows.get(at) else { return };
                    let played = std::thread::scope(|inner| inner.spawn(|| play_alone(row)).join());
                    let told = match &played {
                        Ok(seen) => compare(row, seen).map(|()| seen.took),
                        Err(_) => Err("\n    did not come to its end (see above)".to_owned()),
                    };
                    match told {
                        Ok(took) => {
                            println!("{:5.1} s  {}: {} [{}]", took.as_secs_f32(), row.case, row.ends, row.reports.join(", "))
                        }
                        Err(why) => {
                            println!("WRONG    {}: {why}", row.case);
                            failures.lock().unwrap().push(row.case);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {} rows: {failures:?}", failures.len(), rows.len());
}

#[test]
fn the_docs_are_printed_from_the_rows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/ddi.md");
    let printed = rows::markdown();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &printed).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == printed, "docs/ddi.md: UPDATE=1 cargo test -p parloir-updater --test ddi_table the_docs");
}
