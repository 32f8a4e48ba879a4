//! Owns: that a grant is refused for every single thing in which it goes beyond the Ask, the entitlement, the policy or the Authority.
//! Never: signatures (seal's tests).
//! Called by: cargo test.

use parloir_issuer::example::{Example, id};
use parloir_pass::rules::{Bounds, grant_within, receipt_holds};
use parloir_pass::{
    Ask, Authority, Broken, Bytes32, Class, Entitlement, Gap, Grant, Media, Party, Receipt, RelayCredentials, Role, Route,
    SitePolicy, Statement,
};

/// All five documents of one visit, to be changed one at a time.
struct Visit {
    grant: Grant,
    ask: Ask,
    entitlement: Entitlement,
    policy: SitePolicy,
    authority: Authority,
    bench_direct: bool,
}

impl Visit {
    fn new() -> Self {
        let site = Example::default();
        Self {
            grant: site.grant(),
            ask: site.ask(),
            entitlement: site.person(),
            policy: site.policy(),
            authority: site.authority().unwrap(),
            bench_direct: false,
        }
    }

    fn judge(&self) -> Result<(), (&'static str, &'static str)> {
        let Self { grant, ask, entitlement, policy, authority, bench_direct } = self;
        let bounds = Bounds { ask, entitlement, policy, authority, bench_direct: *bench_direct };
        grant_within(grant, &bounds).map_err(|Broken { code, field, .. }| (code, field))
    }
}

fn changed(change: impl FnOnce(&mut Visit)) -> Result<(), (&'static str, &'static str)> {
    let mut visit = Visit::new();
    change(&mut visit);
    visit.judge()
}

#[test]
fn the_example_keeps_every_rule() {
    assert_eq!(changed(|_| ()), Ok(()));
}

#[test]
fn it_answers_this_ask() {
    let not = |field| Err(("GrantNotForThisAsk", field));
    assert_eq!(changed(|v| v.grant.nonce = id(1)), not("nonce"));
    assert_eq!(changed(|v| v.grant.site = id(1)), not("site"));
    assert_eq!(changed(|v| v.grant.device = id(1)), not("device"));
    assert_eq!(changed(|v| v.grant.call = id(1)), not("call"));
    assert_eq!(changed(|v| v.grant.person = id(1)), not("person"));
    assert_eq!(changed(|v| v.grant.contact = id(1)), not("contact"));
    assert_eq!(changed(|v| v.grant.class = Class::Lawyer), not("class"));
    assert_eq!(changed(|v| v.ask.media = Media::Voice), not("media"), "more than was asked");
    assert_eq!(changed(|v| v.grant.media = Media::Voice), Ok(()), "less than was asked");
    assert_eq!(changed(|v| v.grant.box_certificate = Bytes32([1; 32])), not("box_certificate"));
}

#[test]
fn the_person_is_entitled() {
    let not = |field| Err(("GrantNotEntitled", field));
    assert_eq!(changed(|v| v.entitlement.site = id(1)), not("site"));
    assert_eq!(changed(|v| v.entitlement.device = id(1)), not("device"));
    assert_eq!(changed(|v| v.entitlement.person = id(1)), not("person"));
    assert_eq!(changed(|v| v.entitlement.contacts.clear()), not("contact"));
    assert_eq!(changed(|v| v.entitlement.contacts[0].outgoing = false), not("contact"));
    assert_eq!(changed(|v| v.entitlement.contacts[0].class = Class::ParentChild), not("class"));
    assert_eq!(changed(|v| v.entitlement.contacts[0].media = Media::Voice), not("media"));
}

#[test]
fn the_policy_allows_it() {
    let not = |field| Err(("GrantOutsidePolicy", field));
    assert_eq!(changed(|v| v.policy.site = id(1)), not("site"));
    assert_eq!(changed(|v| v.policy.classes.clear()), not("class"));
    assert_eq!(changed(|v| v.policy.classes[0].video = false), not("media"));
    assert_eq!(changed(|v| v.grant.slot_s = 0), not("slot_s"));
    assert_eq!(changed(|v| v.grant.slot_s = 1801), not("slot_s"));
    assert_eq!(changed(|v| v.grant.lease_s = 2101), not("lease_s"));
    assert_eq!(changed(|v| v.grant.lease_s = 1799), not("lease_s"));
    assert_eq!(changed(|v| v.grant.lease_s = 0), not("lease_s"));
    assert_eq!(changed(|v| (v.grant.slot_s, v.grant.lease_s) = (u32::MAX, u32::MAX)), not("slot_s"));
    assert_eq!(changed(|v| v.grant.recorded_by = "Somebody".into()), not("recorded_by"));
    assert_eq!(changed(|v| v.grant.watched_by = "Somebody".into()), not("watched_by"));
    assert_eq!(changed(|v| v.grant.price = "1.00".into()), not("price"));
    assert_eq!(changed(|v| v.grant.relays[0].url = "turn:elsewhere".into()), not("relays"));
    let second = RelayCredentials { url: "turn:elsewhere".into(), user: String::new(), password: String::new() };
    assert_eq!(changed(|v| v.grant.relays.push(second)), not("relays"));
    let open = |v: &mut Visit| {
        v.policy.classes[0].recording = true;
        v.grant.recorded_by = "Somebody".into();
    };
    assert_eq!(changed(open), Ok(()));
}

