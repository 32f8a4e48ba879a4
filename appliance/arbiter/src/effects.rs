//! Owns: carrying out what the core wants done, one effect after the other.
//! Never: leaves an effect half done without telling the core by an event.
//! Called by: run.

use crate::bus::Reply;
use crate::channel::Channel;
use crate::input::Input;
use crate::outbox::Matter;
use crate::receipts::DISK_LIMIT;
use crate::run::{Arbiter, Focus};
use crate::visit::Visit;
use crate::{documents, translate};
use parloir_bus::error::BusError;
use parloir_core::effect::{self, Entry};
use parloir_core::{Answer, CallFact, Code, Effect, Event, GateFact, GateRefusal, Owner, Refusal, Request};
use parloir_pass::{Id, Receipt};
use parloir_seal::random;
use parloir_shell::fds;
use parloir_wire::gate::ToGate;
use parloir_wire::lease;
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::time::timeout;

impl Arbiter {
    /// Carries out one effect. Events that follow from it at once go to `events`.
    pub(crate) async fn carry_out(&mut self, effect: Effect, events: &mut VecDeque<Event>) {
        match effect {
            Effect::Reply { request, answer } => self.reply(request, answer),
            // Announced once after all effects of the event.
            Effect::ViewChanged => {}
            Effect::HandKeys { request, holder } => self.hand_keys(request, holder),
            Effect::TakeKeys { holder } => {
                self.focus.take_if(|focus| focus.owner == holder);
            }
            Effect::HandLease { request, holder } => events.extend(self.hand_lease(request, holder)),
            Effect::TakeLease { holder } => {
                self.lease.take_if(|held| held.holder == holder);
            }
            Effect::RouteKey { holder, serial } => self.route_key(&holder, serial),
            Effect::HandFrames { request, call } => events.extend(self.hand(request, call, &lease::ToCall::FrameEnd)),
            Effect::HandSignalling { request, call } => events.extend(self.hand(request, call, &lease::ToCall::SignalEnd)),
            Effect::MakeCertificate { call } => events.push_back(self.make_certificate(call)),
            Effect::Gate(message) => events.extend(self.to_gate(message).await),
            Effect::StartCallChannels { call } => events.extend(self.with_visit(call, Visit::send_certificate)),
            Effect::SendToCall { call, message } => {
                let message = translate::to_call(&call, &message, self.picture);
                events.extend(self.with_visit(call, |visit| visit.send(&message, &[])));
            }
            Effect::OpenRoute { call } => {
                self.route = Some(call);
                self.say_route();
            }
            Effect::CloseRoute { .. } => {
                self.route = None;
                self.say_route();
            }
            Effect::DropCall { call } => {
                self.visit.take_if(|visit| visit.call == call);
                self.outbox.forget_ask(&call);
            }
            Effect::SendAsk(ask) => match self.documents.ask(&ask) {
                Ok(body) => self.post(Matter::Ask(ask.call), body),
                Err(error) => tracing::error!(%error, "the question was not sent"),
            },
            Effect::SendSignIn { nonce, tag, code } => match self.documents.sign_in(nonce, tag, code.0) {
                Ok(body) => self.post(Matter::SignIn, body),
                Err(error) => tracing::error!(%error, "the code was not sent"),
            },
            Effect::ForgetSignIn => self.outbox.forget_sign_in(),
            Effect::SendReveal { call } => match self.visit.as_ref().filter(|visit| visit.call == call) {
                Some(visit) => {
                    let body = format!(r#"{{"v":1,"call":"{call}","half":"{}"}}"#, visit.half());
                    self.post(Matter::Reveal(call), body.into_bytes());
                }
                None => tracing::error!("a half of a code that nobody has"),
            },
            Effect::SendTimeRequest { nonce } => {
                self.documents.asked_time(nonce);
                self.post(Matter::Time, format!(r#"{{"v":1,"nonce":"{nonce}"}}"#).into_bytes());
            }
            Effect::SendRing { ring, state } => {
                let (word, code) = (state.word(), state.code());
                let body = format!(r#"{{"v":1,"ring":"{ring}","state":"{word}","code":"{code}"}}"#);
                self.post(Matter::Ring, body.into_bytes());
            }
            Effect::SendEnded { call, reason } => {
                self.outbox.forget_ask(&call);
                self.post(Matter::Ended, format!(r#"{{"v":1,"call":"{call}","reason":"{reason}"}}"#).into_bytes());
            }
            Effect::MakeReceipt { receipt } => {
                self.receipts.push(*receipt);
                self.seal_waiting().await;
            }
            Effect::OpenVisitRecord { receipt } => self.record(&receipt).await,
            Effect::CloseVisitRecord { call } => self.close_record(call),
            Effect::Ledger(entry) => self.append(&entry),
            Effect::KeepDeny(target) => {
                let hash = documents::deny_hash(&target);
                self.store.must("revocation", move |disk| disk.deny(&hash));
            }
            Effect::KeepFloor { typ, revision } => {
                self.store.must("revision floor", move |disk| disk.raise_floor(typ.name(), revision));
            }
        }
    }

    fn reply(&mut self, request: Request, answer: Result<Answer, Refusal>) {
        let reply = match answer {
            Ok(Answer::Done) => Ok(Reply::Done),
            Ok(Answer::View) => Ok(Reply::View(Box::new(self.bus_view()))),
            Ok(Answer::Placed(call)) => Ok(Reply::Placed(call)),
            Err(refusal) => Err(to_bus(refusal.code)),
        };
        self.answer(request, reply);
    }

    fn hand_keys(&mut self, request: Request, holder: Owner) {
        let run = self.focus.as_ref().map_or(0, |f| f.run + 1);
        match self.key_socket(&holder, run) {
            Ok((focus, theirs)) => {
                self.focus = Some(focus);
                self.answer(request, Ok(Reply::End(theirs)));
            }
            Err(error) => self.cannot_hand(request, &error),
        }
    }

    fn key_socket(&self, holder: &Owner, run: u64) -> io::Result<(Focus, OwnedFd)> {
        let (ours, theirs) = fds::pair()?;
        let channel = Arc::new(Channel::new(ours)?);
        let (watched, owner, inputs) = (channel.clone(), holder.clone(), self.inputs.clone());
        let reader = tokio::spawn(async move {
            // The holder has nothing to say here: a word ends the focus as hanging up does.
            let _ = watched.recv(1, 0).await;
            let _ = inputs.send(Input::KeysDropped { owner, run }).await;
        });
        Ok((Focus { owner: holder.clone(), run, channel, reader }, theirs))
    }

    fn route_key(&self, holder: &Owner, serial: u64) {
        let press = self.last_key.filter(|press| press.serial == serial);
        let (Some(focus), Some(press)) = (self.focus.as_ref().filter(|f| f.owner == *holder), press) else {
            tracing::error!("a key for nobody");
            return;
        };
        if let Err(error) = focus.channel.send(&press.encode(), &[]) {
            tracing::warn!(%error, "key not routed");
        }
    }

    fn hand(&mut self, request: Request, call: Id, message: &lease::ToCall) -> Option<Event> {
        let visit = self.visit.as_mut().filter(|v| v.call == call);
        match visit.map(|v| v.hand(message)) {
            Some(Ok(end)) => self.answer(request, Ok(Reply::End(end))),
            Some(Err(error)) => {
                self.cannot_hand(request, &error);
                return Some(hung_up(call));
            }
            None => self.answer(request, Err(to_bus(Code::NoCall))),
        }
        None
    }

    pub(crate) fn cannot_hand(&mut self, request: Request, error: &io::Error) {
        tracing::warn!(%error, "no socketpair, or call does not take its end");
        self.answer(request, Err(to_bus(Code::Internal)));
    }

    /// Says something to a call process. One that does not take it is hung up on, and the core is told: the word may have been that
    /// nothing shall leave the box.
    fn with_visit(&mut self, call: Id, act: impl FnOnce(&mut Visit) -> io::Result<()>) -> Option<Event> {
        let Some(visit) = self.visit.as_mut().filter(|v| v.call == call) else {
            tracing::error!(%call, "no such visit");
            return None;
        };
        let error = act(visit).err()?;
        tracing::warn!(%error, "call does not take its messages: hung up");
        Some(hung_up(call))
    }

    fn make_certificate(&mut self, call: Id) -> Event {
        let wall = self.core.wall(crate::run::now()).seconds();
        let made = random::id().map_err(io::Error::other).and_then(|name| Visit::new(call, &name, wall));
        match made {
            Ok(visit) => {
                let (fingerprint, commitment) = (visit.fingerprint(), visit.commitment());
                self.visit = Some(visit);
                Event::CertificateMade { call, fingerprint, commitment }
            }
            Err(error) => {
                tracing::error!(%error, "no certificate");
                Event::CertificateFailed { call }
            }
        }
    }

    /// Sends to gate; answers an event when the arbiter itself must say no.
    async fn to_gate(&mut self, message: effect::ToGate) -> Option<Event> {
        let Some(gate) = self.gate.clone() else {
            tracing::debug!("no gate to tell");
            return None;
        };
        let no = |lease, why| Some(Event::Gate(GateFact::Refused { lease, why }));
        match message {
            // A disk that takes nothing now would not take the record either: nobody is asked for a visit that could not open.
            effect::ToGate::Prepare { lease, .. } if !self.disk_writes().await => return no(lease, GateRefusal::NoState),
            effect::ToGate::Prepare { lease, serial } => match self.open_visit_channel(lease) {
                Some(fd) => gate.send(ToGate::Prepare { lease: lease.0, serial }, Some(fd)),
                None => return Some(Event::CertificateFailed { call: lease }),
            },
            effect::ToGate::Relaunch { lease } => match self.open_visit_channel(lease) {
                Some(fd) => gate.send(ToGate::Relaunch { lease: lease.0 }, Some(fd)),
                None => return no(lease, GateRefusal::NoCall),
            },
            effect::ToGate::Open { lease, ticket } => {
                // Two conditions that the core cannot see: the record is on disk, and seal itself has found the grant sound.
                if self.documents.admitted(&lease).is_none() {
                    tracing::error!("the doors stay shut: no sound grant");
                    return no(lease, GateRefusal::Malformed);
                }
                if self.recorded != Some(lease) {
                    return no(lease, GateRefusal::NoState);
                }
                gate.send(ToGate::Open { ticket: Box::new(ticket.0) }, None);
            }
            effect::ToGate::Close { lease } => gate.send(ToGate::Close { lease: lease.0 }, None),
        }
        None
    }

    async fn disk_writes(&self) -> bool {
        match timeout(DISK_LIMIT, self.store.ask(|l| l.probe())).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!(%error, "no visit: the disk takes no writes");
                false
            }
            Err(_) => {
                tracing::warn!("no visit: the disk is too slow");
                false
            }
        }
    }

    fn open_visit_channel(&mut self, lease: Id) -> Option<OwnedFd> {
        let inputs = self.inputs.clone();
        let opened = self.visit.as_mut().filter(|v| v.call == lease).map(|v| v.open(&inputs));
        match opened {
            Some(Ok(fd)) => Some(fd),
            Some(Err(error)) => {
                tracing::error!(%error, "no socketpair");
                None
            }
            None => {
                tracing::error!("no certificate for this lease");
                None
            }
        }
    }

    /// Writes the open-visit record: waits for the disk before the doors open, and not for those every 5 s.
    async fn record(&mut self, receipt: &Receipt) {
        let Ok(draft) = serde_json::to_string(receipt) else {
            tracing::error!("the open-visit record cannot be written as JSON");
            return;
        };
        let visit = self.open_visit(&receipt.call, draft);
        if self.recorded == Some(receipt.call) {
            self.store.tell("open-visit record", move |l| l.renew_open_visit(&visit));
            return;
        }
        match timeout(DISK_LIMIT, self.store.ask(move |l| l.keep_open_visit(&visit))).await {
            Ok(Ok(())) => self.recorded = Some(receipt.call),
            Ok(Err(error)) => tracing::warn!(%error, "no open-visit record: the doors stay shut"),
            Err(_) => tracing::warn!("the disk is too slow for the open-visit record: the doors stay shut"),
        }
    }

    fn close_record(&mut self, call: Id) {
        self.recorded.take_if(|recorded| *recorded == call);
        // The receipt takes the record's place in one transaction; as long as it is not stored the record stays.
        let call = call.to_string();
        if !self.receipts.waits_for(&call) {
            self.store.must("open-visit record", move |disk| disk.ledger()?.forget_open_visit(&call));
        }
    }

    fn append(&mut self, entry: &Entry) {
        let now_ns = parloir_shell::BootTime::now_ns();
        self.note(entry);
        let Some(left_out) = self.repeats.write(entry, now_ns) else { return };
        match entry {
            Entry::Refused { code, .. } => {
                tracing::warn!(code = code.name(), rule = code.rule(), left_out, "refused");
            }
            Entry::Admitted { .. } => tracing::info!(admitted = 1, at_ns = now_ns, "admitted"),
            Entry::Ended { reason, seconds_counted, .. } => {
                tracing::info!(reason = reason.name(), seconds_counted, at_ns = now_ns, "ended");
            }
            Entry::MaintenanceBegan { stage, version } => tracing::info!(stage = stage.word(), %version, "maintenance began"),
            Entry::MaintenanceOver { why } => tracing::info!(why, "maintenance is over"),
            Entry::Update { word, version } => tracing::info!(update = word.name(), %version, "update"),
            Entry::SignedIn { .. } => tracing::info!("signed in"),
            Entry::SignedOut { why, .. } => tracing::info!(why, "signed out"),
            Entry::Asked { .. }
            | Entry::DoorsOpened { .. }
            | Entry::DoorsShut { .. }
            | Entry::Rang { .. }
            | Entry::Answered { .. }
            | Entry::RingOver { .. }
            | Entry::AskedAgain { .. }
            | Entry::Regranted { .. }
            | Entry::Relaunched { .. }
            | Entry::Trouble { .. }
            | Entry::Denied(_) => {}
        }
        let (event, call, mut detail) = translate::ledger_line(entry);
        if left_out > 0 {
            detail += &format!(" left_out={left_out}");
        }
        let row = self.row(event, call, detail);
        self.store.append(row);
    }
}

const fn hung_up(call: Id) -> Event {
    Event::Call { call, fact: CallFact::HungUp }
}

fn to_bus(code: Code) -> BusError {
    BusError::new(code.name(), code.hint())
}
