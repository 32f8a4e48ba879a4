//! Owns: the connection to the arbiter: the view and the routed keys come in, requests go out; all of it again when the arbiter returns.
//! Never: decides what a key means, shows anything, keeps a view.
//! Called by: main, in a thread of its own.

use crate::video;
use parloir_bus::proxy::{Calls1Proxy, Remote1Proxy};
use parloir_bus::view::{Phase, View};
use parloir_wire::keys::{self, KeyPress};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tracing::{debug, info, warn};
use zbus::export::ordered_stream::OrderedStreamExt as _;

/// What comes in.
#[derive(Clone, Debug)]
pub enum FromBus {
    /// The view, whole.
    View(Box<View>),
    /// The arbiter is gone: nothing is known any more.
    Gone,
    /// A key that was routed here.
    Key(KeyPress),
}

/// What goes out. Refusals of these stand in the view; nothing is shown of the request itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// `Calls1.Place`.
    Place {
        /// Contact id.
        contact: String,
        /// `video` or `voice`.
        media: String,
        /// Of the OK press.
        serial: u64,
    },
    /// `Calls1.Answer`.
    Answer {
        /// Id of the ring.
        ring: String,
        /// `video` or `voice`.
        media: String,
        /// Of the OK press.
        serial: u64,
    },
    /// `Calls1.Decline`.
    Decline {
        /// Id of the ring.
        ring: String,
    },
    /// `Calls1.End`.
    End,
    /// `Calls1.Let`.
    Let {
        /// Pictures.
        camera: bool,
        /// Sound.
        microphone: bool,
        /// Of the press.
        serial: u64,
    },
    /// `Calls1.Dismiss`.
    Dismiss,
    /// `Calls1.SignIn`.
    SignIn {
        /// Of somebody of the cell.
        tag: u8,
        /// Of the OK press.
        serial: u64,
    },
    /// `Calls1.SignOut`.
    SignOut,
}

impl Request {
    const fn name(&self) -> &'static str {
        match self {
            Self::Place { .. } => "Place",
            Self::Answer { .. } => "Answer",
            Self::Decline { .. } => "Decline",
            Self::End => "End",
            Self::Let { .. } => "Let",
            Self::Dismiss => "Dismiss",
            Self::SignIn { .. } => "SignIn",
            Self::SignOut => "SignOut",
        }
    }
}

/// Where what comes in goes.
pub type Sink = Arc<dyn Fn(FromBus) + Send + Sync>;
/// Starts to show the pictures of a frame channel and calls back when it ends.
pub type ShowFrames = Arc<dyn Fn(OwnedFd, Box<dyn FnOnce() + Send>) + Send + Sync>;

/// How long to wait before anything that failed is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// How long an answer may take before the next key is looked at.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the bus thread is given.
pub struct Inside {
    /// What is asked for.
    pub requests: UnboundedReceiver<Request>,
    /// Whether a picture stands on the TV.
    pub drawn: watch::Receiver<bool>,
}

