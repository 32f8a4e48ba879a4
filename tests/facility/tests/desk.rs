//! The facility's answers without IO: who is asked, what is refused, when it ends, and that each `--tamper` lies in exactly one way.

mod paper;

use paper::{Bench, NOON_S, PAGE, VISITOR, bench, receipt, said, shared, statement};
use parloir_facility::desk::{Input, Output};
use parloir_facility::page::{Said, Says};
use parloir_facility::tamper::Tamper;
use parloir_issuer::{Secret, sign};
use parloir_link::message::write_signal;
use parloir_pass::receipt::Parcel;
use parloir_pass::{Ask, Beat, Bytes32, Class, Deny, DenyTarget, Entitlement, Id, Media, Receipt, SignIn, Time, Typ, VERSION};
use parloir_seal::{BoxKey, Clock, random};
use parloir_wire::signal::Signal;
use serde_json::json;

#[test]
fn a_question_rings_and_join_is_answered_by_a_grant_that_the_box_believes() {
    let mut b = bench("grant", None);
    let ask = b.ask();
    let out = b.send_ask(&ask);
    assert_eq!(out.event("asked")["contact"], "Ana");
    assert!(matches!(&out.says[..], [(1, Says::Ringing(r))] if r.person == "João" && r.slot_s == 1800));
    assert!(out.sent.is_empty(), "nothing is granted before Join");
    assert!(b.send_ask(&ask).says.is_empty(), "the broker may deliver twice");

    let out = b.join(&ask);
    let grant = b.keyring().grant(&b.unsealed(out.sent("grant")), &ask.device, Clock::Unix(NOON_S)).unwrap();
    assert_eq!((grant.nonce, grant.call, grant.box_certificate), (ask.nonce, ask.call, ask.certificate));
    assert_eq!((grant.parties.len(), grant.parties[0].certificate), (1, PAGE));
    assert_eq!((grant.slot_s, grant.lease_s), (1800, 2100));
    parloir_seal::ticket::check(&grant, &ask).unwrap();
    b.keyring().ticket(&grant.ticket, Class::Family, Clock::Unix(NOON_S)).unwrap();
    assert_eq!(grant.relays[0].user, format!("{}:box-{}", NOON_S + 2100, ask.call));
    let Says::Admitted { ice_servers, relay_only, box_certificate, .. } = &out.says[0].1 else { panic!("{out:?}") };
    assert!(*relay_only && *box_certificate == ask.certificate);
    assert_ne!(ice_servers[0].username, grant.relays[0].user, "each side has credentials of its own");
    assert!(b.join(&ask).refused().contains("twice"));
}

#[test]
fn who_may_not_is_told_why() {
    let mut b = bench("entitled", None);
    let (person, good) = (b.site().person, b.ask());
    let deny = |b: &mut Bench, ask: &Ask| {
        let out = b.send_ask(ask);
        let deny: Deny = b.verify(out.sent("deny"));
        assert_eq!((deny.target, out.says.len()), (DenyTarget::Ask(ask.nonce), 0));
        deny.code
    };
    assert_eq!(deny(&mut b, &Ask { contact: Id([1; 16]), ..good.clone() }), "NotEntitled");
    let fresh = b.ask();
    assert_eq!(deny(&mut b, &Ask { person: Id([1; 16]), ..fresh }), "NotEntitled");
    let fresh = b.ask();
    assert_eq!(deny(&mut b, &Ask { class: Class::Lawyer, commitment: Some(Bytes32([1; 32])), ..fresh }), "NotEntitled");
    let voice = person.contacts.iter().find(|c| c.media == Media::Voice).unwrap().id;
    let fresh = b.ask();
    assert_eq!(deny(&mut b, &Ask { contact: voice, ..fresh }), "NotEntitled", "video with a voice contact");
    let rui = person.contacts.iter().find(|c| c.name == "Rui").unwrap().id;
    let fresh = b.ask();
    assert_eq!(deny(&mut b, &Ask { contact: rui, ..fresh }), "OutsideWindow");
}

