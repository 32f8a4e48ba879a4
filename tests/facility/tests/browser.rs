//! The visitor's page in a real Chromium, against the facility itself, a real broker, and a box that is a second browser window: what it
//! signs is verified by seal as the arbiter would, and it refuses a box that was not announced.
//! Pictures of every view are left in the target directory, to be looked at.

mod world;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use fantoccini::Client;
use fantoccini::wd::WindowHandle;
use parloir_facility::visitor::{Options, Visitor};
use parloir_link::message::{read_signal, write_signal};
use parloir_pass::{Bytes32, DenyTarget, Grant, Id, Receipt, Statement, Typ, VERSION};
use parloir_seal::{jws, random};
use parloir_wire::signal::Signal;
use serde_json::{Value, json};
use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;
use world::{Box_, World};

/// A box's end of the media: a window of the same browser with a moving picture and a tone.
struct FarEnd {
    client: Client,
    own: WindowHandle,
    page: WindowHandle,
    /// The newest offer; what belongs to an older one is dropped, as link does.
    generation: Cell<u32>,
}

const MAKE: &str = include_str!("far_end.js");

impl FarEnd {
    async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        let client = &self.client;
        client.switch_to_window(self.own.clone()).await.unwrap();
        let value = client.execute_async(script, arguments).await.unwrap();
        client.switch_to_window(self.page.clone()).await.unwrap();
        value
    }
    /// The next offer and the certificate behind it.
    async fn offer(&self) -> (Signal, Bytes32) {
        let made = self.run(MAKE, Vec::new()).await;
        let hex: String = made["print"].as_str().unwrap().replace(':', "");
        let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        let generation = self.generation.get() + 1;
        self.generation.set(generation);
        (Signal::Offer { generation, sdp: made["sdp"].as_str().unwrap().to_owned() }, Bytes32(bytes.try_into().unwrap()))
    }
    async fn hear(&self, signal: &Signal, party: &Bytes32) {
        let (Signal::Answer { generation, .. }
        | Signal::Candidate { generation, .. }
        | Signal::Bye { generation }
        | Signal::Again { generation }
        | Signal::Offer { generation, .. }) = signal;
        if *generation != self.generation.get() {
            return;
        }
        if let Signal::Answer { sdp, .. } = signal {
            let print: Vec<String> = party.0.iter().map(|b| format!("{b:02X}")).collect();
            assert!(
                sdp.contains(&format!("a=fingerprint:sha-256 {}", print.join(":"))),
                "the certificate of the grant, reload or not"
            );
        }
        let script = "const [m, done] = arguments; (m.sdp ? window.pc.setRemoteDescription({ type: 'answer', sdp: m.sdp }) \
                      : window.pc.addIceCandidate({ candidate: m.candidate, sdpMLineIndex: m.mline })).then(() => done(1), e => done(String(e)))";
        let message = match signal {
            Signal::Answer { sdp, .. } => json!({ "sdp": sdp }),
            Signal::Candidate { mline, candidate, .. } => json!({ "mline": mline, "candidate": candidate }),
            Signal::Offer { .. } | Signal::Bye { .. } | Signal::Again { .. } => panic!("the page said {signal:?}"),
        };
        let answer = self.run(script, vec![message]).await;
        assert_eq!(answer, json!(1));
    }
}

fn pictures() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page-pictures");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

async fn open(world: &World, window: (u32, u32), name: &str) -> Visitor {
    let (camera, microphone) = world.clips();
    let options = Options {
        url: world.url.clone(),
        camera,
        microphone,
        https_certificate: world.dir.path().join("tls/https.pem"),
        work: world.dir.path().join(name),
        window,
        refuse_camera: false,
    };
    Visitor::open(options).await.unwrap()
}

async fn far_end(world: &World, visitor: &Visitor) -> FarEnd {
    let client = visitor.client().clone();
    let page = client.window().await.unwrap();
    let own = client.new_window(false).await.unwrap().handle;
    client.switch_to_window(own.clone()).await.unwrap();
    // A page of the same origin, so that it is a secure context.
    let origin = world.url.split("/v/").next().unwrap().to_owned();
    client.goto(&format!("{origin}/none")).await.unwrap();
    client.switch_to_window(page.clone()).await.unwrap();
    FarEnd { client, own, page, generation: Cell::new(0) }
}

/// Carries signals between the page and the far end until statements say what is wanted.
async fn until_statement(b: &mut Box_, far: &FarEnd, grant: &Grant, wanted: impl Fn(&Statement) -> bool) -> (Statement, String) {
    let mut count = 0;
    for _ in 0..400 {
        match b.next().await {
            (kind, body) if kind == "statement" => {
                let text = String::from_utf8(body).unwrap();
                let party = &grant.parties[0];
                let statement = jws::statement(text.as_bytes(), &party.statement_key, &grant.call).unwrap();
                assert!(statement.count > count, "counts grow");
                count = statement.count;
                if wanted(&statement) {
                    return (statement, text);
                }
            }
            (kind, body) if kind == "signal" => {
                let (call, signal) = read_signal(&body).unwrap();
                assert_eq!(Id(call), grant.call);
                far.hear(&signal, &grant.parties[0].certificate).await;
            }
            _ => {}
        }
    }
    panic!("400 messages without the statement that was wanted");
}

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

    // The visitor reloads the page, and the box calls again: the same certificate, the same key, totals that go on.
    let (again, same) = far.offer().await;
    assert_eq!(same, certificate);
    visitor.client().refresh().await.unwrap();
    visitor.wait("visit", Duration::from_secs(10)).await.unwrap();
    b.send("signal", &write_signal(&ask.call.0, &again)).await;
    let (second, _) = until_statement(&mut b, &far, &grant, |s| s.decoding && s.frames > first.frames + 60).await;
    assert!(second.count > first.count);
    assert!(second.decoded_ms > first.decoded_ms);

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

fn receipt(world: &World, grant: &Grant, ask: &parloir_pass::Ask, counted: u32, statement: String) -> Receipt {
    Receipt {
        v: VERSION,
        site: ask.site,
        device: ask.device,
        receipt: random::id().unwrap(),
        call: ask.call,
        grant: Some(grant.grant),
        person: ask.person,
        contact: ask.contact,
        class: ask.class,
        asked_ms: 0,
        admitted_ms: Some(2000),
        first_decoded_here_ms: Some(2300),
        first_decoded_there_ms: Some(2400),
        ended_ms: 12_000,
        gaps: Vec::new(),
        seconds_counted: counted,
        frames_decoded: 100,
        width: 1280,
        height: 720,
        reason: "PersonEnded".to_owned(),
        wall_start: world.unix_s(),
        ledger_head: Bytes32([1; 32]),
        visitor_statement: Some(statement),
        regrants: Vec::new(),
        earlier_statements: Vec::new(),
    }
}

async fn wait_text(visitor: &Visitor, words: &str) {
    let mut text = String::new();
    for _ in 0..200 {
        text = visitor.text().await.unwrap();
        if text.contains(words) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the page says: {text}");
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