/// The same visit in another class, by every document.
fn of_class(class: Class) -> impl FnOnce(&mut Visit) {
    move |v| {
        v.grant.class = class;
        v.ask.class = class;
        v.entitlement.contacts[0].class = class;
        v.policy.classes[0].class = class;
        v.authority.keys.iter_mut().for_each(|k| k.classes.push(class));
        if class.is_private() {
            v.ask.commitment = Some(Bytes32([3; 32]));
            v.grant.parties[0].code_nonce = Some(Bytes32([4; 32]));
        }
    }
}

/// Whatever entitlement, policy and keys say, three classes are not made in this release; every other is, by its own rule alone.
#[test]
fn each_class_is_made_or_refused_by_name() {
    for class in Class::ALL {
        let made = !matches!(class, Class::Court | Class::Oversight | Class::Helpline);
        assert_eq!(changed(of_class(class)), if made { Ok(()) } else { Err(("GrantOutsidePolicy", "class")) }, "{class}");
        let foreign = |v: &mut Visit| {
            of_class(class)(v);
            v.policy.classes.clear();
        };
        assert_eq!(changed(foreign), Err(("GrantOutsidePolicy", "class")), "{class}: without a rule of the policy");
        if !class.is_private() && made {
            continue;
        }
        for who in [|g: &mut Grant| g.recorded_by = "Somebody".into(), |g: &mut Grant| g.watched_by = "Somebody".into()] {
            let open = changed(|v| {
                of_class(class)(v);
                v.policy.classes[0].recording = true;
                v.policy.classes[0].monitoring = true;
                who(&mut v.grant);
            });
            let code = if class.is_private() { "PrivateClassRecorded" } else { "GrantOutsidePolicy" };
            assert_eq!(open.map_err(|(code, _)| code), Err(code), "{class}: whatever the policy says");
        }
    }
}

#[test]
fn what_is_private_is_end_to_end_with_one_and_has_both_halves_of_a_code() {
    let private = |change: &dyn Fn(&mut Visit)| {
        changed(|v| {
            of_class(Class::Lawyer)(v);
            v.policy.classes[0].recording = true;
            v.policy.classes[0].monitoring = true;
            change(v);
        })
    };
    assert_eq!(private(&|_| ()), Ok(()));
    let recorded = Err(("PrivateClassRecorded", "recorded_by"));
    assert_eq!(private(&|v| v.grant.recorded_by = "the prison".into()), recorded, "whatever the policy says");
    assert_eq!(private(&|v| v.grant.watched_by = "the prison".into()), recorded);
    assert_eq!(private(&|v| v.grant.route = Route::Engine), Err(("PrivateClassRoute", "route")));
    assert_eq!(private(&|v| v.grant.parties[0].code_nonce = None), Err(("PrivateClassCode", "parties")));
    let second = |v: &mut Visit| {
        let other = Party { certificate: Bytes32([8; 32]), statement_key: Bytes32([9; 32]), ..v.grant.parties[0].clone() };
        v.grant.parties.push(other);
    };
    assert_eq!(private(&second), Err(("PrivateClassParties", "parties")));
    assert_eq!(
        changed(|v| v.grant.parties[0].code_nonce = Some(Bytes32([4; 32]))),
        Err(("GrantBadParties", "parties")),
        "family"
    );
}

#[test]
fn the_keys_may_sign_it() {
    let not = |field| Err(("GrantOutsideAuthority", field));
    assert_eq!(changed(|v| v.authority.site = id(1)), not("site"));
    for role in [Role::Grant, Role::Door] {
        let shorter = |v: &mut Visit| v.authority.keys.iter_mut().filter(|k| k.role == role).for_each(|k| k.longest_s = 2099);
        assert_eq!(changed(shorter), not("lease_s"), "{role}");
        let gone = |v: &mut Visit| v.authority.keys.retain(|k| k.role != role);
        assert_eq!(changed(gone), not("lease_s"), "{role}");
        let classless = |v: &mut Visit| v.authority.keys.iter_mut().filter(|k| k.role == role).for_each(|k| k.classes.clear());
        assert_eq!(changed(classless), not("lease_s"), "{role}");
    }
}