#[test]
fn a_question_that_the_box_did_not_sign_is_not_heard() {
    let mut b = bench("forged", None);
    let ask = b.ask();
    let forged = BoxKey::new(&[1; 32]).sign_ask(&ask).unwrap();
    let body = b.sealed(Typ::Ask, forged.as_bytes());
    assert!(b.from_box("ask", body).refused().contains("UnknownKey"));
    let body = b.sealed(Typ::Receipt, b.box_key().sign_ask(&ask).unwrap().as_bytes());
    assert!(b.from_box("ask", body).refused().contains("CannotUnseal"));
    assert!(b.from_box("ask", vec![0; 10]).refused().contains("CannotUnseal"));
    assert!(b.join(&ask).refused().contains("not its own"));
}

/// How it was broken: at 22:40 a family had 20 minutes, because the window of the day ended at midnight and the next began there.
#[test]
fn windows_that_touch_are_one() {
    let mut b = bench("midnight", None);
    let ten_to_midnight = 11 * 3600 + 50 * 60;
    b.after(ten_to_midnight * 1000);
    let ask = b.ask();
    let out = b.send_ask(&ask);
    assert!(matches!(&out.says[..], [(_, Says::Ringing(r))] if r.slot_s == 1800), "{out:?}");
}

#[test]
fn absence_decline_and_a_second_call() {
    let mut b = bench("absent", None);
    let ask = b.ask();
    b.send_ask(&ask);
    assert!(b.after(56_900).sent.is_empty());
    let out = b.after(200);
    let deny: Deny = b.verify(out.sent("deny"));
    assert_eq!((deny.code.as_str(), deny.target), ("VisitorAbsent", DenyTarget::Ask(ask.nonce)));
    assert!(matches!(&out.says[0].1, Says::Missed { why, .. } if why == "VisitorAbsent"));
    assert!(b.join(&ask).refused().contains("too late"));

    let ask = b.ask();
    b.send_ask(&ask);
    assert!(b.from_page(1, Said::Decline { call: ask.call }).refused().contains("not its own"), "another visitor's page");
    let out = b.from_page(0, Said::Decline { call: ask.call });
    assert_eq!(b.verify::<Deny>(out.sent("deny")).code, "VisitorDeclined");

    let (first, second) = (b.ask(), b.ask());
    b.send_ask(&first);
    let out = b.send_ask(&second);
    assert!(matches!(&out.says[0].1, Says::Missed { call, .. } if *call == first.call));
    assert!(matches!(&out.says[1].1, Says::Ringing(r) if r.call == second.call));
    assert!(b.join(&first).refused().contains("too late"));
}

#[test]
fn beats_come_every_20_s_until_the_end() {
    let (mut b, ask, grant) = Bench::granted("beats");
    assert!(b.after(19_900).sent.is_empty());
    for count in 1..=3 {
        let out = b.after(20_000);
        let beat: Beat = b.verify(out.sent("beat"));
        assert_eq!((beat.grant, beat.count), (grant.grant, count));
    }
    let ended = json!({"v": 1, "call": ask.call, "reason": "PersonEnded"}).to_string();
    let out = b.from_box("ended", ended.into_bytes());
    assert!(matches!(&out.says[0].1, Says::Ended { reason, .. } if reason == "PersonEnded"));
    assert!(b.after(60_000).sent.is_empty(), "no beat after the end");
}

#[test]
fn a_lease_that_is_over_is_not_renewed() {
    let (mut b, ..) = Bench::granted("lapse");
    assert_eq!(b.after(2_100_000).event("lapsed")["event"], "lapsed");
    assert!(b.after(60_000).sent.is_empty());
}

#[test]
fn statements_pass_only_in_order_and_by_the_visitors_key() {
    let (mut b, ask, _) = Bench::granted("statements");
    let own = Secret::new(&VISITOR);
    let one = sign(&statement(ask.call, 1, 900), &own).unwrap();
    let out = b.from_page(0, said(one.clone()));
    assert_eq!(out.sent("statement"), one.as_bytes());
    assert_eq!(out.event("statement")["decoded_ms"], 900);
    assert!(b.from_page(0, said(one)).refused().contains("does not grow"));
    let forged = sign(&statement(ask.call, 2, 900), &Secret::new(&[3; 32])).unwrap();
    assert!(b.from_page(0, said(forged)).refused().contains("UnknownKey"));
    let other = sign(&statement(Id([1; 16]), 2, 900), &own).unwrap();
    assert!(b.from_page(0, said(other)).refused().contains("NotForThisCall"));
    let two = sign(&statement(ask.call, 2, 1900), &own).unwrap();
    assert!(b.from_page(1, said(two)).refused().contains("without a visit"), "another visitor's page");
}

