//! Owns: the loop between broker, arbiter and the call's signalling; what is kept while the arbiter is away.
//! Never: judges a document, or gives one to anybody but the arbiter.
//! Called by: main.

use crate::broker;
use crate::courier::{Attachment, Order, Wish, next};
use crate::message::write_status;
use crate::outbox::Outbox;
use crate::poller::{FromBroker, Poller};
use crate::signalling::Pump;
use crate::topic::{DIAGNOSE, EXPORT, Keep, Kind, MAX_BODY, STATUS, Topics, Way, find};
use crate::{adapter, message};
use parloir_shell::Tag;
use rumqttc::{AsyncClient, LastWill, PublishNoticeError, PublishOptions, QoS};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, mpsc, watch};
use zbus::names::UniqueName;

/// Bodies held for an absent arbiter; the oldest goes first, with a warning.
pub const MAX_HELD: usize = 64;
/// Signals from the far side that wait for a route: an answer and all its candidates.
pub const MAX_EARLY: usize = 80;
/// How long they wait.
const EARLY: Duration = Duration::from_secs(10);
/// The kind that goes to a call instead of the arbiter.
const SIGNAL_DOWN: &str = "signal";
/// Longest wait for an answer of the arbiter.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two tries to become the courier of an arbiter that is there.
const ATTACH_AGAIN: Duration = Duration::from_secs(1);
/// Pages of diagnostics exports that are on their way at once.
const MAX_PAGES: usize = 32;
/// Between two tries of a publication that the connection lost.
const PUBLISH_AGAIN: Duration = Duration::from_secs(1);

/// What link needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The site.
    pub site: [u8; 16],
    /// This box.
    pub device: [u8; 16],
    /// `HOST:PORT`.
    pub broker: String,
    /// PEM files.
    pub identity: broker::Identity,
}

