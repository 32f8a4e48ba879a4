//! Link itself, the binary, between a real broker and a real bus on which the test is the arbiter.

mod world;

use parloir_bus::error::BusError;
use parloir_bus::proxy::Courier1Proxy;
use parloir_link::message::{read_signal, write_signal};
use parloir_shell::fds;
use parloir_wire::signal::Signal;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;
use world::{A, Broker, Bus, Client, Process, SITE, Way, hex};
use zbus::object_server::SignalEmitter;

const CALL: [u8; 16] = [0xca; 16];

#[derive(Debug, PartialEq)]
enum Told {
    Attach,
    Online(bool),
    Deliver(String, Vec<u8>),
    Sent(u64),
    Signalling(String),
}

/// The arbiter's side of Courier1.xml, as thin as a test wants it. It refuses a second Attach of the same link, which must not make one.
struct Arbiter {
    told: mpsc::UnboundedSender<Told>,
    ends: mpsc::UnboundedSender<OwnedFd>,
    attached: String,
}

#[zbus::interface(name = "org.parloir.Courier1")]
impl Arbiter {
    fn attach(&mut self, #[zbus(header)] header: zbus::message::Header<'_>) -> zbus::fdo::Result<()> {
        let caller = header.sender().unwrap().to_string();
        if std::mem::replace(&mut self.attached, caller) == self.attached {
            return Err(zbus::fdo::Error::Failed("attached twice".into()));
        }
        let _ = self.told.send(Told::Attach);
        Ok(())
    }
    fn online(&self, up: bool) {
        let _ = self.told.send(Told::Online(up));
    }
    fn deliver(&self, kind: &str, body: Vec<u8>) -> Result<(), BusError> {
        let _ = self.told.send(Told::Deliver(kind.to_owned(), body));
        // A refusal is the arbiter's right, and link must live on.
        if kind == "beat" { Err(BusError::new("NoSuchGrant", "refused by the test")) } else { Ok(()) }
    }
    fn sent(&self, id: u64) {
        let _ = self.told.send(Told::Sent(id));
    }
    fn signalling(&self, call: &str) -> zbus::fdo::Result<zbus::OwnedFd> {
        let _ = self.told.send(Told::Signalling(call.to_owned()));
        let (ours, theirs) = fds::pair().map_err(|e| zbus::fdo::Error::Failed(e.to_string()))?;
        let _ = self.ends.send(ours);
        Ok(theirs.into())
    }
    #[zbus(signal)]
    async fn send(emitter: &SignalEmitter<'_>, id: u64, kind: &str, body: &[u8]) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn route(emitter: &SignalEmitter<'_>, call: &str, route: &str) -> zbus::Result<()>;
}

/// The arbiter's side of Diagnostics1.xml: a page says what was asked; one request is refused, one never answered.
struct Diagnostics;

#[zbus::interface(name = "org.parloir.Diagnostics1")]
impl Diagnostics {
    async fn export(&self, request: Vec<u8>) -> Result<Vec<u8>, BusError> {
        match request.as_slice() {
            b"refused" => Err(BusError::new("TooMany", "refused by the test")),
            b"slow" => std::future::pending().await,
            _ => Ok([b"page of ".as_slice(), &request].concat()),
        }
    }
}

/// An arbiter on the bus, and what it was told.
struct Seat {
    bus: zbus::Connection,
    told: mpsc::UnboundedReceiver<Told>,
    ends: mpsc::UnboundedReceiver<OwnedFd>,
}

