//! Owns: that no caller can bring the arbiter down: wrong types, wrong values, sizes beyond the bounds, floods.
//! Never: a caller that the policy refuses before (callers has those).
//! Called by: cargo test.

use crate::cell::{Cell, error_name};
use crate::house::inside;
use parloir_bus::view::Phase;
use zbus::Connection;

const ID: &str = "00112233445566778899aabbccddeeff";

async fn say<B>(bus: &Connection, interface: &str, method: &str, body: &B) -> String
where
    B: serde::Serialize + zbus::zvariant::DynamicType,
{
    let reply = bus.call_method(Some(parloir_bus::NAME), parloir_bus::PATH, Some(interface), method, body).await;
    reply.map_or_else(|e| error_name(&e), |_| "ok".to_owned())
}

/// The screen still gets its view and the courier its answer: nothing was lost by what came before.
async fn still_there(cell: &Cell) {
    assert_eq!(say(&cell.bus, "org.parloir.Calls1", "Attach", &()).await, "ok");
    cell.courier.proxy.online(true).await.unwrap();
    assert!(!cell.house.log().contains("panicked"), "{}", cell.house.log());
}

#[test]
fn a_hostile_screen() {
    inside("hostile::a_hostile_screen", |house| async {
        let cell = Cell::ready(house).await;
        let calls = "org.parloir.Calls1";
        let long = "a".repeat(1 << 20);
        for contact in ["", "x", ID, &ID.to_uppercase(), &long, "../../etc/passwd", "\u{202e}"] {
            for media in ["video", "voice", "", "hologram"] {
                let said = say(&cell.bus, calls, "Place", &(contact, media, u64::MAX)).await;
                assert!(
                    ["NoFreshKey", "MalformedArgument", "NoContact"].contains(&said.as_str()),
                    "{contact:.8} {media}: {said}"
                );
            }
        }
        for method in ["Attach", "Place", "End", "Let", "Frames", "Dismiss"] {
            assert_ne!(say(&cell.bus, calls, method, &("wrong", 1_u8, vec![1_u64])).await, "ok", "{method}");
        }
        assert_eq!(say(&cell.bus, calls, "Frames", &()).await, "NoCall");
        assert_eq!(say(&cell.bus, calls, "Let", &(true, true, 0_u64)).await, "NoCall");
        for method in ["End", "Dismiss", "End", "Dismiss"] {
            assert_eq!(say(&cell.bus, calls, method, &()).await, "ok");
        }
        assert_ne!(say(&cell.bus, calls, "Changed", &()).await, "ok");
        assert_ne!(say(&cell.bus, "org.parloir.Remote1", "Focus", &(1_u8,)).await, "ok");
        for _ in 0..200 {
            assert_eq!(say(&cell.bus, "org.parloir.Remote1", "Focus", &()).await, "ok");
        }
        // Word on the key socket ends the focus and nothing else.
        parloir_shell::fds::send(&cell.keys, b"!", &[]).ok();
        still_there(&cell).await;
        let open = std::fs::read_dir(format!("/proc/{}/fd", cell.house.arbiter_pid())).unwrap().count();
        assert!(open < 64, "{open} descriptors are open after 200 times Focus");
    });
}

/// How it was broken: each call that waits is a task of the arbiter with the message in it, and there was no bound on them. A screen that
/// was taken over asks faster than it is answered: memory grows, and the courier's revocation waits behind all of it.
#[test]
fn a_flood_of_questions_is_turned_away_at_the_door() {
    inside("hostile::a_flood_of_questions_is_turned_away_at_the_door", |house| async {
        let cell = Cell::ready(house).await;
        let asking = |_| {
            let bus = cell.bus.clone();
            tokio::spawn(async move { say(&bus, "org.parloir.Calls1", "Attach", &()).await })
        };
        let (mut good, mut turned_away) = (0, 0);
        for asked in (0..2000).map(asking).collect::<Vec<_>>() {
            match asked.await.unwrap().as_str() {
                "ok" => good += 1,
                "TooMany" => turned_away += 1,
                // The bus bounds those that want an answer; those that want none it does not.
                other => assert_eq!(other, "org.freedesktop.DBus.Error.LimitsExceeded"),
            }
        }
        assert!(good > 0 && turned_away > 0, "{good} answered, {turned_away} turned away");
        still_there(&cell).await;
    });
}

