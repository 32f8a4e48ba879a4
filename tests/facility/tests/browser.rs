//! The visitor's page in a real Chromium, against the facility itself, a real broker, and a box that is a second browser window: what it
//! signs is verified by seal as the arbiter would, and it refuses a box that was not announced.
//! Pictures of every view are left in the target directory, to be looked at.

mod world;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use parloir_link::message::write_signal;
use parloir_pass::{Bytes32, DenyTarget, Typ};
use parloir_seal::jws;
use serde_json::json;
use std::time::Duration;
use world::World;
use world::far::{far_end, open, pictures, receipt, until_statement, wait_text};

#[tokio::test]
async fn a_visit_from_the_check_to_the_receipt() {
    let world = World::start("visit").await;
    let mut visitor = open(&world, (1280, 720), "browser").await;
    let save = |name: &str| pictures().join(name);
    visitor.picture(&save("1-check.png")).await.unwrap();
    visitor.check_devices().await.unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    visitor.picture(&save("2-waiting.png")).await.unwrap();

    let far = far_end(&world, &visitor).await;
    let mut b = world.a_box().await;
    let (offer, certificate) = far.offer().await;
    let ask = world.ask(certificate);
    b.send("ask", &world.sealed_ask(&ask)).await;
    visitor.wait("ringing", Duration::from_secs(10)).await.unwrap();
    visitor.picture(&save("3-ringing.png")).await.unwrap();
    let focused = visitor.client().active_element().await.unwrap().attr("id").await.unwrap();
    assert_eq!(focused.as_deref(), Some("join"), "the likeliest choice has the focus");
    visitor.join(Duration::from_secs(5)).await.unwrap();

    let grant = world.open_grant(&b.wait("grant").await, &ask);
    assert_eq!(grant.box_certificate, certificate);
    b.send("signal", &write_signal(&ask.call.0, &offer)).await;
    let (first, _) = until_statement(&mut b, &far, &grant, |s| s.decoding && s.frames > 60 && s.sound_heard).await;
    // Chromium may send less than it has on a busy machine; what counts here is that the page measures and signs it.
    assert!(first.width >= 160 && u32::from(first.width) * 9 == u32::from(first.height) * 16, "{first:?}");
    assert!(first.first_frame_ms > 0, "{first:?}");
    visitor.picture(&save("4-visit.png")).await.unwrap();
    visitor.far_picture(&save("4-far.png")).await.unwrap();
    let stats = visitor.stats().await.unwrap();
    assert_eq!(stats.codec, "H264");

    // The visitor reloads the page, which asks the box to offer again: the same certificate, the same key, totals that go on.
    visitor.reload(true).await.unwrap();
    visitor.wait("visit", Duration::from_secs(10)).await.unwrap();
    let (second, _) = until_statement(&mut b, &far, &grant, |s| s.decoding && s.frames > first.frames + 60).await;
    assert!(second.count > first.count);
    assert!(second.decoded_ms > first.decoded_ms);

    assert_eq!(far.generation(), 2, "one new offer, and the box's certificate is the same");
    let ended = json!({"v": 1, "call": ask.call, "reason": "PersonEnded"});
    b.send("ended", ended.to_string().as_bytes()).await;
    let (last, text) = until_statement(&mut b, &far, &grant, |s| s.last).await;
    assert!(!last.decoding && last.decoded_ms >= second.decoded_ms);
    let counted = u32::try_from(last.decoded_ms / 1000).unwrap();
    b.send("receipt", &world.sealed_receipt(&receipt(&world, &grant, &ask, counted, text))).await;
    let event = world.event("receipt").await;
    assert_eq!(event["verified"], true, "{event}");
    assert_eq!(event["visitor_statement"]["count"], last.count);
    wait_text(&visitor, "Both sides signed the receipt").await;
    visitor.picture(&save("5-ended.png")).await.unwrap();
    let live =
        visitor.client().execute("return document.getElementById('near').srcObject?.active ?? false", vec![]).await.unwrap();
    assert_eq!(live, json!(false), "the visitor's camera is off after the end");
    visitor.close().await.unwrap();
}

