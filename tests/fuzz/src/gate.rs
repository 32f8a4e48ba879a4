//! Owns: the target of what gate reads: its messages, door key records, door tickets, and the roots that the records are signed by.
//! Never: a signature by luck.
//! Called by: the fuzzer.
//!
//! Holds: whatever is accepted is written again as the same bytes; a ticket and a record are believed by their signers' signature alone.

use crate::bytes::Bytes;
use crate::documents::WORLD;
use parloir_pass::{Bytes32, Ticket128};
use parloir_seal::{PublicKey, Roots};
use parloir_wire::door_record::{self, DoorRecord};
use parloir_wire::gate::{FromGate, ToGate};
use parloir_wire::ticket::{self, Ticket};

/// See the module.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    match bytes.u8() % 6 {
        0 => {
            if let Ok(message) = ToGate::decode(bytes.0) {
                assert_eq!(message.encode(), bytes.0);
            }
        }
        1 => {
            if let Ok(message) = FromGate::decode(bytes.0) {
                assert_eq!(message.encode(), bytes.0);
                assert!(message.to_string().len() < 200);
            }
        }
        2 => tickets(bytes),
        3 => records(bytes),
        4 => {
            if let Ok(roots) = Roots::parse(bytes.0) {
                assert_eq!(roots.to_bytes(), bytes.0);
            }
        }
        _ => drop(WORLD.example.roots().expect("roots").door_record(bytes.0)),
    }
}

fn tickets(mut bytes: Bytes<'_>) {
    let mut all: [u8; ticket::SIZE] = bytes.array();
    let signed = bytes.u8() & 1 == 1;
    if signed {
        let message = [ticket::CONTEXT.as_slice(), &all[..ticket::BODY]].concat();
        all[ticket::BODY..].copy_from_slice(&WORLD.example.door.sign(&message));
    }
    let parsed = Ticket::parse(&all);
    if let Ok((ticket, body, signature)) = &parsed {
        assert_eq!((Ticket::join(body, signature), ticket.body()), (all, *body));
        assert!(ticket.media != 0 && ticket.longest_run_s != 0);
    }
    let key = PublicKey::new(&WORLD.example.door.public()).expect("a key");
    let believed = matches!(parloir_seal::ticket::verify(&Ticket128(all), &key), Ok(Some(_)));
    assert!(!believed || parsed.is_ok(), "a ticket of no form was believed");
    assert!(!believed || signed || all == WORLD.example.ticket().0, "a ticket that nobody signed was believed");
    assert!(believed || !signed || parsed.is_err(), "a signed ticket of good form was not believed");
}

fn records(mut bytes: Bytes<'_>) {
    let mut all: [u8; door_record::SIZE] = bytes.array();
    let signers = bytes.u8();
    let message = [door_record::CONTEXT.as_slice(), &all[..door_record::BODY]].concat();
    let roots = WORLD.example.roots.iter().enumerate().filter(|(n, _)| signers & 1 << n != 0);
    for (n, root) in roots {
        all[door_record::BODY + 64 * n..][..64].copy_from_slice(&root.sign(&message));
    }
    let parsed = DoorRecord::parse(&all);
    if let Ok((record, body, signatures)) = &parsed {
        assert_eq!((DoorRecord::join(body, signatures), record.body()), (all, *body));
    }
    if let Ok(record) = WORLD.example.roots().expect("roots").door_record(&all) {
        assert!(parsed.is_ok() && PublicKey::new(&Bytes32(record.door_key)).is_ok());
        let slots = all[door_record::BODY..].as_chunks::<64>().0;
        let genuine = slots.iter().zip(&WORLD.example.roots).filter(|(slot, root)| **slot == root.sign(&message)).count();
        assert!(genuine >= 2, "too few roots signed");
    }
}
