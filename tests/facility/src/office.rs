//! Owns: the loop around the desk: broker, pages, clock, standard output.
//! Never: decides (the desk does).
//! Called by: main, tests.

use crate::desk::{Desk, Input, Now, Output, Wrong};
use crate::page::{MAX, Said, Says};
use parloir_link::topic::{Keep, Topics, Way};
use parloir_shell::BootTime;
use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Packet, PublishOptions, QoS, SessionMode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot};

/// How often time passes for the desk.
const TICK: Duration = Duration::from_millis(200);

/// From a page's websocket, or its opening.
pub enum FromPage {
    /// A websocket opened; what is for it goes here. It replaces an older one of the same link.
    Opened {
        /** Of the link. */
        token: String,
        /** To it. */
        to: mpsc::Sender<Says>,
    },
    /// It said something.
    Said {
        /** Of the link. */
        token: String,
        /** What. */
        said: Said,
    },
    /// Whether this link exists.
    Known {
        /** Of the link. */
        token: String,
        /** The answer. */
        answer: oneshot::Sender<bool>,
    },
}

/// The desk with its connections.
pub struct Office {
    desk: Desk,
    topics: Topics,
    client: AsyncClient,
    pages: BTreeMap<String, mpsc::Sender<Says>>,
    print: Box<dyn FnMut(&Value) + Send>,
}

/// What time it is now.
#[must_use]
pub fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { mono_ms: BootTime::now_ns() / 1_000_000, unix_ms: i64::try_from(unix.as_millis()).unwrap_or(0) }
}

impl Office {
    /// Connects; events go to `print`.
    #[must_use]
    pub fn new(desk: Desk, topics: Topics, mut options: MqttOptions, print: Box<dyn FnMut(&Value) + Send>) -> (Self, EventLoop) {
        options.set_session_mode(SessionMode::Clean);
        let (client, events) = AsyncClient::builder(options).capacity(256).build();
        (Self { desk, topics, client, pages: BTreeMap::new(), print }, events)
    }

    /// Publishes the retained documents, says `ready`, and runs until the pages' side is closed.
    ///
    /// # Errors
    /// The documents cannot be made; the broker refuses us at the start.
    pub async fn run(mut self, events: EventLoop, mut pages: mpsc::Receiver<FromPage>, base: &str) -> Result<(), Wrong> {
        let (tell, mut bodies) = mpsc::channel(256);
        let poller = tokio::spawn(poll(events, self.client.clone(), self.topics.clone(), tell));
        self.begin(base).await?;
        let mut tick = tokio::time::interval(TICK);
        loop {
            let input = tokio::select! {
                body = bodies.recv() => body.ok_or("the broker's task ended")?,
                page = pages.recv() => match page {
                    None => break,
                    Some(page) => match self.page(page) {
                        Some(input) => input,
                        None => continue,
                    },
                },
                _ = tick.tick() => Input::Tick,
            };
            let out = self.desk.step(now(), input);
            self.deliver(out).await?;
        }
        poller.abort();
        Ok(())
    }

    async fn begin(&mut self, base: &str) -> Result<(), Wrong> {
        for output in self.desk.documents()? {
            let Output::Publish { kind, body } = output else { continue };
            let options = PublishOptions::new(QoS::AtLeastOnce).retain(kind.keep == Keep::Retained);
            let notice = self.client.publish_tracked(self.topics.of(kind), body, options).await?;
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
        (self.print)(&json!({"event": "ready", "visitor_url": first}));
        Ok(())
    }

    fn page(&mut self, page: FromPage) -> Option<Input> {
        match page {
            FromPage::Known { token, answer } => {
                let _ = answer.send(self.desk.has_link(&token));
                None
            }
            FromPage::Opened { token, to } => {
                if let Some(old) = self.pages.insert(token.clone(), to) {
                    let _ = old.try_send(Says::Elsewhere);
                }
                Some(Input::Opened { token })
            }
            FromPage::Said { token, said } => Some(Input::Page { token, said }),
        }
    }

    async fn deliver(&mut self, outputs: Vec<Output>) -> Result<(), Wrong> {
        for output in outputs {
            match output {
                Output::Event(value) => (self.print)(&value),
                Output::Page { token, says } => {
                    // A page that does not read is one that is gone: it asks again when it is back.
                    if self.pages.get(&token).is_some_and(|to| to.try_send(says).is_err()) {
                        self.pages.remove(&token);
                    }
                }
                Output::Publish { kind, body } => {
                    let options = PublishOptions::new(QoS::AtLeastOnce).retain(kind.keep == Keep::Retained);
                    self.client.publish(self.topics.of(kind), body, options).await?;
                }
            }
        }
        Ok(())
    }
}

async fn poll(mut events: EventLoop, client: AsyncClient, topics: Topics, tell: mpsc::Sender<Input>) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                let _ = client.try_subscribe(topics.all(Way::Up), QoS::AtLeastOnce);
            }
            Ok(Event::Incoming(Packet::Publish(p))) => {
                let kind = topics.kind(Way::Up, &p.topic).filter(|_| p.payload.len() <= MAX);
                let Some(kind) = kind else { continue };
                if tell.send(Input::Box { kind, body: p.payload.to_vec() }).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(e) => {
                tracing::warn!(error = %e, "no way to the broker: trying again");
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
}
