//! Owns: what one visit needs besides policy: its certificate, and the arbiter's socket to its call process.
//! Never: lets a private key out but in a sealed memory file to that call process.
//! Called by: run (the core's effects).

use crate::channel::Channel;
use crate::input::Input;
use parloir_pass::{Bytes32, Grant, Id};
use parloir_seal::{code, random};
use parloir_shell::{fds, memfd};
use parloir_wire::lease::{Fact, MAX, ToCall};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use sha2::{Digest as _, Sha256};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// The certificate starts this long before the facility's time and ends this long after: nobody can use it after the day.
const VALIDITY: Duration = Duration::from_secs(24 * 3600);

/// Most facts of a call process in a second: an honest one sends about five.
const MAX_FACTS: u32 = 100;

/// The DTLS certificate of one visit (RFC 8827: self-signed, known by its fingerprint alone).
pub struct Certificate {
    /// SHA-256 of its DER bytes (RFC 8122).
    pub fingerprint: Bytes32,
    /// Sealed memory file: certificate, then PKCS#8 key, PEM.
    pem: OwnedFd,
}

impl Certificate {
    /// A fresh P-256 key and a certificate for it. `name` is random: the far side must not learn which box this is. `wall` is the facility's
    /// time, Unix seconds; without it the certificate is good from 1975 to 4096, for the system's clock may say anything.
    ///
    /// # Errors
    /// No randomness, or no memory file.
    pub fn make(name: &Id, wall: Option<i64>) -> io::Result<Self> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(io::Error::other)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name.to_string());
        if let Some(now) = wall.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs) {
            let at = |at: Duration| rcgen::date_time_ymd(1970, 1, 1) + at;
            (params.not_before, params.not_after) = (at(now.saturating_sub(VALIDITY)), at(now + VALIDITY));
        }
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        let fingerprint = Bytes32(Sha256::digest(certificate.der()).into());
        let pem = format!("{}{}", certificate.pem(), key.serialize_pem());
        Ok(Self { fingerprint, pem: memfd::sealed(c"parloir-certificate", pem.as_bytes())? })
    }
}

/// A visit from the making of its certificate to its end.
pub struct Visit {
    /// The call, which is the lease too.
    pub call: Id,
    certificate: Certificate,
    /// This box's half of the short code (ADR 27): made for one question, shown when that is answered.
    half: Bytes32,
    /// Counts the call processes of this visit; what an earlier one still says is not heard.
    run: u32,
    channel: Option<Arc<Channel>>,
    /// Reads the facts of the call process that runs now.
    reader: Option<tokio::task::JoinHandle<()>>,
}

impl Visit {
    /// With a certificate of its own.
    ///
    /// # Errors
    /// As [`Certificate::make`].
    pub fn new(call: Id, certificate_name: &Id, wall: Option<i64>) -> io::Result<Self> {
        let half = Bytes32(random::bytes().map_err(io::Error::other)?);
        Ok(Self { call, certificate: Certificate::make(certificate_name, wall)?, half, run: 0, channel: None, reader: None })
    }

    /// To this box's half of the short code.
    #[must_use]
    pub fn commitment(&self) -> Bytes32 {
        code::commitment(&self.call, &self.certificate.fingerprint, &self.half)
    }

    /// This box's half itself: for the far side, once its own half is fixed by a grant that was taken, and for nobody sooner.
    #[must_use]
    pub const fn half(&self) -> Bytes32 {
        self.half
    }

    /// The short code with the far end that this grant names; `None`: it is another call's, or the far end has no half.
    #[must_use]
    pub fn code(&self, grant: &Grant) -> Option<u32> {
        let party = grant.parties.first().filter(|_| grant.call == self.call)?;
        let halves = (&self.half, &party.code_nonce?);
        Some(code::code(&self.call, (&self.certificate.fingerprint, &party.certificate), halves))
    }

    /// Fingerprint of the certificate.
    #[must_use]
    pub const fn fingerprint(&self) -> Bytes32 {
        self.certificate.fingerprint
    }

    /// A new socketpair for a new call process: call's end, to be passed to gate. The old one, if any, is closed.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn open(&mut self, inputs: &mpsc::Sender<Input>) -> io::Result<OwnedFd> {
        self.stop_reading();
        let (ours, theirs) = fds::pair()?;
        let channel = Arc::new(Channel::new(ours)?);
        self.run += 1;
        self.reader = Some(tokio::spawn(read(channel.clone(), self.call, self.run, inputs.clone())));
        self.channel = Some(channel);
        Ok(theirs)
    }

    /// Whether a fact comes from the call process that runs now.
    #[must_use]
    pub fn is_current(&self, call: Id, run: u32) -> bool {
        self.call == call && self.run == run
    }

    /// Sends the certificate: the first message to each call process.
    ///
    /// # Errors
    /// As [`Self::send`].
    pub fn send_certificate(&mut self) -> io::Result<()> {
        let pem = self.certificate.pem.try_clone()?;
        self.send(&ToCall::Certificate, &[pem.as_fd()])
    }

    /// Sends a message. A call process that does not take it is hung up on: the message may have been `Hold`, or a `Let` that lets
    /// nothing out.
    ///
    /// # Errors
    /// It did not take it; what it says from now on is not heard.
    pub fn send(&mut self, message: &ToCall, passed: &[BorrowedFd<'_>]) -> io::Result<()> {
        let no = || io::Error::new(io::ErrorKind::NotConnected, "no call process to talk to");
        let sent = self.channel.as_ref().ok_or_else(no).and_then(|channel| channel.send(&message.encode(), passed));
        if sent.is_err() {
            self.hang_up();
        }
        sent
    }

    /// Ends the talk with the call process that runs now: it sees its socket closed.
    pub fn hang_up(&mut self) {
        self.stop_reading();
        self.channel = None;
        // Facts of it that wait in the queue are of an earlier run now.
        self.run += 1;
    }

    /// Makes a socketpair, passes call its end and gives the other.
    ///
    /// # Errors
    /// Out of descriptors, or as [`Self::send`].
    pub fn hand(&mut self, message: &ToCall) -> io::Result<OwnedFd> {
        let (theirs, others) = fds::pair()?;
        self.send(message, &[theirs.as_fd()])?;
        Ok(others)
    }

    fn stop_reading(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.abort();
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.stop_reading();
    }
}

