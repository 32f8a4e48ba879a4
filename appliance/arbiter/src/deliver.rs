//! Owns: the way of a delivered body through [`Documents`](crate::documents::Documents) to the core, and what is kept of it.
//! Never: judges; that is seal's and the core's.
//! Called by: run.

use crate::documents::{Keep, NotOpened, Opened};
use crate::run::{Arbiter, now};
use parloir_core::Event;
use parloir_pass::Typ;
use parloir_seal::{Clock, random};
use parloir_wire::gate::ToGate;

impl Arbiter {
    pub(crate) fn forward_door_record(&self) {
        if let (Some(gate), Some(record)) = (&self.gate, &self.door_record) {
            gate.send(ToGate::DoorRecord { record: record.clone() }, None);
        }
    }

    /// A body from the courier, or one that was kept.
    pub(crate) async fn deliver(&mut self, kind: &str, body: Vec<u8>) -> Result<(), NotOpened> {
        self.deliver_one(kind, body).await?;
        if kind == Typ::Authority.name() {
            for (typ, body) in self.documents.take_waiting() {
                if let Err(no) = self.deliver_one(typ.name(), body).await {
                    tracing::warn!(kind = typ.name(), code = no.code, hint = no.hint, "document dropped");
                }
            }
        }
        Ok(())
    }

    async fn deliver_one(&mut self, kind: &str, body: Vec<u8>) -> Result<(), NotOpened> {
        let clock = self.core.wall(now()).seconds().map_or(Clock::Untrusted, Clock::Unix);
        match self.documents.open(kind, body, clock) {
            Ok(Opened::DoorRecord(record)) => {
                self.door_record = Some(record);
                self.forward_door_record();
                Ok(())
            }
            Ok(Opened::Waits) => Ok(()),
            Ok(Opened::Again(call)) => match random::id() {
                Ok(fresh) => self.judge(Event::AskAgain { call, fresh }, Keep::Nothing).await,
                Err(refused) => Err(NotOpened { code: "Internal", hint: refused.to_string(), forged: None }),
            },
            Ok(Opened::Event(mut event, keep)) => {
                if let Event::Grant { grant, code, .. } = &mut *event {
                    *code = self.visit.as_ref().and_then(|visit| visit.code(grant));
                }
                for target in self.documents.recognise(&event) {
                    self.step(Event::DenyRestored(target)).await;
                }
                self.judge(*event, keep).await
            }
            Err(no) => {
                tracing::warn!(kind, code = no.code, hint = no.hint, "document refused");
                self.diagnostics.told(no.code, None, now(), 0);
                if let Some(typ) = no.forged {
                    self.step(Event::Unverified { typ }).await;
                }
                Err(no)
            }
        }
    }

    async fn judge(&mut self, event: Event, keep: Keep) -> Result<(), NotOpened> {
        match self.step_keeping(event, keep).await {
            None => Ok(()),
            Some(code) => Err(NotOpened { code: code.name(), hint: code.hint().to_owned(), forged: None }),
        }
    }

    pub(crate) fn keep(&mut self, keep: &Keep) {
        self.documents.keep(keep);
        let (typ, body, revision) = match keep {
            Keep::Authority(keyring, body) => (Typ::Authority, body.clone(), keyring.authority().revision),
            Keep::Policy(body, revision) => (Typ::Policy, body.clone(), *revision),
            Keep::Agenda(body, revision) => (Typ::Agenda, body.clone(), *revision),
            Keep::Nothing | Keep::Grant(_) => return,
        };
        tracing::info!(kind = typ.name(), revision, "document taken");
        self.store.must("document", move |disk| disk.keep_document(typ.name(), &body, revision));
    }
}
