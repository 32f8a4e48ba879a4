//! Owns: the one task that owns the core: every input becomes an event, in the order of arrival, and the effects are carried out.
//! Never: decides anything that a person or the facility would notice; blocks longer than a second.
//! Called by: main.

use crate::bus::{Answer, Ask, Reply, Signal, Voice};
use crate::channel::Channel;
use crate::diagnostics::Diagnostics;
use crate::documents::{Documents, Keep};
use crate::gate::{Link, Pulse};
use crate::input::{Fatal, Input, to_event};
use crate::ledger::{Entry as Row, OpenVisit};
use crate::maintenance::Held;
use crate::outbox::{Matter, Outbox};
use crate::picture::Picture;
use crate::receipts::{DISK_LIMIT, Receipts};
use crate::record::Pace;
use crate::relays::Relays;
use crate::repeats::Repeats;
use crate::store::{Store, StoreError};
use crate::visit::Visit;
use crate::{translate, view};
use parloir_bus::error::BusError;
use parloir_core::effect::Entry;
use parloir_core::{Code, Effect, Event, GateFact, Now, Owner, Request, State};
use parloir_pass::{Id, Receipt, Typ};
use parloir_seal::random;
use parloir_shell::{BootTime, notify};
use parloir_wire::gate::FromGate;
use parloir_wire::keys::KeyPress;
use parloir_wire::lease::Fact;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

/// How often the loop turns at least: gate's heartbeats and the watchdog hang on it.
const TURN: Duration = Duration::from_millis(250);
/// How long a visit may take to end in order when the service manager asks to stop: the core's own limit, and a receipt's time for the
/// disk.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Who has the keys of the remote.
pub(crate) struct Focus {
    pub(crate) owner: Owner,
    pub(crate) run: u64,
    pub(crate) channel: Arc<Channel>,
    pub(crate) reader: tokio::task::JoinHandle<()>,
}

impl Drop for Focus {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// What main brings.
pub struct Parts {
    /// Pure policy.
    pub core: State,
    /// Keys and documents.
    pub documents: Documents,
    /// The database.
    pub store: Store,
    /// For tasks that this one starts.
    pub inputs: mpsc::Sender<Input>,
    /// To the bus.
    pub voice: Voice,
    /// Gate's heartbeats hang on it.
    pub pulse: Pulse,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// For the firewall.
    pub relays: Relays,
    /// Of a visit, as the board says it.
    pub picture: Picture,
}

/// The owner of the core.
pub struct Arbiter {
    pub(crate) core: State,
    pub(crate) documents: Documents,
    pub(crate) store: Store,
    pub(crate) inputs: mpsc::Sender<Input>,
    voice: Voice,
    pulse: Pulse,
    pub(crate) boot: String,
    pub(crate) gate: Option<Link>,
    pub(crate) door_record: Option<Box<[u8; 256]>>,
    screen: Option<Owner>,
    /// The screen said that a picture stands.
    pub(crate) drawn: bool,
    courier: Option<Owner>,
    answers: BTreeMap<u64, Answer>,
    next_request: u64,
    pub(crate) outbox: Outbox,
    pub(crate) visit: Option<Visit>,
    pub(crate) route: Option<Id>,
    pub(crate) focus: Option<Focus>,
    pub(crate) lease: Option<Held>,
    /// Leases so far.
    pub(crate) leases: u64,
    pub(crate) last_key: Option<KeyPress>,
    /// The call whose open-visit record is on disk: without it no door opens.
    pub(crate) recorded: Option<Id>,
    pub(crate) receipts: Receipts,
    pub(crate) repeats: Repeats,
    pub(crate) diagnostics: Diagnostics,
    pub(crate) pace: Pace,
    relays: Relays,
    pub(crate) picture: Picture,
    stopping: Option<Instant>,
    revision: u64,
    /// The bus took no more signals: the screen was not told the last revision, or the courier not which call wants signalling.
    view_unsaid: bool,
    route_unsaid: bool,
    phase: &'static str,
}

impl Arbiter {
    /// Knows nothing yet.
    ///
    /// # Errors
    /// No randomness.
    pub fn new(parts: Parts) -> Result<Self, Fatal> {
        Ok(Self {
            core: parts.core,
            documents: parts.documents,
            store: parts.store,
            inputs: parts.inputs,
            voice: parts.voice,
            pulse: parts.pulse,
            boot: parts.boot,
            gate: None,
            door_record: None,
            screen: None,
            drawn: false,
            courier: None,
            answers: BTreeMap::new(),
            next_request: 0,
            outbox: Outbox::new(u32::from_le_bytes(random::bytes()?)),
            visit: None,
            route: None,
            focus: None,
            lease: None,
            leases: 0,
            last_key: None,
            recorded: None,
            receipts: Receipts::default(),
            repeats: Repeats::default(),
            diagnostics: Diagnostics::new(now().mono_ms, random::bytes()?),
            pace: Pace::default(),
            relays: parts.relays,
            picture: parts.picture,
            stopping: None,
            revision: 0,
            view_unsaid: false,
            route_unsaid: false,
            phase: "",
        })
    }

