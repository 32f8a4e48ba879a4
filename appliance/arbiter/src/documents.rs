//! Owns: the box's two secret keys, the keyring, and the way from bytes that the courier brought to an event that the core may judge.
//! Never: passes on a document whose signature it has not checked; lets a secret key out.
//! Called by: run.

use parloir_core::{Event, TicketFacts};
use parloir_pass::receipt::Parcel;
use parloir_pass::shared::CODE_DIGITS;
use parloir_pass::{Ask, Bytes32, DenyTarget, Entitlement, Export, Grant, Id, Receipt, SignIn, Typ, VERSION};
use parloir_seal::{BoxKey, Clock, Code, Keyring, Refused, Roots, UnsealKey, jws, sealed};
use parloir_wire::door_record;
use parloir_wire::ticket::{Kind, Ticket};
use parloir_wire::{CAMERA, MICROPHONE};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Why the arbiter could not get its keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be read.
    #[error("{path}: {error}; provision the box again [org.parloir.Error.NoKey]")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A file holds something else.
    #[error("{path}: {wanted}; provision the box again [org.parloir.Error.BadKey]")]
    Form {
        /// Which.
        path: PathBuf,
        /// What should be in it.
        wanted: &'static str,
    },
    /// A secret that others may read.
    #[error("{path}: others may read this secret; set its mode to 0600 [org.parloir.Error.OpenKey]")]
    Open {
        /// Which.
        path: PathBuf,
    },
    /// The roots or a key are not what they should be.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// What a delivered body turned out to be.
#[derive(Debug)]
pub enum Opened {
    /// Verified: for the core, and what to keep if the core takes it.
    Event(Box<Event>, Keep),
    /// For gate, which checks it itself.
    DoorRecord(Box<[u8; door_record::SIZE]>),
    /// The facility's hint that a call needs another grant: unsigned, so the core only asks.
    Again(Id),
    /// Its signer is not known yet: it waits for the Authority.
    Waits,
}

/// What follows when the core took a document.
#[derive(Debug)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The keyring is the one from now on; the body is kept over restarts.
    Authority(Box<Keyring>, Vec<u8>),
    /// The body is kept over restarts.
    Policy(Vec<u8>, u64),
    /// The same; it is kept sealed, as it came.
    Agenda(Vec<u8>, u64),
    /// If the core admits it, its parties' statements are believed.
    Grant(Box<Grant>),
}

/// A refusal before the core: for the courier's log, and for the core when a kind is known.
#[derive(Debug)]
pub struct NotOpened {
    /// Stable code.
    pub code: &'static str,
    /// For the log.
    pub hint: String,
    /// What it claimed to be, where its signature (or more) failed.
    pub forged: Option<Typ>,
}

impl NotOpened {
    fn new(code: &'static str, hint: impl Into<String>) -> Self {
        Self { code, hint: hint.into(), forged: None }
    }
    fn forged(typ: Typ, refused: &Refused) -> Self {
        Self { code: refused.code.name(), hint: refused.to_string(), forged: Some(typ) }
    }
}

/// Keys and what the documents so far said.
#[derive(Debug)]
pub struct Documents {
    device: Id,
    site: Id,
    roots: Roots,
    sign: BoxKey,
    unseal: UnsealKey,
    keyring: Option<Keyring>,
    waits: BTreeMap<Typ, Vec<u8>>,
    /// Denials whose signer the Authority at hand does not name, the newest [`MAX_DENIALS`]: the broker may bring them before the
    /// Authority that does, and none may be lost by it.
    denials: VecDeque<Vec<u8>>,
    denied: BTreeSet<[u8; 32]>,
    /// Nonce of the last time request.
    time_nonce: Option<Id>,
    /// The grant that the core admitted last.
    admitted: Option<Grant>,
    /// Statement keys (thumbprints) of the grants that it replaced in the same visit.
    replaced: Vec<Bytes32>,
}