/// How it was broken: whoever carries the signalling puts in an offer of a box of his own. Its SDP is sound, its certificate is not the
/// one that the box signed in its question; the page must send nothing.
#[tokio::test]
async fn a_box_that_was_not_announced_gets_nothing_and_a_decline_is_told() {
    let world = World::start("strange").await;
    // A phone.
    let visitor = open(&world, (500, 900), "browser").await;
    visitor.check_devices().await.unwrap();
    let far = far_end(&world, &visitor).await;
    let mut b = world.a_box().await;

    let (offer, _) = far.offer().await;
    let ask = world.ask(Bytes32([7; 32]));
    b.send("ask", &world.sealed_ask(&ask)).await;
    visitor.wait("ringing", Duration::from_secs(10)).await.unwrap();
    visitor.picture(&pictures().join("6-phone-ringing.png")).await.unwrap();
    visitor.join(Duration::from_secs(5)).await.unwrap();
    world.open_grant(&b.wait("grant").await, &ask);
    b.send("signal", &write_signal(&ask.call.0, &offer)).await;
    visitor.wait("stopped", Duration::from_secs(10)).await.unwrap();
    assert!(visitor.text().await.unwrap().contains("not the device that was announced"));
    visitor.picture(&pictures().join("7-phone-refused.png")).await.unwrap();
    assert_eq!(world.event("trouble").await["what"], "box-certificate");
    let answers = b.listen(Duration::from_millis(500)).await;
    assert!(!answers.iter().any(|(kind, _)| kind == "signal"), "no answer, no candidate left the page");
    b.send("ended", json!({"v": 1, "call": ask.call, "reason": "NeverConnected"}).to_string().as_bytes()).await;

    visitor.press("stopped-again").await.unwrap();
    visitor.wait("waiting", Duration::from_secs(10)).await.unwrap();
    visitor.picture(&pictures().join("8-phone-waiting.png")).await.unwrap();
    let ask = world.ask(Bytes32([8; 32]));
    b.send("ask", &world.sealed_ask(&ask)).await;
    visitor.wait("ringing", Duration::from_secs(10)).await.unwrap();
    visitor.press("decline").await.unwrap();
    let deny = world.open_deny(&b.wait("deny").await);
    assert_eq!((deny.target, deny.code.as_str()), (DenyTarget::Ask(ask.nonce), "VisitorDeclined"));
    visitor.close().await.unwrap();
}

/// How it was broken: a test that was killed left its browser behind, at half a core, until somebody looked.
#[tokio::test]
async fn no_browser_outlives_its_chromedriver() {
    let world = World::start("orphan").await;
    let visitor = open(&world, (640, 480), "browser").await;
    let profile = format!("--user-data-dir={}", world.dir.path().join("browser/profile").display());
    let browsers = || {
        let all = std::fs::read_dir("/proc").unwrap().filter_map(|p| std::fs::read(p.unwrap().path().join("cmdline")).ok());
        all.filter(|line| line.split(|b| *b == 0).any(|word| word == profile.as_bytes())).count()
    };
    assert!(browsers() > 0, "the browser runs with its own profile");
    // As a crash of this process would: no word to the browser.
    drop(visitor);
    for _ in 0..200 {
        if browsers() == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} browser processes are left after 10 s", browsers());
}

/// The forms that the page makes are the ones that the documents say: this fails when either side changes a spelling.
#[test]
fn the_header_that_the_page_writes() {
    let page = include_str!("../page/identity.js");
    let header = jws::header(Typ::Statement, &Bytes32([3; 32]));
    let kid = header.split('"').nth(7).unwrap();
    assert_eq!(BASE64URL.decode(kid).unwrap().len(), 32);
    assert!(page.contains(&header.replace(kid, "${kid}")), "{header}");
}