impl Seat {
    async fn take(address: &str) -> Self {
        let ((told_in, told), (ends_in, ends)) = (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let arbiter = Arbiter { told: told_in, ends: ends_in, attached: String::new() };
        let bus = zbus::connection::Builder::address(address)
            .serve_at(parloir_bus::PATH, arbiter)
            .serve_at(parloir_bus::PATH, Diagnostics)
            .name(parloir_bus::NAME)
            .build()
            .await
            .unwrap();
        Self { bus, told, ends }
    }
    async fn told(&mut self) -> Told {
        timeout(Duration::from_secs(15), self.told.recv()).await.expect("link says something within 15 s").unwrap()
    }
    /// The next thing told that is not about being online.
    async fn told_else(&mut self) -> Told {
        loop {
            match self.told().await {
                Told::Online(_) => {}
                other => return other,
            }
        }
    }
    /// How long until link says this about the broker.
    async fn online(&mut self, wanted: bool) -> Duration {
        let since = Instant::now();
        while self.told().await != Told::Online(wanted) {}
        since.elapsed()
    }
    async fn send(&self, id: u64, kind: &str, body: &[u8]) {
        Arbiter::send(&self.emitter(), id, kind, body).await.unwrap();
    }
    async fn route(&self, call: &str, route: &str) {
        Arbiter::route(&self.emitter(), call, route).await.unwrap();
    }
    fn emitter(&self) -> SignalEmitter<'_> {
        SignalEmitter::new(&self.bus, parloir_bus::PATH).unwrap()
    }
    async fn leave(self) {
        self.bus.close().await.unwrap();
    }
}

struct World {
    link: Process,
    bus: Bus,
    broker: Broker,
}

impl World {
    fn start(name: &str) -> Self {
        let (broker, bus) = (Broker::start(name), Bus::start(name));
        let link = Self::link(&broker, &bus, &broker.address());
        Self { link, bus, broker }
    }
    /// With a way to the broker that can be cut.
    async fn by_a_way(name: &str) -> (Self, Way) {
        let (broker, bus) = (Broker::start(name), Bus::start(name));
        let way = Way::to(&broker).await;
        let link = Self::link(&broker, &bus, &way.address);
        (Self { link, bus, broker }, way)
    }
    fn link(broker: &Broker, bus: &Bus, address: &str) -> Process {
        let file = |p: &std::path::PathBuf| p.to_str().unwrap().to_owned();
        let child = world::tied(env!("CARGO_BIN_EXE_parloir-link"))
            .args(["--site", &hex(&SITE), "--device", &hex(&A), "--broker", address])
            .args(["--ca", &file(&broker.a.ca), "--cert", &file(&broker.a.cert), "--key", &file(&broker.a.key)])
            .env("DBUS_SYSTEM_BUS_ADDRESS", &bus.address)
            .env_remove("NOTIFY_SOCKET")
            .stdout(Stdio::null())
            .spawn();
        Process(child.unwrap())
    }
    async fn facility(&self) -> Client {
        let mut facility = self.broker.client("facility", &self.broker.facility).await;
        facility.subscribe("parloir/v1/+/+/up/#").await;
        facility
    }
}

fn down(kind: &str) -> String {
    format!("parloir/v1/{}/{}/down/{kind}", hex(&SITE), hex(&A))
}

/// The next body of that kind; others (`status`) pass.
async fn up(facility: &mut Client, kind: &str) -> Vec<u8> {
    loop {
        let (topic, body) = facility.next(kind).await;
        if topic.ends_with(&format!("/up/{kind}")) {
            return body;
        }
    }
}

async fn call_says(end: &OwnedFd, signal: &Signal) {
    fds::send(end, &signal.encode(), &[]).unwrap();
}

