//! Owns: the D-Bus service: who calls, whether they may, their question as an [`Ask`] to the one task that owns the core, and the answer.
//! Never: decides; broadcasts a signal; believes a caller's word about who it is.
//! Called by: main (connects), run (answers and sends signals through [`Voice`]).

use crate::input::Input;
use parloir_bus::error::BusError;
use parloir_bus::view::{Moment, View};
use parloir_bus::{MAX_DOCUMENT, NAME, PATH};
use parloir_core::update::Word;
use parloir_core::{Owner, Stage};
use parloir_pass::Id;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};
use tokio::time::sleep;
use zbus::fdo::{DBusProxy, RequestNameFlags, RequestNameReply};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedFd, interface};

/// Signals that wait for the bus.
const QUEUE: usize = 256;
/// Most connections whose user is remembered; beyond it the bus is asked again each time.
const MAX_KNOWN: usize = 64;

/// Most questions of one user that wait for their answer. Screen and courier ask one after the other; one that was taken over could
/// otherwise fill the memory with them, and keep the other's, a revocation for one, waiting behind.
const MAX_WAITING: usize = 32;
/// Longest version of an update.
const MAX_VERSION: usize = 64;
/// Longest request for a diagnostics export.
const MAX_REQUEST: usize = 256;
/// Longest name of a kind of document.
const MAX_KIND: usize = 32;

/// A question of a caller that may ask it.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is the method of the same name in appliance/bus/dbus")]
pub enum Ask {
    Attach,
    Place { contact: Id, video: bool, serial: u64 },
    Answer { ring: Id, video: bool, serial: u64 },
    Decline(Id),
    End,
    Let { camera: bool, microphone: bool, serial: u64 },
    Frames,
    Dismiss,
    SignIn { tag: u8, serial: u64 },
    SignOut,
    Drawn,
    Focus,
    Begin { stage: Stage, version: String },
    Health,
    Report { version: String, word: Word },
    AttachCourier,
    Online(bool),
    Deliver { kind: String, body: Vec<u8> },
    Sent(u64),
    Signalling(Id),
    Export(Vec<u8>),
    Record(u64),
}

/// The answer.
#[derive(Debug)]
pub enum Reply {
    /// Nothing to say.
    Done,
    /// The whole view.
    View(Box<View>),
    /// Id of the call.
    Placed(Id),
    /// One end of a socketpair.
    End(std::os::fd::OwnedFd),
    /// Facts by name.
    Facts(BTreeMap<String, bool>),
    /// A sealed document.
    Document(Vec<u8>),
    /// Moments of the person's record.
    Record(Vec<Moment>),
}

/// Where an answer goes.
pub type Answer = oneshot::Sender<Result<Reply, BusError>>;

/// Users by role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Users {
    /// May call `Calls1` and `Remote1`.
    pub screen: u32,
    /// May call `Courier1` and `Diagnostics1`.
    pub courier: u32,
    /// May call `Maintenance1`.
    pub updater: u32,
}

/// What the interfaces of one user share.
#[derive(Clone)]
struct Desk {
    inputs: mpsc::Sender<Input>,
    known: Arc<Mutex<BTreeMap<String, u32>>>,
    waiting: Arc<Semaphore>,
}

impl Desk {
    fn new(inputs: mpsc::Sender<Input>) -> Self {
        Self { inputs, known: Arc::default(), waiting: Arc::new(Semaphore::new(MAX_WAITING)) }
    }

