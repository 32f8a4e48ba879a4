//! Owns: whose tickets gate believes (the door key record, kept with its revision), and whether a ticket is good here and now.
//! Never: opens anything, or takes a word of the arbiter for it.
//! Called by: run. Ed25519 as in RFC 8032, strict: no weak keys, no malleable signatures.

use std::{fs, io, path::Path};

use ed25519_dalek::{Signature, VerifyingKey};
use parloir_wire::door_record::{self, CONTEXT as DOOR_RECORD, DoorRecord};
use parloir_wire::ticket::{self, Kind, Ticket};
use parloir_wire::{Id, gate::GateRefusal};

use crate::{config::Config, keys::FRESH_NS, lease::State};

/// The keys that gate believes.
pub struct Tickets {
    quorum: usize,
    roots: Vec<VerifyingKey>,
    /// The record of the highest revision seen.
    pub kept: Option<DoorRecord>,
    door: Option<VerifyingKey>,
}

impl Tickets {
    /// Reads the root keys and the record that was kept. A record that no longer verifies still holds its revision.
    ///
    /// # Errors
    /// The root keys are unreadable or not `1 <= k <= n <= 3` distinct keys; in words.
    pub fn load(config: &Config) -> Result<Self, String> {
        let roots = fs::read(&config.roots).map_err(|e| format!("root keys {}: {e}", config.roots.display()))?;
        let mut tickets = parse_roots(&roots).ok_or("root keys: not k, n and n distinct Ed25519 keys, 1 <= k <= n <= 3")?;
        if let Some(old) = fs::read(config.state.join("door-record")).ok().and_then(|bytes| bytes.try_into().ok()) {
            tickets.kept = DoorRecord::parse(&old).ok().map(|(record, ..)| record).filter(|record| record.site == config.site);
            tickets.door = tickets.verify(config, &old).ok().map(|(_, door)| door);
        }
        Ok(tickets)
    }

    /// Believes a record from now on, after it is safely on disk. The same record may come again; another one must be newer.
    ///
    /// # Errors
    /// `RecordSignature`, `RecordOld`, `NoState`; what was believed before still is.
    pub fn keep(&mut self, config: &Config, bytes: &[u8; door_record::SIZE]) -> Result<u64, GateRefusal> {
        let (record, door) = self.verify(config, bytes)?;
        must(self.kept.is_none_or(|kept| kept == record || kept.revision < record.revision), GateRefusal::RecordOld)?;
        // The same again costs no write: who carries it may do so without end.
        let written = if (self.kept, self.door) == (Some(record), Some(door)) { Ok(()) } else { persist(&config.state, bytes) };
        written.inspect_err(|e| say!(3, "{}: {e}", config.state.display())).map_err(|_| GateRefusal::NoState)?;
        (self.kept, self.door) = (Some(record), Some(door));
        Ok(record.revision)
    }

    /// Every signature that is there must be good, and there must be enough of them.
    fn verify(&self, config: &Config, bytes: &[u8; door_record::SIZE]) -> Result<(DoorRecord, VerifyingKey), GateRefusal> {
        let (record, body, signatures) = DoorRecord::parse(bytes).map_err(|_| GateRefusal::RecordSignature)?;
        let signed = signatures.iter().enumerate().filter_map(|(slot, signature)| Some((slot, signature.as_ref()?)));
        let good = |(slot, by): (usize, _)| self.roots.get(slot).is_some_and(|key| verifies(key, DOOR_RECORD, &body, by));
        let enough = signed.clone().all(good) && signed.count() >= self.quorum && record.site == config.site;
        let door = public_key(&record.door_key).filter(|_| enough).ok_or(GateRefusal::RecordSignature)?;
        Ok((record, door))
    }

    /// The ticket, if it is good for the lease that waits.
    ///
    /// # Errors
    /// `NoLease` (none waits for a ticket), `TicketForm`, `NoDoorKey`, `TicketSignature`, `TicketBinding`, `NonceExpired`, `NoFreshKey`.
    pub fn check(&self, device: Id, bytes: &[u8; ticket::SIZE], state: State, now: u64) -> Result<Ticket, GateRefusal> {
        let State::Prepared { lease, nonce, pressed, until } = state else { return Err(GateRefusal::NoLease) };
        let (ticket, body, signature) = Ticket::parse(bytes).map_err(|_| GateRefusal::TicketForm)?;
        let door = self.door.as_ref().ok_or(GateRefusal::NoDoorKey)?;
        must(verifies(door, ticket::CONTEXT, &body, &signature), GateRefusal::TicketSignature)?;
        let standing = ticket.kind != Kind::Nonce;
        let bound = if standing { (device, [0; 16], [0; 16]) } else { (device, nonce, lease) };
        must((ticket.device, ticket.nonce, ticket.lease) == bound, GateRefusal::TicketBinding)?;
        must(now < until, GateRefusal::NonceExpired)?;
        must(!standing || now.saturating_sub(pressed) <= FRESH_NS, GateRefusal::NoFreshKey)?;
        Ok(ticket)
    }
}

/// # Errors
/// `why`, unless it is `so`.
pub fn must(so: bool, why: GateRefusal) -> Result<(), GateRefusal> {
    if so { Ok(()) } else { Err(why) }
}

fn verifies(key: &VerifyingKey, context: &[u8], body: &[u8], signature: &[u8; 64]) -> bool {
    key.verify_strict(&[context, body].concat(), &Signature::from_bytes(signature)).is_ok()
}

fn public_key(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak())
}

fn parse_roots(bytes: &[u8]) -> Option<Tickets> {
    let (&[k, n], keys) = bytes.split_first_chunk()?;
    let (keys, rest) = keys.as_chunks();
    let roots = keys.iter().map(public_key).collect::<Option<Vec<_>>>()?;
    let distinct = (1..roots.len()).all(|i| !roots[..i].contains(&roots[i]));
    let fits = rest.is_empty() && roots.len() == usize::from(n) && roots.len() <= door_record::ROOTS && (1..=n).contains(&k);
    (fits && distinct).then_some(Tickets { quorum: k.into(), roots, kept: None, door: None })
}

/// Whole or not at all, whatever moment the power goes.
fn persist(directory: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = directory.join("door-record.new");
    fs::write(&new, bytes)?;
    // fsync(2) is of the file, whichever descriptor asks for it.
    fs::File::open(&new)?.sync_all()?;
    fs::rename(&new, directory.join("door-record"))?;
    fs::File::open(directory)?.sync_all()
}