#[test]
fn far_ends_are_one_to_three_and_distinct() {
    let not = |field| Err(("GrantBadParties", field));
    let party = |n: u8| Party {
        name: "Ana".into(),
        certificate: Bytes32([n; 32]),
        statement_key: Bytes32([n + 100; 32]),
        code_nonce: None,
    };
    assert_eq!(changed(|v| v.grant.parties.clear()), not("parties"));
    assert_eq!(changed(|v| v.grant.parties = vec![party(1), party(2), party(3)]), Ok(()));
    assert_eq!(changed(|v| v.grant.parties = vec![party(1), party(2), party(3), party(4)]), not("parties"));
    assert_eq!(changed(|v| v.grant.parties = vec![party(1), party(1)]), not("parties"));
    let twins = |v: &mut Visit| {
        v.grant.parties = vec![party(1), Party { certificate: Bytes32([9; 32]), ..party(1) }];
    };
    assert_eq!(changed(twins), not("parties"), "one statement key for two");
    assert_eq!(changed(|v| v.grant.parties[0].certificate = v.grant.box_certificate), not("parties"));
    assert_eq!(changed(|v| v.grant.route = Route::Engine), not("route"));
}

#[test]
fn an_answered_ring_needs_a_contact_who_may_call_in() {
    let barred = |v: &mut Visit, incoming, outgoing| {
        let ana = v.entitlement.contacts.iter_mut().find(|c| c.id == v.ask.contact).unwrap();
        (ana.incoming, ana.outgoing) = (incoming, outgoing);
    };
    let rung = |v: &mut Visit| v.ask.ring = Some(id(0x81));
    let refused = Err(("GrantNotEntitled", "contact"));
    assert_eq!(changed(|v| barred(v, true, false)), refused);
    assert_eq!(changed(|v| barred(v, false, true)), Ok(()));
    assert_eq!(changed(|v| (rung(v), barred(v, true, false)).1), Ok(()));
    assert_eq!(changed(|v| (rung(v), barred(v, false, true)).1), refused);
}

#[test]
fn the_relay_is_the_only_way_out() {
    assert_eq!(changed(|v| v.grant.relays.clear()), Err(("GrantBadParties", "relays")));
    assert_eq!(changed(|v| v.grant.direct_candidates = true), Err(("DirectCandidatesRefused", "direct_candidates")));
    let bench = |v: &mut Visit| {
        v.bench_direct = true;
        v.grant.direct_candidates = true;
        v.grant.relays.clear();
    };
    assert_eq!(changed(bench), Ok(()));
}

#[test]
fn receipts_that_cannot_be_true() {
    let site = Example::default();
    let judge = |change: &dyn Fn(&mut Receipt), statement: Option<&Statement>| {
        let mut receipt = site.receipt().unwrap();
        change(&mut receipt);
        receipt_holds(&receipt, statement.copied().as_slice()).map_err(|b| b.field)
    };
    let said = site.statement();
    assert_eq!(judge(&|_| (), Some(&said)), Ok(()));
    assert_eq!(judge(&|_| (), None), Ok(()));
    assert_eq!(judge(&|r| r.seconds_counted = 30, None), Err("seconds_counted"), "more than there was time for");
    assert_eq!(judge(&|r| r.first_decoded_there_ms = None, None), Err("seconds_counted"), "nobody there saw anything");
    assert_eq!(judge(&|r| r.first_decoded_here_ms = None, None), Err("seconds_counted"));
    let mut little = said;
    little.decoded_ms = 10_000;
    assert_eq!(judge(&|_| (), Some(&little)), Err("seconds_counted"), "more than the visitor saw");
    let mut other = said;
    other.call = id(1);
    assert_eq!(judge(&|_| (), Some(&other)), Err("visitor_statement"));
    assert_eq!(judge(&|r| r.gaps = vec![Gap { from_ms: 0, to_ms: 1 }; 3], Some(&said)), Ok(()));
    // What the visitor saw under all grants together.
    let (mut first, mut second) = (said, said);
    (first.decoded_ms, second.decoded_ms) = (20_000, 8_000);
    let receipt = Receipt { regrants: vec![id(0x62)], ..site.receipt().unwrap() };
    assert_eq!(receipt_holds(&receipt, &[first, second]), Ok(()));
    assert!(receipt_holds(&receipt, &[second]).is_err());
    second.decoded_ms = u64::MAX;
    assert_eq!(receipt_holds(&receipt, &[second, first]), Ok(()), "no sum overflows");
}
