//! Owns: a box's end of the media in a second window of the page's own browser, and what is done with both.
//! Never: the visitor's page.
//! Called by: browser.rs, reload.rs, small_box.rs.

use super::{Box_, World};
use fantoccini::Client;
use fantoccini::wd::WindowHandle;
use parloir_facility::visitor::{Options, Visitor};
use parloir_link::message::{read_signal, write_signal};
use parloir_pass::{Bytes32, Grant, Id, Receipt, Statement, VERSION};
use parloir_seal::{jws, random};
use parloir_wire::signal::Signal;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::time::Duration;

/// A box's end of the media: a window of the same browser with a moving picture and a tone.
pub struct FarEnd {
    client: Client,
    own: WindowHandle,
    page: WindowHandle,
    /// The newest offer; what belongs to an older one is dropped, as link does.
    generation: Cell<u32>,
    /// What its offers ask the page to keep to: lines of SDP for the section of pictures.
    pub asks: RefCell<String>,
}

const MAKE: &str = include_str!("../far_end.js");

impl FarEnd {
    pub async fn run(&self, script: &str, arguments: Vec<Value>) -> Value {
        let client = &self.client;
        client.switch_to_window(self.own.clone()).await.unwrap();
        let value = client.execute_async(script, arguments).await.unwrap();
        client.switch_to_window(self.page.clone()).await.unwrap();
        value
    }
    /// The next offer and the certificate behind it.
    pub async fn offer(&self) -> (Signal, Bytes32) {
        let made = self.run(MAKE, Vec::new()).await;
        let hex: String = made["print"].as_str().unwrap().replace(':', "");
        let bytes: Vec<u8> = (0..32).map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()).collect();
        let generation = self.generation.get() + 1;
        self.generation.set(generation);
        let (before, video) = made["sdp"].as_str().unwrap().split_once("m=video").unwrap();
        let sdp = format!("{before}m=video{}", video.replacen("\r\na=", &format!("{}\r\na=", self.asks.borrow()), 1));
        (Signal::Offer { generation, sdp }, Bytes32(bytes.try_into().unwrap()))
    }
    /// Offers, as the box does at first, and again when it is asked to.
    pub async fn call(&self, b: &Box_, grant: &Grant) {
        let (offer, certificate) = self.offer().await;
        assert_eq!(certificate, grant.box_certificate);
        b.send("signal", &write_signal(&grant.call.0, &offer)).await;
    }
    pub fn generation(&self) -> u32 {
        self.generation.get()
    }
    pub async fn hear(&self, signal: &Signal, party: &Bytes32) {
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

pub fn pictures() -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page-pictures");
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

pub async fn open(world: &World, window: (u32, u32), name: &str) -> Visitor {
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

pub async fn far_end(world: &World, visitor: &Visitor) -> FarEnd {
    let client = visitor.client().clone();
    let page = client.window().await.unwrap();
    let own = client.new_window(false).await.unwrap().handle;
    client.switch_to_window(own.clone()).await.unwrap();
    // A page of the same origin, so that it is a secure context.
    let origin = world.url.split("/v/").next().unwrap().to_owned();
    client.goto(&format!("{origin}/none")).await.unwrap();
    client.switch_to_window(page.clone()).await.unwrap();
    FarEnd { client, own, page, generation: Cell::new(0), asks: RefCell::default() }
}

/// Carries signals between the page and the far end until statements say what is wanted.
pub async fn until_statement(
    b: &mut Box_,
    far: &FarEnd,
    grant: &Grant,
    wanted: impl Fn(&Statement) -> bool,
) -> (Statement, String) {
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
                if matches!(signal, Signal::Again { .. }) {
                    far.call(b, grant).await;
                } else {
                    far.hear(&signal, &grant.parties[0].certificate).await;
                }
            }
            _ => {}
        }
    }
    panic!("400 messages without the statement that was wanted");
}

pub fn receipt(world: &World, grant: &Grant, ask: &parloir_pass::Ask, counted: u32, statement: String) -> Receipt {
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

pub async fn wait_text(visitor: &Visitor, words: &str) {
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
