//! Owns: the desk's connections: broker, pages, console, clock, standard output, and the file that a restart begins with.
//! Never: decides (the desk does).
//! Called by: main, tests.

use crate::desk::{Desk, Input, Now, Order, Output, Wrong};
use crate::limits::Allowance;
use crate::page::{Said, Says};
use parloir_link::topic::{Keep, Kind, MAX_BODY, Topics, Way};
use parloir_shell::BootTime;
use rumqttc::mqttbytes::v5::Publish;
use rumqttc::{AckMode, AsyncClient, Event, EventLoop, MqttOptions, Packet, PublishOptions, QoS, SessionMode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// How often time passes for the desk.
const TICK: Duration = Duration::from_millis(200);
/// How long the broker keeps what boxes say while this process is away, seconds. The broker's own bound is as long.
const SESSION_S: u32 = 3600;
/// Most pages that are open at once, and most of one link.
const MAX_PAGES: usize = 64;
const MAX_PAGES_OF_LINK: usize = 4;

/// From a page's websocket, or its opening.
pub enum FromPage {
    /// A websocket opened; what is for it goes here. When this end of the channel goes, the websocket is closed.
    Opened {
        /** Of the link. */
        token: String,
        /** Its number. */
        page: u64,
        /** What its window calls itself. */
        tab: String,
        /** To it. */
        to: mpsc::Sender<Says>,
    },
    /// It said something.
    Said {
        /** Its number. */
        page: u64,
        /** What. */
        said: Said,
    },
    /// It is gone.
    Closed {
        /** Its number. */
        page: u64,
    },
    /// It said what no page says, and was closed for it.
    Hostile {
        /** What is wrong with it. */
        why: String,
    },
    /// Whether this link exists.
    Known {
        /** Of the link. */
        token: String,
        /** The answer. */
        answer: oneshot::Sender<bool>,
    },
}

enum FromBroker {
    Connected(bool),
    Said(Box<Publish>),
}

/// A websocket that is open.
struct Page {
    token: String,
    to: mpsc::Sender<Says>,
}

/// The desk with its connections.
pub struct Office {
    desk: Desk,
    topics: Topics,
    client: AsyncClient,
    connected: bool,
    pages: BTreeMap<u64, Page>,
    state: Option<PathBuf>,
    complaints: Allowance,
    print: Box<dyn FnMut(&Value) + Send>,
}

/// The monotonic clock of [`now`] began so long before the machine did, ms, so that a visit from before a restart of the machine has its place
/// on it: a year.
const BEFORE_MS: u64 = 366 * 86_400 * 1000;

/// What time it is now.
#[must_use]
pub fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { mono_ms: BEFORE_MS + BootTime::now_ns() / 1_000_000, unix_ms: i64::try_from(unix.as_millis()).unwrap_or(0) }
}

/// The file of a state directory.
#[must_use]
pub fn state_file(dir: &Path) -> PathBuf {
    dir.join("state.json")
}

impl Office {
    /// Connects; events go to `print`, what a restart needs to `state`.
    #[must_use]
    pub fn new(
        desk: Desk,
        topics: Topics,
        mut options: MqttOptions,
        state: Option<PathBuf>,
        print: Box<dyn FnMut(&Value) + Send>,
    ) -> (Self, EventLoop) {
        // What comes is acknowledged when it is worked off and written down: a receipt that comes while we die comes again.
        options
            .set_session_mode(SessionMode::Persistent)
            .set_session_expiry_interval(Some(SESSION_S))
            .set_ack_mode(AckMode::Manual);
        parloir_link::session::NothingUnderWay::begin(&mut options);
        let (client, events) = AsyncClient::builder(options).capacity(256).build();
        let complaints = Allowance::new(20, 5.0);
        (Self { desk, topics, client, connected: true, pages: BTreeMap::new(), state, complaints, print }, events)
    }