/// Why link ended. It is started again by its supervisor.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// No identity, or no address.
    #[error(transparent)]
    Broker(#[from] broker::Unready),
    /// Our certificate, or whom we believe.
    #[error(transparent)]
    Identity(#[from] parloir_tls::Unready),
    /// The bus, which is the box itself.
    #[error("system bus: {0}: is it running, and may this user use it? [org.parloir.Error.NoBus]")]
    Bus(#[from] zbus::Error),
    /// The bus went away.
    #[error("system bus: the connection is gone [org.parloir.Error.NoBus]")]
    BusGone,
}

/// Runs until the bus goes.
///
/// # Errors
/// See [`Ended`]. Neither the broker's nor the arbiter's absence is an error.
pub async fn run(settings: Settings) -> Result<(), Ended> {
    let topics = Topics::new(&settings.site, &settings.device);
    let tls = broker::tls(&settings.identity)?;
    let mut options = broker::options(&crate::topic::Hex(&settings.device).to_string(), &settings.broker, tls)?;
    options.set_last_will(LastWill::new(topics.of(&STATUS), write_status(false), QoS::AtLeastOnce, true, None));

    let bus = zbus::connection::Builder::system().method_timeout(ANSWER).build().await?;
    let names = zbus::fdo::DBusProxy::new(&bus).await?;
    let mut owners = names.receive_name_owner_changed_with_args(&[(0, parloir_bus::NAME)]).await?;

    let (client, events) = AsyncClient::builder(options).capacity(64).build();
    let in_visit = Arc::new(AtomicBool::new(false));
    let (tell, mut heard) = mpsc::channel(64);
    let poller = Poller { topics: topics.clone(), client: client.clone(), in_visit: Arc::clone(&in_visit), tell };
    tokio::spawn(poller.run(events));
    let (signals, waiting) = mpsc::channel(64);
    let up = watch::Sender::new(false);
    tokio::spawn(Outbox::new(client.clone(), &topics).run(waiting, up.subscribe()));

    let mut link = Link {
        bus,
        topics,
        client,
        in_visit,
        signals,
        pages: Arc::new(Semaphore::new(MAX_PAGES)),
        kept: Kept::default(),
        early: VecDeque::new(),
        connection: 0,
        online: false,
        up,
        owner: None,
        arbiter: None,
    };
    if let Ok(owner) = names.get_name_owner(parloir_bus::NAME.try_into()?).await {
        link.appeared(owner.into_inner()).await;
    }
    parloir_shell::notify::ready();
    let every = parloir_shell::notify::watchdog_every().unwrap_or(Duration::from_secs(3600));
    let mut pet = tokio::time::interval(every);
    let mut again = tokio::time::interval(ATTACH_AGAIN);
    loop {
        tokio::select! {
            event = heard.recv() => link.from_broker(event.ok_or(Ended::BusGone)?).await,
            change = next(&mut owners) => {
                let change = change.ok_or(Ended::BusGone)?;
                let owner = change.args()?.new_owner.as_ref().map(UniqueName::to_owned);
                match owner {
                    Some(owner) => link.appeared(owner).await,
                    None => link.gone(),
                }
            }
            wish = wish(&mut link.arbiter) => link.wish(wish.ok_or(Ended::BusGone)?).await,
            _ = again.tick() => link.attach().await,
            _ = pet.tick() => parloir_shell::notify::watchdog(),
        }
    }
}

/// What came from the facility and still matters when an arbiter appears.
#[derive(Default)]
struct Kept {
    retained: BTreeMap<&'static str, Vec<u8>>,
    held: VecDeque<Held>,
    /// For an arbiter that is there and has not taken us yet; not for the next one.
    passing: VecDeque<(&'static str, Vec<u8>)>,
    count: u64,
}

/// A body that leaves only when an arbiter has judged it: one that was handed to a dying arbiter is not lost.
struct Held {
    number: u64,
    kind: &'static str,
    body: Vec<u8>,
}

impl Kept {
    /// Notes a body; the answer is its number if it is held.
    fn note(&mut self, kind: &'static Kind, body: &[u8]) -> Option<u64> {
        match kind.keep {
            // MQTT 5, 3.3.1.3: an empty retained body means that there is none any more.
            Keep::Retained if body.is_empty() => {
                self.retained.remove(kind.name);
                None
            }
            Keep::Retained => {
                self.retained.insert(kind.name, body.to_vec());
                None
            }
            Keep::Held => {
                if self.held.len() >= MAX_HELD {
                    tracing::warn!(kind = kind.name, "too many bodies wait for the arbiter: the oldest is dropped");
                    self.held.pop_front();
                }
                self.count += 1;
                self.held.push_back(Held { number: self.count, kind: kind.name, body: body.to_vec() });
                Some(self.count)
            }
            Keep::Passing => None,
        }
    }

    fn unattached(&mut self, kind: &'static Kind, body: Vec<u8>) {
        if self.passing.len() >= MAX_HELD {
            tracing::warn!(kind = kind.name, "too many bodies wait for the arbiter to take us: the oldest is dropped");
            self.passing.pop_front();
        }
        self.passing.push_back((kind.name, body));
    }

    fn settled(&mut self, number: u64) {
        self.held.retain(|h| h.number != number);
    }
}

struct Link {
    bus: zbus::Connection,
    topics: Topics,
    client: AsyncClient,
    in_visit: Arc<AtomicBool>,
    signals: mpsc::Sender<Vec<u8>>,
    pages: Arc<Semaphore>,
    kept: Kept,
    /// Signals from the far side that came before their call's route: a link that was started again in a visit hears them first.
    early: VecDeque<(Instant, Vec<u8>)>,
    connection: u64,
    online: bool,
    up: watch::Sender<bool>,
    /// Who owns the arbiter's name: the bus tells it twice when it changes while we start.
    owner: Option<UniqueName<'static>>,
    arbiter: Option<(Attachment, Option<Pump>)>,
}

impl Link {
    async fn appeared(&mut self, owner: UniqueName<'static>) {
        if self.owner.as_ref() == Some(&owner) {
            return;
        }
        self.gone();
        self.owner = Some(owner);
        self.attach().await;
    }

    /// Becomes the courier of the arbiter that owns the name, unless we are.
    async fn attach(&mut self) {
        let (None, Some(owner)) = (&self.arbiter, self.owner.clone()) else { return };
        let attachment = match Attachment::new(&self.bus, owner).await {
            Ok(attachment) => attachment,
            Err(e) => return tracing::warn!(error = %e, "the arbiter does not take us as its courier: trying again"),
        };
        tracing::info!(online = self.online, "attached to the arbiter");
        attachment.order(Order::Online(self.online)).await;
        for (kind, body) in &self.kept.retained {
            attachment.order(Order::Deliver { kind, body: body.clone(), held: None }).await;
        }
        for Held { number, kind, body } in &self.kept.held {
            attachment.order(Order::Deliver { kind, body: body.clone(), held: Some(*number) }).await;
        }
        for (kind, body) in self.kept.passing.drain(..) {
            attachment.order(Order::Deliver { kind, body, held: None }).await;
        }
        self.arbiter = Some((attachment, None));
    }

    fn gone(&mut self) {
        self.owner = None;
        self.kept.passing.clear();
        if self.arbiter.take().is_some() {
            tracing::warn!("the arbiter is gone");
        }
        self.in_visit.store(false, Ordering::Relaxed);
    }

    async fn from_broker(&mut self, event: FromBroker) {
        match event {
            FromBroker::Up(connection) => self.connection = connection,
            FromBroker::Subscribed(connection) if connection == self.connection => self.set_online(true).await,
            FromBroker::Subscribed(_) => {}
            FromBroker::Down => {
                self.connection = 0;
                self.set_online(false).await;
            }
            FromBroker::Body(kind, body) => self.body(kind, body).await,
        }
    }

    async fn set_online(&mut self, online: bool) {
        if self.online != online {
            self.online = online;
            self.up.send_replace(online);
            tracing::info!(online, "broker");
            if let Some((arbiter, _)) = &self.arbiter {
                arbiter.order(Order::Online(online)).await;
            }
        }
    }

    async fn body(&mut self, kind: &'static Kind, body: Vec<u8>) {
        if body.len() > MAX_BODY {
            return tracing::warn!(kind = kind.name, bytes = body.len(), "a body over its bound was dropped");
        }
        let held = self.kept.note(kind, &body);
        match &self.arbiter {
            Some((_, Some(pump))) if kind.name == SIGNAL_DOWN => pump.from_far(body),
            Some((_, None)) | None if kind.name == SIGNAL_DOWN => self.keep_early(body),
            Some((arbiter, _)) if *kind == DIAGNOSE => self.diagnose(arbiter, body),
            None if *kind == DIAGNOSE => tracing::info!("no arbiter to ask for a diagnostics export"),
            Some((arbiter, _)) if !body.is_empty() => arbiter.order(Order::Deliver { kind: kind.name, body, held }).await,
            None if self.owner.is_some() && kind.keep == Keep::Passing => self.kept.unattached(kind, body),
            Some(_) | None => {}
        }
    }

    /// Asks the arbiter for the page and publishes it, beside everything else: neither is waited for.
    fn diagnose(&self, arbiter: &Attachment, request: Vec<u8>) {
        let Ok(seat) = Arc::clone(&self.pages).try_acquire_owned() else {
            return tracing::warn!("too many pages of diagnostics exports at once: a request was dropped");
        };
        let (ask, alive) = (arbiter.diagnostics(), arbiter.orders());
        let (client, topic) = (self.client.clone(), self.topics.of(&EXPORT));
        tokio::spawn(async move {
            match ask.page(&request).await {
                Ok(page) if page.len() <= MAX_BODY => drop(publish(client, topic, page, &alive, "export").await),
                Ok(page) => tracing::warn!(bytes = page.len(), "not sent: a page over its bound"),
                Err(error) => tracing::warn!(%error, "no page of a diagnostics export"),
            }
            drop(seat);
        });
    }

    fn keep_early(&mut self, body: Vec<u8>) {
        self.early.retain(|(at, _)| at.elapsed() < EARLY);
        if self.early.len() >= MAX_EARLY {
            tracing::debug!("a signal without a call was dropped");
            self.early.pop_front();
        }
        self.early.push_back((Instant::now(), body));
    }

    async fn wish(&mut self, wish: Wish) {
        match wish {
            Wish::Send { id, kind, body } => self.send(id, &kind, body),
            Wish::Route { call, route } => self.route(call, &route),
            Wish::Settled(number) => self.kept.settled(number),
        }
    }

    fn send(&self, id: u64, kind: &str, body: Vec<u8>) {
        let known = find(Way::Up, kind).filter(|k| k.keep != Keep::Retained);
        let (Some(kind), true, Some((arbiter, _))) = (known, body.len() <= MAX_BODY, &self.arbiter) else {
            return tracing::warn!(id, kind, bytes = body.len(), "not sent: an unknown kind, or a body over its bound");
        };
        tracing::info!(id, kind = kind.name, bytes = body.len(), "to the facility");
        let (client, topic, done) = (self.client.clone(), self.topics.of(kind), arbiter.orders());
        tokio::spawn(async move {
            if publish(client, topic, body, &done, kind.name).await {
                let _ = done.send(Order::Sent(id)).await;
            }
        });
    }

    fn route(&mut self, call: String, route: &str) {
        let Some((arbiter, pump)) = &mut self.arbiter else { return };
        if pump.as_ref().is_some_and(|p| p.call == call) {
            return;
        }
        *pump = None;
        self.in_visit.store(!call.is_empty(), Ordering::Relaxed);
        if call.is_empty() {
            return;
        }
        let adapter = message::read_id(&call).and_then(|id| adapter::of_route(route, id));
        match adapter {
            Some(adapter) => {
                tracing::info!(call = %Tag(&call), route, "signalling");
                let started = Pump::start(call, adapter, arbiter.signalling(), self.signals.clone());
                // Those about another call are dropped by the adapter.
                self.early.drain(..).filter(|(at, _)| at.elapsed() < EARLY).for_each(|(_, body)| started.from_far(body));
                *pump = Some(started);
            }
            None => tracing::warn!(call = %Tag(&call), route, "no adapter for this route: update this box"),
        }
    }
}

async fn wish(arbiter: &mut Option<(Attachment, Option<Pump>)>) -> Option<Wish> {
    match arbiter {
        Some((attachment, _)) => attachment.next().await,
        None => std::future::pending().await,
    }
}

/// Publishes one body until the broker has it, or until nobody waits for that any more; answers whether it has.
async fn publish(client: AsyncClient, topic: String, body: Vec<u8>, waits: &mpsc::Sender<Order>, kind: &str) -> bool {
    loop {
        let options = PublishOptions::new(QoS::AtLeastOnce);
        let Ok(notice) = client.publish_tracked(topic.clone(), body.clone(), options).await else { return false };
        match notice.wait_async().await {
            Ok(_) => return true,
            Err(PublishNoticeError::V5PubAck(reason)) => {
                tracing::warn!(kind, ?reason, "the broker refused: see its access list [org.parloir.Error.BrokerRefused]");
                return false;
            }
            Err(e) => tracing::info!(kind, error = %e, "publishing again"),
        }
        if waits.is_closed() {
            return false;
        }
        tokio::time::sleep(PUBLISH_AGAIN).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{Kept, MAX_HELD};
    use crate::topic::{Way, find};

    #[test]
    fn what_is_kept_for_an_arbiter_that_is_away() {
        let mut kept = Kept::default();
        let down = |name| find(Way::Down, name).unwrap();
        kept.note(down("policy"), b"one");
        kept.note(down("policy"), b"two");
        kept.note(down("grant"), b"old");
        assert_eq!(kept.retained["policy"], b"two");
        let judged = kept.note(down("deny"), b"judged").unwrap();
        kept.settled(judged);
        assert!(kept.held.is_empty());
        (0..=MAX_HELD).for_each(|n| assert!(kept.note(down("deny"), &[u8::try_from(n).unwrap()]).is_some()));
        assert_eq!((kept.held.len(), &kept.held[0].body), (MAX_HELD, &vec![1]));
        kept.note(down("policy"), b"");
        assert!(kept.retained.is_empty());
    }
}