/// The facility's hint, `again` (docs/mqtt.md).
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Hint {
    v: u32,
    call: Id,
}

/// Most denials that wait for their Authority.
pub const MAX_DENIALS: usize = 64;
/// Longest hint.
const MAX_HINT: usize = 256;

impl Documents {
    /// Reads the box's keys in `dir`: `ask.key`, `unseal.key` (32 raw bytes, mode 0600), `device.id`, `site.id`; and the file of root
    /// keys, which is the image's: whoever can write the data partition must not be able to make itself the authority.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn load(dir: &Path, roots: &Path) -> Result<Self, KeyError> {
        Ok(Self {
            device: id(&dir.join("device.id"))?,
            site: id(&dir.join("site.id"))?,
            roots: Roots::parse(&read(roots)?)?,
            sign: BoxKey::new(&secret(&dir.join("ask.key"))?),
            unseal: UnsealKey::new(&secret(&dir.join("unseal.key"))?)?,
            keyring: None,
            waits: BTreeMap::new(),
            denials: VecDeque::new(),
            denied: BTreeSet::new(),
            time_nonce: None,
            admitted: None,
            replaced: Vec::new(),
        })
    }

    /// This box.
    #[must_use]
    pub const fn device(&self) -> Id {
        self.device
    }

    /// Its site.
    #[must_use]
    pub const fn site(&self) -> Id {
        self.site
    }

    /// Whether receipts can be sealed: the facility's key is known.
    #[must_use]
    pub const fn can_seal(&self) -> bool {
        self.keyring.is_some()
    }

    /// The grant that the core admitted last, if it is of this call.
    #[must_use]
    pub fn admitted(&self, call: &Id) -> Option<&Grant> {
        self.admitted.as_ref().filter(|g| g.call == *call)
    }

    /// The nonce that a time statement must echo.
    pub fn asked_time(&mut self, nonce: Id) {
        self.time_nonce = Some(nonce);
    }

    /// The core took the document.
    pub fn keep(&mut self, keep: &Keep) {
        match keep {
            Keep::Authority(keyring, _) => self.keyring = Some(*keyring.clone()),
            Keep::Grant(grant) => self.admit(grant),
            Keep::Policy(..) | Keep::Agenda(..) | Keep::Nothing => {}
        }
    }

    fn admit(&mut self, grant: &Grant) {
        match self.admitted.take().filter(|old| old.call == grant.call) {
            Some(old) => self.replaced.extend(thumbprints(&old)),
            None => self.replaced.clear(),
        }
        self.admitted = Some(grant.clone());
    }

    /// Bodies that waited for an Authority, each under its kind, the policy first and denials last.
    pub fn take_waiting(&mut self) -> Vec<(Typ, Vec<u8>)> {
        let denials = std::mem::take(&mut self.denials).into_iter().map(|body| (Typ::Deny, body));
        std::mem::take(&mut self.waits).into_iter().chain(denials).collect()
    }

    /// Opens a body of a kind, the last part of its topic.
    ///
    /// # Errors
    /// See [`NotOpened`].
    pub fn open(&mut self, kind: &str, body: Vec<u8>, clock: Clock) -> Result<Opened, NotOpened> {
        if kind == "door-record" {
            let record = body.try_into().map_err(|_| NotOpened::new("MalformedDocument", "door-record: not 256 bytes"))?;
            return Ok(Opened::DoorRecord(Box::new(record)));
        }
        if kind == "again" {
            return hint(&body);
        }
        // An entitlement as well, that no broker keeps: it answers a code.
        let kind = if kind == "person" { Typ::Entitlement.name() } else { kind };
        let typ: Typ = kind.parse().map_err(|_| NotOpened::new("UnknownKind", "no document of this kind comes to a box"))?;
        if typ == Typ::Authority {
            return self.authority(body);
        }
        let Some(keyring) = &self.keyring else {
            return self.hold(typ, body);
        };
        let opened = match typ {
            Typ::Policy => policy(keyring, body, clock),
            Typ::Entitlement => self.entitlement(keyring, &body, clock),
            Typ::Grant => self.grant(keyring, &body, clock),
            Typ::Deny => match self.deny(keyring, &body, clock) {
                Err(refused) if refused.code == Code::UnknownKey => return self.hold(typ, body),
                judged => judged,
            },
            Typ::Ring => self.ring(keyring, &body, clock),
            Typ::Beat => return self.beat(keyring, &body, clock),
            Typ::Time => return self.time(keyring, &body),
            Typ::Statement => return self.statement(&body),
            Typ::Agenda => self.agenda(keyring, body, clock),
            Typ::Authority | Typ::Ask | Typ::SignIn | Typ::Export | Typ::Receipt => {
                return Err(NotOpened::new("UnknownKind", "no document of this kind comes to a box in this release"));
            }
        };
        opened.map_err(|refused| NotOpened::forged(typ, &refused))
    }

    fn hold(&mut self, typ: Typ, body: Vec<u8>) -> Result<Opened, NotOpened> {
        if matches!(typ, Typ::Policy | Typ::Entitlement | Typ::Agenda) {
            self.waits.insert(typ, body);
            return Ok(Opened::Waits);
        }
        if typ == Typ::Deny {
            if self.denials.len() >= MAX_DENIALS {
                self.denials.pop_front();
            }
            self.denials.push_back(body);
            return Ok(Opened::Waits);
        }
        Err(NotOpened::new("NotReady", "the site's Authority has not come yet; deliver the retained documents first"))
    }

    fn authority(&self, body: Vec<u8>) -> Result<Opened, NotOpened> {
        // Floor 0: the core knows the floors, judges the revision and writes the refusal down.
        let keyring = Keyring::open(&body, &self.roots, &self.site, 0).map_err(|r| NotOpened::forged(Typ::Authority, &r))?;
        let event = Event::Authority(Box::new(keyring.authority().clone()));
        Ok(Opened::Event(Box::new(event), Keep::Authority(Box::new(keyring), body)))
    }

    fn entitlement(&self, keyring: &Keyring, body: &[u8], clock: Clock) -> Result<Opened, Refused> {
        let plain = sealed::open(Typ::Entitlement, &self.device, &self.unseal, body)?;
        let entitlement = keyring.entitlement(&plain, &self.device, clock, 0)?;
        Ok(Opened::Event(Box::new(Event::Entitlement(Box::new(entitlement))), Keep::Nothing))
    }

    fn agenda(&self, keyring: &Keyring, body: Vec<u8>, clock: Clock) -> Result<Opened, Refused> {
        let plain = sealed::open(Typ::Agenda, &self.device, &self.unseal, &body)?;
        let agenda = keyring.agenda(&plain, &self.device, clock)?;
        let keep = Keep::Agenda(body, agenda.revision);
        Ok(Opened::Event(Box::new(Event::Agenda(Box::new(agenda))), keep))
    }

    fn grant(&self, keyring: &Keyring, body: &[u8], clock: Clock) -> Result<Opened, Refused> {
        let plain = sealed::open(Typ::Grant, &self.device, &self.unseal, body)?;
        // A grant that is genuine but for another site or box, or beyond its key or the key's date, goes to the core, which names the
        // reason; what seal refuses is never kept, and the doors open for a kept grant only.
        let (grant, key, keep) = match keyring.verify::<Grant>(&plain, clock) {
            Err(refused) if refused.code == Code::KeyExpired => {
                let (grant, key) = keyring.verify::<Grant>(&plain, Clock::Untrusted)?;
                (grant, key, Keep::Nothing)
            }
            verified => {
                let (grant, key) = verified?;
                (grant, key, self.sound(keyring, &plain, clock)?)
            }
        };
        let key = key.key;
        let ticket = facts(&grant)?;
        Ok(Opened::Event(Box::new(Event::Grant { grant: Box::new(grant), key, ticket, code: None }), keep))
    }

    fn sound(&self, keyring: &Keyring, plain: &[u8], clock: Clock) -> Result<Keep, Refused> {
        match keyring.grant(plain, &self.device, clock) {
            Ok(sound) => Ok(Keep::Grant(Box::new(sound))),
            Err(refused) if matches!(refused.code, Code::NotForThisSite | Code::NotForThisBox | Code::KeyBounds) => {
                Ok(Keep::Nothing)
            }
            Err(refused) => Err(refused),
        }
    }

    fn ring(&self, keyring: &Keyring, body: &[u8], clock: Clock) -> Result<Opened, Refused> {
        let plain = sealed::open(Typ::Ring, &self.device, &self.unseal, body)?;
        let ring = keyring.ring(&plain, &self.device, clock)?;
        Ok(Opened::Event(Box::new(Event::Ring(ring)), Keep::Nothing))
    }

    fn deny(&self, keyring: &Keyring, body: &[u8], clock: Clock) -> Result<Opened, Refused> {
        // One about a person comes sealed; a compact JWS starts with the base64url of `{"`.
        let opened;
        let compact = if body.starts_with(b"eyJ") {
            body
        } else {
            opened = sealed::open(Typ::Deny, &self.device, &self.unseal, body)?;
            &opened
        };
        let deny = keyring.deny(compact, clock)?;
        Ok(Opened::Event(Box::new(Event::Deny(Box::new(deny))), Keep::Nothing))
    }

    fn beat(&self, keyring: &Keyring, body: &[u8], clock: Clock) -> Result<Opened, NotOpened> {
        let grant = self.admitted.as_ref().ok_or_else(|| NotOpened::new("BeatStray", "no grant was admitted"))?;
        let beat = keyring.beat(body, grant, clock).map_err(|r| NotOpened::forged(Typ::Beat, &r))?;
        Ok(Opened::Event(Box::new(Event::Beat(beat)), Keep::Nothing))
    }

    fn time(&self, keyring: &Keyring, body: &[u8]) -> Result<Opened, NotOpened> {
        let nonce = self.time_nonce.ok_or_else(|| NotOpened::new("TimeStray", "no time was asked for"))?;
        let time = keyring.time(body, &self.device, &nonce).map_err(|r| match r.code {
            Code::NotForThisCall => NotOpened::new("TimeStray", r.to_string()),
            _ => NotOpened::forged(Typ::Time, &r),
        })?;
        Ok(Opened::Event(Box::new(Event::Time(time)), Keep::Nothing))
    }

    fn statement(&self, body: &[u8]) -> Result<Opened, NotOpened> {
        let grant = self.admitted.as_ref().ok_or_else(|| NotOpened::new("StatementStray", "no grant was admitted"))?;
        let claim = jws::claim(body).map_err(|r| NotOpened::forged(Typ::Statement, &r))?;
        let party = grant.parties.iter().position(|p| parloir_seal::keys::thumbprint(&p.statement_key) == claim.kid);
        let party = party.ok_or_else(|| {
            let late = self.replaced.contains(&claim.kid);
            NotOpened::new(
                "StatementStray",
                if late { "signed under a grant that was replaced" } else { "signed by no party of the grant" },
            )
        })?;
        let statement = jws::statement(body, &grant.parties[party].statement_key, &grant.call).map_err(|r| match r.code {
            Code::NotForThisCall => NotOpened::new("StatementStray", r.to_string()),
            _ => NotOpened::forged(Typ::Statement, &r),
        })?;
        // Verified, so it is ASCII.
        let jws = String::from_utf8_lossy(body).into_owned();
        Ok(Opened::Event(Box::new(Event::Statement { party, statement, jws }), Keep::Nothing))
    }

    /// Hashes of targets that were denied before this start.
    pub fn restore_denied(&mut self, hashes: impl IntoIterator<Item = [u8; 32]>) {
        self.denied.extend(hashes);
    }

    /// Which of the ids that an entitlement or a grant brings were denied before this start: only hashes are kept, so they are
    /// recognised when they come.
    #[must_use]
    pub fn recognise(&self, event: &Event) -> Vec<DenyTarget> {
        let mut named = Vec::new();
        match event {
            Event::Entitlement(e) => named = named_by(e, self.device),
            Event::Grant { grant, .. } => named.push(DenyTarget::Grant(grant.grant)),
            _ => {}
        }
        named.retain(|target| self.denied.contains(&deny_hash(target)));
        named
    }

    /// An Ask, signed and sealed to the facility.
    ///
    /// # Errors
    /// No Authority yet, or a bound.
    pub fn ask(&self, ask: &Ask) -> Result<Vec<u8>, Refused> {
        self.seal(Typ::Ask, self.sign.sign_ask(ask)?.as_bytes())
    }

    /// A code, signed and sealed to the facility.
    ///
    /// # Errors
    /// No Authority yet, or a bound.
    pub fn sign_in(&self, nonce: Id, tag: u8, digits: [u8; CODE_DIGITS]) -> Result<Vec<u8>, Refused> {
        let code = digits.iter().map(|digit| char::from(b'0' + digit % 10)).collect();
        let sign_in = SignIn { v: VERSION, site: self.site, device: self.device, nonce, tag, code };
        self.seal(Typ::SignIn, self.sign.sign_sign_in(&sign_in)?.as_bytes())
    }

    /// A Receipt, signed, beside the visitor's own statement, sealed to the facility.
    ///
    /// # Errors
    /// No Authority yet, or a bound.
    pub fn receipt(&self, receipt: &Receipt) -> Result<Vec<u8>, Refused> {
        let (visitor, earlier) = (receipt.visitor_statement.clone(), receipt.earlier_statements.clone());
        let parcel = Parcel { receipt: self.sign.sign_receipt(receipt)?, visitor, earlier };
        let json =
            serde_json::to_vec(&parcel).map_err(|e| Refused::new(Code::MalformedDocument, "receipt", "parcel", e.to_string()))?;
        self.seal(Typ::Receipt, &json)
    }

    /// A page of a diagnostics export, signed and sealed to the facility.
    ///
    /// # Errors
    /// No Authority yet, or a bound; `TooLarge`: it needs less in it.
    pub fn export(&self, export: &Export) -> Result<Vec<u8>, Refused> {
        self.seal(Typ::Export, self.sign.sign_export(export)?.as_bytes())
    }

    fn seal(&self, typ: Typ, plain: &[u8]) -> Result<Vec<u8>, Refused> {
        let keyring = self.keyring.as_ref();
        let keyring = keyring.ok_or_else(|| Refused::new(Code::UnknownKey, typ.name(), "facility_seal", "no Authority yet"))?;
        sealed::seal(typ, &self.device, &keyring.facility_seal(), plain)
    }
}