    /// Takes up what an earlier run left: kept documents, receipts that wait, visits that nobody closed.
    pub async fn restore(&mut self) {
        if let Err(error) = self.take_up().await {
            tracing::warn!(%error, "nothing is taken up from an earlier run");
        }
        // Without a kept policy too: what an earlier run of this boot wrote is not in force.
        self.relays.keep(self.core.relays());
        let started = self.row("started", String::new(), format!("version={}", env!("CARGO_PKG_VERSION")));
        self.store.append(started);
    }

    async fn take_up(&mut self) -> Result<(), StoreError> {
        for typ in [Typ::Authority, Typ::Policy, Typ::Agenda] {
            if let Some(body) = self.store.ask(move |l| l.document(typ.name())).await? {
                // A kept document that no longer verifies (roots changed with the image) is as good as none.
                let _ = self.deliver(typ.name(), body).await;
            }
        }
        for (id, body) in self.store.ask(|l| l.waiting_receipts()).await? {
            self.outbox.push(Matter::Receipt(id), body);
        }
        for open in self.store.ask(|l| l.open_visits()).await? {
            self.recover(&open).await;
        }
        Ok(())
    }

    async fn recover(&mut self, open: &OpenVisit) {
        match serde_json::from_str::<Receipt>(&open.draft) {
            Ok(receipt) => {
                let rebooted = open.boot != self.boot;
                tracing::warn!(call = %receipt.call, rebooted, "a visit was not closed: making its receipt now");
                self.step(Event::Recovered { receipt: Box::new(receipt), rebooted }).await;
            }
            Err(error) => tracing::warn!(%error, "the open-visit record cannot be read; no receipt can be made of it"),
        }
    }

    /// Until the service manager or the bus ends it.
    ///
    /// # Errors
    /// See [`Fatal`].
    pub async fn run(mut self, mut queue: mpsc::Receiver<Input>) -> Result<(), Fatal> {
        let mut turn = interval(TURN);
        turn.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.pulse.beat();
            let due = self.core.deadline().map(|at| Duration::from_millis(at.saturating_sub(now().mono_ms)));
            tokio::select! {
                input = queue.recv() => match input {
                    None => return Ok(()),
                    Some(Input::Stop) => self.stop().await,
                    Some(Input::BusGone) => return Err(Fatal::Bus),
                    Some(input) => self.take(input).await?,
                },
                () = sleep(due.unwrap_or(TURN)), if due.is_some() => self.step(Event::Tick { fresh: random::id()? }).await,
                _ = turn.tick() => self.turn().await?,
            }
            if self.has_stopped() {
                self.flush().await;
                return Ok(());
            }
        }
    }

    /// What goes on ends as by its person: doors shut, receipt written. Nothing new begins.
    async fn stop(&mut self) {
        tracing::info!("told to stop");
        self.stopping.get_or_insert(Instant::now() + STOP_LIMIT);
        self.step(Event::Stopping).await;
    }

    fn has_stopped(&self) -> bool {
        let quiet = || self.core.call_kind() == parloir_core::call::Kind::Idle && self.receipts.safe();
        self.stopping.is_some_and(|until| quiet() || Instant::now() >= until)
    }

    /// Waits for what the disk and the screen were told.
    async fn flush(&self) {
        self.voice.drain().await;
        let _ = timeout(DISK_LIMIT, self.store.ask(|_| Ok(()))).await;
    }

