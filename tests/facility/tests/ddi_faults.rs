//! Each fault of the update server happens when, where and as often as it was ordered, and is told; without an order nothing goes wrong.

mod updates;

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use updates::{SIZE, World, feedback};

fn fault(world: &World, on: &str, how: Value) {
    let said = world.order(json!({"do": "fault", "on": on, "how": how}));
    assert!(said["error"].is_null(), "{said}");
}

/// Where the bundle of the first action lies.
const BUNDLE: &str = "/softwaremodules/1/artifacts/parloir-1.2.3.raucb";

#[test]
fn a_code_comes_as_often_as_ordered_and_nothing_is_done() {
    let world = World::new("code");
    let id = world.offer();
    let order =
        json!({"do": "fault", "on": "feedback", "how": {"status": {"code": 429, "retry_after": 3}}, "times": 2, "after": 1});
    world.order(order);
    let to = format!("/deploymentBase/{id}/feedback");
    let say = || {
        let body = feedback("proceeding", "none", &[]).to_string();
        world.say("POST", &to, &[("content-type", "application/json")], body.as_bytes()).unwrap()
    };
    let answers = [say(), say(), say(), say()];
    assert_eq!(answers.each_ref().map(|a| a.status), [200, 429, 429, 200]);
    assert_eq!(answers[1].headers["retry-after"], "3");
    assert_eq!(world.event("ddi-fault")["on"], "feedback");
    let said = world.order(json!({"do": "actions"}));
    assert_eq!(said["actions"][0]["said"].as_array().unwrap().len(), 2, "what was answered with 429 was not taken");
    for code in [401, 403, 404, 409, 410, 500, 502, 503] {
        fault(&world, "poll", json!({"status": {"code": code}}));
        assert_eq!(world.poll().status, code);
    }
    assert_eq!(world.poll().status, 200);
    world.order(json!({"do": "fault", "on": "poll", "how": {"status": {"code": 500}}, "times": 0}));
    assert_eq!([world.poll().status, world.poll().status, world.poll().status], [500; 3]);
    world.order(json!({"do": "no-faults"}));
    assert_eq!(world.poll().status, 200);
}

#[test]
fn an_answer_that_is_lost_was_carried_out_and_a_hang_was_not() {
    let world = World::new("lost");
    let id = world.offer();
    let to = format!("/deploymentBase/{id}/feedback");
    fault(&world, "feedback", json!("lost-answer"));
    let body = feedback("closed", "failure", &[]).to_string();
    let lost = world.say("POST", &to, &[("content-type", "application/json")], body.as_bytes());
    assert!(lost.is_err(), "no answer");
    assert_eq!(world.event("ddi-feedback")["state"], "error");
    assert_eq!(world.post(&to, &feedback("closed", "failure", &[])), 410);
    fault(&world, "poll", json!({"hang": 1}));
    let begun = Instant::now();
    assert!(world.say("GET", "", &[], b"").is_err());
    assert!(begun.elapsed() >= Duration::from_secs(1));
    fault(&world, "poll", json!("garbage"));
    assert!(serde_json::from_slice::<Value>(&world.poll().body).is_err());
    fault(&world, "poll", json!({"huge": 200_000}));
    let huge = world.poll();
    assert_eq!((huge.body.len(), huge.json()["config"]["polling"]["sleep"].as_str()), (200_000, Some("00:05:00")));
}

#[test]
fn what_is_said_of_the_bundle_can_be_wrong() {
    let world = World::new("said");
    world.offer();
    let artifact = || world.get("/deploymentBase/1").json()["deployment"]["chunks"][0]["artifacts"][0].clone();
    let right = artifact();
    fault(&world, "deployment", json!("hash-wrong"));
    let wrong = artifact();
    assert!(["sha1", "md5", "sha256"].iter().all(|h| wrong["hashes"][h] != right["hashes"][h]));
    fault(&world, "deployment", json!({"size-wrong": -1}));
    assert_eq!(artifact()["size"], SIZE - 1);
    fault(&world, "deployment", json!({"link": "https://192.0.2.1/x"}));
    assert_eq!(artifact()["_links"]["download"]["href"], "https://192.0.2.1/x");
    assert_eq!(artifact(), right);
    world.order(json!({"do": "cancel", "action": 1}));
    fault(&world, "poll", json!({"repeat": 7}));
    assert!(world.poll().link("deploymentBase").unwrap().contains("/deploymentBase/7?"));
    fault(&world, "cancel", json!({"stop": 77}));
    assert_eq!(world.get("/cancelAction/1").json(), json!({"id": "1", "cancelAction": {"stopId": "77"}}));
    assert_eq!(world.get("/cancelAction/1").json()["cancelAction"]["stopId"], "1");
}

#[test]
fn a_download_can_go_wrong_in_every_way() {
    let world = World::new("download");
    world.offer();
    let bytes = std::fs::read(&world.bundle).unwrap();
    let ranged = |from: usize| world.say("GET", BUNDLE, &[("range", &format!("bytes={from}-"))], b"");
    fault(&world, "download", json!("no-range"));
    let whole = ranged(500).unwrap();
    assert_eq!((whole.status, whole.body == bytes, whole.headers.contains_key("accept-ranges")), (200, true, false));
    fault(&world, "download", json!({"flip": 700}));
    let flipped = ranged(500).unwrap().body;
    let different: Vec<usize> = (0..flipped.len()).filter(|i| flipped[*i] != bytes[500 + i]).collect();
    assert_eq!(different, [200]);
    fault(&world, "download", json!({"cut": 40_000}));
    assert!(ranged(0).is_err());
    assert_eq!(world.until(|e| e["event"] == "ddi-downloaded" && e["bytes"] == 40_000)["from"], 0);
    fault(&world, "download", json!({"slow": 60_000}));
    let begun = Instant::now();
    assert_eq!(ranged(40_000).unwrap().body, bytes[40_000..]);
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(ranged(0).unwrap().body, bytes);
}

#[test]
fn a_fault_that_makes_no_sense_is_refused_and_another_certificate_is_shown_at_once() {
    let world = World::new("sense");
    for (on, how) in [("poll", json!("no-range")), ("download", json!("hash-wrong")), ("feedback", json!("garbage"))] {
        let said = world.order(json!({"do": "fault", "on": on, "how": how}));
        assert!(said["error"].as_str().unwrap().contains("docs/mqtt.md"), "{said}");
    }
    let said = world.order(json!({"do": "fault", "on": "poll", "how": {"status": {"code": 200}}}));
    assert!(said["error"].is_string(), "{said}");
    let said = world.order(json!({"do": "polling", "sleep": "5 minutes"}));
    assert!(said["error"].as_str().unwrap().contains("HH:MM:SS"), "{said}");
    let said = world.order(json!({"do": "offer", "bundle": "/nowhere.raucb", "version": "1"}));
    assert!(said["error"].as_str().unwrap().contains("/nowhere.raucb"), "{said}");
    let own = |name: &str| world.dir.join("tls").join(name);
    let said = world.order(json!({"do": "certificate", "cert": own("facility.pem"), "key": own("facility.key")}));
    assert!(said["error"].is_null(), "{said}");
    assert!(world.say("GET", "", &[], b"").is_err(), "a certificate that names nobody");
    world.order(json!({"do": "certificate", "cert": own("https.pem"), "key": own("https.key")}));
    assert_eq!(world.poll().status, 200);
}