    /// Publishes the retained documents, says `ready`, and runs until the pages' side is closed.
    ///
    /// # Errors
    /// The documents cannot be made; the broker refuses us at the start; the state cannot be written.
    pub async fn run(
        mut self,
        events: EventLoop,
        mut pages: mpsc::Receiver<FromPage>,
        mut console: mpsc::Receiver<String>,
        base: &str,
    ) -> Result<(), Wrong> {
        let (tell, mut broker) = mpsc::channel(256);
        let poller = tokio::spawn(poll(events, self.client.clone(), self.topics.clone(), tell));
        self.begin(base).await?;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let mut publish = None;
            let input = tokio::select! {
                said = broker.recv() => match said.ok_or("the broker's task ended")? {
                    FromBroker::Connected(connected) => {
                        self.connected = connected;
                        Some(Input::Broker { connected })
                    }
                    FromBroker::Said(p) => {
                        let input = self.input(&p);
                        publish = Some(p);
                        input
                    }
                },
                page = pages.recv() => match page {
                    None => break,
                    Some(page) => self.page(page),
                },
                Some(line) = console.recv() => self.order(&line),
                _ = tick.tick() => Some(Input::Tick),
            };
            if let Some(input) = input {
                let out = self.desk.step(now(), input);
                self.keep()?;
                self.deliver(out);
            }
            if let Some(p) = publish {
                let _ = self.client.try_ack(&p);
            }
        }
        poller.abort();
        Ok(())
    }

    async fn begin(&mut self, base: &str) -> Result<(), Wrong> {
        self.keep()?;
        for output in self.desk.documents()? {
            let Output::Publish { kind, body } = output else { continue };
            let notice = self.client.publish_tracked(self.topics.of(kind), body, how(kind)).await?;
            let acknowledged = tokio::time::timeout(Duration::from_secs(20), notice.wait_async());
            acknowledged
                .await
                .map_err(|_| "the broker does not acknowledge: is it running, and is our certificate `facility`?")??;
        }
        let links: Vec<Value> = self
            .desk
            .links()
            .into_iter()
            .map(|(token, c)| json!({"event": "link", "contact": c.name, "id": c.id, "url": format!("{base}/v/{token}")}))
            .collect();
        links.iter().for_each(|l| (self.print)(l));
        let first = links.first().map_or(Value::Null, |l| l["url"].clone());
        (self.print)(&json!({"event": "ready", "visitor_url": first, "visits": self.desk.visits()}));
        Ok(())
    }

    fn input(&self, publish: &Publish) -> Option<Input> {
        let kind = self.topics.kind(Way::Up, &publish.topic).filter(|_| publish.payload.len() <= MAX_BODY)?;
        Some(Input::Box { kind, body: publish.payload.to_vec() })
    }

    fn order(&mut self, line: &str) -> Option<Input> {
        match serde_json::from_str::<Order>(line) {
            Ok(order) => Some(Input::Staff(order)),
            Err(e) => {
                (self.print)(&json!({"event": "console", "error": format!("not an order of docs/mqtt.md: {e}")}));
                None
            }
        }
    }

    fn page(&mut self, page: FromPage) -> Option<Input> {
        match page {
            FromPage::Known { token, answer } => {
                let of_link = self.pages.values().filter(|p| p.token == token).count();
                let room = self.pages.len() < MAX_PAGES && of_link < MAX_PAGES_OF_LINK;
                let _ = answer.send(room && self.desk.has_link(&token));
                None
            }
            FromPage::Opened { token, page, tab, to } => {
                self.pages.insert(page, Page { token: token.clone(), to });
                Some(Input::Opened { token, page, tab })
            }
            FromPage::Said { page, said } => Some(Input::Page { page, said }),
            FromPage::Closed { page } => {
                self.pages.remove(&page);
                Some(Input::Closed { page })
            }
            FromPage::Hostile { why } => {
                self.deliver(vec![Output::Event(json!({"event": "refused", "error": format!("page: {why}")}))]);
                None
            }
        }
    }

    fn deliver(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                // Whoever floods us must not flood who reads us.
                Output::Event(value) if value["event"] == "refused" && !self.complaints.take(now().mono_ms) => {}
                Output::Event(value) => (self.print)(&value),
                Output::Page { page, says } => {
                    let last = *says == Says::Elsewhere;
                    // A page that does not read is one that is gone: it asks again when it is back.
                    if self.pages.get(&page).is_some_and(|p| p.to.try_send(*says).is_err()) || last {
                        self.pages.remove(&page);
                    }
                }
                Output::Drop { page } => drop(self.pages.remove(&page)),
                Output::Publish { kind, body } => self.publish(kind, body),
                Output::File { path, bytes, mut event } => {
                    if let Err(e) = write(&path, &bytes) {
                        event["error"] = format!("{}: {e}: name a file that can be written", path.display()).into();
                    }
                    (self.print)(&event);
                }
            }
        }
    }

    fn publish(&mut self, kind: &'static Kind, body: Vec<u8>) {
        // What is only true now is not kept for a broker that is away; the desk says it anew.
        if !self.connected && matches!(kind.name, "beat" | "statement" | "time") {
            return;
        }
        if self.client.try_publish(self.topics.of(kind), body, how(kind)).is_err() {
            (self.print)(&json!({"event": "lost", "kind": kind.name}));
        }
    }

    /// Writes what changed before anybody is told: a new file beside the old one, then its name.
    fn keep(&mut self) -> Result<(), Wrong> {
        let (Some(path), Some(bytes)) = (&self.state, self.desk.kept(now())) else { return Ok(()) };
        write(path, &bytes).map_err(|e| format!("{}: {e}: give --state a directory that can be written", path.display()).into())
    }
}

pub(crate) fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = path.with_extension("new");
    // Not a link that somebody else put there, and nobody else's to read.
    let _ = fs::remove_file(&fresh);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

fn how(kind: &Kind) -> PublishOptions {
    PublishOptions::new(QoS::AtLeastOnce).retain(kind.keep == Keep::Retained)
}

async fn poll(mut events: EventLoop, client: AsyncClient, topics: Topics, tell: mpsc::Sender<FromBroker>) {
    let mut connected = false;
    loop {
        let said = match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                let _ = client.try_subscribe(topics.all(Way::Up), QoS::AtLeastOnce);
                connected = true;
                FromBroker::Connected(true)
            }
            Ok(Event::Incoming(Packet::Publish(p))) => FromBroker::Said(Box::new(p)),
            Ok(_) => continue,
            Err(e) => {
                if connected {
                    tracing::warn!(error = %e, "no way to the broker: trying again");
                    connected = false;
                    if tell.send(FromBroker::Connected(false)).await.is_err() {
                        return;
                    }
                }
                tokio::time::sleep(Duration::from_millis(500)).await;
                continue;
            }
        };
        if tell.send(said).await.is_err() {
            return;
        }
    }
}