fn hint(body: &[u8]) -> Result<Opened, NotOpened> {
    let no = |why: String| NotOpened::new("MalformedDocument", format!("again: {why}"));
    if body.len() > MAX_HINT {
        return Err(no("longer than 256 bytes".to_owned()));
    }
    match serde_json::from_slice(body) {
        Ok(Hint { v: 1, call }) => Ok(Opened::Again(call)),
        Ok(_) => Err(no("not of version 1".to_owned())),
        Err(error) => Err(no(error.to_string())),
    }
}

fn thumbprints(grant: &Grant) -> impl Iterator<Item = Bytes32> {
    grant.parties.iter().map(|party| parloir_seal::keys::thumbprint(&party.statement_key))
}

fn policy(keyring: &Keyring, body: Vec<u8>, clock: Clock) -> Result<Opened, Refused> {
    let policy = keyring.policy(&body, clock, 0)?;
    let keep = Keep::Policy(body, policy.revision);
    Ok(Opened::Event(Box::new(Event::Policy(Box::new(policy))), keep))
}

/// What the ticket in a grant says; its signature is checked by [`Keyring::grant`].
fn facts(grant: &Grant) -> Result<TicketFacts, Refused> {
    let (ticket, _, _) = Ticket::parse(&grant.ticket.0).map_err(|r| Refused::new(Code::BadTicket, "ticket", r.what, r.why))?;
    Ok(TicketFacts {
        answers_nonce: ticket.kind == Kind::Nonce,
        camera: ticket.media & CAMERA != 0,
        microphone: ticket.media & MICROPHONE != 0,
        device: Id(ticket.device),
        nonce: Id(ticket.nonce),
        lease: Id(ticket.lease),
        longest_run_s: ticket.longest_run_s,
    })
}

