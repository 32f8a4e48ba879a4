//! A visit that is not left alone, in a real Chromium: reloads with and without what the browser kept, a second window, a restart of the facility;
//! the visitor's own call; a camera that is refused; a page that says what no page says.

mod world;

use parloir_facility::visitor::{Options, Visitor};
use parloir_link::message::write_signal;
use parloir_pass::{Ask, Bytes32, Deny, DenyTarget, Grant, Receipt, Ring, Statement, Typ};
use parloir_seal::{Clock, random};
use serde_json::{Value, json};
use std::time::Duration;
use world::far::{FarEnd, far_end, open, pictures, receipt, until_statement, wait_text};
use world::{Box_, World};

const SOON: Duration = Duration::from_secs(10);

/// A visit in which the page decodes.
async fn in_a_visit(world: &World, visitor: &Visitor) -> (FarEnd, Box_, Ask, Grant, Statement) {
    visitor.check_devices().await.unwrap();
    let far = far_end(world, visitor).await;
    let mut b = world.a_box().await;
    let (offer, certificate) = far.offer().await;
    let ask = world.ask(certificate);
    b.send("ask", &world.sealed_ask(&ask)).await;
    visitor.join(SOON).await.unwrap();
    let grant = world.open_grant(&b.wait("grant").await, &ask);
    b.send("signal", &write_signal(&ask.call.0, &offer)).await;
    let (first, _) = until_statement(&mut b, &far, &grant, |s| s.decoding && s.frames > 30).await;
    (far, b, ask, grant, first)
}

#[tokio::test]
async fn reload_second_window_and_restart_in_one_visit() {
    let mut world = World::start("reload").await;
    let visitor = open(&world, (1280, 720), "browser").await;
    let (far, mut b, ask, first, before) = in_a_visit(&world, &visitor).await;

    // A second window of the same browser, which shares everything that the browser keeps: the visit does not notice.
    let (view, says) = visitor.second(&world.url).await.unwrap();
    assert!(view == "stopped" && says.contains("open in another window"), "{view}: {says}");
    let (meanwhile, _) = until_statement(&mut b, &far, &first, |s| s.decoding && s.count > before.count + 4).await;
    assert_eq!(far.generation(), 1, "nothing began anew");

    // The facility dies and is back: the page finds it, its statements go on, nothing begins anew.
    world.restart(Duration::from_secs(2)).await;
    let (after, one) = until_statement(&mut b, &far, &first, |s| s.decoding && s.count > meanwhile.count + 3).await;
    assert!(far.generation() == 1 && after.decoded_ms > meanwhile.decoded_ms);

    // The browser forgets all: another certificate, another grant, and until then nothing of the page's reaches the box but that wish.
    visitor.reload(false).await.unwrap();
    let hint: Value = serde_json::from_slice(&b.wait("again").await).unwrap();
    assert_eq!(hint, json!({"v": 1, "call": ask.call}));
    visitor.picture(&pictures().join("9-anew.png")).await.unwrap();
    let stray = b.listen(Duration::from_millis(700)).await;
    assert!(
        stray.iter().all(|(kind, _)| kind != "signal" && kind != "grant"),
        "{:?}",
        stray.iter().map(|(k, _)| k).collect::<Vec<_>>()
    );
    let again = Ask { nonce: random::id().unwrap(), regrant: Some(first.grant), ..ask.clone() };
    b.send("ask", &world.sealed_ask(&again)).await;
    let second = world.open_grant(&b.wait("grant").await, &again);
    assert!(second.slot_s < first.slot_s && second.lease_s < first.lease_s);
    assert_ne!(second.parties[0].certificate, first.parties[0].certificate);
    far.call(&b, &second).await;
    let (last, _) = until_statement(&mut b, &far, &second, |s| s.decoding && s.frames > 30).await;
    assert!(last.count < after.count, "another key counts from the start");

    b.send("ended", json!({"v": 1, "call": ask.call, "reason": "PersonEnded"}).to_string().as_bytes()).await;
    let (last, two) = until_statement(&mut b, &far, &second, |s| s.last).await;
    let seen = u32::try_from((after.decoded_ms + last.decoded_ms) / 1000).unwrap();
    // The receipt comes when the facility is away, and waits for it.
    world.restart(Duration::ZERO).await;
    let both = receipt(&world, &first, &ask, seen, two);
    let both = Receipt { regrants: vec![second.grant], earlier_statements: vec![one], ended_ms: 120_000, ..both };
    b.send("receipt", &world.sealed_receipt(&both)).await;
    let event = world.event("receipt").await;
    assert_eq!((&event["verified"], event["statements"].as_array().map(Vec::len)), (&json!(true), Some(2)), "{event}");
    wait_text(&visitor, "Both sides signed the receipt").await;
    visitor.close().await.unwrap();
}

