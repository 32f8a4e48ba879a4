//! Owns: a cell with everything running: gate's stub, a screen that has the keys, a courier that has delivered what is retained.
//! Never: answers an Ask by itself.
//! Called by: the tests of a visit.

use crate::facility::{self, Visitor};
use crate::gate::{Call, Gate};
use crate::house::{House, LIMIT, LINK, UI};
use parloir_bus::proxy::{Calls1Proxy, Courier1Proxy, Remote1Proxy};
use parloir_bus::view::{Phase, View};
use parloir_pass::{Ask, Grant, Id};
use parloir_shell::fds;
use parloir_wire::gate::ToGate;
use parloir_wire::keys::{Key, KeyPress};
use parloir_wire::lease::{Fact, ToCall};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime};
use tokio::time::timeout;
use zbus::Connection;
use zbus::export::futures_core::Stream;

/// The next item of a stream, within the limit.
pub async fn next<S: Stream + Unpin>(stream: &mut S) -> S::Item {
    let item = timeout(LIMIT, poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx))).await;
    item.expect("nothing comes").expect("the stream ended")
}

/// A courier as link is one, without a broker.
pub struct Courier {
    /// Dropping it is leaving the bus.
    pub bus: Connection,
    pub proxy: Courier1Proxy<'static>,
    sends: parloir_bus::proxy::SendStream,
    /// Receipts that came while something else was waited for.
    early: VecDeque<(u64, String, Vec<u8>)>,
    pub routes: parloir_bus::proxy::RouteStream,
}

impl Courier {
    /// Attached.
    pub async fn attach(house: &House) -> Self {
        let bus = house.connect(LINK).await;
        let proxy = Courier1Proxy::new(&bus).await.unwrap();
        let (sends, routes) = (proxy.receive_send().await.unwrap(), proxy.receive_route().await.unwrap());
        proxy.attach().await.unwrap();
        Self { bus, proxy, sends, early: VecDeque::new(), routes }
    }

    /// The next thing to carry: number, kind, body.
    pub async fn next(&mut self) -> (u64, String, Vec<u8>) {
        match self.early.pop_front() {
            Some(early) => early,
            None => self.hear().await,
        }
    }

    async fn hear(&mut self) -> (u64, String, Vec<u8>) {
        let signal = next(&mut self.sends).await;
        let args = signal.args().unwrap();
        (*args.id(), (*args.kind()).to_owned(), args.body().clone())
    }

    /// The next thing of a kind; everything before it but receipts is acknowledged.
    pub async fn next_of(&mut self, kind: &str) -> (u64, Vec<u8>) {
        if let Some(at) = self.early.iter().position(|(_, is, _)| is == kind) {
            let (id, _, body) = self.early.remove(at).unwrap();
            return (id, body);
        }
        loop {
            match self.hear().await {
                (id, is, body) if is == kind => return (id, body),
                early if early.1 == "receipt" => self.early.push_back(early),
                (id, _, _) => self.proxy.sent(id).await.unwrap(),
            }
        }
    }

    pub async fn deliver(&self, kind: &str, body: &[u8]) -> Result<(), String> {
        self.proxy.deliver(kind, body).await.map_err(|e| error_name(&e))
    }
}

/// The D-Bus error's name without our prefix.
pub fn error_name(error: &zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(name, ..) => name.strip_prefix("org.parloir.Error.").unwrap_or(name.as_str()).to_owned(),
        zbus::Error::FDO(error) => zbus::DBusError::name(&**error).to_string(),
        other => other.to_string(),
    }
}