async fn call_hears(end: &OwnedFd) -> Option<Signal> {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match fds::recv(end, parloir_wire::signal::MAX, 0) {
            Ok(message) => return message.map(|m| Signal::decode(&m.bytes).unwrap()),
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(e) => panic!("{e}"),
        }
        assert!(Instant::now() < until, "call hears nothing");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn bodies_go_both_ways_and_again_after_the_arbiter_came_back() {
    let world = World::start("bodies");
    let mut facility = world.facility().await;
    assert!(facility.publish(&down("authority"), b"who", true).await);
    assert!(facility.publish(&down("policy"), b"rules", true).await);

    let mut seat = Seat::take(&world.bus.address).await;
    assert_eq!(seat.told().await, Told::Attach);
    let mut got = vec![seat.told_else().await, seat.told_else().await];
    got.sort_by_key(|t| format!("{t:?}"));
    assert_eq!(got, [Told::Deliver("authority".into(), b"who".into()), Told::Deliver("policy".into(), b"rules".into())]);

    assert!(facility.publish(&down("beat"), b"refused by the arbiter", false).await);
    assert!(facility.publish(&down("grant"), &[7; 60_000], false).await, "a large one");
    assert_eq!(seat.told_else().await, Told::Deliver("beat".into(), b"refused by the arbiter".into()));
    assert_eq!(seat.told_else().await, Told::Deliver("grant".into(), vec![7; 60_000]));

    for (id, kind) in [(1, "status"), (2, "../../x"), (3, "grant"), (4, "#")] {
        seat.send(id, kind, b"must not leave").await;
    }
    seat.send(5, "ask", b"question").await;
    assert_eq!(up(&mut facility, "ask").await, b"question");
    assert_eq!(seat.told_else().await, Told::Sent(5), "only what the broker has is Sent");

    seat.leave().await;
    assert!(facility.publish(&down("deny"), b"stop", false).await);
    assert!(facility.publish(&down("grant"), b"too late", false).await);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut seat = Seat::take(&world.bus.address).await;
    assert_eq!(seat.told().await, Told::Attach);
    assert_eq!(seat.told().await, Told::Online(true));
    for (kind, body) in [("authority", "who"), ("policy", "rules"), ("deny", "stop")] {
        assert_eq!(seat.told().await, Told::Deliver(kind.into(), body.into()));
    }
    seat.send(1, "time-request", b"{}").await;
    assert_eq!(up(&mut facility, "time-request").await, b"{}");
    assert_eq!(seat.told().await, Told::Sent(1));
}

#[tokio::test]
async fn signalling_passes_by_generation_and_says_bye() {
    let world = World::start("signal");
    let mut facility = world.facility().await;
    let mut seat = Seat::take(&world.bus.address).await;
    assert_eq!(seat.told().await, Told::Attach);
    let call = hex(&CALL);
    seat.route(&call, "direct").await;
    assert_eq!(seat.told_else().await, Told::Signalling(call.clone()));
    let end = seat.ends.recv().await.unwrap();

    let offer = Signal::Offer { generation: 1, sdp: "v=0\r\no".into() };
    call_says(&end, &offer).await;
    fds::send(&end, b"not a signal", &[]).unwrap();
    assert_eq!(read_signal(&up(&mut facility, "signal").await).unwrap(), (CALL, offer));
    let answer = |generation| Signal::Answer { generation, sdp: "v=0\r\na".into() };
    for dropped in [b"{}".to_vec(), write_signal(&CALL, &answer(2)), write_signal(&[1; 16], &answer(1)), Vec::new()] {
        assert!(facility.publish(&down("signal"), &dropped, false).await);
    }
    assert!(facility.publish(&down("signal"), &write_signal(&CALL, &answer(1)), false).await);
    assert_eq!(call_hears(&end).await, Some(answer(1)), "the first thing that call hears is the answer to its offer");

    // The call process died and was started again under the same grant.
    drop(end);
    assert_eq!(seat.told_else().await, Told::Signalling(call.clone()));
    let end = seat.ends.recv().await.unwrap();
    let again = Signal::Offer { generation: 2, sdp: "v=0\r\n2".into() };
    call_says(&end, &again).await;
    assert_eq!(read_signal(&up(&mut facility, "signal").await).unwrap(), (CALL, again));

    seat.route("", "").await;
    assert_eq!(read_signal(&up(&mut facility, "signal").await).unwrap(), (CALL, Signal::Bye { generation: 2 }));
    assert_eq!(call_hears(&end).await, None, "link lets go of its end");
}

#[tokio::test]
async fn a_broker_that_went_and_came_back() {
    let mut world = World::start("back");
    let mut seat = Seat::take(&world.bus.address).await;
    assert_eq!(seat.told().await, Told::Attach);
    while seat.told().await != Told::Online(true) {}
    world.broker.stop();
    assert_eq!(seat.told().await, Told::Online(false));
    seat.send(9, "receipt", b"kept by the arbiter until Sent").await;
    world.broker.run();
    let mut facility = world.facility().await;
    assert_eq!(up(&mut facility, "receipt").await, b"kept by the arbiter until Sent");
    let mut seen = vec![seat.told().await, seat.told().await];
    seen.sort_by_key(|t| format!("{t:?}"));
    assert_eq!(seen, [Told::Online(true), Told::Sent(9)]);

    // Its end, however it comes, is told by the broker.
    world.link.0.kill().unwrap();
    while up(&mut facility, "status").await != br#"{"v":1,"online":false}"# {}
    let mut late = world.broker.client("b", &world.broker.b).await;
    late.subscribe("#").await;
    assert_eq!(late.listen(200).await, [], "and not to a stranger");
}

/// Nothing that was said in a cut is lost, order stays, and of the signals only those of the newest offer are worth sending.
#[tokio::test]
async fn a_cut_is_noticed_and_over_within_two_seconds_of_return() {
    let (world, way) = World::by_a_way("cut").await;
    let mut facility = world.facility().await;
    let mut seat = Seat::take(&world.bus.address).await;
    seat.online(true).await;
    let call = hex(&CALL);
    seat.route(&call, "direct").await;
    assert_eq!(seat.told_else().await, Told::Signalling(call));
    let end = seat.ends.recv().await.unwrap();

    way.cut(true);
    let noticed = seat.online(false).await;
    assert!(noticed < Duration::from_secs(8), "two keep-alives, not TCP's quarter of an hour: {noticed:?}");
    for generation in [1, 2] {
        call_says(&end, &Signal::Offer { generation, sdp: "v=0".into() }).await;
        call_says(&end, &Signal::Candidate { generation, mline: 0, candidate: String::new() }).await;
    }
    seat.send(1, "receipt", b"both sides' word").await;
    assert!(facility.publish(&down("deny"), b"stop", false).await);
    tokio::time::sleep(Duration::from_secs(1)).await;
    way.cut(false);
    let returned = Instant::now();
    let (mut deny, mut sent, mut back) = (false, false, None);
    while !deny || !sent || back.is_none() {
        match seat.told().await {
            Told::Deliver(kind, body) => deny |= kind == "deny" && body == b"stop",
            Told::Sent(1) => sent = true,
            Told::Online(true) => back = Some(returned.elapsed()),
            other => panic!("{other:?}"),
        }
    }
    assert!(back.unwrap() < Duration::from_secs(2), "{back:?}");
    let mut signals = Vec::new();
    let mut receipt = false;
    while signals.len() < 2 || !receipt {
        let (topic, body) = facility.next("what waited").await;
        receipt |= topic.ends_with("/receipt");
        signals.extend(topic.ends_with("/signal").then(|| read_signal(&body).unwrap().1));
    }
    let generation = 2;
    assert_eq!(signals[0], Signal::Offer { generation, sdp: "v=0".into() });
    assert_eq!(signals[1], Signal::Candidate { generation, mline: 0, candidate: String::new() });
}

/// How it was broken: a cut while much was on its way. The client waited for room in the socket, for as long as TCP does, and did not ping.
#[tokio::test]
async fn a_connection_that_takes_no_more_bytes_is_given_up() {
    let (world, way) = World::by_a_way("full").await;
    let mut seat = Seat::take(&world.bus.address).await;
    seat.online(true).await;
    way.cut(true);
    for id in 0..50 {
        seat.send(id, "receipt", &[7; 60_000]).await;
    }
    let noticed = seat.online(false).await;
    assert!(noticed < Duration::from_secs(10), "{noticed:?}");
    way.cut(false);
    let (returned, mut back) = (Instant::now(), None);
    let mut sent: Vec<u64> = Vec::new();
    while sent.len() < 50 || back.is_none() {
        match seat.told().await {
            Told::Sent(id) => sent.push(id),
            Told::Online(true) => back = Some(returned.elapsed()),
            other => panic!("{other:?}"),
        }
    }
    assert!(back.unwrap() < Duration::from_secs(2), "{back:?}");
    sent.sort_unstable();
    assert_eq!(sent, (0..50).collect::<Vec<_>>(), "none lost, none said twice");
}

#[tokio::test]
async fn a_broker_that_stands_still_and_one_that_was_killed() {
    let mut world = World::start("still");
    let mut seat = Seat::take(&world.bus.address).await;
    seat.online(true).await;
    world.broker.hurt("-STOP");
    let noticed = seat.online(false).await;
    assert!(noticed < Duration::from_secs(8), "{noticed:?}");
    world.broker.hurt("-CONT");
    let back = seat.online(true).await;
    assert!(back < Duration::from_secs(2), "{back:?}");

    world.broker.hurt("-KILL");
    assert!(seat.online(false).await < Duration::from_secs(1));
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.broker.run();
    let back = seat.online(true).await;
    assert!(back < Duration::from_secs(2), "{back:?}");
}

/// How it was broken: link was killed. The broker kept its session, the new link had no memory of it, and its client refused to subscribe and
/// to publish until the session's end, ten minutes later.
#[tokio::test]
async fn link_is_killed_in_a_visit_and_the_next_takes_up_all() {
    let mut world = World::start("restart");
    let mut facility = world.facility().await;
    let mut seat = Seat::take(&world.bus.address).await;
    seat.online(true).await;
    let call = hex(&CALL);
    seat.route(&call, "direct").await;
    let mut end = seat.ends.recv().await.unwrap();
    let offer = Signal::Offer { generation: 1, sdp: "v=0".into() };
    call_says(&end, &offer).await;
    assert_eq!(read_signal(&up(&mut facility, "signal").await).unwrap().1, offer);

    world.link.0.kill().unwrap();
    world.link.0.wait().unwrap();
    let answer = Signal::Answer { generation: 1, sdp: "v=0".into() };
    for (kind, body) in [("signal", write_signal(&CALL, &answer)), ("deny", b"stop".to_vec()), ("beat", b"on".to_vec())] {
        assert!(facility.publish(&down(kind), &body, false).await);
    }
    world.link = World::link(&world.broker, &world.bus, &world.broker.address());
    while seat.told_else().await != Told::Attach {}
    seat.route(&call, "direct").await;
    let (mut online, mut deny, mut beat, mut signalling) = (false, false, false, false);
    while !(online && deny && beat && signalling) {
        match seat.told().await {
            Told::Online(up) => online |= up,
            Told::Deliver(kind, _) => (deny, beat) = (deny | (kind == "deny"), beat | (kind == "beat")),
            Told::Signalling(_) => signalling = true,
            other => panic!("{other:?}"),
        }
    }
    while let Ok(newer) = seat.ends.try_recv() {
        end = newer;
    }
    // Call repeats what it said to each new end; the answer that waited fits it.
    call_says(&end, &offer).await;
    assert_eq!(read_signal(&up(&mut facility, "signal").await).unwrap().1, offer);
    assert_eq!(call_hears(&end).await, Some(answer));
    let again = Signal::Again { generation: 0 };
    assert!(facility.publish(&down("signal"), &write_signal(&CALL, &again), false).await);
    assert_eq!(call_hears(&end).await, Some(again));
}

#[tokio::test]
async fn the_proxy_of_the_bus_crate_fits() {
    let bus = Bus::start("proxy");
    let mut seat = Seat::take(&bus.address).await;
    let other = zbus::connection::Builder::address(bus.address.as_str()).build().await.unwrap();
    let proxy = Courier1Proxy::new(&other).await.unwrap();
    proxy.deliver("policy", b"x").await.unwrap();
    assert_eq!(seat.told().await, Told::Deliver("policy".into(), b"x".to_vec()));
}

#[tokio::test]
async fn a_page_of_diagnostics_goes_up_beside_everything_else() {
    let world = World::start("diagnose");
    let mut facility = world.facility().await;
    let mut seat = Seat::take(&world.bus.address).await;
    while seat.told().await != Told::Online(true) {}
    for request in ["slow", "refused", "one", "two"] {
        assert!(facility.publish(&down("diagnose"), request.as_bytes(), false).await);
    }
    let mut pages = vec![up(&mut facility, "export").await, up(&mut facility, "export").await];
    pages.sort();
    assert_eq!(pages, [b"page of one".to_vec(), b"page of two".to_vec()]);
    // Neither the one that nobody answers nor the refusal keeps what is delivered waiting.
    assert!(facility.publish(&down("grant"), b"still", false).await);
    assert_eq!(seat.told_else().await, Told::Deliver("grant".into(), b"still".into()));
}