/// What the box is told when the page rings.
async fn rung(world: &World, b: &mut Box_) -> Ring {
    let body = b.wait("ring").await;
    world.keyring().ring(&world.opened(Typ::Ring, &body), &world.site.device, Clock::Unix(world.unix_s())).unwrap()
}

async fn word(b: &Box_, ring: &Ring, state: &str, code: &str) {
    b.send("ring", json!({"v": 1, "ring": ring.ring, "state": state, "code": code}).to_string().as_bytes()).await;
}

#[tokio::test]
async fn the_visitors_own_call_is_cancelled_missed_and_answered() {
    let world = World::start("call").await;
    let visitor = open(&world, (1280, 720), "browser").await;
    let save = |name: &str| pictures().join(name);
    visitor.check_devices().await.unwrap();
    let mut b = world.a_box().await;

    visitor.press("call").await.unwrap();
    let ring = rung(&world, &mut b).await;
    visitor.wait("calling", SOON).await.unwrap();
    word(&b, &ring, "ringing", "").await;
    wait_text(&visitor, "It rings…").await;
    visitor.picture(&save("10-calling.png")).await.unwrap();
    visitor.press("cancel").await.unwrap();
    let deny: Deny = world.verify(&world.opened(Typ::Deny, &b.wait("deny").await));
    assert_eq!((deny.target, deny.code.as_str()), (DenyTarget::Ring(ring.ring), "CallerGone"));
    visitor.wait("waiting", SOON).await.unwrap();

    // Too soon is told (the button rests for two seconds anyway); a busy person and one who does not answer are told alike kindly, and in French.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    visitor.press("call").await.unwrap();
    wait_text(&visitor, "One moment, please").await;
    visitor.press("stopped-again").await.unwrap();
    visitor.press("language").await.unwrap();
    visitor.picture(&save("11-waiting-french.png")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    visitor.press("call").await.unwrap();
    let ring = rung(&world, &mut b).await;
    word(&b, &ring, "over", "Busy").await;
    wait_text(&visitor, "est dans une autre visite").await;
    visitor.picture(&save("12-busy-french.png")).await.unwrap();
    visitor.press("language").await.unwrap();
    wait_text(&visitor, "is in another visit").await;
    visitor.press("stopped-again").await.unwrap();
    visitor.wait("waiting", SOON).await.unwrap();

    // Answered: the page joins by itself, and the grant answers the box's question like any other.
    tokio::time::sleep(Duration::from_secs(5)).await;
    visitor.press("call").await.unwrap();
    let ring = rung(&world, &mut b).await;
    word(&b, &ring, "ringing", "").await;
    word(&b, &ring, "answered", "").await;
    let mut ask = world.ask(Bytes32([5; 32]));
    ask.ring = Some(ring.ring);
    b.send("ask", &world.sealed_ask(&ask)).await;
    world.open_grant(&b.wait("grant").await, &ask);
    visitor.wait("visit", SOON).await.unwrap();

    // The page goes while another rings: nothing here, but a ring of a page that is gone is taken back within six seconds.
    b.send("ended", json!({"v": 1, "call": ask.call, "reason": "NeverConnected"}).to_string().as_bytes()).await;
    visitor.wait("ended", SOON).await.unwrap();
    wait_text(&visitor, "The picture never came").await;
    visitor.press("again").await.unwrap();
    visitor.wait("waiting", SOON).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    visitor.press("call").await.unwrap();
    let ring = rung(&world, &mut b).await;
    visitor.leave_page().await.unwrap();
    let gone = std::time::Instant::now();
    let deny: Deny = world.verify(&world.opened(Typ::Deny, &b.wait("deny").await));
    assert_eq!(deny.target, DenyTarget::Ring(ring.ring));
    assert!((4..8).contains(&gone.elapsed().as_secs()), "{:?}", gone.elapsed());
    visitor.close().await.unwrap();
}

#[tokio::test]
async fn a_camera_that_is_refused_is_told_and_nothing_is_joined() {
    let world = World::start("refuses").await;
    let (camera, microphone) = world.clips();
    let certificate = world.dir.path().join("tls/https.pem");
    let work = world.dir.path().join("browser");
    let options = Options {
        url: world.url.clone(),
        camera,
        microphone,
        https_certificate: certificate,
        work,
        window: (800, 600),
        refuse_camera: true,
    };
    let visitor = Visitor::open(options).await.unwrap();
    visitor.press("try").await.unwrap();
    wait_text(&visitor, "may not use your camera").await;
    assert_eq!(world.event("trouble").await["what"], "devices-denied");
    let b = world.a_box().await;
    let ask = world.ask(Bytes32([5; 32]));
    b.send("ask", &world.sealed_ask(&ask)).await;
    wait_text(&visitor, "is calling").await;
    assert_eq!(visitor.view().await.unwrap(), "check", "it rings, but there is nothing to join with");
    visitor.picture(&pictures().join("13-refused-camera.png")).await.unwrap();
    visitor.close().await.unwrap();
}

/// Opens a websocket of the link beside the page and says that; how it ended, and what the facility said meanwhile.
const HOSTILE: &str = "const [messages, done] = arguments; let heard = 0; \
    const s = new WebSocket(`wss://${location.host}${location.pathname}/socket?tab=0bad`); const at = performance.now(); \
    s.onmessage = () => { heard += 1; }; s.onclose = e => done({ closed: true, code: e.code, heard, ms: performance.now() - at }); \
    s.onopen = () => { for (const m of messages) s.send(m.repeat ? m.text.repeat(m.repeat) : m.text); }; \
    setTimeout(() => done({ closed: false, heard }), 3000);";

/// How it could be broken: whoever has a link says what no page says, too much of it, or too often.
#[tokio::test]
async fn a_hostile_page_is_closed_and_the_visit_beside_it_goes_on() {
    let world = World::start("hostile").await;
    let visitor = open(&world, (800, 600), "browser").await;
    let (far, mut b, ask, grant, before) = in_a_visit(&world, &visitor).await;
    // From a second link, so that the visit's own window is not in the way; its page is another contact's.
    let own = visitor.client().window().await.unwrap();
    let second = visitor.client().new_window(false).await.unwrap().handle;
    visitor.client().switch_to_window(second).await.unwrap();
    visitor.goto(&world.link(1)).await.unwrap();
    let attack = async |messages: Value| visitor.client().execute_async(HOSTILE, vec![messages]).await.unwrap();
    let text = |text: &str| json!([{ "text": text }]);
    let own_call = json!({"type": "signal", "body": {"v": 1, "call": ask.call, "generation": 1, "kind": "bye"}}).to_string();
    for (what, messages) in [
        ("too long", json!([{ "text": "a", "repeat": 70_000 }])),
        ("no JSON", text("{")),
        ("deep", json!([{ "text": "[", "repeat": 60_000 }])),
        ("a strange kind", text(r#"{"type":"grant"}"#)),
        ("a member too many", text(r#"{"type":"ready","more":1}"#)),
        ("a flood", Value::Array((0..400).map(|_| json!({"text": r#"{"type":"ready"}"#})).collect())),
    ] {
        let ended = attack(messages).await;
        assert_eq!(ended["closed"], true, "{what}: {ended}");
    }
    // What has the right form but is another's is not done, and not closed for: the desk refuses it.
    assert_eq!(attack(text(&own_call)).await["closed"], false);
    // More pages than a link has windows.
    let many = "const done = arguments[0]; let open = 0, shut = 0; for (let i = 0; i < 40; i += 1) { \
                const s = new WebSocket(`wss://${location.host}${location.pathname}/socket?tab=${i.toString(16)}`); \
                s.onopen = () => { open += 1; }; s.onclose = () => { shut += 1; }; } setTimeout(() => done({ open, shut }), 2000);";
    let many = visitor.client().execute_async(many, Vec::new()).await.unwrap();
    let left = many["open"].as_u64().unwrap().saturating_sub(many["shut"].as_u64().unwrap());
    assert!(left <= 4, "{many}");
    visitor.client().close_window().await.unwrap();
    visitor.client().switch_to_window(own).await.unwrap();

    let (after, _) = until_statement(&mut b, &far, &grant, |s| s.decoding && s.count > before.count + 5).await;
    assert!(after.decoded_ms > before.decoded_ms && far.generation() == 1);
    assert_eq!(visitor.view().await.unwrap(), "visit");
    visitor.close().await.unwrap();
}