/// The next key that comes to the screen within this time.
pub async fn next_of_keys(cell: &Cell, time: Duration) -> Option<u64> {
    let start = Instant::now();
    while start.elapsed() < time {
        if let Ok(Some(message)) = fds::recv(&cell.keys, 24, 0) {
            return Some(KeyPress::decode(&message.bytes).unwrap().serial);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    None
}

/// A cell.
pub struct Cell {
    pub house: House,
    pub gate: Gate,
    pub courier: Courier,
    pub screen: Calls1Proxy<'static>,
    pub bus: Connection,
    changes: parloir_bus::proxy::ChangedStream,
    pub view: View,
    pub keys: OwnedFd,
    pub visitor: Visitor,
}

impl Cell {
    /// Everything up, the clock trusted, phase home.
    pub async fn ready(mut house: House) -> Self {
        house.start_arbiter().await;
        let gate = Gate::start(&house.gate_socket(), house.site.device.0).await;
        Self::meet(house, gate).await
    }

    /// The same with an arbiter that was started again.
    pub async fn again(mut self) -> Self {
        self.house.start_arbiter().await;
        drop(self.gate);
        let gate = Gate::start(&self.house.gate_socket(), self.house.site.device.0).await;
        Self::meet(self.house, gate).await
    }

    /// With an arbiter and a gate that run.
    pub async fn meet(house: House, gate: Gate) -> Self {
        let courier = Courier::attach(&house).await;
        let bus = house.connect(UI).await;
        let screen = Calls1Proxy::new(&bus).await.unwrap();
        let changes = screen.receive_changed().await.unwrap();
        let view = screen.attach().await.unwrap();
        let keys = Remote1Proxy::new(&bus).await.unwrap().focus().await.unwrap().into();
        let mut cell = Self { house, gate, courier, screen, bus, changes, view, keys, visitor: Visitor::new() };
        cell.deliver_retained().await;
        cell.until("ready", |v| v.phase != Phase::Starting && v.clock_trusted && v.online).await;
        cell
    }

    /// The retained documents again, and a time request if there is one; a link that was started again does that.
    pub async fn deliver_retained_again(&mut self) {
        let site = &self.house.site;
        self.courier.proxy.online(true).await.unwrap();
        self.courier.deliver("authority", &site.authority).await.unwrap();
        self.courier.deliver("policy", &site.policy_jws).await.unwrap();
        self.courier.deliver("door-record", &site.door_record).await.unwrap();
        self.courier.deliver("entitlement", &facility::entitlement(site, &site.person)).await.unwrap();
    }

    /// Another screen in the place of the one that left the bus.
    pub async fn screen_again(&mut self) {
        self.bus = self.house.connect(UI).await;
        self.screen = Calls1Proxy::new(&self.bus).await.unwrap();
        self.changes = self.screen.receive_changed().await.unwrap();
        self.view = self.screen.attach().await.unwrap();
        self.keys = Remote1Proxy::new(&self.bus).await.unwrap().focus().await.unwrap().into();
    }

    /// As link does after it has attached and its broker is connected; answers the time request.
    pub async fn deliver_retained(&mut self) {
        self.deliver_retained_again().await;
        let (id, body) = self.courier.next_of("time-request").await;
        self.courier.proxy.sent(id).await.unwrap();
        let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let nonce = request["nonce"].as_str().unwrap().parse().unwrap();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
        let time = facility::time(&self.house.site, nonce, i64::try_from(now).unwrap());
        self.courier.deliver("time", &time).await.unwrap();
    }

    /// Follows the view until a condition holds.
    pub async fn until(&mut self, what: &str, holds: impl Fn(&View) -> bool) -> View {
        let start = Instant::now();
        while !holds(&self.view) {
            assert!(start.elapsed() < LIMIT, "never {what}: {:?}", self.view);
            let signal = next(&mut self.changes).await;
            let view = signal.args().unwrap().view().clone();
            assert!(view.revision > self.view.revision, "revisions grow");
            self.view = view;
        }
        self.view.clone()
    }

    pub async fn phase(&mut self, phase: Phase) -> View {
        self.until(&format!("{phase:?}"), |view| view.phase == phase).await
    }

    /// Id of a contact, as the screen knows it.
    pub fn contact(&self, name: &str) -> String {
        self.view.contacts.iter().find(|c| c.name == name).unwrap().id.clone()
    }

    /// Presses OK and waits until the screen has it.
    pub async fn press_ok(&mut self) -> u64 {
        let serial = self.gate.press(Key::Ok);
        assert_eq!(self.next_key().await.serial, serial);
        serial
    }

    pub async fn next_key(&self) -> KeyPress {
        let start = Instant::now();
        loop {
            match fds::recv(&self.keys, 24, 0) {
                Ok(Some(message)) => return KeyPress::decode(&message.bytes).unwrap(),
                Ok(None) => panic!("the key socket hung up"),
                Err(_) if start.elapsed() < LIMIT => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(e) => panic!("no key comes: {e}"),
            }
        }
    }

    /// OK on Ana: as far as the Ask.
    pub async fn ask(&mut self) -> Asked {
        let serial = self.press_ok().await;
        let call = self.screen.place(&self.contact("Ana"), "video", serial).await.unwrap();
        self.asked(call, serial).await
    }

    /// From the screen's word to the Ask.
    pub async fn asked(&mut self, call: String, serial: u64) -> Asked {
        let (lease, nonce, end) = self.gate.prepared(serial).await;
        let (certificate, fds) = end.next().await;
        assert_eq!((certificate, fds.len()), (ToCall::Certificate, 1));
        let (id, body) = self.courier.next_of("ask").await;
        self.courier.proxy.sent(id).await.unwrap();
        let ask = facility::open_ask(&self.house.site, &body);
        assert_eq!((ask.call.to_string(), ask.call.0, ask.gate_nonce), (call, lease, Id(nonce)));
        self.phase(Phase::Asking).await;
        Asked { ask, call: end }
    }

    pub fn grant_for(&self, ask: &Ask) -> Grant {
        facility::grant(&self.house.site, ask, &self.visitor)
    }

    pub async fn deliver_grant(&self, grant: &Grant) -> Result<(), String> {
        let body = facility::seal(&self.house.site, grant, &self.house.site.grant);
        self.courier.deliver("grant", &body).await
    }

    /// From the Ask to open doors and the plan in call's hands.
    pub async fn join(&mut self, asked: &Asked) -> Grant {
        let grant = self.grant_for(&asked.ask);
        self.deliver_grant(&grant).await.unwrap();
        let (message, _) = self.gate.next().await;
        assert_eq!(message, ToGate::Open { ticket: Box::new(grant.ticket.0) });
        let (lease, at_ns) = (grant.call.0, parloir_shell::BootTime::now_ns());
        self.gate.send(&parloir_wire::gate::FromGate::Opened { lease, media: 3, at_ns });
        let (plan, _) = asked.call.next().await;
        let ToCall::Plan(plan) = plan else { panic!("not a plan: {plan:?}") };
        assert_eq!((plan.lease, plan.far, plan.direct), (lease, vec![self.visitor.certificate.0], true));
        self.phase(Phase::Joining).await;
        grant
    }

    /// From joining to live: call's facts and the visitor's statement.
    pub async fn live(&mut self, asked: &Asked) {
        let at_ns = parloir_shell::BootTime::now_ns();
        let fingerprint = self.visitor.certificate.0;
        asked.call.say(&Fact::FarVerified { fingerprint });
        asked.call.say(&Fact::FirstPicture { at_ns, width: 1280, height: 720, codec: "H264".into() });
        asked.call.say(&Fact::Decoding { on: true, at_ns });
        let statement = self.visitor.says(asked.ask.call, 1, true, false);
        self.courier.deliver("statement", &statement).await.unwrap();
        self.phase(Phase::Live).await;
    }

    /// Another second of a visit: both ends say that they decode.
    pub async fn goes_on(&self, asked: &Asked, count: u64) {
        asked.call.progress(count);
        let says = self.visitor.says(asked.ask.call, count, true, false);
        self.courier.deliver("statement", &says).await.unwrap();
    }
}

/// A call that was asked for.
pub struct Asked {
    pub ask: Ask,
    pub call: Call,
}