/// Facts of one call process until it hangs up; a malformed one or a flood ends it, for no honest call sends such.
async fn read(channel: Arc<Channel>, call: Id, run: u32, inputs: mpsc::Sender<Input>) {
    let (mut second, mut count) = (Instant::now(), 0);
    loop {
        let mut fact = match channel.recv(MAX, 0).await {
            Ok(Some(message)) => Fact::decode(&message.bytes).map_err(|e| e.to_string()),
            Ok(None) => Err("hung up".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        if second.elapsed() >= Duration::from_secs(1) {
            (second, count) = (Instant::now(), 0);
        }
        count += 1;
        if count > MAX_FACTS {
            fact = Err("a flood of facts".to_owned());
        }
        let last = fact.is_err();
        if inputs.send(Input::Call { call, run, fact }).await.is_err() || last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Certificate, Visit};
    use parloir_pass::Id;
    use parloir_shell::{fds, memfd};
    use parloir_wire::lease::{Fact, MAX, ToCall};
    use sha2::{Digest as _, Sha256};

    #[test]
    fn each_certificate_is_new_and_its_fingerprint_is_its_own() {
        let (a, b) = (Certificate::make(&Id([1; 16]), None).unwrap(), Certificate::make(&Id([1; 16]), None).unwrap());
        assert_ne!(a.fingerprint, b.fingerprint);
        let text = String::from_utf8(memfd::read_sealed(a.pem, 8192).unwrap()).unwrap();
        let (certificate, key) = text.split_at(text.find("-----BEGIN PRIVATE KEY").unwrap());
        assert!(certificate.starts_with("-----BEGIN CERTIFICATE") && key.contains("-----END PRIVATE KEY"));
        let der = pem_body(certificate);
        assert_eq!(<[u8; 32]>::from(Sha256::digest(der)), a.fingerprint.0);
    }

    /// Only the facility's time counts: the system's may be 1970 or 2100.
    #[test]
    fn a_certificate_is_good_for_a_day_around_the_facilitys_time() {
        for (wall, from, until) in [(1_800_000_000, "270114", "270116"), (4_200_000_000, "21030203", "21030205")] {
            let made = Certificate::make(&Id([1; 16]), Some(wall)).unwrap();
            let text = String::from_utf8(memfd::read_sealed(made.pem, 8192).unwrap()).unwrap();
            let der = pem_body(text.split_at(text.find("-----BEGIN PRIVATE KEY").unwrap()).0);
            for day in [from, until] {
                assert!(der.windows(day.len()).any(|w| w == day.as_bytes()), "{wall}: {day}");
            }
        }
    }

    fn pem_body(pem: &str) -> Vec<u8> {
        const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let (mut out, mut group, mut bits) = (Vec::new(), 0_u32, 0);
        for c in pem.lines().filter(|l| !l.starts_with("-----")).flat_map(str::bytes).filter(|c| *c != b'=') {
            group = group << 6 | u32::try_from(ALPHABET.iter().position(|a| *a == c).unwrap()).unwrap();
            bits += 6;
            if bits >= 8 {
                bits -= 8;
                out.push((group >> bits & 0xff) as u8);
            }
        }
        out
    }

    #[tokio::test]
    async fn facts_of_a_replaced_call_process_are_not_current() {
        let (inputs, mut heard) = tokio::sync::mpsc::channel(8);
        let mut visit = Visit::new(Id([7; 16]), &Id([8; 16]), None).unwrap();
        let first = visit.open(&inputs).unwrap();
        visit.send_certificate().unwrap();
        let got = fds::recv(&first, MAX, 1).unwrap().unwrap();
        assert_eq!((ToCall::decode(&got.bytes).unwrap(), got.fds.len()), (ToCall::Certificate, 1));
        fds::send(&first, &Fact::FarLeft.encode(), &[]).unwrap();
        let Some(crate::input::Input::Call { call, run, fact }) = heard.recv().await else { panic!("no fact") };
        assert!(visit.is_current(call, run) && fact == Ok(Fact::FarLeft));
        let _second = visit.open(&inputs).unwrap();
        assert!(!visit.is_current(call, run));
        // The aborted reader lets go of its end when the runtime next runs it.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert!(fds::recv(&first, MAX, 1).unwrap().is_none(), "the replaced end hangs up");
    }

    #[tokio::test]
    async fn a_flood_of_facts_ends_the_hearing() {
        let (inputs, mut heard) = tokio::sync::mpsc::channel(8);
        let mut visit = Visit::new(Id([7; 16]), &Id([8; 16]), None).unwrap();
        let end = visit.open(&inputs).unwrap();
        let flood = tokio::spawn(async move {
            while !matches!(fds::send(&end, &Fact::FarLeft.encode(), &[]), Err(e) if e.kind() != std::io::ErrorKind::WouldBlock) {
                tokio::task::yield_now().await;
            }
        });
        let mut facts = 0;
        loop {
            match heard.recv().await {
                Some(crate::input::Input::Call { fact: Ok(_), .. }) => facts += 1,
                Some(crate::input::Input::Call { fact: Err(why), .. }) => break assert_eq!(why, "a flood of facts"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(facts, super::MAX_FACTS);
        flood.abort();
    }
}
