//! Owns: the bounds of each document by itself, the spelling of ids, windows, and the linter's findings.
//! Never: signatures.
//! Called by: cargo test.

use parloir_issuer::example::{ANA, Example, NOW, id};
use parloir_pass::lint::lint;
use parloir_pass::{
    Booking, Broken, Bytes32, Class, DenyTarget, Document, Gap, Id, Role, SitePolicy, Ticket128, Typ, Window, words::MAX_NAME,
};
use proptest::prelude::*;

fn check<D: Document>(mut document: D, change: impl FnOnce(&mut D)) -> Result<(), &'static str> {
    document.check().expect("the example is good");
    change(&mut document);
    document.check().map_err(|Broken { field, .. }| field)
}

#[test]
fn every_kind_has_one_role_and_one_name() {
    for typ in Typ::ALL {
        assert_eq!(Typ::from_header(&typ.header()), Some(typ));
        assert_eq!(typ.name().parse(), Ok(typ));
    }
    for text in ["parloir-grant", "grant+jws", "parloir-grant+jws ", "parloir-Grant+jws", "", "parloir-+jws"] {
        assert_eq!(Typ::from_header(text), None, "{text:?}");
    }
    let by = |role| Typ::ALL.into_iter().filter(|t| t.role() == role).map(Typ::name).collect::<Vec<_>>();
    assert_eq!(by(Role::Grant), ["grant", "time", "ring", "beat"]);
    assert_eq!(by(Role::Box), ["ask", "sign-in", "export", "receipt"]);
    assert!(by(Role::Door).is_empty() && by(Role::Inspect).is_empty());
}

