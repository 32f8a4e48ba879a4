//! Restarts, the console and floods at the desk, without IO.

mod paper;

use paper::{Bench, NOON_S, RELAY, VISITOR, bench, receipt, settings, statement};
use parloir_facility::desk::{Desk, Input, Now, Settings};
use parloir_facility::page::{Said, Says};
use parloir_issuer::{Options, Secret, provision, sign};
use parloir_pass::{Beat, Deny, DenyTarget, Typ};
use serde_json::{Value, json};

/// The beat that goes out after a time.
fn beat(b: &mut Bench, after_ms: u64) -> Beat {
    let out = b.after(after_ms);
    b.verify(out.sent("beat"))
}

fn order(b: &mut Bench, order: Value) -> paper::Out {
    b.step(Input::Staff(serde_json::from_value(order).unwrap()))
}

#[test]
fn a_visit_goes_on_over_a_restart_with_beats_statements_and_its_receipt() {
    let (mut b, ask, grant) = Bench::granted("restart");
    let links = b.desk.links();
    b.after(45_000);
    b.state(&statement(ask.call, 40, 39_000), &VISITOR);
    b.restart(30_000);
    assert_eq!(b.desk.links(), links, "the page's link is the same");
    // One beat stands for what was missed: 75 s after the grant, three are due.
    let caught_up = beat(&mut b, 0);
    assert_eq!((caught_up.grant, caught_up.count), (grant.grant, 3));
    assert!(b.after(4_900).sent.is_empty());
    assert_eq!(beat(&mut b, 200).count, 4, "in step with the grant, not with the restart");
    let out = b.open(0, 1, "a");
    assert!(matches!(&out.says[..], [(1, Says::Admitted { resumed: true, count: 40, .. })]), "{out:?}");
    assert!(b.state(&statement(ask.call, 40, 39_000), &VISITOR).refused().contains("does not grow"), "counts live on");
    b.state(&statement(ask.call, 41, 39_900), &VISITOR).sent("statement");

    b.restart(1000);
    b.from_box("ended", json!({"v": 1, "call": ask.call, "reason": "PersonEnded"}).to_string().into_bytes());
    b.restart(400_000);
    let own = sign(&statement(ask.call, 41, 39_900), &Secret::new(&VISITOR)).unwrap();
    let late = receipt(&ask, Some(grant.grant), 39, Some(own));
    assert_eq!(b.send_receipt(&late).event("receipt")["verified"], true);
    let again = b.send_receipt(&late);
    assert!(again.events.iter().all(|e| e["event"] == "receipt-again") && again.says.is_empty(), "once: {again:?}");
    assert!(b.after(60_000).sent.is_empty(), "no beat after the end");
}

#[test]
fn a_lease_that_ended_while_the_facility_was_away_is_over() {
    let (mut b, ..) = Bench::granted("away");
    b.restart(2_200_000);
    assert_eq!(b.after(0).event("lapsed")["event"], "lapsed");
}

