//! Owns: the core's view as the bus's.
//! Never: a word that a person reads, or a value that the core did not say.
//! Called by: run.

use parloir_bus::view as bus;
use parloir_core::view as core;

/// The view under a revision.
#[must_use]
pub fn to_bus(view: &core::View, revision: u64) -> bus::View {
    bus::View {
        revision,
        phase: phase(view.phase),
        person: view.person.clone(),
        language: view.language.clone(),
        online: view.online,
        clock_trusted: view.clock_trusted,
        clock_offset_ms: view.clock_offset_ms,
        zone_minutes: view.zone_minutes,
        contacts: view.contacts.iter().map(contact).collect(),
        next_visit: view.next_visit.as_ref().map(|b| bus::Booking { contact: b.contact.to_string(), from: b.from, to: b.to }),
        call: view.call.as_ref().map(call),
        outcome: view.outcome.as_ref().map(outcome),
        sign_in: view.sign_in.as_ref().map(sign_in),
        maintenance: view.maintenance.to_owned(),
        update: view.update.to_owned(),
    }
}

/// The word of a phase, as in the bus contract and in the log.
#[must_use]
pub const fn word(phase: core::Phase) -> &'static str {
    match phase {
        core::Phase::Starting => "starting",
        core::Phase::SignIn => "signin",
        core::Phase::Code => "code",
        core::Phase::Checking => "checking",
        core::Phase::Home => "home",
        core::Phase::Ringing => "ringing",
        core::Phase::Asking => "asking",
        core::Phase::Joining => "joining",
        core::Phase::Live => "live",
        core::Phase::Held => "held",
        core::Phase::Closing => "closing",
        core::Phase::Ended => "ended",
        core::Phase::Refused => "refused",
    }
}

const fn phase(phase: core::Phase) -> bus::Phase {
    match phase {
        core::Phase::Starting => bus::Phase::Starting,
        core::Phase::SignIn => bus::Phase::SignIn,
        core::Phase::Code => bus::Phase::Code,
        core::Phase::Checking => bus::Phase::Checking,
        core::Phase::Home => bus::Phase::Home,
        core::Phase::Ringing => bus::Phase::Ringing,
        core::Phase::Asking => bus::Phase::Asking,
        core::Phase::Joining => bus::Phase::Joining,
        core::Phase::Live => bus::Phase::Live,
        core::Phase::Held => bus::Phase::Held,
        core::Phase::Closing => bus::Phase::Closing,
        core::Phase::Ended => bus::Phase::Ended,
        core::Phase::Refused => bus::Phase::Refused,
    }
}

fn sign_in(shown: &core::SignIn) -> bus::SignIn {
    let occupant = |one: &core::Occupant| bus::Occupant { tag: one.tag, locked_until: one.locked_until };
    bus::SignIn {
        people: shown.people.iter().map(occupant).collect(),
        tag: shown.tag,
        dots: shown.dots,
        start: shown.start,
        told: shown.told.to_owned(),
        rings_for: shown.rings_for,
    }
}

fn contact(contact: &core::Contact) -> bus::Contact {
    bus::Contact {
        id: contact.id.to_string(),
        name: contact.name.clone(),
        class: contact.class.clone(),
        media: contact.media.clone(),
        can_call: contact.why_not.is_none(),
        why_not: contact.why_not.map_or_else(String::new, |code| code.name().to_owned()),
        window_from: contact.window_from,
        window_to: contact.window_to,
    }
}

fn call(call: &core::Call) -> bus::Call {
    bus::Call {
        id: call.id.to_string(),
        contact: call.contact.to_string(),
        name: call.name.clone(),
        class: call.class.clone(),
        media: call.media.clone(),
        incoming: call.incoming,
        seconds_left: call.seconds_left,
        seconds_counted: call.seconds_counted,
        camera: call.camera,
        microphone: call.microphone,
        recorded_by: call.recorded_by.clone(),
        watched_by: call.watched_by.clone(),
        network: call.network.word().to_owned(),
        price: call.price.clone(),
        renewal_late: call.renewal_late,
        code: call.code.clone(),
    }
}

fn outcome(outcome: &core::Outcome) -> bus::Outcome {
    bus::Outcome {
        contact: outcome.contact.to_string(),
        name: outcome.name.clone(),
        code: outcome.code.to_owned(),
        staff_words: outcome.staff_words.clone(),
        seconds_counted: outcome.seconds_counted,
        seconds_lost: outcome.seconds_lost,
        recorded_by: outcome.recorded_by.clone(),
        camera_shut: outcome.camera_shut,
        both_sides: outcome.both_sides,
        receipt: outcome.receipt.map_or_else(String::new, |id| id.to_string()),
        next_from: outcome.next_from,
        next_to: outcome.next_to,
        rule: outcome.rule.to_owned(),
    }
}
