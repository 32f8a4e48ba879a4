//! What the firewall is told: the relays of the policy in force, from its first moment on, and no relay of any other document.

use crate::cell::{Cell, Courier};
use crate::endings::decode;
use crate::house::{House, LIMIT, inside};
use parloir_issuer::sign;
use parloir_pass::SitePolicy;
use std::path::{Path, PathBuf};
use std::time::Instant;

const FIRST: &str = "udp 127.0.0.1 3478\n";

fn file(house: &House) -> PathBuf {
    house.dir.join("gate/relays")
}

async fn says(file: &Path, wanted: &str, house: &House) {
    let start = Instant::now();
    while std::fs::read_to_string(file).ok().as_deref() != Some(wanted) {
        assert!(start.elapsed() < LIMIT, "{:?}, not {wanted:?}:\n{}", std::fs::read_to_string(file), house.log());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

fn policy(house: &House, newer: u64, relays: &[&str]) -> String {
    let payload = house.site.policy_jws.split(|c| *c == b'.').nth(1).unwrap();
    let mut policy: SitePolicy = serde_json::from_slice(&decode(payload)).unwrap();
    policy.revision += newer;
    policy.relays = relays.iter().map(|&url| url.to_owned()).collect();
    sign(&policy, &house.site.policy).unwrap()
}

#[test]
fn the_list_is_that_of_the_policy_in_force_from_the_start_on() {
    inside("relays::the_list_is_that_of_the_policy_in_force_from_the_start_on", |mut house| async move {
        let list = file(&house);
        house.flags.extend(["--relays".to_owned(), list.to_str().unwrap().to_owned()]);
        // What an earlier run left: without a policy that is in force it is not.
        std::fs::write(&list, "udp 10.66.66.66 1\n").unwrap();
        house.start_arbiter().await;
        says(&list, "", &house).await;
        let courier = Courier::attach(&house).await;
        courier.deliver("policy", &house.site.policy_jws).await.unwrap();
        assert_eq!(std::fs::read_to_string(&list).unwrap(), "", "nobody vouches for it yet");
        courier.deliver("authority", &house.site.authority).await.unwrap();
        says(&list, FIRST, &house).await;

        let newer = policy(&house, 1, &["turn:10.1.1.1:3478?transport=udp", "turns:relay.example:5349", "turn:without-port"]);
        courier.deliver("policy", newer.as_bytes()).await.unwrap();
        says(&list, "udp 10.1.1.1 3478\ntcp relay.example 5349\n", &house).await;
        house.logged("RelayUrl").await;
        // Older, or signed by nobody: nothing changes.
        assert_eq!(courier.deliver("policy", &house.site.policy_jws).await.unwrap_err(), "DocumentOld");
        let forged = policy(&house, 2, &["turn:10.2.2.2:1"]).replace('.', ".A");
        courier.deliver("policy", forged.as_bytes()).await.unwrap_err();
        assert_eq!(std::fs::read_to_string(&list).unwrap(), "udp 10.1.1.1 3478\ntcp relay.example 5349\n");

        // The disk is behind the bus: what is kept has to be there.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        house.kill_arbiter();
        std::fs::write(&list, "udp 10.66.66.66 1\n").unwrap();
        drop(courier);
        house.start_arbiter().await;
        says(&list, "udp 10.1.1.1 3478\ntcp relay.example 5349\n", &house).await;
    });
}

#[test]
fn a_directory_that_is_away_stops_nobody_and_is_tried_again() {
    inside("relays::a_directory_that_is_away_stops_nobody_and_is_tried_again", |mut house| async move {
        let list = house.dir.join("gate/later/relays");
        house.flags.extend(["--relays".to_owned(), list.to_str().unwrap().to_owned()]);
        let cell = Cell::ready(house).await;
        let said = cell.house.log().matches("RelaysUnsaid").count();
        assert_eq!(said, 1, "{}", cell.house.log());
        std::fs::create_dir(list.parent().unwrap()).unwrap();
        std::os::unix::fs::chown(list.parent().unwrap(), Some(crate::house::ARBITER), None).unwrap();
        says(&list, FIRST, &cell.house).await;
    });
}