#[test]
fn a_hostile_courier() {
    inside("hostile::a_hostile_courier", |house| async {
        let mut cell = Cell::ready(house).await;
        let (bus, courier) = (cell.courier.bus.clone(), "org.parloir.Courier1");
        let kinds = [
            "",
            "authority",
            "policy",
            "entitlement",
            "door-record",
            "grant",
            "deny",
            "beat",
            "time",
            "statement",
            "agenda",
            "ask",
            "receipt",
            "ring",
            "sign-in",
            "export",
            "signal",
            "again",
            "GRANT",
        ];
        let bodies: [Vec<u8>; 7] = [
            vec![],
            vec![0; 1],
            vec![0xff; 256],
            b"eyJ.eyJ.AAAA".to_vec(),
            b"{}".to_vec(),
            vec![b'['; 60_000],
            vec![b'e'; 64 * 1024],
        ];
        for kind in kinds {
            for body in &bodies {
                let said = say(&bus, courier, "Deliver", &(kind, body)).await;
                let good = kind == "door-record" && body.len() == 256;
                assert_eq!(said == "ok", good, "{kind:?} of {} bytes: {said}", body.len());
                assert!(!said.contains("Timeout"), "{said}");
            }
        }
        assert_eq!(say(&bus, courier, "Deliver", &("policy", vec![1_u8; 64 * 1024 + 1])).await, "TooLarge");
        assert_eq!(say(&bus, courier, "Deliver", &("x".repeat(1 << 20), vec![1_u8])).await, "MalformedArgument");
        for id in [0, 1, u64::MAX] {
            assert_eq!(say(&bus, courier, "Sent", &(id,)).await, "ok");
        }
        for call in ["", "x", ID] {
            let said = say(&bus, courier, "Signalling", &(call,)).await;
            assert!(["MalformedArgument", "NoCall"].contains(&said.as_str()), "{call}: {said}");
        }
        for method in ["Attach", "Online", "Deliver", "Sent", "Signalling"] {
            assert_ne!(say(&bus, courier, method, &("wrong", 1_u8, vec![1_u64])).await, "ok", "{method}");
        }
        assert_eq!(cell.gate.within(std::time::Duration::from_millis(200)).await, vec![]);
        still_there(&cell).await;
        // And a visit is still possible.
        cell.ask().await;
    });
}

/// How it was broken: a call process that does not read its socket fills it; a `Let` that lets nothing out, or a `Hold`, was then dropped
/// with a line in the log, and what the person had switched off went on leaving the box. What holds: it is hung up on, as if it were dead.
#[test]
fn a_call_process_that_does_not_read_is_hung_up_on() {
    inside("hostile::a_call_process_that_does_not_read_is_hung_up_on", |house| async {
        let mut cell = Cell::ready(house).await;
        let asked = cell.ask().await;
        cell.join(&asked).await;
        cell.live(&asked).await;
        let mut told = 0;
        while !cell.house.log().contains("does not take its messages: hung up") {
            assert!(told < 20_000, "call's socket takes everything");
            told += 1;
            cell.screen.let_out(false, false, 0).await.unwrap();
        }
        cell.phase(Phase::Held).await;
        // What its socket took stands there, then the end: it hears that it is alone, and whatever it says is not heard any more. How many of
        // those told came after the hang-up, before the log was read again, is the machine's affair.
        let taken = std::iter::from_fn(|| parloir_shell::fds::recv(&asked.call.end, 8192, 1).unwrap()).count();
        assert!((1..told).contains(&taken), "{taken} of {told}: one at least was not taken");
        let fact = parloir_wire::lease::Fact::FarLeft;
        assert!(parloir_shell::fds::send(&asked.call.end, &fact.encode(), &[]).is_err());
        still_there(&cell).await;
    });
}

#[test]
fn a_hostile_call_process_ends_its_own_visit_at_most() {
    inside("hostile::a_hostile_call_process_ends_its_own_visit_at_most", |house| async {
        let mut cell = Cell::ready(house).await;
        let asked = cell.ask().await;
        let grant = cell.join(&asked).await;
        for bytes in [&[0_u8; 4][..], &[0xff; 8192]] {
            let _ = parloir_shell::fds::send(&asked.call.end, bytes, &[]);
        }
        // What follows is gate's word (the process is gone) or the core's deadline; the arbiter lives.
        cell.screen.end().await.unwrap();
        cell.gate.closed(grant.call.0).await;
        still_there(&cell).await;
    });
}
