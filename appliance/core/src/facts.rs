//! Owns: what gate and the call process say, turned into causes.
//! Never: believes the call process about more than it can shorten or report.
//! Called by: turn.

use crate::call::{Call, Cause, Doors, Made, Stage};
use crate::camera;
use crate::edges::What;
use crate::effect::{Effect, Entry, ToCall};
use crate::event::{CallFact, GateFact, GateRefusal, ShutReason, Trouble};
use crate::refusal::{Code, EndReason};
use crate::state::Last;
use crate::time::NONCE_MS;
use crate::turn::{NO_ID, Turn};
use crate::view::Network;
use crate::visit::{Lets, Process, Weighed};
use parloir_pass::{Ask, Id, Media, VERSION};

impl Turn<'_> {
    pub(crate) fn gate_fact(&mut self, fact: GateFact) {
        match fact {
            GateFact::Hello { device } => self.gate_came(device),
            GateFact::Gone => self.gate_lost(camera::Cause::Gone),
            GateFact::Key(press) => self.key(press),
            GateFact::Prepared { lease, nonce } => {
                if self.state.camera.is_about(lease) && self.state.camera.kind() == camera::Kind::Starting {
                    self.doors(camera::Cause::Prepared, lease, (false, false));
                    self.prepared(nonce);
                }
            }
            GateFact::Opened { lease, camera, microphone } => {
                if self.state.camera.is_about(lease) && self.state.camera.kind() == camera::Kind::Opening {
                    self.doors(camera::Cause::Opened, lease, (camera, microphone));
                    self.process_runs();
                    self.push(Effect::Ledger(Entry::DoorsOpened { call: lease, camera, microphone }));
                    self.send_plan();
                    self.tell_lets();
                    self.push(Effect::OpenRoute { call: lease });
                }
            }
            GateFact::Shut { lease, reason, took_ms } => self.shut(lease, reason, took_ms),
            GateFact::CallGone { lease } => self.call_gone(lease),
            GateFact::Relaunched { lease } => self.relaunched(lease),
            GateFact::Refused { lease, why } => self.gate_refused(lease, why),
        }
    }

    fn process_runs(&mut self) {
        let heard = self.now;
        if let Some(visit) = self.state.call.visit_mut() {
            visit.process = Process::Runs { heard };
        }
    }

    fn gate_came(&mut self, device: Id) {
        if self.state.camera.kind() != camera::Kind::Absent {
            self.gate_lost(camera::Cause::Gone);
        }
        if device == self.state.settings.device {
            self.doors(camera::Cause::Hello, NO_ID, (false, false));
            // A gate that says Hello has no lease, so every door that the last call had is shut.
            if let (Call::Idle, Last::Outcome { outcome, .. }) = (&self.state.call, &mut self.state.last) {
                outcome.camera_shut = true;
            }
        } else {
            self.refuse(Code::GateForeign, NO_ID);
        }
    }

    fn gate_lost(&mut self, cause: camera::Cause) {
        self.doors(cause, NO_ID, (false, false));
        if let Call::Closing(closing) = &mut self.state.call
            && closing.doors == Doors::Waiting
        {
            closing.doors = Doors::Lost;
        }
        if matches!(self.state.call, Call::Asking(_) | Call::Ringing(_)) {
            self.end(Cause::GateLost, Code::GateAbsent);
        } else {
            self.end(Cause::GateLost, EndReason::GateLost);
        }
        self.settle();
    }

    fn prepared(&mut self, nonce: Id) {
        let now = self.now;
        let Call::Asking(asking) = &mut self.state.call else { return };
        match asking.stage {
            Stage::Preparing => asking.stage = Stage::Process { nonce, at: now },
            Stage::Certificate(made) => self.ask(made, nonce, now),
            Stage::Process { .. } | Stage::Asked { .. } => {}
        }
    }

    pub(crate) fn certificate_made(&mut self, call: Id, made: Made) {
        let Call::Asking(asking) = &mut self.state.call else { return };
        if asking.want.call != call {
            return;
        }
        match asking.stage {
            Stage::Preparing => asking.stage = Stage::Certificate(made),
            Stage::Process { nonce, at } => self.ask(made, nonce, at),
            Stage::Certificate(_) | Stage::Asked { .. } => {}
        }
    }

    // Both nonces die 60 s after gate's was made, which is before the box's is shown to anybody.
    fn ask(&mut self, made: Made, gate_nonce: Id, since: u64) {
        let (site, device) = (self.state.settings.site, self.state.settings.device);
        let Call::Asking(asking) = &mut self.state.call else { return };
        let want = &asking.want;
        let (call, person, contact, serial) = (want.call, want.person, want.contact, want.serial);
        let ask = Ask {
            v: VERSION,
            site,
            device,
            call,
            person,
            contact,
            class: want.class,
            media: want.media,
            nonce: want.nonce,
            gate_nonce,
            certificate: made.certificate,
            commitment: want.class.is_private().then_some(made.commitment),
            ring: want.ring,
            regrant: None,
        };
        asking.stage = Stage::Asked { ask: ask.clone(), at: self.now };
        asking.until = since.saturating_add(NONCE_MS);
        self.push(Effect::StartCallChannels { call });
        self.push(Effect::Ledger(Entry::Asked { call, person, contact, serial }));
        self.push(Effect::SendAsk(Box::new(ask)));
    }

    fn shut(&mut self, lease: Id, reason: ShutReason, took_ms: u32) {
        if !self.state.camera.is_about(lease) {
            return;
        }
        self.doors(camera::Cause::Shut, lease, (false, false));
        self.push(Effect::Ledger(Entry::DoorsShut { call: lease, took_ms }));
        self.doors_shut(lease, reason);
    }

    fn doors_shut(&mut self, lease: Id, reason: ShutReason) {
        let now = self.now;
        if let Call::Closing(closing) = &mut self.state.call {
            closing.doors = Doors::Shut(now);
            self.settle();
        } else if self.state.call.want().is_some_and(|want| want.call == lease) {
            self.shut_unasked(reason);
        } else if let Last::Outcome { call, outcome, .. } = &mut self.state.last
            && *call == lease
        {
            outcome.camera_shut = true;
        }
    }

    fn call_gone(&mut self, lease: Id) {
        let before = self.state.camera.kind();
        if !self.state.camera.is_about(lease) {
            return;
        }
        self.doors(camera::Cause::CallGone, lease, (false, false));
        if self.state.camera.kind() == before {
            return;
        }
        self.process_lost(lease, self.now);
    }

    fn relaunched(&mut self, lease: Id) {
        if !self.state.camera.is_about(lease) || self.state.camera.kind() != camera::Kind::Restarting {
            return;
        }
        let now = self.now;
        let Some(visit) = self.state.call.visit_mut() else { return };
        let wanted = visit.wanted;
        let video = visit.grant.media == Media::Video;
        visit.lets = wanted;
        visit.broken = Lets { camera: false, microphone: false };
        visit.process = Process::Runs { heard: now };
        self.doors(camera::Cause::Relaunched, lease, (video, true));
        self.push(Effect::StartCallChannels { call: lease });
        self.send_plan();
        self.tell_lets();
        self.keep_hold();
        self.push(Effect::OpenRoute { call: lease });
    }

    /// A new call process lets out all that it has, but after its plan, and before anybody is connected to it.
    fn tell_lets(&mut self) {
        let Some(visit) = self.state.call.visit() else { return };
        let (call, wanted) = (visit.want.call, visit.wanted);
        if wanted != (Lets { camera: visit.grant.media == Media::Video, microphone: true }) {
            let message = ToCall::Let { camera: wanted.camera, microphone: wanted.microphone };
            self.push(Effect::SendToCall { call, message });
        }
    }

    fn gate_refused(&mut self, lease: Id, why: GateRefusal) {
        let code = gate_code(why);
        if !self.state.camera.is_about(lease) {
            return self.refuse(code, lease);
        }
        if why == GateRefusal::NoLease {
            self.doors(camera::Cause::Shut, lease, (false, false));
            return self.doors_shut(lease, ShutReason::Asked);
        }
        let before = self.state.camera.kind();
        self.doors(camera::Cause::Refused, lease, (false, false));
        match before {
            camera::Kind::Starting | camera::Kind::Opening => self.end(Cause::GateRefused, code),
            camera::Kind::Restarting => self.end(Cause::ProcessSpent, EndReason::CallFailed),
            camera::Kind::Absent | camera::Kind::Shut | camera::Kind::Ready | camera::Kind::Open | camera::Kind::Broken => {
                self.refuse(code, lease)
            }
            // We are closing it already, for a reason that is written down.
            camera::Kind::Shutting => {}
        }
    }

    pub(crate) fn call_fact(&mut self, call: Id, fact: CallFact) {
        let ours = self.state.call.want().is_some_and(|want| want.call == call);
        let running = !matches!(self.state.camera.kind(), camera::Kind::Broken | camera::Kind::Restarting);
        if !ours || !running {
            return;
        }
        if matches!(self.state.call, Call::Asking(_)) {
            return self.fact_while_asking(fact);
        }
        let now = self.now;
        let Some(visit) = self.state.call.visit_mut() else { return };
        if let Process::Runs { heard } = &mut visit.process {
            *heard = now;
        }
        match fact {
            CallFact::Ready => {}
            CallFact::FarVerified { fingerprint } => {
                if visit.knows_far(fingerprint) {
                    // Before gate has opened its doors it has no plan, so it can have met nobody.
                    visit.far_verified |= matches!(visit.process, Process::Runs { .. });
                } else if !visit.knew_far(fingerprint) {
                    self.end(Cause::FarForeign, EndReason::FarCertificate);
                }
            }
            // Nothing of an end that is not verified is decoded; who says so counts for nothing.
            CallFact::FirstPicture { .. } | CallFact::FirstSound { .. } | CallFact::Decoding { on: true, .. }
                if !visit.far_verified => {}
            CallFact::FirstPicture { at_ms } | CallFact::FirstSound { at_ms } => visit.note_first_here(at_ms, now),
            CallFact::Decoding { on, at_ms } => {
                let weighed = visit.own_decoding(on, at_ms, now);
                self.weighed(weighed);
            }
            CallFact::Progress { frames_decoded, width, height, target_kbps, loss_permille, rtt_ms } => {
                visit.pictures.frames = frames_decoded;
                visit.pictures.width = width;
                visit.pictures.height = height;
                visit.network = judge_network(target_kbps, loss_permille, rtt_ms);
            }
            CallFact::Lets { camera, microphone } => visit.lets = Lets { camera, microphone },
            CallFact::FarLeft => self.end(Cause::FarLeft, EndReason::VisitorLeft),
            CallFact::FarAgain => self.far_again(),
            CallFact::Trouble(what) => self.trouble(call, what),
            CallFact::HungUp => {
                let weighed = visit.own_decoding(false, now, now);
                self.weighed(weighed);
            }
        }
    }

    // No grant yet: nothing is decoded; what fails now ends the asking.
    fn fact_while_asking(&mut self, fact: CallFact) {
        match fact {
            CallFact::Trouble(Trouble::FarCertificate) => self.end(Cause::FarForeign, Code::CallNotStarted),
            CallFact::Trouble(_) => self.end(Cause::SetupFailed, Code::CallNotStarted),
            CallFact::HungUp => self.end(Cause::ProcessDied, Code::CallNotStarted),
            CallFact::Ready
            | CallFact::FarVerified { .. }
            | CallFact::FirstPicture { .. }
            | CallFact::FirstSound { .. }
            | CallFact::Decoding { .. }
            | CallFact::Progress { .. }
            | CallFact::Lets { .. }
            | CallFact::FarAgain
            | CallFact::FarLeft => {}
        }
    }

    fn trouble(&mut self, call: Id, what: Trouble) {
        if what == Trouble::FarCertificate {
            return self.end(Cause::FarForeign, EndReason::FarCertificate);
        }
        self.push(Effect::Ledger(Entry::Trouble { call, what }));
        let now = self.now;
        let Some(visit) = self.state.call.visit_mut() else { return };
        match what {
            Trouble::Camera => visit.broken.camera = true,
            Trouble::Microphone => visit.broken.microphone = true,
            Trouble::NotConnected | Trouble::Signalling | Trouble::Pipeline | Trouble::FarCertificate => {
                visit.own_decoding(false, now, now);
                self.cross(Cause::SetupFailed, What::Nothing);
                self.keep_hold();
                if what != Trouble::Pipeline {
                    self.recall();
                }
            }
        }
    }

    /// A side of the visit changed.
    pub(crate) fn weighed(&mut self, weighed: Weighed) {
        match weighed {
            Weighed::Began => self.cross(Cause::BothDecode, What::Nothing),
            Weighed::Stopped => self.cross(Cause::MediaStopped, What::Nothing),
            Weighed::Same => {}
        }
        self.keep_hold();
    }
}

fn gate_code(why: GateRefusal) -> Code {
    match why {
        GateRefusal::NoFreshKey => Code::NoFreshKey,
        GateRefusal::Busy | GateRefusal::NoLease => Code::DoorsNotShut,
        GateRefusal::TicketSignature | GateRefusal::TicketBinding | GateRefusal::TicketForm => Code::TicketRefused,
        GateRefusal::NonceExpired => Code::NoAnswer,
        GateRefusal::NoDoorKey | GateRefusal::RecordSignature | GateRefusal::RecordOld => Code::NoDoorKey,
        GateRefusal::NoCall => Code::CallNotStarted,
        GateRefusal::NoDevice => Code::NoDevice,
        GateRefusal::NoState => Code::Storage,
        GateRefusal::Malformed => Code::Internal,
    }
}

// Three words for a person: good carries 720p, fair still a face, poor mostly sound.
fn judge_network(target_kbps: u32, loss_permille: u16, rtt_ms: u16) -> Network {
    if loss_permille <= 20 && rtt_ms <= 250 && target_kbps >= 800 {
        Network::Good
    } else if loss_permille <= 80 && rtt_ms <= 500 && target_kbps >= 250 {
        Network::Fair
    } else {
        Network::Poor
    }
}
