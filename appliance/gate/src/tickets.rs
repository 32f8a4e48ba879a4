//! Owns: whose tickets gate believes (the door key record, kept with its revision), and whether a ticket is good here and now.
//! Never: opens anything, or takes a word of the arbiter for it.
//! Called by: run. Ed25519 as in RFC 8032, strict: no weak keys, no malleable signatures.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signature, VerifyingKey};
use parloir_wire::Id;
use parloir_wire::door_record::{self, DoorRecord};
use parloir_wire::gate::GateRefusal;
use parloir_wire::ticket::{self, Kind, Ticket};

use crate::keys::FRESH_NS;
use crate::lease::State;

/// The keys that gate believes.
pub struct Tickets {
    device: Id,
    site: Id,
    quorum: usize,
    roots: Vec<VerifyingKey>,
    state: PathBuf,
    kept: Option<DoorRecord>,
    door: Option<VerifyingKey>,
}

impl Tickets {
    /// Reads the root keys and the record that was kept. A record that no longer verifies still holds its revision.
    ///
    /// # Errors
    /// The root keys are unreadable or not `1 <= k <= n <= 3` distinct keys; in words.
    pub fn load(device: Id, site: Id, roots: &Path, state: &Path) -> Result<Self, String> {
        let bytes = fs::read(roots).map_err(|e| format!("root keys {}: {e}", roots.display()))?;
        let (quorum, roots) = parse_roots(&bytes).ok_or_else(|| {
            format!("root keys {}: not bytes k and n, then n distinct Ed25519 public keys, 1 <= k <= n <= 3", roots.display())
        })?;
        let mut tickets = Self { device, site, quorum, roots, state: state.join("door-record"), kept: None, door: None };
        let old = fs::read(&tickets.state).ok().and_then(|b| <[u8; door_record::SIZE]>::try_from(b).ok());
        if let Some(record) = old {
            tickets.kept = DoorRecord::parse(&record).ok().map(|(record, ..)| record).filter(|r| r.site == site);
            tickets.door = tickets.verify(&record).ok().map(|(_, key)| key);
        }
        Ok(tickets)
    }

    /// Highest revision seen, 0 for none.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.kept.map_or(0, |r| r.revision)
    }

    /// Believes a record from now on, after it is safely on disk. The same record may come again; another one must be newer.
    ///
    /// # Errors
    /// `RecordSignature`, `RecordOld`, `NoState`; what was believed before still is.
    pub fn keep(&mut self, bytes: &[u8; door_record::SIZE]) -> Result<u64, GateRefusal> {
        let (record, key) = self.verify(bytes)?;
        if self.kept.is_some_and(|kept| record.revision < kept.revision || (record.revision == kept.revision && record != kept)) {
            return Err(GateRefusal::RecordOld);
        }
        if self.door.is_none() || self.kept != Some(record) {
            persist(&self.state, bytes).map_err(|e| {
                say!(3, "door key record {}: {e}; the record is not believed", self.state.display());
                GateRefusal::NoState
            })?;
        }
        (self.kept, self.door) = (Some(record), Some(key));
        Ok(record.revision)
    }

    /// Every signature that is there must be good, and there must be enough of them.
    fn verify(&self, bytes: &[u8; door_record::SIZE]) -> Result<(DoorRecord, VerifyingKey), GateRefusal> {
        let (record, body, signatures) = DoorRecord::parse(bytes).map_err(|_| GateRefusal::RecordSignature)?;
        let message = [&door_record::CONTEXT[..], &body].concat();
        let mut signed = 0;
        for (slot, signature) in signatures.iter().enumerate() {
            let Some(signature) = signature else { continue };
            let root = self.roots.get(slot).ok_or(GateRefusal::RecordSignature)?;
            root.verify_strict(&message, &Signature::from_bytes(signature)).map_err(|_| GateRefusal::RecordSignature)?;
            signed += 1;
        }
        let door = public_key(&record.door_key).ok_or(GateRefusal::RecordSignature)?;
        if signed < self.quorum || record.site != self.site {
            return Err(GateRefusal::RecordSignature);
        }
        Ok((record, door))
    }

    /// The ticket, if it is good for the lease that waits.
    ///
    /// # Errors
    /// `NoLease`, `Busy`, `TicketForm`, `NoDoorKey`, `TicketSignature`, `TicketBinding`, `NonceExpired`, `NoFreshKey`.
    pub fn check(&self, bytes: &[u8; ticket::SIZE], state: &State, now: u64) -> Result<Ticket, GateRefusal> {
        let (lease, nonce, pressed, until) = match *state {
            State::Prepared { lease, nonce, pressed, until } => (lease, nonce, pressed, until),
            State::Open { .. } | State::Falling { .. } | State::Gone { .. } => return Err(GateRefusal::Busy),
            State::Shut | State::Ending { .. } => return Err(GateRefusal::NoLease),
        };
        let (ticket, body, signature) = Ticket::parse(bytes).map_err(|_| GateRefusal::TicketForm)?;
        let door = self.door.as_ref().ok_or(GateRefusal::NoDoorKey)?;
        let message = [&ticket::CONTEXT[..], &body].concat();
        door.verify_strict(&message, &Signature::from_bytes(&signature)).map_err(|_| GateRefusal::TicketSignature)?;
        let bound = match ticket.kind {
            Kind::Nonce => (nonce, lease),
            Kind::Always | Kind::Myself => ([0; 16], [0; 16]),
        };
        if ticket.device != self.device || (ticket.nonce, ticket.lease) != bound {
            return Err(GateRefusal::TicketBinding);
        }
        if now >= until {
            return Err(GateRefusal::NonceExpired);
        }
        if ticket.kind != Kind::Nonce && now.saturating_sub(pressed) > FRESH_NS {
            return Err(GateRefusal::NoFreshKey);
        }
        Ok(ticket)
    }
}

fn public_key(bytes: &[u8; 32]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak())
}

fn parse_roots(bytes: &[u8]) -> Option<(usize, Vec<VerifyingKey>)> {
    let (&[k, n], keys) = bytes.split_first_chunk::<2>()?;
    let (chunks, rest) = keys.as_chunks::<32>();
    let roots = chunks.iter().map(public_key).collect::<Option<Vec<_>>>()?;
    let distinct = (1..roots.len()).all(|i| !roots[..i].contains(&roots[i]));
    let fits = rest.is_empty() && roots.len() == usize::from(n) && roots.len() <= door_record::ROOTS && (1..=n).contains(&k);
    (fits && distinct).then_some((usize::from(k), roots))
}

/// Whole or not at all, whatever moment the power goes.
fn persist(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}