#[test]
fn signals_pass_only_in_a_visit_and_the_page_never_offers() {
    let mut b = bench("signals", None);
    let ask = b.ask();
    let offer = Signal::Offer { generation: 1, sdp: "v=0".into() };
    b.send_ask(&ask);
    assert!(b.from_box("signal", write_signal(&ask.call.0, &offer)).refused().contains("outside of a visit"));
    b.join(&ask);
    let out = b.from_box("signal", write_signal(&ask.call.0, &offer));
    assert!(matches!(&out.says[0].1, Says::Signal { body } if body["kind"] == "offer"));
    let as_page = |s: &Signal| Said::Signal { body: serde_json::from_slice(&write_signal(&ask.call.0, s)).unwrap() };
    assert!(b.from_page(0, as_page(&offer)).refused().contains("does not offer"));
    let answer = Signal::Answer { generation: 1, sdp: "v=0".into() };
    assert_eq!(b.from_page(0, as_page(&answer)).sent("signal"), write_signal(&ask.call.0, &answer));
    assert!(b.from_page(1, as_page(&answer)).refused().contains("not its own"));

    // A page that comes back is admitted again; what it answered already is not offered twice.
    let out = b.open(0, 9, "a");
    assert!(matches!(&out.says[..], [(9, Says::Admitted { resumed: true, .. })]) && out.dropped == [1], "{out:?}");
    b.from_box("signal", write_signal(&ask.call.0, &Signal::Offer { generation: 2, sdp: "v=0".into() }));
    let out = b.open(0, 1, "a");
    assert!(
        matches!(&out.says[..], [(1, Says::Admitted { .. }), (1, Says::Signal { .. })]),
        "an offer that nobody answered: {out:?}"
    );
    let again = as_page(&Signal::Again { generation: 2 });
    assert_eq!(b.from_page(0, again).sent("signal"), write_signal(&ask.call.0, &Signal::Again { generation: 2 }));
    assert!(b.from_box("signal", write_signal(&ask.call.0, &answer)).refused().contains("box offers"));
    let out = b.open(1, 2, "a");
    assert!(matches!(&out.says[..], [(2, Says::Waiting { contact, .. })] if contact == "Mother"));
    assert!(b.step(Input::Opened { token: "x".into(), page: 5, tab: "a".into() }).says.is_empty());
}