fn named_by(entitlement: &Entitlement, device: Id) -> Vec<DenyTarget> {
    let contacts = entitlement.contacts.iter().map(|c| DenyTarget::Contact(c.id));
    [DenyTarget::Person(entitlement.person), DenyTarget::Device(device)].into_iter().chain(contacts).collect()
}

/// What is kept of a denied target: SHA-256 over its kind and its id. The ids are random, so the hash says nothing.
#[must_use]
pub fn deny_hash(target: &DenyTarget) -> [u8; 32] {
    let (kind, id) = match target {
        DenyTarget::Ask(id) => (0_u8, id),
        DenyTarget::Grant(id) => (1, id),
        DenyTarget::Contact(id) => (2, id),
        DenyTarget::Person(id) => (3, id),
        DenyTarget::Device(id) => (4, id),
        DenyTarget::Ring(id) => (5, id),
        DenyTarget::SignIn { nonce, .. } => (6, nonce),
    };
    Sha256::new().chain_update(b"parloir-denied\0").chain_update([kind]).chain_update(id.0).finalize().into()
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    std::fs::read(path).map_err(|error| KeyError::File { path: path.to_owned(), error })
}

fn secret(path: &Path) -> Result<[u8; 32], KeyError> {
    let mode = std::fs::metadata(path).map_err(|error| KeyError::File { path: path.to_owned(), error })?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(KeyError::Open { path: path.to_owned() });
    }
    read(path)?.try_into().map_err(|_| KeyError::Form { path: path.to_owned(), wanted: "32 bytes" })
}

