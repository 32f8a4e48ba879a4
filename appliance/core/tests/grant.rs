//! Owns: a grant fits only when every field of it does (requirements S2): each is changed alone, and no door opens.
//! Never: passes when a check is taken out of `State::judge_grant` or `parloir_pass::rules` (tried for key, ticket and lease).
//! Called by: cargo test.

mod bed;
mod private;
use bed::*;
use parloir_core::call::Kind;
use parloir_core::*;
use parloir_pass::*;

type Change = (&'static str, fn(&mut Grant, &mut TicketFacts), Code);

fn id(byte: u8) -> Id {
    Id([byte; 16])
}

const CHANGES: &[Change] = &[
    ("site", |g, _| g.site = id(1), Code::GrantDevice),
    ("device", |g, _| g.device = id(1), Code::GrantDevice),
    ("call", |g, _| g.call = id(0xee), Code::GrantCertificate),
    ("nonce", |g, _| g.nonce = id(1), Code::GrantStray),
    ("person", |g, _| g.person = id(1), Code::GrantPerson),
    ("contact", |g, _| g.contact = BEN, Code::GrantContact),
    ("class", |g, _| g.class = Class::Lawyer, Code::GrantClass),
    ("media", |g, _| g.media = Media::Voice, Code::GrantMedia),
    ("box_certificate", |g, _| g.box_certificate = FAR, Code::GrantCertificate),
    ("parties: none", |g, _| g.parties.clear(), Code::GrantParties),
    ("parties: four", |g, _| g.parties = (10..14).map(party).collect(), Code::GrantParties),
    ("parties: one twice", |g, _| g.parties.push(g.parties[0].clone()), Code::GrantParties),
    ("parties: ourselves", |g, _| g.parties[0].certificate = OWN, Code::GrantParties),
    ("route", |g, _| g.route = Route::Engine, Code::GrantRoute),
    ("relays: foreign", |g, _| g.relays[0].url = "turn:203.0.113.9:3478".to_owned(), Code::GrantRelay),
    ("relays: none", |g, _| g.relays.clear(), Code::GrantRelay),
    ("direct_candidates", |g, _| g.direct_candidates = true, Code::GrantDirect),
    ("recorded_by", |g, _| g.recorded_by = "Prison".to_owned(), Code::GrantRecording),
    ("watched_by", |g, _| g.watched_by = "Prison".to_owned(), Code::GrantRecording),
    ("price", |g, _| g.price = "1 EUR".to_owned(), Code::GrantPrice),
    ("slot_s: zero", |g, _| g.slot_s = 0, Code::GrantDuration),
    ("slot_s: longer than the policy's", |g, _| g.slot_s = 1801, Code::GrantDuration),
    ("lease_s: shorter than the slot", |g, t| both(g, t, 599), Code::GrantDuration),
    ("lease_s: more than the make-good", |g, t| both(g, t, 901), Code::GrantDuration),
    ("ticket: device", |_, t| t.device = id(1), Code::GrantTicket),
    ("ticket: nonce", |_, t| t.nonce = id(1), Code::GrantTicket),
    ("ticket: lease", |_, t| t.lease = id(0xee), Code::GrantTicket),
    ("ticket: longest run", |_, t| t.longest_run_s += 1, Code::GrantTicket),
    ("ticket: no camera", |_, t| t.camera = false, Code::GrantTicket),
    ("ticket: no microphone", |_, t| t.microphone = false, Code::GrantTicket),
    ("ticket: standing", |_, t| t.answers_nonce = false, Code::GrantTicket),
];

fn both(grant: &mut Grant, ticket: &mut TicketFacts, lease_s: u32) {
    grant.lease_s = lease_s;
    ticket.longest_run_s = lease_s;
}

fn party(byte: u8) -> Party {
    Party { name: "P".to_owned(), certificate: Bytes32([byte; 32]), statement_key: Bytes32([byte + 100; 32]), code_nonce: None }
}

fn refused_with(bed: &mut Bed, effects: &[Effect], what: &str, code: Code) {
    assert_eq!(bed.state.call_kind(), Kind::Closing, "{what}");
    assert_eq!((opens(effects), closes(effects)), (0, 1), "{what}: no door opens, gate is told to end it");
    assert_eq!(ledger_refusals(effects), [code], "{what}");
    bed.shut();
    let view = bed.state.view();
    assert_eq!((view.phase, bed.outcome().code), (view::Phase::Refused, code.name()), "{what}: the screen says why");
}

#[test]
fn the_unchanged_grant_opens_the_door_after_the_record() {
    let mut bed = Bed::new();
    let effects = bed.granted();
    assert_eq!((opens(&effects), bed.state.call_kind()), (1, Kind::Joining));
    let record = effects.iter().position(|e| matches!(e, Effect::OpenVisitRecord { .. }));
    let open = effects.iter().position(|e| matches!(e, Effect::Gate(ToGate::Open { .. })));
    assert!(record.is_some() && record < open);
}

#[test]
fn one_field_changed_and_no_door_opens() {
    for (what, change, code) in CHANGES {
        let mut bed = Bed::new();
        let ask = bed.ask();
        let (mut grant, mut ticket) = good_grant(&ask);
        change(&mut grant, &mut ticket);
        let effects = bed.grant_event(grant, ticket);
        refused_with(&mut bed, &effects, what, *code);
    }
}

#[test]
fn a_key_that_may_not_sign_for_the_class_or_the_time_or_any_more() {
    type Bend = fn(&mut AuthorityKey);
    let bends: [(&str, Bend); 4] = [
        ("another key", |k| k.key = Bytes32([1; 32])),
        ("another class", |k| k.classes = vec![Class::Court]),
        ("shorter", |k| k.longest_s = 719),
        ("out of date", |k| k.not_after = NOON - 1),
    ];
    for (what, bend) in bends {
        let mut bed = Bed::new();
        let ask = bed.ask();
        let mut document = authority();
        document.revision += 1;
        // A second grant key keeps the class dialable, so that only the signer's own bounds decide.
        let spare = AuthorityKey { key: Bytes32([0x99; 32]), ..document.keys[0].clone() };
        document.keys.push(spare);
        bend(&mut document.keys[0]);
        bed.step(Event::Authority(Box::new(document)));
        let (grant, ticket) = good_grant(&ask);
        let effects = bed.grant_event(grant, ticket);
        refused_with(&mut bed, &effects, what, Code::GrantKey);
    }
}

#[test]
fn a_grant_that_seal_does_not_believe_ends_the_asking() {
    let mut bed = Bed::new();
    bed.ask();
    let effects = bed.step(Event::Unverified { typ: Typ::Grant });
    refused_with(&mut bed, &effects, "forged", Code::GrantNotGenuine);
}

#[test]
fn an_entitlement_that_changed_meanwhile_counts() {
    let mut bed = Bed::new();
    let ask = bed.ask();
    let mut document = entitlement();
    document.revision += 1;
    document.contacts.remove(0);
    document.bookings.clear();
    bed.step(Event::Entitlement(Box::new(document)));
    let (grant, ticket) = good_grant(&ask);
    let effects = bed.grant_event(grant, ticket);
    refused_with(&mut bed, &effects, "contact withdrawn", Code::GrantContact);
}

#[test]
fn an_answer_to_an_earlier_ask_is_dropped_and_the_asking_goes_on() {
    let mut bed = Bed::new();
    let ask = bed.ask();
    let (old, old_ticket) = good_grant(&ask);
    bed.end();
    bed.shut();
    bed.ask();
    let effects = bed.grant_event(old, old_ticket);
    assert_eq!(ledger_refusals(&effects), [Code::GrantStray]);
    assert_eq!((bed.state.call_kind(), opens(&effects)), (Kind::Asking, 0));
}

#[test]
fn the_nonce_dies_after_60_s() {
    for (late, kind) in [(59_999, Kind::Joining), (60_000, Kind::Closing)] {
        let mut bed = Bed::new();
        let ask = bed.ask();
        bed.now += late;
        let (grant, ticket) = good_grant(&ask);
        bed.grant_event(grant, ticket);
        assert_eq!(bed.state.call_kind(), kind, "after {late} ms, and no tick between");
    }
}

#[test]
fn a_grant_counts_once() {
    let mut bed = Bed::new();
    let ask = bed.ask();
    let (grant, ticket) = good_grant(&ask);
    bed.grant_event(grant.clone(), ticket);
    let again = bed.grant_event(grant.clone(), ticket);
    assert_eq!((opens(&again), ledger_refusals(&again)), (0, vec![Code::GrantStray]));
    bed.end();
    bed.shut();
    let after = bed.grant_event(grant, ticket);
    assert_eq!((opens(&after), bed.state.call_kind()), (0, Kind::Idle));
}

#[test]
fn before_the_ask_is_out_no_grant_fits() {
    let mut bed = Bed::new();
    let ask = bed.ask();
    let (grant, ticket) = good_grant(&ask);
    bed.end();
    bed.shut();
    bed.place();
    let mut guessed = grant;
    guessed.call = bed.call_id();
    let effects = bed.grant_event(guessed, ticket);
    assert_eq!((opens(&effects), bed.state.call_kind()), (0, Kind::Asking));
}

#[test]
fn direct_candidates_only_on_a_bench() {
    let mut bed = Bed::new();
    bed.state = State::new(Settings { bench_direct: true, ..settings() });
    bed.gate(GateFact::Hello { device: DEVICE });
    bed.step(Event::Authority(Box::new(authority())));
    bed.step(Event::Policy(Box::new(policy())));
    bed.step(Event::Entitlement(Box::new(entitlement())));
    bed.step(Event::Online { up: true, fresh: Id([0x71; 16]) });
    bed.attach(screen());
    bed.focus(screen());
    let ask = bed.ask();
    let (mut grant, ticket) = good_grant(&ask);
    grant.direct_candidates = true;
    let effects = bed.grant_event(grant, ticket);
    assert_eq!(opens(&effects), 1);
}

#[test]
fn voice_names_no_camera() {
    let mut bed = Bed::new();
    bed.press(Stroke::OkDown);
    bed.place_with(screen(), ANA, false, 1);
    let ask = bed.prepare();
    let (grant, ticket) = good_grant(&ask);
    assert!(!ticket.camera);
    let effects = bed.grant_event(grant.clone(), ticket);
    assert_eq!(opens(&effects), 1);
    let effects = bed.gate(GateFact::Opened { lease: bed.call_id(), camera: false, microphone: true });
    let video = effects.iter().find_map(|e| match e {
        Effect::SendToCall { message: ToCall::Plan { video, .. }, .. } => Some(*video),
        _ => None,
    });
    assert_eq!(video, Some(false));
}