    /// What is done at least four times a second.
    async fn turn(&mut self) -> Result<(), Fatal> {
        notify::watchdog();
        self.seal_waiting().await;
        self.relays.keep(self.core.relays());
        self.observe();
        if std::mem::take(&mut self.view_unsaid) {
            self.announce();
        }
        if std::mem::take(&mut self.route_unsaid) {
            self.say_route();
        }
        self.pump();
        if self.store.wants_restart() && self.core.view().call.is_none() && self.receipts.safe() {
            return Err(Fatal::Disk);
        }
        Ok(())
    }

    async fn take(&mut self, input: Input) -> Result<(), Fatal> {
        match input {
            Input::Bus { caller, ask, answer } => self.bus(caller, ask, answer).await?,
            Input::Vanished(owner) => self.vanished(owner).await?,
            Input::GateUp { link, device, revision } => {
                tracing::info!(revision, "gate connected");
                self.gate = Some(link);
                self.forward_door_record();
                self.step(Event::Gate(GateFact::Hello { device: Id(device) })).await;
            }
            Input::GateGone => {
                self.gate = None;
                self.step(Event::Gate(GateFact::Gone)).await;
            }
            Input::Gate(message) => self.from_gate(&message).await,
            Input::Call { call, run, fact } => self.from_call(call, run, fact).await,
            Input::KeysDropped { owner, run } => {
                if self.focus.as_ref().is_some_and(|f| f.run == run) {
                    self.step(Event::FocusDropped { owner }).await;
                }
            }
            Input::LeaseDropped { owner, run } => {
                if self.lease.as_ref().is_some_and(|held| held.run == run) {
                    self.step(Event::LeaseDropped { owner }).await;
                }
            }
            Input::Page { wanted, page, answer } => {
                let _ = answer.send(self.export(&wanted, page));
            }
            Input::Recounted { person, moments, answer } => self.recounted(person, moments, answer),
            // The loop's own.
            Input::BusGone | Input::Stop => {}
        }
        Ok(())
    }