#[test]
fn names_in_json_are_the_names_in_code() {
    for class in Class::ALL {
        assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{class}\""));
    }
    let json = serde_json::to_string(&DenyTarget::Ask(id(1))).unwrap();
    assert_eq!(json, format!("{{\"ask\":\"{}\"}}", id(1)));
    for bad in [r#"{"ask":"00"}"#, r#"{"all":null}"#, r#""ask""#, "{}"] {
        assert!(serde_json::from_str::<DenyTarget>(bad).is_err(), "{bad}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(1), ..ProptestConfig::default() })]

    #[test]
    fn bytes_have_one_spelling(short in any::<[u8; 16]>(), key in any::<[u8; 32]>(), half in any::<[[u8; 32]; 4]>()) {
        prop_assert_eq!(Id(short).to_string().parse(), Ok(Id(short)));
        prop_assert_eq!(Bytes32(key).to_string().parse(), Ok(Bytes32(key)));
        let mut ticket = [0; 128];
        ticket.as_chunks_mut::<32>().0.iter_mut().zip(half).for_each(|(to, from)| *to = from);
        prop_assert_eq!(Ticket128(ticket).to_string().parse(), Ok(Ticket128(ticket)));
    }

    #[test]
    fn any_text_that_reads_as_bytes_is_their_spelling(text in "[A-Za-z0-9_-]{43}") {
        if let Ok(bytes) = text.parse::<Bytes32>() {
            prop_assert_eq!(bytes.to_string(), text);
        }
    }

    #[test]
    fn any_text_is_refused_or_read(text in "\\PC{0,50}") {
        let _ = (text.parse::<Id>(), text.parse::<Bytes32>(), text.parse::<Ticket128>(), Typ::from_header(&text));
    }
}

#[test]
fn other_spellings_are_refused() {
    let hex = id(0xab).to_string();
    for bad in [hex.to_uppercase(), format!("{hex}0"), hex[1..].to_owned(), format!("0x{}", &hex[2..]), "é".repeat(16)] {
        assert!(bad.parse::<Id>().is_err(), "{bad}");
    }
    let key = Bytes32([0xff; 32]).to_string();
    assert!(key.ends_with('8'));
    for bad in [format!("{}9", &key[..42]), format!("{key}="), key.replace('_', "/"), key[..42].to_owned(), "é".repeat(43)] {
        assert!(bad.parse::<Bytes32>().is_err(), "{bad}");
    }
}

#[test]
fn debug_shows_no_names_and_no_passwords() {
    let site = Example::default();
    let shown = format!("{:?} {:?} {:?}", site.person(), site.grant(), site.person().contacts);
    for secret in ["João", "Ana", "Mother", "password", "example\""] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn grants_by_themselves() {
    let site = Example::default();
    let grant = || site.grant();
    assert_eq!(check(grant(), |g| g.v = 2), Err("v"));
    assert_eq!(check(grant(), |g| g.parties.clear()), Err("parties"));
    assert_eq!(check(grant(), |g| g.parties = vec![g.parties[0].clone(); 4]), Err("parties"));
    assert_eq!(check(grant(), |g| g.parties[0].name.clear()), Err("parties.name"));
    assert_eq!(check(grant(), |g| g.parties[0].name = "Ana\u{202e}".into()), Err("parties.name"), "turns the text round");
    assert_eq!(check(grant(), |g| g.parties[0].name = "A\nna".into()), Err("parties.name"));
    assert_eq!(check(grant(), |g| g.parties[0].name = "é".repeat(MAX_NAME)), Ok(()));
    assert_eq!(check(grant(), |g| g.parties[0].name = "é".repeat(MAX_NAME + 1)), Err("parties.name"));
    assert_eq!(check(grant(), |g| g.relays = vec![g.relays[0].clone(); 5]), Err("relays"));
    for url in ["http://relay", "turn:", "stun:relay:3478", "turn:relay name", "turn:relay\n"] {
        assert_eq!(check(grant(), |g| g.relays[0].url = url.into()), Err("relays.url"), "{url:?}");
    }
    assert_eq!(check(grant(), |g| g.slot_s = 0), Err("slot_s"));
    assert_eq!(check(grant(), |g| g.lease_s = 1799), Err("lease_s"));
}

#[test]
fn entitlements_by_themselves() {
    let site = Example::default();
    let person = || site.person();
    assert_eq!(check(person(), |p| p.name = " ".into()), Err("name"));
    assert_eq!(check(person(), |p| p.language = "p".into()), Err("language"));
    assert_eq!(check(person(), |p| p.contacts = vec![p.contacts[0].clone(); 65]), Err("contacts"));
    assert_eq!(check(person(), |p| p.contacts[1].id = ANA), Err("contacts.id"));
    assert_eq!(check(person(), |p| p.contacts[0].windows.reverse()), Err("contacts.windows"));
    assert_eq!(check(person(), |p| p.contacts[0].windows[0].to = NOW - 3600), Err("contacts.windows"));
    assert_eq!(check(person(), |p| p.contacts[0].windows[0].to = NOW + 86_401), Err("contacts.windows"));
    assert_eq!(check(person(), |p| p.contacts[0].windows[0].to = NOW + 86_400), Ok(()), "may touch");
    assert_eq!(check(person(), |p| p.bookings[0].contact = id(9)), Err("bookings.contact"));
    assert_eq!(check(person(), |p| p.bookings[0].to = p.bookings[0].from), Err("bookings"));
}

#[test]
fn policies_receipts_and_the_rest() {
    let site = Example::default();
    assert_eq!(check(site.policy(), |p| p.zone_minutes = 841), Err("zone_minutes"));
    assert_eq!(check(site.policy(), |p| p.languages.clear()), Err("languages"));
    assert_eq!(check(site.policy(), |p| p.classes.push(p.classes[0].clone())), Err("classes.class"));
    assert_eq!(check(site.policy(), |p| p.classes[0].longest_s = 0), Err("classes.longest_s"));
    for class in Class::ALL.into_iter().filter(|c| c.is_private()) {
        let watched = |p: &mut SitePolicy| (p.classes[0].class, p.classes[0].monitoring) = (class, true);
        assert_eq!(check(site.policy(), watched), Err("classes.recording"), "{class}");
    }
    let fits = |class| check(site.ask(), |a| (a.class, a.commitment) = (class, Some(Bytes32([1; 32]))));
    assert_eq!((fits(Class::Lawyer), fits(Class::Family)), (Ok(()), Err("commitment")));
    assert_eq!(check(site.ask(), |a| a.class = Class::Lawyer), Err("commitment"));
    let receipt = || site.receipt().unwrap();
    assert_eq!(check(receipt(), |r| r.reason = "person ended".into()), Err("reason"));
    assert_eq!(check(receipt(), |r| r.gaps = vec![Gap { from_ms: 1, to_ms: 1 }; 257]), Err("gaps"));
    assert_eq!(check(receipt(), |r| r.gaps.push(Gap { from_ms: 1, to_ms: 2 })), Err("gaps"));
    assert_eq!(check(receipt(), |r| r.visitor_statement = Some("x".repeat(2049))), Err("visitor_statement"));
    assert_eq!(check(receipt(), |r| r.regrants = vec![id(1); 5]), Err("regrants"));
    assert_eq!(check(receipt(), |r| (r.grant, r.regrants) = (None, vec![id(1)])), Err("regrants"));
    assert_eq!(check(receipt(), |r| r.earlier_statements = vec!["x".into()]), Err("earlier_statements"), "of no earlier grant");
    let long = |r: &mut parloir_pass::Receipt| (r.regrants, r.earlier_statements) = (vec![id(1)], vec!["x".repeat(2049)]);
    assert_eq!(check(receipt(), long), Err("earlier_statements"));
    assert_eq!(check(site.ring(), |r| r.at = 0), Err("at"));
    assert_eq!(check(site.ring(), |r| r.v = 2), Err("v"));
    assert_eq!(check(site.deny(), |d| d.code = String::new()), Err("code"));
    assert_eq!(check(site.deny(), |d| d.words = "x".repeat(401)), Err("words"));
    assert_eq!(check(site.time(), |t| t.unix_ms = 0), Err("unix_ms"));
    assert_eq!(check(site.authority().unwrap(), |a| a.keys[0].longest_s = 1), Err("keys.classes"));
}

#[test]
fn windows_include_their_first_second_and_exclude_their_last() {
    let person = Example::default().person();
    let ana = person.contact(&ANA).unwrap();
    let (first, second) = (ana.windows[0], ana.windows[1]);
    assert_eq!(ana.open_window(first.from - 1), None);
    assert_eq!(ana.open_window(first.from), Some(first));
    assert_eq!(ana.open_window(first.to - 1), Some(first));
    assert_eq!(ana.open_window(first.to), None);
    assert_eq!(ana.next_window(first.from - 1), Some(first));
    assert_eq!(ana.next_window(first.from), Some(second));
    assert_eq!(ana.next_window(second.from), None);
    assert_eq!(ana.open_window(i64::MIN), None);
    let booking = Booking { contact: ANA, from: NOW, to: NOW + 1800 };
    assert_eq!(person.next_booking(NOW + 1799), Some(booking));
    assert_eq!(person.next_booking(NOW + 1800), None);
    assert!(!Window { from: 5, to: 5 }.contains(5));
}

#[test]
fn the_linter_refuses_what_cannot_be_kept() {
    let policy = Example::default().policy();
    assert_eq!(lint(&policy), []);
    let codes = |change: &dyn Fn(&mut SitePolicy)| {
        let mut policy = policy.clone();
        change(&mut policy);
        lint(&policy).into_iter().map(|f| (f.error, f.code)).collect::<Vec<_>>()
    };
    assert_eq!(codes(&|p| p.classes[0].recording = true), [(true, "RecordingWithoutRoute")]);
    assert_eq!(codes(&|p| p.classes[0].monitoring = true), [(true, "MonitoringWithoutRoute")]);
    assert_eq!(codes(&|p| p.relays.clear()), [(true, "NoRelay")]);
    assert_eq!(codes(&|p| p.relays[0] = "udp:x".into()), [(true, "MalformedDocument")]);
    for host in ["relay.example:3478", "[2001:db8::1]:3478", "192.0.2.10"] {
        assert_eq!(codes(&|p| p.relays[0] = format!("turn:{host}")), [(true, "RelayAddress")], "{host}");
    }
    assert_eq!(codes(&|p| p.relays[0] = "turns:192.0.2.10:5349".into()), []);
    assert_eq!(codes(&|p| p.classes[0].make_good_s = 1801), [(true, "MakeGoodTooLong")]);
    assert_eq!(codes(&|p| p.classes[0].class = Class::Court), [(false, "ClassNotSupported")]);
    assert_eq!(codes(&|p| p.classes[0].class = Class::Lawyer), []);
    let unrenewed = |p: &mut SitePolicy| (p.classes[0].class, p.classes[0].beat_grace_s) = (Class::Lawyer, 0);
    assert_eq!(codes(&unrenewed), [], "a private visit needs no beats");
    let recorded = |p: &mut SitePolicy| (p.classes[0].class, p.classes[0].recording) = (Class::Lawyer, true);
    assert_eq!(codes(&recorded), [(true, "PrivateClassRecorded"), (true, "RecordingWithoutRoute")]);
    assert_eq!(codes(&|p| p.classes.clear()), [(false, "NoClass")]);
    assert_eq!(codes(&|p| p.zone_minutes = 61), [(false, "OddZone")]);
    assert_eq!(codes(&|p| p.classes[0].beat_grace_s = 19), [(false, "GraceTooShort")]);
    let two = codes(&|p| (p.classes[0].longest_s, p.classes[0].monitoring) = (9 * 3600, true));
    assert_eq!(two, [(true, "MonitoringWithoutRoute"), (false, "SlotTooLong")], "errors first");
    let line = {
        let mut policy = policy.clone();
        policy.classes[0].recording = true;
        lint(&policy)[0].to_string()
    };
    assert!(
        line.starts_with("error: classes[family].recording: ") && line.ends_with("[org.parloir.Error.RecordingWithoutRoute]"),
        "{line}"
    );
}
