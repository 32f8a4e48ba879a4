//! Owns: every method of the bus contract against every caller: who is denied, and what the right caller can do by wrong arguments, by
//! old ids, by asking twice at once and by asking without end.
//! Never: a method of the XML without a row here (a test compares).
//! Called by: cargo test, callers (who may call what without the bus's own policy).

use crate::cell::{Cell, error_name};
use crate::facility;
use crate::house::{CALL, GATE, House, LIMIT, LINK, STRANGER, UI, UPDATER, inside};
use crate::states::{At, bring};
use parloir_arbiter::ledger::{FILE, Ledger};
use parloir_bus::view::{Phase, View};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use zbus::Connection;
use zbus::{Structure, Variant};

/// Arguments of a call.
type Args = Vec<Variant<'static>>;

/// One method.
pub struct Row {
    pub interface: &'static str,
    pub method: &'static str,
    /// Well formed.
    good: fn() -> Args,
    /// Whether any well-formed call may succeed when nothing is going on.
    harmless: bool,
}

const ID: &str = "00112233445566778899aabbccddeeff";
const CALLS: &str = "org.parloir.Calls1";
const REMOTE: &str = "org.parloir.Remote1";
const COURIER: &str = "org.parloir.Courier1";
const MAINTENANCE: &str = "org.parloir.Maintenance1";
const DIAGNOSTICS: &str = "org.parloir.Diagnostics1";

/// What the bus itself says to a caller that its policy does not know.
pub const DENIED: &str = "org.freedesktop.DBus.Error.AccessDenied";

fn none() -> Args {
    Vec::new()
}

fn id() -> Args {
    vec![ID.into()]
}

fn id_media_serial() -> Args {
    vec![ID.into(), "video".into(), 1_u64.into()]
}

const fn row(interface: &'static str, method: &'static str, good: fn() -> Args, harmless: bool) -> Row {
    Row { interface, method, good, harmless }
}

/// Every method.
pub const ROWS: [Row; 22] = [
    row(CALLS, "Attach", none, true),
    row(CALLS, "Place", id_media_serial, false),
    row(CALLS, "Answer", id_media_serial, false),
    row(CALLS, "Decline", id, false),
    row(CALLS, "End", none, true),
    row(CALLS, "Let", || vec![true.into(), true.into(), 1_u64.into()], false),
    row(CALLS, "Frames", none, false),
    row(CALLS, "Dismiss", none, true),
    row(CALLS, "SignIn", || vec![1_u8.into(), 1_u64.into()], false),
    row(CALLS, "SignOut", none, true),
    row(CALLS, "Drawn", none, true),
    row(CALLS, "Record", || vec![0_u64.into()], true),
    row(REMOTE, "Focus", none, true),
    row(COURIER, "Attach", none, true),
    row(COURIER, "Online", || vec![true.into()], true),
    row(COURIER, "Deliver", || vec!["policy".into(), vec![1_u8].into()], false),
    row(COURIER, "Sent", || vec![1_u64.into()], true),
    row(COURIER, "Signalling", id, false),
    row(DIAGNOSTICS, "Export", || vec![vec![1_u8].into()], false),
    row(MAINTENANCE, "Begin", || vec!["install".into(), "1.0.0".into()], true),
    row(MAINTENANCE, "Health", none, true),
    row(MAINTENANCE, "Report", || vec!["1.0.0".into(), "Blessed".into()], true),
];

impl Row {
    /// Calls the method with well-formed arguments; the name of the error, if there is one.
    pub async fn call(&self, bus: &Connection) -> Result<(), String> {
        call(bus, Some(self.interface), self.method, (self.good)()).await
    }

    fn name(&self) -> String {
        format!("{}.{}", self.interface, self.method)
    }
}

async fn call(bus: &Connection, interface: Option<&str>, method: &str, args: Args) -> Result<(), String> {
    let (to, path) = (Some(parloir_bus::NAME), parloir_bus::PATH);
    let reply = if args.is_empty() {
        bus.call_method(to, path, interface, method, &()).await
    } else {
        let body = args.into_iter().fold(Structure::builder(), |body, arg| body.append_field(arg)).build().unwrap();
        bus.call_method(to, path, interface, method, &body).await
    };
    reply.map(|_| ()).map_err(|e| error_name(&e))
}

/// Whose interface it is.
pub fn may(uid: u32, interface: &str) -> bool {
    match uid {
        UI => [CALLS, REMOTE].contains(&interface),
        LINK => [COURIER, DIAGNOSTICS].contains(&interface),
        UPDATER => interface == MAINTENANCE,
        _ => false,
    }
}