#[test]
fn time_echoes_the_nonce() {
    let mut b = bench("time", None);
    let out = b.from_box("time-request", format!(r#"{{"v":1,"nonce":"{}"}}"#, Id([7; 16])).into_bytes());
    let time: Time = b.verify(out.sent("time"));
    assert_eq!((time.nonce, time.unix_ms), (Id([7; 16]), NOON_S * 1000));
    for bad in [&b"{}"[..], br#"{"v":2,"nonce":"07070707070707070707070707070707"}"#, b"\xff"] {
        b.from_box("time-request", bad.to_vec()).refused();
    }
}

#[test]
fn a_receipt_is_believed_only_whole() {
    let (mut b, ask, grant) = Bench::granted("receipt");
    let own = sign(&statement(ask.call, 5, 30_000), &Secret::new(&VISITOR)).unwrap();
    let forged = sign(&statement(ask.call, 5, 30_000), &Secret::new(&[3; 32])).unwrap();
    let mut judge = |receipt: Receipt, beside: Option<&String>| {
        let signed = b.box_key().sign_receipt(&receipt).unwrap();
        let parcel = Parcel { receipt: signed, visitor: beside.cloned(), earlier: Vec::new() };
        let body = b.sealed(Typ::Receipt, &serde_json::to_vec(&parcel).unwrap());
        let out = b.from_box("receipt", body);
        assert!(matches!(&out.says[0].1, Says::Receipt(_)));
        let event = out.event("receipt").clone();
        (event["verified"].as_bool().unwrap(), event["visitor_statement"].is_object(), event["error"].to_string())
    };
    let id = Some(grant.grant);
    let (verified, both, error) = judge(receipt(&ask, id, 30, Some(own.clone())), Some(&own));
    assert!(verified && both, "{error}");
    let (verified, both, _) = judge(receipt(&ask, id, 0, None), None);
    assert!(verified && !both, "without the visitor's word it is sound, but one-sided");
    for (what, receipt, beside) in [
        ("counts more than was seen", receipt(&ask, id, 40, Some(own.clone())), Some(&own)),
        ("a forged statement", receipt(&ask, id, 30, Some(forged.clone())), Some(&forged)),
        ("another statement beside it", receipt(&ask, id, 30, Some(own.clone())), Some(&forged)),
        ("none beside it", receipt(&ask, id, 30, Some(own.clone())), None),
        ("another grant", receipt(&ask, Some(Id([1; 16])), 30, Some(own.clone())), Some(&own)),
        ("another person", Receipt { person: Id([1; 16]), ..receipt(&ask, id, 30, Some(own.clone())) }, Some(&own)),
    ] {
        assert!(!judge(receipt, beside).0, "{what}");
    }
    let strange = BoxKey::new(&[1; 32]).sign_receipt(&receipt(&ask, id, 30, None)).unwrap();
    let body =
        b.sealed(Typ::Receipt, &serde_json::to_vec(&Parcel { receipt: strange, visitor: None, earlier: Vec::new() }).unwrap());
    assert!(b.from_box("receipt", body).refused().contains("UnknownKey"));
}

#[test]
fn each_tampering_lies_in_one_way_and_the_box_can_tell() {
    let granted = |tamper| {
        let mut b = bench(&format!("tamper-{tamper:?}"), Some(tamper));
        let ask = b.ask();
        b.send_ask(&ask);
        let out = b.join(&ask);
        let plain = b.unsealed(out.sent("grant"));
        let grant = b.keyring().grant(&plain, &ask.device, Clock::Unix(NOON_S));
        (b, ask, grant)
    };
    let (_, _, grant) = granted(Tamper::FarCertificate);
    assert_ne!(grant.unwrap().parties[0].certificate, PAGE);
    let (_, _, grant) = granted(Tamper::ForgedTicket);
    assert_eq!(grant.unwrap_err().code.name(), "BadTicket");
    let (_, _, grant) = granted(Tamper::OtherDevice);
    assert_eq!(grant.unwrap_err().code.name(), "NotForThisBox");
    let (_, _, grant) = granted(Tamper::OneBit);
    assert_eq!(grant.unwrap_err().code.name(), "BadSignature");
    let (_, ask, grant) = granted(Tamper::WrongNonce);
    assert_ne!(grant.unwrap().nonce, ask.nonce);
    let (_, _, grant) = granted(Tamper::UnknownVersion);
    assert_eq!(grant.unwrap_err().code.name(), "UnknownVersion");
    let (_, _, grant) = granted(Tamper::WrongTyp);
    assert_eq!(grant.unwrap_err().code.name(), "WrongTyp");
    let (_, _, grant) = granted(Tamper::OldKey);
    assert_eq!(grant.unwrap_err().code.name(), "KeyExpired");
}

#[test]
fn a_late_grant_comes_when_its_nonce_is_dead() {
    let mut b = bench("late", Some(Tamper::Late));
    let ask = b.ask();
    b.send_ask(&ask);
    assert!(b.join(&ask).sent.is_empty());
    let told = json!({"v": 1, "call": ask.call, "reason": "NoAnswer"}).to_string();
    b.after(60_000);
    b.from_box("ended", told.into_bytes());
    assert!(b.after(1_900).sent.is_empty());
    let out = b.after(200);
    let grant = b.keyring().grant(&b.unsealed(out.sent("grant")), &ask.device, Clock::Unix(NOON_S)).unwrap();
    assert_eq!(grant.nonce, ask.nonce);
    assert!(b.after(60_000).sent.is_empty(), "once");
}

/// A code of somebody of the cell, as the box sends it.
fn enters(b: &mut Bench, tag: u8, code: &str) -> (SignIn, paper::Out) {
    let site = b.site();
    let nonce = random::id().unwrap();
    let asked = SignIn { v: VERSION, site: site.site, device: site.device, nonce, tag, code: code.to_owned() };
    let signed = b.box_key().sign_sign_in(&asked).unwrap();
    let out = b.from_box("sign-in", b.sealed(Typ::SignIn, signed.as_bytes()));
    (asked, out)
}

/// What the no says: code and wait.
fn no(b: &Bench, asked: &SignIn, out: &paper::Out) -> (String, u32) {
    let deny: Deny = b.verify(&b.opened(Typ::Deny, out.sent("deny")));
    let DenyTarget::SignIn { nonce, wait_s } = deny.target else { panic!("{deny:?}") };
    assert_eq!(nonce, asked.nonce);
    assert!(!out.sent.iter().any(|(kind, _)| *kind == "person"), "a no lets nobody in");
    (deny.code, wait_s)
}

#[test]
fn a_code_is_looked_at_counted_and_answered_for_its_person_alone() {
    let mut b = shared("codes");
    let people = b.site().people;
    let kinds: Vec<_> = b
        .desk
        .documents()
        .unwrap()
        .iter()
        .filter_map(|o| match o {
            Output::Publish { kind, .. } => Some(kind.name),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["authority", "policy", "door-record", "agenda"], "nobody's entitlement is kept by the broker");
    let right = people[0].code.clone();
    let wrong = if right == "000000" { "000001" } else { "000000" };

    let ask = b.ask();
    let out = b.send_ask(&ask);
    let early: Deny = b.verify(out.sent("deny"));
    assert_eq!(early.code, "NotEntitled", "a box asks for nobody who is not signed in");

    // Each wrong one in a row makes the next wait longer, and while one waits no code is looked at, not even the right one.
    let mut waits = Vec::new();
    for _ in 0..7 {
        let (asked, out) = enters(&mut b, 1, wrong);
        let (code, wait_s) = no(&b, &asked, &out);
        assert_eq!(code, "WrongCode");
        waits.push(wait_s);
        let (asked, out) = enters(&mut b, 1, &right);
        assert_eq!(no(&b, &asked, &out), ("SignInLocked".to_owned(), wait_s));
        assert!(!format!("{:?}", out.events).contains(&right));
        b.after(u64::from(wait_s) * 1000);
    }
    assert_eq!(waits, [5, 15, 60, 300, 900, 3600, 3600]);
    // A restart forgets no wait; the cell-mate has none.
    let (asked, out) = enters(&mut b, 1, wrong);
    assert_eq!(no(&b, &asked, &out).1, 3600);
    b.restart(1000);
    let (asked, out) = enters(&mut b, 1, &right);
    assert_eq!(no(&b, &asked, &out), ("SignInLocked".to_owned(), 3599));
    let (asked, out) = enters(&mut b, 2, &people[1].code.clone());
    let answer: Entitlement = b.verify(&b.opened(Typ::Entitlement, out.sent("person")));
    assert_eq!((answer.answers, answer.person), (Some(asked.nonce), people[1].entitlement.person));
    assert!(b.from_box("sign-in", b.sealed(Typ::SignIn, b.box_key().sign_sign_in(&asked).unwrap().as_bytes())).sent.is_empty());

    // Now the box may ask for the cell-mate, and for nobody else; until staff ends it.
    let theirs = &people[1].entitlement;
    let fresh = b.ask();
    let ask = Ask { person: theirs.person, contact: theirs.contacts[0].id, ..fresh };
    assert_eq!(b.send_ask(&ask).event("asked")["contact"], "Irina");
    let ask = b.ask();
    let out = b.send_ask(&ask);
    let first: Deny = b.verify(out.sent("deny"));
    assert_eq!(first.code, "NotEntitled");
    let out = b.step(Input::Staff(serde_json::from_str(r#"{"do":"sign-out"}"#).unwrap()));
    let deny: Deny = b.verify(&b.opened(Typ::Deny, out.sent("deny")));
    assert_eq!(deny.target, DenyTarget::SignIn { nonce: asked.nonce, wait_s: 0 });
    let fresh = b.ask();
    let ask = Ask { person: theirs.person, contact: theirs.contacts[0].id, ..fresh };
    let out = b.send_ask(&ask);
    let gone: Deny = b.verify(out.sent("deny"));
    assert_eq!(gone.code, "NotEntitled");

    // A tag of nobody, and a box that is not ours.
    let (asked, out) = enters(&mut b, 7, wrong);
    assert_eq!(no(&b, &asked, &out), ("NotEntitled".to_owned(), 0));
    let signed = BoxKey::new(&[9; 32]).sign_sign_in(&asked).unwrap();
    let _ = b.from_box("sign-in", b.sealed(Typ::SignIn, signed.as_bytes())).refused();
}