fn id(path: &Path) -> Result<Id, KeyError> {
    let text = String::from_utf8(read(path)?).unwrap_or_default();
    text.trim_end().parse().map_err(|_| KeyError::Form { path: path.to_owned(), wanted: "32 lower-case hex digits" })
}

#[cfg(test)]
mod tests {
    use super::{KeyError, deny_hash, secret};
    use parloir_pass::{DenyTarget, Id};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_secret_that_others_may_read_or_of_another_length_is_refused() {
        let path = std::env::temp_dir().join(format!("parloir-secret-{}", std::process::id()));
        let write = |bytes: &[u8], mode| {
            std::fs::write(&path, bytes).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            secret(&path)
        };
        assert_eq!(write(&[7; 32], 0o600).unwrap(), [7; 32]);
        for mode in [0o640, 0o604, 0o620] {
            assert!(matches!(write(&[7; 32], mode), Err(KeyError::Open { .. })), "{mode:o}");
        }
        assert!(matches!(write(&[7; 31], 0o600), Err(KeyError::Form { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(secret(&path), Err(KeyError::File { .. })));
    }

    #[test]
    fn a_denied_person_is_no_denied_contact() {
        let id = Id([7; 16]);
        assert_ne!(deny_hash(&DenyTarget::Person(id)), deny_hash(&DenyTarget::Contact(id)));
    }
}