/// Runs until the requests' other end is gone.
pub async fn run(sink: Sink, frames: ShowFrames, mut inside: Inside) {
    loop {
        match zbus::Connection::system().await {
            Ok(bus) => {
                if serve(&bus, &sink, &frames, &mut inside).await.is_ok_and(|done| done) {
                    return;
                }
                sink(FromBus::Gone);
            }
            Err(error) => warn!(%error, "the bus cannot be reached; trying again"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Follows the arbiter's comings and goings on one bus connection. `true`: the screen is closing.
async fn serve(bus: &zbus::Connection, sink: &Sink, frames: &ShowFrames, inside: &mut Inside) -> zbus::Result<bool> {
    let calls = Calls1Proxy::new(bus).await?;
    let mut owners = calls.inner().receive_owner_changed().await?;
    loop {
        match attend(bus, &calls, sink, frames, inside).await {
            Ok(()) => return Ok(true),
            Err(error) => debug!(%error, "the arbiter is not there"),
        }
        sink(FromBus::Gone);
        tokio::select! {
            owner = owners.next() => if owner.is_none() { return Ok(false) },
            () = tokio::time::sleep(AGAIN) => {}
        }
        while inside.requests.try_recv().is_ok() {
            // What was pressed for an arbiter that is gone is not asked of its successor.
        }
    }
}

/// One life of the arbiter: attach, take the focus, then carry both ways. `Ok` when the screen is closing.
async fn attend(
    bus: &zbus::Connection,
    calls: &Calls1Proxy<'_>,
    sink: &Sink,
    frames: &ShowFrames,
    inside: &mut Inside,
) -> zbus::Result<()> {
    let Inside { requests, drawn } = inside;
    let remote = Remote1Proxy::new(bus).await?;
    // Listened for before the view is asked for, so that no revision falls between.
    let mut changes = calls.receive_changed().await?;
    let mut owners = calls.inner().receive_owner_changed().await?;
    let mut view = calls.attach().await?;
    info!(revision = view.revision, "attached");
    sink(FromBus::View(Box::new(view.clone())));
    let (mut keys, mut channel) = (focus(&remote).await?, Channel::new());
    // Each arbiter is told once; it forgets with the attachment.
    let mut told = false;
    loop {
        channel.follow(&view, calls, frames).await;
        tokio::select! {
            stands = a_picture_stands(drawn), if !told => {
                told = true;
                if stands {
                    say_drawn(calls).await;
                }
            }
            change = changes.next() => {
                let Some(change) = change else { return Err(zbus::Error::Failure("no more signals".into())) };
                let new = change.args()?.view;
                if new.revision > view.revision {
                    view = new;
                    sink(FromBus::View(Box::new(view.clone())));
                }
            }
            _ = owners.next() => return Err(zbus::Error::Failure("the arbiter left the bus".into())),
            press = next_key(&keys) => match press {
                Some(press) => sink(FromBus::Key(press)),
                None => { tokio::time::sleep(AGAIN).await; keys = focus(&remote).await?; }
            },
            Some(()) = channel.ended.recv() => channel.open = false,
            request = requests.recv() => {
                let Some(request) = request else { return Ok(()) };
                ask(calls, request).await;
            }
        }
    }
}

/// Waits until one does; the value's lock is not kept, for the event loop writes it.
async fn a_picture_stands(drawn: &mut watch::Receiver<bool>) -> bool {
    drawn.wait_for(|drawn| *drawn).await.is_ok()
}

/// Says that a picture stands: of interest to an update, and to nothing else.
async fn say_drawn(calls: &Calls1Proxy<'_>) {
    if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, calls.drawn()).await {
        info!(%error, "the arbiter does not hear that a picture stands");
    }
}

/// The key socket. It is a seqpacket socket; receiving on it is what a datagram socket does, but for the 0 bytes of a hang-up.
async fn focus(remote: &Remote1Proxy<'_>) -> zbus::Result<UnixDatagram> {
    let fail = |e: std::io::Error| zbus::Error::Failure(format!("the key socket: {e}"));
    let socket = std::os::unix::net::UnixDatagram::from(OwnedFd::from(remote.focus().await?));
    socket.set_nonblocking(true).map_err(fail)?;
    UnixDatagram::from_std(socket).map_err(fail)
}

/// The next key; `None` when the focus has ended. A message that is no key is dropped.
async fn next_key(socket: &UnixDatagram) -> Option<KeyPress> {
    loop {
        let mut message = [0; keys::SIZE + 1];
        let n = socket.recv(&mut message).await.ok().filter(|n| *n > 0)?;
        match KeyPress::decode(message.get(..n)?) {
            Ok(press) => return Some(press),
            Err(error) => warn!(%error, "dropped what is no key"),
        }
    }
}

/// Asks; a refusal is in the view already, so here it is only logged.
async fn ask(calls: &Calls1Proxy<'_>, request: Request) {
    let asking = async {
        match &request {
            Request::Place { contact, media, serial } => calls.place(contact, media, *serial).await.map(|_call| ()),
            Request::Answer { ring, media, serial } => calls.answer(ring, media, *serial).await.map(|_call| ()),
            Request::Decline { ring } => calls.decline(ring).await,
            Request::End => calls.end().await,
            Request::Let { camera, microphone, serial } => calls.let_out(*camera, *microphone, *serial).await,
            Request::Dismiss => calls.dismiss().await,
            Request::SignIn { tag, serial } => calls.sign_in(*tag, *serial).await,
            Request::SignOut => calls.sign_out().await,
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => info!(what = request.name(), %error, "the arbiter refused"),
        Err(_elapsed) => warn!(what = request.name(), "the arbiter did not answer in time"),
    }
}

/// The frame channel of the call, asked for again whenever it ends while there are pictures to show.
struct Channel {
    open: bool,
    not_before: Option<tokio::time::Instant>,
    end: UnboundedSender<()>,
    ended: UnboundedReceiver<()>,
}

impl Channel {
    fn new() -> Self {
        let (end, ended) = unbounded_channel();
        Self { open: false, not_before: None, end, ended }
    }

    async fn follow(&mut self, view: &View, calls: &Calls1Proxy<'_>, frames: &ShowFrames) {
        let wanted = matches!(view.phase, Phase::Joining | Phase::Live | Phase::Held);
        let early = self.not_before.is_some_and(|at| tokio::time::Instant::now() < at);
        if !wanted || self.open || early {
            return;
        }
        self.not_before = Some(tokio::time::Instant::now() + AGAIN);
        match calls.frames().await {
            Ok(fd) => {
                self.open = true;
                let end = self.end.clone();
                frames(
                    fd.into(),
                    Box::new(move || {
                        let _ = end.send(());
                    }),
                );
            }
            // The view changes at least every second in a visit: that is the next try.
            Err(error) => debug!(%error, "no frame channel yet"),
        }
    }
}

/// Frames of a channel into the mailbox, in a thread of their own; `wake` is called when there is something new.
#[must_use]
pub fn show_frames(mailbox: Arc<video::Mailbox>, wake: Arc<dyn Fn() + Send + Sync>) -> ShowFrames {
    Arc::new(move |fd, ended| {
        let (mailbox, wake) = (mailbox.clone(), wake.clone());
        let run = move || {
            video::run(fd, &mailbox, &*wake);
            ended();
        };
        if let Err(error) = std::thread::Builder::new().name("frames".into()).spawn(run) {
            warn!(%error, "no thread for the pictures");
        }
    })
}