    async fn bus(&mut self, caller: Owner, ask: Ask, answer: Answer) -> Result<(), Fatal> {
        let courier = self.courier.as_ref() == Some(&caller);
        match ask {
            Ask::AttachCourier => {
                self.attach_courier(caller).await?;
                let _ = answer.send(Ok(Reply::Done));
                self.outbox.say_anew();
                self.pump();
                self.say_route();
            }
            Ask::Online(_) | Ask::Deliver { .. } | Ask::Sent(_) | Ask::Signalling(_) if !courier => {
                let hint = "The caller is not the courier that attached last; let it call Attach.";
                let _ = answer.send(Err(BusError::new("NotCourier", hint)));
            }
            Ask::Online(up) => {
                self.step(Event::Online { up, fresh: random::id()? }).await;
                let _ = answer.send(Ok(Reply::Done));
            }
            Ask::Deliver { kind, body } => {
                let delivered = self.deliver(&kind, body).await.map(|()| Reply::Done);
                let _ = answer.send(delivered.map_err(|no| BusError::new(no.code, no.hint)));
            }
            Ask::Sent(id) => {
                self.sent(id);
                let _ = answer.send(Ok(Reply::Done));
            }
            Ask::Export(request) => self.look_up(&request, answer),
            Ask::Record(before) => self.recount(&caller, before, answer),
            Ask::Health => {
                let _ = answer.send(Ok(Reply::Facts(self.health())));
            }
            Ask::Drawn if self.screen.as_ref() == Some(&caller) => {
                self.drawn = true;
                let _ = answer.send(Ok(Reply::Done));
            }
            Ask::Drawn => {
                let _ = answer.send(Err(BusError::new(Code::NotScreen.name(), Code::NotScreen.hint())));
            }
            Ask::Attach
            | Ask::Place { .. }
            | Ask::Answer { .. }
            | Ask::Decline(_)
            | Ask::End
            | Ask::Let { .. }
            | Ask::Frames
            | Ask::Dismiss
            | Ask::SignIn { .. }
            | Ask::SignOut
            | Ask::Focus
            | Ask::Begin { .. }
            | Ask::Report { .. }
            | Ask::Signalling(_) => {
                let request = Request(self.next_request);
                self.next_request += 1;
                self.answers.insert(request.0, answer);
                if matches!(ask, Ask::Attach) {
                    self.drawn &= self.screen.as_ref() == Some(&caller);
                    self.screen = Some(caller.clone());
                }
                if let Some(event) = to_event(request, caller, ask)? {
                    self.step(event).await;
                }
                if let Some(answer) = self.answers.remove(&request.0) {
                    tracing::error!("a bus call was left without an answer");
                    let _ = answer.send(Err(BusError::new("Internal", Code::Internal.hint())));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn has_courier(&self) -> bool {
        self.courier.is_some()
    }

    pub(crate) fn has_screen(&self) -> bool {
        self.screen.is_some()
    }

    pub(crate) fn is_screen(&self, caller: &Owner) -> bool {
        self.screen.as_ref() == Some(caller)
    }

    async fn attach_courier(&mut self, caller: Owner) -> Result<(), Fatal> {
        if self.courier.as_ref() != Some(&caller) {
            tracing::info!("courier attached");
            self.courier = Some(caller);
            // It says itself whether it is online; until then nothing may rely on the one before.
            self.step(Event::Online { up: false, fresh: random::id()? }).await;
        }
        Ok(())
    }

    async fn vanished(&mut self, owner: Owner) -> Result<(), Fatal> {
        if self.courier.as_ref() == Some(&owner) {
            self.courier = None;
            self.step(Event::Online { up: false, fresh: random::id()? }).await;
        }
        if self.screen.as_ref() == Some(&owner) {
            (self.screen, self.drawn) = (None, false);
        }
        self.step(Event::OwnerGone { owner }).await;
        Ok(())
    }

    async fn from_gate(&mut self, message: &FromGate) {
        match message {
            FromGate::Key(press) => self.last_key = Some(*press),
            FromGate::RecordKept { revision } => tracing::info!(revision, "gate keeps the door record"),
            FromGate::Opened { media, at_ns, .. } => tracing::info!(opened = 1, media, at_ns, "opened"),
            FromGate::Shut { reason, at_ns, took_ms, .. } => {
                tracing::info!(shut_reason = ?reason, took_ms, at_ns, "shut");
            }
            FromGate::Refused { why, .. } => tracing::warn!(gate_refusal = ?why, "gate refused"),
            FromGate::Heartbeat { .. } | FromGate::Hello { .. } => {}
            FromGate::Prepared { .. } => tracing::debug!("prepared"),
            FromGate::CallGone { .. } => tracing::warn!("the call process is gone"),
            FromGate::Relaunched { .. } => tracing::info!("the call process runs again"),
        }
        if let Some(fact) = translate::from_gate(message) {
            self.step(Event::Gate(fact)).await;
        }
    }

    async fn from_call(&mut self, call: Id, run: u32, fact: Result<Fact, String>) {
        let Some(visit) = self.visit.as_mut().filter(|v| v.is_current(call, run)) else { return };
        let fact = match fact {
            Ok(fact) => {
                log_fact(&fact);
                translate::from_call(&fact)
            }
            Err(why) => {
                tracing::info!(%why, "call process: no more facts");
                visit.hang_up();
                parloir_core::CallFact::HungUp
            }
        };
        self.step(Event::Call { call, fact }).await;
    }

    /// One event and all that follows from it.
    pub(crate) async fn step(&mut self, event: Event) {
        self.step_keeping(event, Keep::Nothing).await;
    }

    /// As [`Self::step`]; what the document brought is kept if the core takes it. Answers the core's refusal of the document, if there
    /// is one.
    pub(crate) async fn step_keeping(&mut self, event: Event, keep: Keep) -> Option<Code> {
        let mut events = VecDeque::from([event]);
        let (mut keep, mut refusal, mut changed) = (Some(keep), None, false);
        while let Some(event) = events.pop_front() {
            let at = now();
            let line = self.diagnostics.steps(&self.core, at, &event);
            let effects = self.core.step(at, event);
            self.diagnostics.stepped(line, &effects);
            if let Some(keep) = keep.take() {
                refusal = self.core.verdict();
                let admitted = |e: &Effect| matches!(e, Effect::Ledger(Entry::Admitted { .. } | Entry::Regranted { .. }));
                let admitted = effects.iter().any(admitted);
                if refusal.is_none() && (admitted || !matches!(keep, Keep::Grant(_))) {
                    self.keep(&keep);
                    self.relays.keep(self.core.relays());
                }
            }
            for effect in effects {
                changed |= effect == Effect::ViewChanged;
                self.carry_out(effect, &mut events).await;
            }
        }
        if changed {
            self.announce();
        }
        refusal
    }

    /// Tells the screen, and the log when the phase is another one.
    fn announce(&mut self) {
        self.revision += 1;
        let view = self.core.view();
        let phase = view::word(view.phase);
        if phase != std::mem::replace(&mut self.phase, phase) {
            tracing::info!(phase, "phase");
        }
        if let Some(screen) = &self.screen {
            self.view_unsaid = !self.voice.say(screen, Signal::Changed(Box::new(view::to_bus(&view, self.revision))));
        }
    }

    /// Answers a bus call.
    pub(crate) fn answer(&mut self, request: Request, reply: Result<Reply, BusError>) {
        match self.answers.remove(&request.0) {
            Some(answer) => {
                let _ = answer.send(reply);
            }
            None => tracing::error!("an answer to nobody"),
        }
    }

    /// The view as the bus carries it.
    pub(crate) fn bus_view(&self) -> parloir_bus::view::View {
        view::to_bus(&self.core.view(), self.revision)
    }

    /// Puts an item into the outbox and sends what may be sent, if there is a courier.
    pub(crate) fn post(&mut self, matter: Matter, body: Vec<u8>) {
        self.outbox.push(matter, body);
        self.pump();
    }

    fn pump(&mut self) {
        let Some(courier) = &self.courier else { return };
        while let Some((id, kind, body)) = self.outbox.next_to_say() {
            if !self.voice.say(courier, Signal::Send { id, kind, body }) {
                // Again with the next turn.
                return;
            }
            self.outbox.said(id);
        }
    }

    /// Tells the courier which call wants signalling, if any.
    pub(crate) fn say_route(&mut self) {
        if let Some(courier) = &self.courier {
            let call = self.route.map_or_else(String::new, |call| call.to_string());
            self.route_unsaid = !self.voice.say(courier, Signal::Route { call });
        }
    }

    fn sent(&mut self, id: u64) {
        if let Some(Matter::Receipt(receipt)) = self.outbox.sent(id) {
            self.receipt_sent(receipt);
        }
        self.pump();
    }

    /// A ledger row of now.
    pub(crate) fn row(&self, event: &str, call: String, detail: String) -> Row {
        Row {
            boot: self.boot.clone(),
            at_ns: BootTime::now_ns(),
            wall_s: self.core.wall(now()).seconds().unwrap_or(0),
            event: event.to_owned(),
            call,
            detail,
        }
    }

    /// An open-visit record of now.
    pub(crate) fn open_visit(&self, call: &Id, draft: String) -> OpenVisit {
        OpenVisit { call: call.to_string(), boot: self.boot.clone(), at_ns: BootTime::now_ns(), draft }
    }
}

/// Now, for the core.
pub(crate) fn now() -> Now {
    Now { mono_ms: BootTime::now_ns() / 1_000_000 }
}

/// One line for each fact, with fields that tools read.
fn log_fact(fact: &Fact) {
    match fact {
        Fact::Ready { at_ns } => tracing::info!(ready = 1, at_ns, "call ready"),
        Fact::FarVerified { .. } => tracing::info!(far_verified = 1, "far certificate verified"),
        Fact::FirstPicture { at_ns, width, height, codec } => {
            tracing::info!(first_picture = 1, at_ns, width, height, %codec, "first picture");
        }
        Fact::FirstSound { at_ns } => tracing::info!(first_sound = 1, at_ns, "first sound"),
        Fact::Decoding { on, at_ns } => tracing::info!(decoding = on, at_ns, "decoding"),
        Fact::Progress(p) => tracing::info!(
            frames_decoded = p.frames_decoded,
            width = p.width,
            height = p.height,
            audio_level = p.audio_level,
            in_kbps = p.in_kbps,
            out_kbps = p.out_kbps,
            target_kbps = p.target_kbps,
            rtt_ms = p.rtt_ms,
            loss_permille = p.loss_permille,
            at_ns = p.at_ns,
            "progress"
        ),
        Fact::Lets { camera, microphone } => tracing::info!(camera, microphone, "lets"),
        Fact::FarLeft => tracing::info!("far side left"),
        Fact::FarAgain => tracing::info!("far side starts anew"),
        Fact::Trouble { what, detail } => tracing::warn!(trouble = ?what, detail, "call has trouble"),
    }
}