    /// A seat among those that wait.
    fn seat(&self) -> Result<SemaphorePermit<'_>, BusError> {
        let full =
            |_| BusError::new("TooMany", "Too many questions of this user wait for their answer; ask one after the other.");
        self.waiting.try_acquire().map_err(full)
    }

    /// Passes a caller's question on, if the caller is of this user.
    async fn ask(&self, user: u32, header: &Header<'_>, bus: &Connection, ask: Ask) -> Result<Reply, BusError> {
        let _seat = self.seat()?;
        let caller = self.caller(user, header, bus).await?;
        let (answer, answered) = oneshot::channel();
        self.inputs.send(Input::Bus { caller, ask, answer }).await.map_err(|_| internal("the arbiter is ending"))?;
        answered.await.unwrap_or_else(|_| Err(internal("the question was dropped")))
    }

    /// The caller by its unique name, after the bus said whose user it is (never by an argument).
    async fn caller(&self, user: u32, header: &Header<'_>, bus: &Connection) -> Result<Owner, BusError> {
        let sender = header.sender().ok_or_else(|| internal("a message without a sender"))?;
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(sender.as_str()).copied();
        let uid = match known {
            Some(uid) => uid,
            None => self.look_up(sender, bus).await?,
        };
        if uid == user {
            Ok(Owner(sender.to_string()))
        } else {
            tracing::warn!(code = "WrongCaller", uid, "refused");
            Err(BusError::new("WrongCaller", "The caller's user may not call this interface; see systemd/cells.toml."))
        }
    }

    async fn look_up(&self, sender: &zbus::names::UniqueName<'_>, bus: &Connection) -> Result<u32, BusError> {
        let gone = |e: zbus::Error| internal(&format!("the caller's credentials: {e}"));
        let driver = DBusProxy::new(bus).await.map_err(gone)?;
        let uid = driver.get_connection_unix_user(sender.to_owned().into()).await.map_err(|e| gone(e.into()))?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // A unique name is never given twice, so a remembered one stays right; forgetting costs one question.
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(sender.to_string(), uid);
        Ok(uid)
    }
}

fn internal(hint: &str) -> BusError {
    BusError::new("Internal", hint)
}

fn malformed(what: &str) -> BusError {
    BusError::new("MalformedArgument", format!("{what}; compare the call with appliance/bus/dbus."))
}

fn id(text: &str, what: &str) -> Result<Id, BusError> {
    text.parse().map_err(|_| malformed(&format!("{what} is not 32 lower-case hex digits")))
}

fn is_video(media: &str) -> Result<bool, BusError> {
    match media {
        "video" => Ok(true),
        "voice" => Ok(false),
        _ => Err(malformed("media is neither video nor voice")),
    }
}

fn another() -> BusError {
    internal("an answer of another kind")
}

fn placed(reply: Reply) -> Result<String, BusError> {
    match reply {
        Reply::Placed(call) => Ok(call.to_string()),
        Reply::Done | Reply::View(_) | Reply::End(_) | Reply::Facts(_) | Reply::Document(_) | Reply::Record(_) => Err(another()),
    }
}

fn done(reply: Reply) -> Result<(), BusError> {
    match reply {
        Reply::Done => Ok(()),
        Reply::View(_) | Reply::Placed(_) | Reply::End(_) | Reply::Facts(_) | Reply::Document(_) | Reply::Record(_) => {
            Err(another())
        }
    }
}

fn end(reply: Reply) -> Result<OwnedFd, BusError> {
    match reply {
        Reply::End(fd) => Ok(fd.into()),
        Reply::Done | Reply::View(_) | Reply::Placed(_) | Reply::Facts(_) | Reply::Document(_) | Reply::Record(_) => {
            Err(another())
        }
    }
}

/// The version of an update: it goes into the ledger as it is.
fn version(text: String) -> Result<String, BusError> {
    let sound = |c: char| c.is_ascii_alphanumeric() || ".+-~_".contains(c);
    if (1..=MAX_VERSION).contains(&text.len()) && text.chars().all(sound) {
        Ok(text)
    } else {
        Err(malformed("version is not 1 to 64 characters of A-Z a-z 0-9 . + - ~ _"))
    }
}

fn stage(text: &str) -> Result<Stage, BusError> {
    match text {
        "install" => Ok(Stage::Install),
        "restart" => Ok(Stage::Restart),
        _ => Err(malformed("stage is neither install nor restart")),
    }
}

/// `org.parloir.Calls1`.
struct Calls {
    desk: Desk,
    user: u32,
}