#[test]
fn the_state_holds_no_key_and_no_password_and_is_of_one_site() {
    let (mut b, ..) = Bench::granted("secrets");
    let kept = b.desk.kept(b.now).unwrap();
    assert!(b.desk.kept(b.now).is_none(), "written only when something changed");
    let text = String::from_utf8(kept.clone()).unwrap();
    let token = b.token(0);
    assert!(!text.contains(&token), "the links are made from it, not in it");
    assert!(!text.contains("password") && !text.contains("credential"));
    let other = std::env::temp_dir().join(format!("parloir-desk-other-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&other);
    let site = provision(&other, &Options { relays: vec![RELAY.to_owned()], now: NOON_S, ..Options::default() }).unwrap();
    let refused = Desk::new(site, settings(None), b.now, Some(&kept)).err().unwrap();
    assert!(refused.to_string().contains("another site's"));
    for bad in [&b"{}"[..], b"", b"\xff", &kept[..kept.len() - 1]] {
        assert!(Desk::new(b.site(), settings(None), b.now, Some(bad)).is_err());
    }
    let _ = std::fs::remove_dir_all(&other);
}

#[test]
fn a_list_that_changed_while_it_was_away_is_the_one_in_the_directory() {
    let mut b = bench("edited", None);
    let path = b.dir.join("site/entitlement.json");
    let mut person = b.site().person;
    person.revision += 1;
    person.contacts[0].incoming = false;
    std::fs::write(&path, serde_json::to_string(&person).unwrap()).unwrap();
    b.restart(1000);
    let out = b.open(0, 1, "a");
    assert!(matches!(&out.says[..], [(1, Says::Waiting { call: false, .. })]), "{out:?}");
}

#[test]
fn staff_says_no_from_the_console() {
    let (mut b, ask, grant) = Bench::granted("staff");
    let out = order(&mut b, json!({"do": "deny", "target": {"grant": grant.grant}, "words": "fire drill"}));
    let deny: Deny = b.verify(&b.opened(Typ::Deny, out.sent("deny")));
    assert_eq!((deny.target, deny.words.as_str(), deny.code.as_str()), (DenyTarget::Grant(grant.grant), "fire drill", "Revoked"));
    assert!(b.after(60_000).sent.is_empty(), "what is denied is not renewed");

    let contact = ask.contact;
    order(&mut b, json!({"do": "deny", "target": {"contact": contact}, "code": "Denied"}));
    b.restart(1000);
    let out = b.open(0, 1, "a");
    assert!(matches!(&out.says[..], [(1, Says::Admitted { .. })]), "the box ends it, not we: {out:?}");
    let fresh = b.ask();
    let out = b.send_ask(&fresh);
    assert_eq!(b.verify::<Deny>(out.sent("deny")).code, "Revoked", "also after a restart");
    let out = b.from_page(0, Said::Call {});
    assert!(!out.sent.iter().any(|(kind, _)| *kind == "ring"));
}

// Whoever carries the no can keep it back: then the box hears nothing of it, and must find that the facility gives it nothing more.
#[test]
fn who_was_denied_gets_nothing_more_whether_or_not_the_box_heard() {
    for target in ["contact", "person", "device"] {
        let (mut b, ask, _) = Bench::granted(&format!("denied-{target}"));
        let id = match target {
            "contact" => ask.contact,
            "person" => ask.person,
            _ => ask.device,
        };
        order(&mut b, json!({"do": "deny", "target": {target: id}}));
        assert!(b.after(120_000).sent.is_empty(), "{target}: renewed");
    }
    let mut b = bench("denied-while-it-rings", None);
    let ask = b.ask();
    b.send_ask(&ask);
    order(&mut b, json!({"do": "deny", "target": {"contact": ask.contact}}));
    let out = b.join(&ask);
    assert!(!out.sent.iter().any(|(kind, _)| *kind == "grant"), "granted after the no");
    assert_eq!(b.verify::<Deny>(out.sent("deny")).target, DenyTarget::Ask(ask.nonce));
}

#[test]
fn staff_stops_a_ring() {
    let mut b = bench("staff-ring", None);
    let out = b.from_page(0, Said::Call {});
    let ring = out.event("ring")["ring"].clone();
    let out = order(&mut b, json!({"do": "deny", "target": {"ring": ring}}));
    assert!(matches!(&out.says[..], [(1, Says::NotReached { why, .. })] if why == "Revoked"), "{out:?}");
}

#[test]
fn beats_stop_and_go_on_at_the_consoles_word_and_with_the_broker() {
    let (mut b, ..) = Bench::granted("beats-off");
    order(&mut b, json!({"do": "beats", "on": false}));
    assert!(b.after(50_000).sent.is_empty());
    order(&mut b, json!({"do": "beats", "on": true}));
    assert_eq!(beat(&mut b, 0).count, 2);
    b.step(Input::Broker { connected: false });
    assert!(b.after(50_000).sent.is_empty());
    b.step(Input::Broker { connected: true });
    assert_eq!(beat(&mut b, 0).count, 5, "at once, for all that were missed");
}

#[test]
fn the_console_lies_and_sends_only_where_it_may() {
    let mut b = bench("console", None);
    assert!(order(&mut b, json!({"do": "send", "kind": "grant", "hex": "00ff"})).refused().contains("--tamperable"));
    order(&mut b, json!({"do": "tamper", "how": "wrong-typ"}));
    assert!(
        b.step(Input::Staff(serde_json::from_value(json!({"do": "tamper", "how": "kindly"})).unwrap()))
            .event("refused")
            .is_object()
    );
    let ask = b.ask();
    b.send_ask(&ask);
    let out = b.join(&ask);
    let refused = b.keyring().grant(&b.unsealed(out.sent("grant")), &ask.device, parloir_seal::Clock::Unix(NOON_S)).unwrap_err();
    assert_eq!(refused.code.name(), "WrongTyp");

    let now = Now { mono_ms: 1, unix_ms: NOON_S * 1000 };
    b.desk = Desk::new(b.site(), Settings { tamperable: true, ..settings(None) }, now, None).unwrap();
    assert_eq!(order(&mut b, json!({"do": "send", "kind": "grant", "hex": "00ff"})).sent("grant"), [0, 255]);
    for bad in [
        json!({"do": "send", "kind": "ask", "hex": ""}),
        json!({"do": "send", "kind": "grant", "hex": "0"}),
        json!({"do": "send", "kind": "grant", "hex": "zz"}),
    ] {
        order(&mut b, bad).refused();
    }
    for bad in
        [json!({"do": "allow"}), json!({"do": "beats", "on": true, "more": 1}), json!({"do": "deny", "target": {"everybody": 1}})]
    {
        assert!(serde_json::from_value::<parloir_facility::desk::Order>(bad).is_err());
    }
}

/// The orders that the operator's page shows are orders.
#[test]
fn the_orders_in_the_docs_are_understood() {
    let page = include_str!("../../../docs/mqtt.md");
    let block = page.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let lines: Vec<&str> = block.lines().filter(|l| !l.is_empty()).collect();
    assert_eq!(lines.len(), 10);
    lines.iter().for_each(|l| drop(serde_json::from_str::<parloir_facility::desk::Order>(l).unwrap()));
}

/// A box that was taken over says more than a box has to say.
#[test]
fn a_box_that_floods_is_not_heard_and_a_visitor_is_not_rung_for_ever() {
    let mut b = bench("flood", None);
    let rings = (0..100)
        .filter(|_| {
            let ask = b.ask();
            b.send_ask(&ask).says.iter().any(|(_, s)| matches!(s, Says::Ringing(_)))
        })
        .count();
    assert_eq!(rings, 10);
    let answered = (0..1000)
        .filter(|_| {
            !b.from_box("time-request", br#"{"v":1,"nonce":"07070707070707070707070707070707"}"#.to_vec()).sent.is_empty()
        })
        .count();
    assert_eq!(answered, 200);
    b.after(1000);
    assert!(!b.from_box("time-request", br#"{"v":1,"nonce":"07070707070707070707070707070707"}"#.to_vec()).sent.is_empty());
}

#[test]
fn what_no_box_says_changes_nothing() {
    let (mut b, ask, _) = Bench::granted("hostile-box");
    let huge = vec![b'a'; 64 * 1024];
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let calls = [
        json!({"v": 1, "call": ask.call, "reason": "<script>"}).to_string(),
        json!({"v": 1, "call": ask.call, "reason": "A".repeat(65)}).to_string(),
        json!({"v": 2, "call": ask.call, "reason": "PersonEnded"}).to_string(),
        json!({"v": 1, "call": ask.call, "reason": "PersonEnded", "more": 1}).to_string(),
    ];
    for kind in ["ask", "ring", "time-request", "signal", "ended", "receipt", "status"] {
        for body in [&huge[..], b"", b"\0", b"null", b"{}", deep.as_bytes(), b"\xff\xfe"] {
            let out = b.from_box(kind, body.to_vec());
            assert!(out.sent.is_empty() && out.says.is_empty(), "{kind}: {out:?}");
        }
    }
    for body in calls {
        b.from_box("ended", body.into_bytes()).refused();
    }
    assert!(
        b.from_box("ended", json!({"v": 1, "call": ask.call, "reason": "PersonEnded"}).to_string().into_bytes()).says.len() == 1
    );
}

#[test]
fn what_no_page_says_is_not_read() {
    let stats = |members: Value| json!({"type": "statement", "jws": "a", "stats": members}).to_string();
    for bad in [
        "".to_owned(),
        "null".to_owned(),
        json!({"type": "ready", "more": 1}).to_string(),
        json!({"type": "call", "ring": 1}).to_string(),
        json!({"type": "trouble", "what": "a b", "detail": ""}).to_string(),
        json!({"type": "trouble", "what": "a".repeat(65), "detail": ""}).to_string(),
        json!({"type": "trouble", "what": "a", "detail": "\n"}).to_string(),
        json!({"type": "trouble", "what": "a", "detail": "a".repeat(301)}).to_string(),
        json!({"type": "statement", "jws": "a".repeat(2049), "stats": {}}).to_string(),
        stats(json!({"codec": "a".repeat(33)})),
        stats(json!({"fps": -1.0})),
        stats(json!({"fps": 1e300})),
        stats(json!({"audio_level": 1.5})),
        stats(json!({"more": 1})),
        format!("\"{}\"", "a".repeat(64 * 1024)),
        "[".repeat(60_000),
    ] {
        assert!(Said::read(&bad).is_err(), "{}", &bad[..bad.len().min(80)]);
    }
    assert!(Said::read(&stats(json!({"fps": 30.0, "codec": "H264"}))).is_ok());
}

/// The box's pages, made here: `rows` of its ledger from a number on, or a piece of its journal.
fn page(b: &Bench, request: &Value) -> Vec<u8> {
    use parloir_pass::export::{JournalPage, LedgerPage};
    let (site, from) = (b.site(), request["from"].as_u64().unwrap());
    let mut export = parloir_issuer::example::Example::default().export();
    (export.site, export.device) = (site.site, site.device);
    export.request = request["request"].as_str().unwrap().parse().unwrap();
    let rows = export.ledger.take().unwrap();
    if request["part"] == "ledger" {
        export.ledger = Some(LedgerPage { from, last: 4, ..rows });
    } else {
        let text = if from == 0 { "first\n" } else { "second\n" }.to_owned();
        export.journal = Some(JournalPage { from, total: 13, digest: parloir_pass::Bytes32([1; 32]), text });
    }
    b.sealed(Typ::Export, b.box_key().sign_export(&export).unwrap().as_bytes())
}

#[test]
fn an_export_is_collected_page_after_page_into_one_file() {
    let mut b = bench("diagnose", None);
    let file = "/tmp/box.export";
    let mut out = order(&mut b, json!({"do": "diagnose", "file": file}));
    assert!(order(&mut b, json!({"do": "diagnose", "file": file})).refused().contains("already"));
    let mut asked = Vec::new();
    while out.files.is_empty() {
        let request: Value = serde_json::from_slice(out.sent("diagnose")).unwrap();
        asked.push((request["part"].as_str().unwrap().to_owned(), request["from"].as_u64().unwrap()));
        let body = page(&b, &request);
        out = b.from_box("export", body.clone());
        if out.files.is_empty() {
            assert!(b.from_box("export", body).sent.is_empty(), "the same page twice asks for nothing");
        }
    }
    let ask = |part: &str, from| (part.to_owned(), from);
    assert_eq!(asked, [ask("ledger", 1), ask("ledger", 3), ask("journal", 0), ask("journal", 6)]);
    let told = out.event("diagnosed");
    assert_eq!((&told["pages"], &told["rows"], &told["error"]), (&json!(4), &json!(4), &Value::Null));
    assert_eq!(String::from_utf8_lossy(&out.files[0]).lines().count(), 4);
}

#[test]
fn a_page_that_is_not_the_boxs_own_is_none_and_a_box_that_is_silent_is_asked_five_times() {
    let mut b = bench("diagnose-forged", None);
    let out = order(&mut b, json!({"do": "diagnose", "file": "/tmp/box.export"}));
    let request: Value = serde_json::from_slice(out.sent("diagnose")).unwrap();
    let forged = sign(&parloir_issuer::example::Example::default().export(), &Secret::new(&[5; 32])).unwrap();
    let body = b.sealed(Typ::Export, forged.as_bytes());
    b.from_box("export", body).refused();
    b.from_box("export", b"noise".to_vec()).refused();
    let mut tries = 1;
    let said = loop {
        let out = b.after(4000);
        match out.sent.iter().find(|(kind, _)| *kind == "diagnose") {
            Some((_, again)) => assert_eq!(serde_json::from_slice::<Value>(again).unwrap(), request),
            None => break out.event("diagnosed")["error"].as_str().unwrap().to_owned(),
        }
        tries += 1;
    };
    assert!(tries == 5 && said.contains("does not answer"), "{tries} {said}");
    let late = page(&b, &request);
    assert!(b.from_box("export", late).refused().contains("nobody asked"));
}
