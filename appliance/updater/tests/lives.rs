//! Owns: what becomes of an update when the updater or the box ends at moments that nobody chose: the box always runs a good version, and
//! the server is told the truth, once.
//! Never: chooses the moments (they are drawn; the seed is printed).
//! Called by: cargo test; `PARLOIR_SEED` and `PARLOIR_ROUNDS` repeat or lengthen it.

mod world;

use serde_json::{Value, json};
use std::time::Duration;
use world::{World, rauc};

/// Chance from a seed (xorshift64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn run<F: std::future::Future<Output = ()>>(test: F) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

async fn offer(w: &World, version: &str) {
    let bundle = w.bundle(version, rauc::COMPATIBLE);
    w.order(json!({"do": "offer", "bundle": bundle, "version": version, "update": "forced"})).await;
}

fn running(w: &World) -> String {
    let m = w.rauc.lock();
    m.slots[m.booted].version.clone()
}

fn closes(event: &Value, action: u64) -> bool {
    event["event"] == "ddi-feedback" && event["action"] == action && event["execution"] == "closed"
}

/// Closing reports of an action that the server took.
fn endings(w: &World, action: u64) -> Vec<String> {
    let events = w.events.lock().unwrap();
    let taken = events.iter().map(|(_, e)| e).filter(|e| closes(e, action) && e["status"] == 200);
    taken.map(|e| e["finished"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn whenever_the_updater_or_the_box_ends_a_good_version_runs_and_the_server_is_told_the_truth_once() {
    let (seed, rounds) = (number("PARLOIR_SEED", 0x00c0_ffee), number("PARLOIR_ROUNDS", 6));
    println!("PARLOIR_SEED={seed} PARLOIR_ROUNDS={rounds}");
    run(async move {
        let mut chance = Chance(seed.max(1));
        let mut w = World::new("lives").await;
        w.start();
        let mut told = Vec::new();
        for round in 1..=rounds {
            let before = running(&w);
            let version = format!("1.{round}.0");
            offer(&w, &version).await;
            for _ in 0..chance.below(3) + 1 {
                w.rest(Duration::from_millis(chance.below(2500))).await;
                if chance.below(2) == 0 { w.kill() } else { w.power_cut() }
            }
            w.until("end of the action", |event| closes(event, round) && event["status"] == 200).await;
            w.rest(Duration::from_millis(300)).await;
            let ends = endings(&w, round);
            let runs = {
                let m = w.rauc.lock();
                assert!(m.wrongs.is_empty(), "{:?}\n{}", m.wrongs, w.logs());
                assert!(m.slots[m.booted].good && m.first == m.booted, "what runs is kept");
                m.slots[m.booted].version.clone()
            };
            let wanted = if ends == ["success"] { &version } else { &before };
            assert_eq!((ends.len(), &runs), (1, wanted), "round {round}: {ends:?}\n{}", w.logs());
            let code = {
                let events = w.events.lock().unwrap();
                events
                    .iter()
                    .rfind(|(_, e)| closes(e, round))
                    .map(|(_, e)| e["details"][0].as_str().unwrap_or_default().to_owned())
            };
            let code = code.unwrap_or_default().split(':').next().unwrap_or_default().replace("org.parloir.Error.", "");
            told.push(format!("{version} {} {code}", ends[0]));
        }
        println!("{}", told.join(", "));
    });
}

/// The trial ends without a word: the old version says so, remembers the bundle, and takes it again only as a forced one in a new action.
#[test]
fn a_trial_that_is_cut_is_told_as_a_fall_and_the_bundle_waits_for_an_operator() {
    run(async {
        let mut w = World::new("cut-trial").await;
        w.start();
        offer(&w, "2.0.0").await;
        w.until("installed", |e| e["event"] == "ddi-feedback" && e["details"].to_string().contains("waits for the restart"))
            .await;
        // The firmware starts the new slot; it ends before its updater is up; the firmware starts the old one.
        w.stop();
        w.rauc.boot();
        w.power_cut();
        let end = w.until("the end", |e| closes(e, 1)).await;
        assert_eq!((end["finished"].as_str(), end["status"].as_u64()), (Some("failure"), Some(200)));
        let details = end["details"].to_string();
        assert!(details.contains("org.parloir.Error.UpdateSilent") && details.contains("left no log"), "{details}");
        assert_eq!(w.arbiter.lock().words[..], ["Offered 2.0.0", "Installed 2.0.0", "FellBack 2.0.0", "UpdateSilent 2.0.0"]);
        let bundle = w.bundle("2.0.0", rauc::COMPATIBLE);
        let again = |update: &str| json!({"do": "offer", "bundle": bundle, "version": "2.0.0", "update": update});
        w.order(again("attempt")).await;
        let end = w.until("the refusal", |e| closes(e, 2)).await;
        assert!(end["details"].to_string().contains("UpdateFailedBefore"), "{end}");
        w.order(again("forced")).await;
        let end = w.until("the success", |e| closes(e, 3)).await;
        assert_eq!(end["finished"], "success");
        assert!(w.rauc.lock().wrongs.is_empty());
    });
}

/// What the safety net of the trial wrote goes into the report, and nothing that lay there before.
#[test]
fn the_report_of_a_fall_has_the_end_of_the_trials_log() {
    run(async {
        let mut w = World::new("trial-log").await;
        std::fs::write(w.dir.join("trial.log"), "of another trial\n").unwrap();
        w.start();
        offer(&w, "2.0.0").await;
        w.until("installed", |e| e["event"] == "ddi-feedback" && e["details"].to_string().contains("waits for the restart"))
            .await;
        w.stop();
        w.rauc.boot();
        let log: String = (0..30).map(|n| format!("line {n}\u{7}\n")).collect();
        std::fs::write(w.dir.join("trial.log"), log).unwrap();
        w.power_cut();
        let end = w.until("the end", |e| closes(e, 1)).await;
        let details = end["details"].to_string();
        assert!(details.contains("line 29") && !details.contains("line 19\"") && !details.contains("another"), "{details}");
    });
}

/// A lease that is taken back before the restart: the restart is taken back too, and asked for again.
#[test]
fn without_the_lease_the_box_is_not_restarted() {
    run(async {
        let mut w = World::new("lease").await;
        w.arbiter.lock().refusals.push_back(("restart", "InVisit"));
        w.start();
        offer(&w, "2.0.0").await;
        w.until("the wait", |e| e["execution"] == "scheduled" && e["details"].to_string().contains("InVisit")).await;
        assert!(!w.dir.join("run/restart").exists() && w.starts == 1);
        let end = w.until("the success", |e| closes(e, 1)).await;
        assert_eq!((end["finished"].as_str(), w.starts), (Some("success"), 2));
        let begun = w.arbiter.lock().begun.clone();
        assert_eq!(begun, ["install 2.0.0", "restart 2.0.0: InVisit", "restart 2.0.0"]);
    });
}

/// While somebody is in a visit a download stands still.
#[test]
fn a_download_waits_for_the_end_of_a_visit() {
    run(async {
        let mut w = World::new("visit").await;
        w.arbiter.lock().in_visit = true;
        w.rate = 20_000;
        w.start();
        offer(&w, "2.0.0").await;
        w.until("taken", |e| e["execution"] == "download").await;
        let part = w.dir.join("state/bundle.part");
        w.rest(Duration::from_secs(7)).await;
        let stands = std::fs::metadata(&part).map_or(0, |meta| meta.len());
        w.rest(Duration::from_secs(3)).await;
        assert_eq!(std::fs::metadata(&part).map_or(0, |meta| meta.len()), stands);
        assert!(stands < world::SIZE as u64);
        w.arbiter.lock().in_visit = false;
        let end = w.until("the success", |e| closes(e, 1)).await;
        assert_eq!(end["finished"], "success");
    });
}

/// An offer that is refused before anything is fetched is told like every other: to the server, to ledger and screen, to the journal.
#[test]
fn an_older_version_is_refused_on_server_screen_and_ledger() {
    run(async {
        let mut w = World::new("older").await;
        w.start();
        offer(&w, "0.9.0").await;
        let end = w.until("the refusal", |e| closes(e, 1)).await;
        assert!(end["details"].to_string().contains("org.parloir.Error.UpdateOlder"), "{end}");
        w.rest(Duration::from_millis(300)).await;
        assert_eq!(w.arbiter.lock().words[..], ["UpdateOlder 0.9.0"]);
        assert!(w.logs().contains("[org.parloir.Error.UpdateOlder]") && w.count("ddi-download") == 0, "{}", w.logs());
    });
}