#[interface(name = "org.parloir.Calls1")]
impl Calls {
    #[zbus(out_args("view"))]
    async fn attach(&self, #[zbus(header)] header: Header<'_>, #[zbus(connection)] bus: &Connection) -> Result<View, BusError> {
        match self.desk.ask(self.user, &header, bus, Ask::Attach).await? {
            Reply::View(view) => Ok(*view),
            Reply::Done | Reply::Placed(_) | Reply::End(_) | Reply::Facts(_) | Reply::Document(_) | Reply::Record(_) => {
                Err(another())
            }
        }
    }

    #[zbus(signal)]
    async fn changed(emitter: &SignalEmitter<'_>, view: View) -> zbus::Result<()>;

    /// The wish of the screen; `Desk::ask` refuses who is not its user.
    #[zbus(out_args("call"))]
    async fn place(
        &self,
        contact: &str,
        media: &str,
        serial: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<String, BusError> {
        let (contact, video) = (id(contact, "contact")?, is_video(media)?);
        placed(self.desk.ask(self.user, &header, bus, Ask::Place { contact, video, serial }).await?)
    }

    #[zbus(out_args("call"))]
    async fn answer(
        &self,
        ring: &str,
        media: &str,
        serial: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<String, BusError> {
        let (ring, video) = (id(ring, "ring")?, is_video(media)?);
        placed(self.desk.ask(self.user, &header, bus, Ask::Answer { ring, video, serial }).await?)
    }

    async fn decline(
        &self,
        ring: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(), BusError> {
        done(self.desk.ask(self.user, &header, bus, Ask::Decline(id(ring, "ring")?)).await?)
    }

    async fn end(&self, #[zbus(header)] header: Header<'_>, #[zbus(connection)] bus: &Connection) -> Result<(), BusError> {
        done(self.desk.ask(self.user, &header, bus, Ask::End).await?)
    }

    #[zbus(name = "Let")]
    async fn let_out(
        &self,
        camera: bool,
        microphone: bool,
        serial: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(), BusError> {
        done(self.desk.ask(self.user, &header, bus, Ask::Let { camera, microphone, serial }).await?)
    }

    #[zbus(out_args("end"))]
    async fn frames(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedFd, BusError> {
        end(self.desk.ask(self.user, &header, bus, Ask::Frames).await?)
    }

    async fn sign_in(
        &self,
        tag: u8,
        serial: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(), BusError> {
        done(self.desk.ask(self.user, &header, bus, Ask::SignIn { tag, serial }).await?)
    }

    async fn sign_out(&self, #[zbus(header)] header: Header<'_>, #[zbus(connection)] bus: &Connection) -> Result<(), BusError> {
        done(self.desk.ask(self.user, &header, bus, Ask::SignOut).await?)
    }

    async fn dismiss(&self, #[zbus(header)] header: Header<'_>, #[zbus(connection)] bus: &Connection) -> Result<(), BusError> {
        done(self.desk.ask(self.user, &header, bus, Ask::Dismiss).await?)
    }

    #[zbus(out_args("moments"))]
    async fn record(
        &self,
        before: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<Vec<Moment>, BusError> {
        match self.desk.ask(self.user, &header, bus, Ask::Record(before)).await? {
            Reply::Record(moments) => Ok(moments),
            Reply::Done | Reply::View(_) | Reply::Placed(_) | Reply::End(_) | Reply::Facts(_) | Reply::Document(_) => {
                Err(another())
            }
        }
    }

    async fn drawn(&self, #[zbus(header)] header: Header<'_>, #[zbus(connection)] bus: &Connection) -> Result<(), BusError> {
        done(self.desk.ask(self.user, &header, bus, Ask::Drawn).await?)
    }
}

/// `org.parloir.Remote1`.
struct Remote {
    desk: Desk,
    user: u32,
}

#[interface(name = "org.parloir.Remote1")]
impl Remote {
    #[zbus(out_args("keys"))]
    async fn focus(&self, #[zbus(header)] header: Header<'_>, #[zbus(connection)] bus: &Connection) -> Result<OwnedFd, BusError> {
        end(self.desk.ask(self.user, &header, bus, Ask::Focus).await?)
    }
}

/// `org.parloir.Courier1`.
struct Courier {
    desk: Desk,
    user: u32,
}

#[interface(name = "org.parloir.Courier1")]
impl Courier {
    async fn attach(&self, #[zbus(header)] header: Header<'_>, #[zbus(connection)] bus: &Connection) -> Result<(), BusError> {
        done(self.desk.ask(self.user, &header, bus, Ask::AttachCourier).await?)
    }

    async fn online(
        &self,
        up: bool,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(), BusError> {
        done(self.desk.ask(self.user, &header, bus, Ask::Online(up)).await?)
    }

    async fn deliver(
        &self,
        kind: String,
        body: Vec<u8>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(), BusError> {
        if kind.len() > MAX_KIND {
            return Err(malformed("kind is longer than 32 bytes"));
        }
        if body.len() > MAX_DOCUMENT {
            return Err(BusError::new("TooLarge", "The document is longer than 64 KiB; drop it."));
        }
        done(self.desk.ask(self.user, &header, bus, Ask::Deliver { kind, body }).await?)
    }

    #[zbus(signal)]
    async fn send(emitter: &SignalEmitter<'_>, id: u64, kind: &str, body: Vec<u8>) -> zbus::Result<()>;

    async fn sent(
        &self,
        id: u64,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(), BusError> {
        done(self.desk.ask(self.user, &header, bus, Ask::Sent(id)).await?)
    }

    #[zbus(signal)]
    async fn route(emitter: &SignalEmitter<'_>, call: &str, route: &str) -> zbus::Result<()>;

    #[zbus(out_args("end"))]
    async fn signalling(
        &self,
        call: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedFd, BusError> {
        end(self.desk.ask(self.user, &header, bus, Ask::Signalling(id(call, "call")?)).await?)
    }
}

/// `org.parloir.Maintenance1`.
struct Maintenance {
    desk: Desk,
    user: u32,
}

#[interface(name = "org.parloir.Maintenance1")]
impl Maintenance {
    #[zbus(out_args("lease"))]
    async fn begin(
        &self,
        stage: &str,
        version: String,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<OwnedFd, BusError> {
        let (stage, version) = (self::stage(stage)?, self::version(version)?);
        end(self.desk.ask(self.user, &header, bus, Ask::Begin { stage, version }).await?)
    }

    #[zbus(out_args("facts"))]
    async fn health(
        &self,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<BTreeMap<String, bool>, BusError> {
        match self.desk.ask(self.user, &header, bus, Ask::Health).await? {
            Reply::Facts(facts) => Ok(facts),
            Reply::Done | Reply::View(_) | Reply::Placed(_) | Reply::End(_) | Reply::Document(_) | Reply::Record(_) => {
                Err(another())
            }
        }
    }

    async fn report(
        &self,
        version: String,
        word: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<(), BusError> {
        let version = self::version(version)?;
        let word = Word::from_name(word).ok_or_else(|| malformed("word is none of docs/refusals.md, section Updates"))?;
        done(self.desk.ask(self.user, &header, bus, Ask::Report { version, word }).await?)
    }
}

/// `org.parloir.Diagnostics1`.
struct Diagnostics {
    desk: Desk,
    user: u32,
}

#[interface(name = "org.parloir.Diagnostics1")]
impl Diagnostics {
    #[zbus(out_args("page"))]
    async fn export(
        &self,
        request: Vec<u8>,
        #[zbus(header)] header: Header<'_>,
        #[zbus(connection)] bus: &Connection,
    ) -> Result<Vec<u8>, BusError> {
        if request.len() > MAX_REQUEST {
            return Err(malformed("request is longer than 256 bytes"));
        }
        match self.desk.ask(self.user, &header, bus, Ask::Export(request)).await? {
            Reply::Document(page) => Ok(page),
            Reply::Done | Reply::View(_) | Reply::Placed(_) | Reply::End(_) | Reply::Facts(_) | Reply::Record(_) => {
                Err(another())
            }
        }
    }
}

/// A signal to one receiver.
#[derive(Clone, Debug)]
pub enum Signal {
    /// `Calls1.Changed`.
    Changed(Box<View>),
    /// `Courier1.Send`.
    Send {
        /// To be quoted in `Sent`.
        id: u64,
        /// Topic.
        kind: &'static str,
        /// Opaque.
        body: Vec<u8>,
    },
    /// `Courier1.Route`; an empty call closes it.
    Route {
        /// Id in hex.
        call: String,
    },
}

/// Sends signals, each to one unique name, without making the sender wait.
#[derive(Clone, Debug)]
pub struct Voice {
    queue: mpsc::Sender<(Owner, Signal)>,
}

impl Voice {
    /// Queues a signal; answers whether there was room. Who says something that counts says it again later.
    #[must_use]
    pub fn say(&self, to: &Owner, signal: Signal) -> bool {
        self.queue.try_send((to.clone(), signal)).is_ok()
    }

    /// Waits until the bus has what was said, for a bus that takes nothing a quarter of a second at most.
    pub async fn drain(&self) {
        for _ in 0..25 {
            sleep(Duration::from_millis(10)).await;
            if self.queue.capacity() == self.queue.max_capacity() {
                return;
            }
        }
    }
}

/// Serves the object, then takes the name, then listens for callers that leave.
///
/// # Errors
/// No bus, or the name is taken.
pub async fn serve(users: Users, inputs: mpsc::Sender<Input>) -> zbus::Result<Voice> {
    let [desk, courier, updater] = [(); 3].map(|()| Desk::new(inputs.clone()));
    let bus = zbus::connection::Builder::system()
        .serve_at(PATH, Calls { desk: desk.clone(), user: users.screen })
        .serve_at(PATH, Remote { desk, user: users.screen })
        .serve_at(PATH, Courier { desk: courier.clone(), user: users.courier })
        .serve_at(PATH, Diagnostics { desk: courier, user: users.courier })
        .serve_at(PATH, Maintenance { desk: updater, user: users.updater })
        .build()
        .await?;
    let driver = DBusProxy::new(&bus).await?;
    let leaving = driver.receive_name_owner_changed().await?;
    tokio::spawn(watch(leaving, inputs));
    let (queue, waiting) = mpsc::channel(QUEUE);
    tokio::spawn(speak(bus.clone(), waiting));
    match bus.request_name_with_flags(NAME, RequestNameFlags::DO_NOT_QUEUE).await? {
        RequestNameReply::PrimaryOwner | RequestNameReply::AlreadyOwner => Ok(Voice { queue }),
        RequestNameReply::InQueue | RequestNameReply::Exists => Err(zbus::Error::NameTaken),
    }
}

/// Tells of every connection that left the bus, and of the bus's own end.
async fn watch(mut leaving: zbus::fdo::NameOwnerChangedStream, inputs: mpsc::Sender<Input>) {
    while let Some(change) = next(&mut leaving).await {
        let Ok(args) = change.args() else { continue };
        if args.name().starts_with(':') && args.new_owner().is_none() {
            let owner = Owner(args.name().to_string());
            if inputs.send(Input::Vanished(owner)).await.is_err() {
                return;
            }
        }
    }
    let _ = inputs.send(Input::BusGone).await;
}

/// The next item of a stream, without a crate of combinators for this one line.
async fn next<S: zbus::export::futures_core::Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| std::pin::Pin::new(&mut *stream).poll_next(context)).await
}

async fn speak(bus: Connection, mut waiting: mpsc::Receiver<(Owner, Signal)>) {
    while let Some((to, signal)) = waiting.recv().await {
        if let Err(error) = send_one(&bus, &to, signal).await {
            tracing::warn!(%error, "signal not sent");
        }
    }
}

async fn send_one(bus: &Connection, to: &Owner, signal: Signal) -> zbus::Result<()> {
    let name = zbus::names::UniqueName::try_from(to.0.as_str())?;
    let emitter = SignalEmitter::new(bus, PATH)?.set_destination(name.into());
    match signal {
        Signal::Changed(view) => Calls::changed(&emitter, *view).await,
        Signal::Send { id, kind, body } => Courier::send(&emitter, id, kind, body).await,
        Signal::Route { call } => Courier::route(&emitter, &call, "direct").await,
    }
}