#[test]
fn every_method_of_the_contract_has_a_row() {
    let mut written = BTreeSet::new();
    for file in std::fs::read_dir(House::tree().join("appliance/bus/dbus")).unwrap().map(Result::unwrap) {
        let text = std::fs::read_to_string(file.path()).unwrap();
        let interface = text.split("<interface name=\"").nth(1).unwrap().split('"').next().unwrap();
        let methods = text.split("<method name=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
        written.extend(methods.map(|method| format!("{interface}.{method}")));
    }
    assert_eq!(written, ROWS.iter().map(Row::name).collect());
}

/// Each role and a stranger, each method, with and without the interface's name, and what every object has.
#[test]
fn each_method_answers_its_role_and_nobody_else() {
    inside("methods::each_method_answers_its_role_and_nobody_else", |mut house| async move {
        house.start_arbiter().await;
        for uid in [0, STRANGER, GATE, CALL, UPDATER, UI, LINK] {
            let bus = house.connect(uid).await;
            for row in &ROWS {
                let said = row.call(&bus).await;
                let denied = said.as_ref().is_err_and(|e| e == DENIED);
                assert_eq!(denied, !may(uid, row.interface), "{uid} {}: {said:?}", row.name());
                let nameless = call(&bus, None, row.method, (row.good)()).await;
                assert_eq!(nameless, Err(DENIED.to_owned()), "{uid} {} without its interface", row.name());
            }
            for (interface, method, args) in [
                ("org.freedesktop.DBus.Properties", "GetAll", vec![CALLS.into()]),
                ("org.freedesktop.DBus.Introspectable", "Introspect", none()),
                ("org.freedesktop.DBus.Peer", "Ping", none()),
                ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects", none()),
            ] {
                let said = call(&bus, Some(interface), method, args).await;
                assert_eq!(said, Err(DENIED.to_owned()), "{uid} {interface}.{method}");
            }
        }
    });
}

/// What stands in the place of one good argument.
fn worse(good: &Variant<'_>) -> Vec<Variant<'static>> {
    let text = |text: &str| Variant::from(text.to_owned());
    match good {
        Variant::Str(_) => vec![
            text(""),
            text("x"),
            text(&ID.to_uppercase()),
            text(&format!("{ID}0")),
            text("../../etc/passwd"),
            text("\u{202e}ana"),
            text(&"a".repeat(1 << 20)),
        ],
        Variant::U64(_) => [0, 1, u64::MAX].map(Variant::from).into(),
        Variant::Bool(_) => [true, false].map(Variant::from).into(),
        Variant::U8(_) => [0, 1, 9, u8::MAX].map(Variant::from).into(),
        Variant::Array(_) => {
            [vec![], vec![0xff; 256], vec![b'['; 60_000], vec![0; 64 * 1024 + 1], vec![b'e'; 1 << 20]].map(Variant::from).into()
        }
        other => panic!("no hostile value for {other:?}"),
    }
}

/// Bodies that are not of the method's signature.
fn misshapen(good: &Args) -> Vec<Args> {
    let mut all = vec![vec!["wrong".into(), 1_u8.into(), vec![1_u64].into()], vec![Variant::Variant(Box::new(1_u8.into()))]];
    if !good.is_empty() {
        all.push(none());
    }
    let mut one_more: Args = good.iter().map(|v| v.try_clone().unwrap()).collect();
    one_more.push(1_u8.into());
    all.push(one_more);
    all
}

/// The view without its number: nothing on the screen is another.
async fn seen(cell: &Cell) -> View {
    View { revision: 0, ..cell.screen.attach().await.unwrap() }
}

/// Nobody's call, no panic, no line that says that a defect of ours was met.
async fn unharmed(cell: &mut Cell, before: &View) {
    cell.screen.dismiss().await.unwrap();
    assert_eq!(&seen(cell).await, before);
    assert_eq!(cell.gate.within(Duration::from_millis(100)).await, vec![], "gate heard of it");
    let log = cell.house.log();
    assert!(!log.contains("panicked") && !log.contains(" ERROR "), "{log}");
}

#[test]
fn the_right_caller_with_wrong_arguments_changes_nothing() {
    inside("methods::the_right_caller_with_wrong_arguments_changes_nothing", |house| async {
        let mut cell = Cell::ready(house).await;
        let before = seen(&cell).await;
        for row in &ROWS {
            let bus = match row.interface {
                COURIER | DIAGNOSTICS => cell.courier.bus.clone(),
                MAINTENANCE => cell.house.connect(UPDATER).await,
                _ => cell.bus.clone(),
            };
            let good = (row.good)();
            for body in misshapen(&good) {
                let said = call(&bus, Some(row.interface), row.method, body).await;
                assert!(said.is_err(), "{} took a body of another signature", row.name());
            }
            for at in 0..good.len() {
                for value in worse(&good[at]) {
                    let what = format!("{} with argument {at} {value:.40?}", row.name());
                    let mut args: Args = good.iter().map(|v| v.try_clone().unwrap()).collect();
                    args[at] = value;
                    match call(&bus, Some(row.interface), row.method, args).await {
                        Ok(()) => assert!(row.harmless, "{what}: taken"),
                        // One of ours: with a dot it would be the bus's or the library's.
                        Err(name) => assert!(!name.contains('.') && name != "Internal", "{what}: {name}"),
                    }
                }
            }
            cell.courier.proxy.online(true).await.unwrap();
            drop(bus);
            cell.until("online", |v| v.online && v.maintenance.is_empty()).await;
            unharmed(&mut cell, &before).await;
        }
        // Two hundred key sockets more or less: descriptors do not pile up.
        let open = std::fs::read_dir(format!("/proc/{}/fd", cell.house.arbiter_pid())).unwrap().count();
        assert!(open < 64, "{open} descriptors");
        bounded(&mut cell, 40).await;
    });
}

/// Rows of the ledger after all of it.
async fn bounded(cell: &mut Cell, most: u64) {
    tokio::time::sleep(Duration::from_millis(500)).await;
    cell.house.kill_arbiter();
    let state = cell.house.dir.join("state");
    let (rows, _) = Ledger::open(&state).unwrap().check().unwrap();
    let size = std::fs::metadata(state.join(FILE)).unwrap().len();
    assert!(rows <= most && size < 1 << 20, "{rows} rows, {size} bytes");
}

/// Calls that want no answer, which the bus does not count: a thousand of each method.
#[test]
fn a_thousand_of_each_at_once_leave_an_arbiter_that_answers() {
    inside("methods::a_thousand_of_each_at_once_leave_an_arbiter_that_answers", |house| async {
        let mut cell = Cell::ready(house).await;
        let before = seen(&cell).await;
        for row in &ROWS {
            // One that is the screen, the courier or the updater, and hears nobody.
            let courier = [COURIER, DIAGNOSTICS].contains(&row.interface);
            let (user, first) = match row.interface {
                COURIER | DIAGNOSTICS => (LINK, (COURIER, "Attach")),
                MAINTENANCE => (UPDATER, (MAINTENANCE, "Health")),
                _ => (UI, (CALLS, "Attach")),
            };
            let bus = cell.house.connect(user).await;
            call(&bus, Some(first.0), first.1, none()).await.unwrap();
            for _ in 0..1000 {
                bus.send(&unanswered(row)).await.unwrap();
            }
            // The other role does not wait behind it for long, and the flooding one is heard again soon.
            let asked = Instant::now();
            if courier { cell.screen.attach().await.map(|_| ()) } else { cell.courier.proxy.online(true).await }.unwrap();
            assert!(asked.elapsed() < Duration::from_secs(2), "{}: {:?}", row.name(), asked.elapsed());
            while row.call(&bus).await == Err("TooMany".to_owned()) {
                assert!(asked.elapsed() < LIMIT, "{}: nobody is answered any more", row.name());
            }
            drop(bus);
            cell.courier.proxy.attach().await.unwrap();
            cell.courier.proxy.online(true).await.unwrap();
            cell.view = cell.screen.attach().await.unwrap();
            cell.until("online", |v| v.online && v.maintenance.is_empty()).await;
            unharmed(&mut cell, &before).await;
        }
        bounded(&mut cell, 60).await;
    });
}

fn unanswered(row: &Row) -> zbus::Message {
    let call = zbus::Message::method_call(parloir_bus::PATH, row.method).destination(parloir_bus::NAME);
    let call = call.interface(row.interface).with_flags(zbus::message::Flags::NO_REPLY_EXPECTED);
    let args = (row.good)();
    if args.is_empty() {
        return call.build(&()).unwrap();
    }
    call.build(&args.into_iter().fold(Structure::builder(), |body, arg| body.append_field(arg)).build().unwrap()).unwrap()
}

/// One press, quoted twice at once, is one call; one ring, answered twice at once, is one call; one ring is declined once.
#[test]
fn twice_at_once_is_once() {
    inside("methods::twice_at_once_is_once", |house| async {
        let mut cell = Cell::ready(house).await;
        let serial = cell.press_ok().await;
        let ana = cell.contact("Ana");
        let place = || cell.screen.place(&ana, "video", serial);
        let both = tokio::join!(place(), place());
        once(both.0, both.1, &["NoFreshKey", "Busy"]);
        cell.gate.prepared(serial).await;
        cell.phase(Phase::Asking).await;
        let (a, b) = tokio::join!(cell.screen.end(), cell.screen.end());
        assert!(a.is_ok() && b.is_ok(), "hanging up is always allowed: {a:?} {b:?}");
        over(&mut cell).await;

        let here = bring(&mut cell, At::Ringing).await;
        tokio::time::sleep(Duration::from_millis(750)).await;
        let serial = cell.press_ok().await;
        let ring = here.ring.unwrap().to_string();
        let answer = || cell.screen.answer(&ring, "video", serial);
        let both = tokio::join!(answer(), answer());
        once(both.0, both.1, &["NoFreshKey", "NoCall", "Busy"]);
        cell.gate.prepared(serial).await;
        cell.phase(Phase::Asking).await;
        cell.screen.end().await.unwrap();
        over(&mut cell).await;

        let ring = bring(&mut cell, At::Ringing).await.ring.unwrap().to_string();
        let both = tokio::join!(cell.screen.decline(&ring), cell.screen.decline(&ring));
        once(both.0, both.1, &["NoCall"]);
    });
}

fn once<T: std::fmt::Debug>(a: zbus::Result<T>, b: zbus::Result<T>, refusals: &[&str]) {
    let (good, bad): (Vec<_>, Vec<_>) = [a, b].into_iter().partition(Result::is_ok);
    assert_eq!((good.len(), bad.len()), (1, 1));
    let name = error_name(bad[0].as_ref().unwrap_err());
    assert!(refusals.contains(&name.as_str()), "{name}");
}

async fn over(cell: &mut Cell) {
    use parloir_wire::gate::{FromGate, ShutReason, ToGate};
    let (message, _) = cell.gate.next().await;
    let ToGate::Close { lease } = message else { panic!("{message:?}") };
    let at_ns = parloir_shell::BootTime::now_ns();
    cell.gate.send(&FromGate::Shut { lease, reason: ShutReason::Asked, at_ns, took_ms: 1 });
    cell.until("over", |v| v.call.is_none()).await;
    cell.screen.dismiss().await.unwrap();
    cell.phase(Phase::Home).await;
}

/// Ids and serials of what is over open nothing.
#[test]
fn what_is_over_cannot_be_named_again() {
    inside("methods::what_is_over_cannot_be_named_again", |house| async {
        let mut cell = Cell::ready(house).await;
        let ring = bring(&mut cell, At::Ringing).await.ring.unwrap().to_string();
        cell.screen.decline(&ring).await.unwrap();
        let here = bring(&mut cell, At::Live).await;
        cell.screen.end().await.unwrap();
        cell.gate.closed(here.lease()).await;
        cell.phase(Phase::Ended).await;
        let call = here.asked().ask.call.to_string();
        let said = |error: zbus::Error| error_name(&error);
        assert_eq!(cell.courier.proxy.signalling(&call).await.map(|_| ()).map_err(said), Err("NoCall".into()));
        assert_eq!(cell.screen.frames().await.map(|_| ()).map_err(said), Err("NoCall".into()));
        assert_eq!(cell.screen.let_out(false, false, 0).await.map_err(said), Err("NoCall".into()));
        let serial = cell.press_ok().await;
        for id in [&ring, &call] {
            assert_eq!(cell.screen.answer(id, "video", serial).await.map_err(said), Err("NoCall".into()));
            assert_eq!(cell.screen.decline(id).await.map_err(said), Err("NoCall".into()));
        }
        let statement = cell.visitor.says(here.asked().ask.call, 9, true, false);
        assert_eq!(cell.courier.deliver("statement", &statement).await, Err("StatementStray".into()));
        let beat = facility::beat(&cell.house.site, here.grant.as_ref().unwrap().grant, 9);
        assert_eq!(cell.courier.deliver("beat", &beat).await, Err("BeatStray".into()));
        let again = format!(r#"{{"v":1,"call":"{call}"}}"#);
        assert_eq!(cell.courier.deliver("again", again.as_bytes()).await, Err("AgainStray".into()));
        assert_eq!(cell.gate.within(Duration::from_millis(200)).await, vec![]);
    });
}
