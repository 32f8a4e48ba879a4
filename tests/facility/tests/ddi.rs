//! The update server keeps to hawkBit's published device interface: resources, codes, what each feedback makes of an action, who may ask.

mod updates;

use parloir_facility::ddi::orders::Order;
use parloir_facility::ddi::rollout::{Artifact, Handling, MAX_DETAILS, MAX_FEEDBACKS, No, Rollout, State};
use parloir_issuer::provision;
use serde_json::{Value, json};
use updates::{SIZE, World, feedback, options};

#[test]
fn an_action_from_the_offer_to_the_installed_version() {
    let world = World::new("life");
    let first = world.poll();
    assert_eq!((first.status, first.headers["content-type"].as_str()), (200, "application/hal+json;charset=UTF-8"));
    assert_eq!(first.json()["config"]["polling"]["sleep"], "00:00:30");
    assert_eq!(
        first.json()["_links"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["configData"],
        "a new box is asked who it is"
    );
    assert!(first.link("configData").unwrap().ends_with(&format!("{}/configData", world.root)));
    let attributes = json!({"mode": "merge", "data": {"version": "1.0.0", "slot": "a"}}).to_string();
    let put =
        |body: &str| world.say("PUT", "/configData", &[("content-type", "application/json")], body.as_bytes()).unwrap().status;
    assert_eq!(put(&attributes), 200);
    assert_eq!(world.event("ddi-config")["data"]["version"], "1.0.0");
    assert_eq!(put(r#"{"mode":"remove","data":{"slot":""}}"#), 200);
    assert_eq!(world.event("ddi-config")["data"], json!({"version": "1.0.0"}));
    assert!(world.poll().json().get("_links").is_none());

    let id = world.offer();
    let link = world.poll().link("deploymentBase").unwrap();
    let path = link.split_once(&world.root).unwrap().1.to_owned();
    assert!(path.starts_with(&format!("/deploymentBase/{id}?c=")), "{path}");
    let deployment = world.get(&path).json();
    let artifact = deployment["deployment"]["chunks"][0]["artifacts"][0].clone();
    assert_eq!(deployment["id"], id.to_string(), "a string, as hawkBit has it");
    assert_eq!(deployment["deployment"]["download"], "attempt");
    assert_eq!(deployment["deployment"]["update"], "attempt");
    assert_eq!(deployment["deployment"]["chunks"][0]["version"], "1.2.3");
    assert_eq!(artifact["size"], SIZE);
    for (sum, tool) in [("md5", "md5sum"), ("sha1", "sha1sum"), ("sha256", "sha256sum")] {
        let out = std::process::Command::new(tool).arg(&world.bundle).output().unwrap();
        let hash = String::from_utf8(out.stdout).unwrap();
        assert_eq!(artifact["hashes"][sum], *hash.split(' ').next().unwrap(), "{sum}");
    }
    let href = artifact["_links"]["download"]["href"].as_str().unwrap();
    let download = href.split_once(&world.root).unwrap().1;
    let whole = world.get(download);
    assert_eq!((whole.status, whole.body.len()), (200, SIZE));
    assert_eq!(whole.body, std::fs::read(&world.bundle).unwrap());
    assert_eq!(whole.headers["accept-ranges"], "bytes");
    let part = world.say("GET", download, &[("range", "bytes=99990-")], b"").unwrap();
    assert_eq!((part.status, &part.body[..]), (206, &whole.body[99_990..]));
    assert_eq!(part.headers["content-range"], format!("bytes 99990-99999/{SIZE}"));
    let beyond = world.say("GET", download, &[("range", "bytes=100000-")], b"").unwrap();
    assert_eq!((beyond.status, beyond.headers["content-range"].as_str()), (416, "bytes */100000"));
    let other = world.say("GET", download, &[("range", "bytes=5-"), ("if-range", "\"another\"")], b"").unwrap();
    assert_eq!((other.status, other.body.len()), (200, SIZE), "what changed comes whole");
    let sum = world.get(&format!("{download}.MD5SUM"));
    assert_eq!(sum.body, format!("{}  parloir-1.2.3.raucb", artifact["hashes"]["md5"].as_str().unwrap()).into_bytes());
    assert_eq!(world.get("/softwaremodules/9/artifacts/parloir-1.2.3.raucb").status, 404);
    assert_eq!(world.get(&format!("/softwaremodules/{id}/artifacts/updates.json")).status, 404, "no other file of ours");

    let to = format!("/deploymentBase/{id}/feedback");
    for (execution, state) in
        [("download", "retrieved"), ("downloaded", "retrieved"), ("proceeding", "retrieved"), ("resumed", "retrieved")]
    {
        assert_eq!(world.post(&to, &feedback(execution, "none", &[&format!("at {execution}")])), 200);
        assert_eq!(world.event("ddi-feedback")["state"], state);
    }
    let history = world.get(&format!("/deploymentBase/{id}?actionHistory=2")).json();
    assert_eq!(history["actionHistory"]["messages"], json!(["at resumed", "at proceeding"]), "the newest first");
    let all = world.get(&format!("/deploymentBase/{id}?c=1&actionHistory=-1")).json();
    assert_eq!(all["actionHistory"]["messages"].as_array().unwrap().len(), 4);
    assert_eq!(world.post(&to, &feedback("closed", "success", &[])), 200);
    assert_eq!(world.event("ddi-feedback")["state"], "finished");
    assert_eq!(world.post(&to, &feedback("closed", "success", &[])), 410, "once");
    let after = world.poll();
    assert!(after.link("deploymentBase").is_none() && after.link("configData").is_some(), "asked again who it is");
    let installed = after.link("installedBase").unwrap();
    assert_eq!(world.get(installed.split_once(&world.root).unwrap().1).json()["deployment"]["chunks"][0]["version"], "1.2.3");
}

#[test]
fn only_the_box_with_its_updaters_certificate_is_the_box() {
    let world = World::new("who");
    let there = world.dir.clone();
    let ask =
        |who: Option<&str>, of: &std::path::Path, path: &str| world.say_as(who, of, "GET", path, &[], b"").map(|a| a.status);
    assert_eq!(ask(Some("box"), &there, &world.root).unwrap(), 200);
    assert_eq!(ask(None, &there, &world.root).unwrap(), 401, "no certificate");
    assert_eq!(ask(Some("facility"), &there, &world.root).unwrap(), 401, "one of the same authority, of another role");
    let another = world.root.replace("/controller/v1/", "/controller/v1/0");
    assert_eq!(ask(Some("box"), &there, &another).unwrap(), 401, "another box's resource");
    assert_eq!(ask(Some("box"), &there, &format!("/x{}", world.root)).unwrap(), 404);
    let elsewhere = there.join("elsewhere");
    provision(&elsewhere, &options()).unwrap();
    assert!(ask(Some("box"), &elsewhere, &world.root).is_err(), "another site's authority: no TLS");
    let why = world.until(|e| e["event"] == "ddi-refused" && e["status"].is_null());
    assert!(why["why"].as_str().unwrap().starts_with("TLS: "), "{why}");
}

#[test]
fn a_cancellation_ends_an_action_only_when_the_box_closes_it() {
    let world = World::new("cancel");
    let id = world.offer();
    let (to, from) = (format!("/deploymentBase/{id}"), format!("/cancelAction/{id}"));
    let say = |path: &str, execution, finished| world.post(&format!("{path}/feedback"), &feedback(execution, finished, &[]));
    assert_eq!(world.get(&from).status, 404, "nobody took it back");
    assert_eq!(say(&from, "closed", "success"), 405);
    assert_eq!(world.order(json!({"do": "cancel", "action": id}))["event"], "ddi-cancelling");
    assert!(world.order(json!({"do": "cancel", "action": id}))["error"].as_str().unwrap().contains("already"));
    let poll = world.poll();
    assert!(poll.link("deploymentBase").is_none() && poll.link("cancelAction").unwrap().ends_with(&from));
    assert_eq!(world.get(&to).status, 404, "not to be done any more");
    assert_eq!(world.get(&from).json(), json!({"id": id.to_string(), "cancelAction": {"stopId": id.to_string()}}));
    assert_eq!(say(&from, "canceled", "none"), 200);
    assert_eq!(world.event("ddi-feedback")["state"], "canceling", "a remark");
    assert_eq!(say(&from, "rejected", "none"), 200);
    assert_eq!(world.event("ddi-feedback")["state"], "running", "too late: it goes on");
    assert_eq!(world.get(&to).status, 200);
    world.order(json!({"do": "cancel", "action": id}));
    assert_eq!(say(&to, "proceeding", "none"), 200, "what was under way is still heard");
    assert_eq!(say(&from, "closed", "success"), 200);
    assert_eq!(world.until(|e| e["of"] == "cancel")["state"], "canceled");
    assert_eq!(say(&to, "closed", "success"), 410, "no success after that");
    assert_eq!(world.get("/cancelAction/77").status, 404);
    assert_eq!(say("/cancelAction/77", "closed", "success"), 404, "a stale number");
    assert_eq!(world.get(&format!("/installedBase/{id}")).status, 404);
    assert!(world.order(json!({"do": "cancel", "action": 77}))["error"].as_str().unwrap().contains("no action"));
}

#[test]
fn a_newer_offer_takes_the_older_back_first_and_a_failure_is_an_end() {
    let mut world = World::new("second");
    let (first, second) = (world.offer(), world.offer());
    assert!(world.poll().link("cancelAction").unwrap().ends_with(&format!("/{first}")));
    assert_eq!(world.post(&format!("/cancelAction/{first}/feedback"), &feedback("closed", "success", &[])), 200);
    assert!(world.poll().link("deploymentBase").unwrap().contains(&format!("/{second}?")));
    let before = world.poll().link("deploymentBase").unwrap();
    world.order(json!({"do": "change", "action": second, "update": "forced", "maintenance": "unavailable"}));
    assert_ne!(world.poll().link("deploymentBase").unwrap(), before, "another link: it says something else");
    let changed = world.get(&format!("/deploymentBase/{second}")).json();
    assert_eq!(changed["deployment"]["download"], "forced");
    assert_eq!(changed["deployment"]["update"], "skip");
    assert_eq!(changed["deployment"]["maintenanceWindow"], "unavailable");
    world.restart();
    let to = format!("/deploymentBase/{second}");
    let kept = world.get(&to).json();
    assert_eq!(kept["deployment"]["update"], changed["deployment"]["update"], "a restart of the server forgets nothing");
    assert_eq!(world.post(&format!("{to}/feedback"), &feedback("closed", "failure", &["org.parloir.Error.UpdateHash: x"])), 200);
    let told = world.event("ddi-feedback");
    assert_eq!((&told["state"], &told["details"][0]), (&json!("error"), &json!("org.parloir.Error.UpdateHash: x")));
    assert!(world.poll().link("installedBase").is_none());
    let actions = world.order(json!({"do": "actions"}));
    let states: Vec<&Value> = actions["actions"].as_array().unwrap().iter().map(|a| &a["state"]).collect();
    assert_eq!(states, ["canceled", "error"]);
}

#[test]
fn what_no_box_says_changes_nothing() {
    let world = World::new("hostile");
    let id = world.offer();
    let to = format!("/deploymentBase/{id}/feedback");
    let json = [("content-type", "application/json")];
    let say = |headers: &[(&str, &str)], body: &[u8]| world.say("POST", &to, headers, body).unwrap().status;
    assert_eq!(say(&json, b"{"), 400);
    assert_eq!(say(&json, br#"{"status":{"execution":"closed"}}"#), 400, "no result");
    assert_eq!(say(&json, feedback("done", "success", &[]).to_string().as_bytes()), 400, "no such word");
    assert_eq!(say(&[], feedback("closed", "success", &[]).to_string().as_bytes()), 415);
    assert_eq!(say(&json, &vec![b' '; 65 * 1024]), 413);
    assert_eq!(world.post("/deploymentBase/9/feedback", &feedback("closed", "success", &[])), 404);
    assert_eq!(world.get("/deploymentBase/x").status, 400);
    assert_eq!(world.say("DELETE", "", &[], b"").unwrap().status, 405);
    let many: Vec<&str> = vec!["x"; MAX_DETAILS + 1];
    assert_eq!(world.post(&to, &feedback("proceeding", "none", &many)), 429);
    let empty = world.say("PUT", "/configData", &json, br#"{"data":{}}"#).unwrap().status;
    assert_eq!(empty, 400);
    assert!(world.order(json!({"do": "actions"}))["actions"][0]["said"].as_array().unwrap().is_empty(), "nothing was taken");
}

#[test]
fn an_action_holds_a_thousand_feedbacks_and_its_end() {
    let mut rollout = Rollout::default();
    let artifact =
        Artifact { path: "x".into(), file: "x".into(), size: 1, sha1: String::new(), md5: String::new(), sha256: String::new() };
    let id = rollout.offer("1.2.3".into(), Handling::Attempt, None, artifact);
    let say = |rollout: &mut Rollout, execution: &str| {
        rollout.feedback(id, serde_json::from_value(feedback(execution, "failure", &[])).unwrap())
    };
    for _ in 0..MAX_FEEDBACKS {
        assert_eq!(say(&mut rollout, "proceeding"), Ok(State::Running));
    }
    assert_eq!(say(&mut rollout, "proceeding"), Err(No::TooMuch));
    assert_eq!(say(&mut rollout, "closed"), Ok(State::Error), "the end is always heard");
}

#[test]
fn the_box_that_has_it_is_told_so_and_no_more() {
    let world = World::new("etag");
    let etag = world.poll().headers["etag"].clone();
    let again = world.say("GET", "", &[("if-none-match", &etag)], b"").unwrap();
    assert_eq!((again.status, again.body.len()), (304, 0));
    world.offer();
    assert_eq!(world.say("GET", "", &[("if-none-match", &etag)], b"").unwrap().status, 200);
}

/// The orders that the operator's page shows are orders.
#[test]
fn the_orders_for_updates_in_the_docs_are_understood() {
    let page = include_str!("../../../docs/mqtt.md");
    let block = page.split("```json").nth(2).unwrap().split("```").next().unwrap();
    let lines: Vec<&str> = block.lines().filter(|l| !l.is_empty()).collect();
    assert!(lines.len() >= 20, "{}", lines.len());
    lines.iter().for_each(|l| drop(Order::read(l).unwrap_or_else(|| panic!("{l}")).unwrap()));
    for bad in [r#"{"do":"offer"}"#, r#"{"do":"fault","on":"poll","how":"no-such"}"#, r#"{"do":"polling"}"#] {
        assert!(Order::read(bad).unwrap().is_err());
    }
    assert!(Order::read(r#"{"do":"beats","on":true}"#).is_none(), "the desk's");
}
