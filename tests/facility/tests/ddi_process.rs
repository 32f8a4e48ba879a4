//! The facility as a process serves updates beside all else, to the certificate of the box's updater alone, and that certificate opens nothing else.

mod updates;
mod world;

use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use updates::{feedback, say_to};
use world::World;

#[tokio::test]
async fn the_process_serves_updates_to_the_updaters_certificate_and_the_broker_does_not_know_it() {
    let flags = ["--updates", "127.0.0.1:0", "--updates-polling", "00:00:07", "--console", "--direct-candidates"];
    // Its events stand before those that the world waits for.
    let mut world = World::start_with("updates", &flags).await;
    let dir = world.dir.path().to_owned();
    let ready = world.before("ddi-ready");
    let address: SocketAddr = ready["address"].as_str().unwrap().parse().unwrap();
    let path = ready["url"].as_str().unwrap().split_once(&address.to_string()).unwrap().1.to_owned();
    let pair = |cert: &str, key: &str| -> (PathBuf, PathBuf) { (dir.join(cert), dir.join(key)) };
    let updater = pair("updater/box.pem", "updater/box.key");
    let ca = dir.join("updater/ca.pem");
    let answer = say_to(address, &ca, Some(updater.clone()), ("GET", &path), &[], b"").unwrap();
    assert_eq!((answer.status, answer.json()["config"]["polling"]["sleep"].as_str()), (200, Some("00:00:07")));

    // What link shows to the broker opens nothing here, and what the updater shows here opens nothing there.
    let link = pair("tls/box.pem", "tls/box.key");
    assert!(say_to(address, &ca, Some(link.clone()), ("GET", &path), &[], b"").is_err(), "of another authority");
    assert_eq!(say_to(address, &ca, None, ("GET", &path), &[], b"").unwrap().status, 401);
    world.knocks_at_the_broker(link.0, link.1).await.unwrap();
    let refused = world.knocks_at_the_broker(updater.0.clone(), updater.1.clone()).await.unwrap_err();
    assert!(!refused.contains("no answer"), "{refused}");

    let bundle = dir.join("b.raucb");
    std::fs::write(&bundle, "a bundle").unwrap();
    world.order(&json!({"do": "offer", "bundle": bundle, "version": "1.2.3", "update": "forced"}));
    assert_eq!(world.event("ddi-offered").await["action"], 1);
    world.order(&json!({"do": "beats", "on": true}));
    assert_eq!(world.event("console").await["do"], "beats", "the desk still has its own orders");
    world.order(&json!({"do": "offer"}));
    assert!(world.event("console").await["error"].as_str().unwrap().starts_with("offer: "));
    let body = feedback("closed", "success", &[]).to_string();
    let json = [("content-type", "application/json")];
    let to = format!("{path}/deploymentBase/1/feedback");
    assert_eq!(say_to(address, &ca, Some(updater), ("POST", &to), &json, body.as_bytes()).unwrap().status, 200);
    assert_eq!(world.event("ddi-feedback").await["version"], "1.2.3");
    let kept = std::fs::read_to_string(dir.join("state/updates.json")).unwrap();
    assert!(kept.contains(r#""installed":1"#), "{kept}");
}
