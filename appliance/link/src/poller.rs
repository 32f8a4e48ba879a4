//! Owns: the MQTT client's event loop: what came from the broker, when the connection is given up, when the next is tried.
//! Never: looks into a body.
//! Called by: [`crate::run`], as a task of its own, the only one that touches the network.

use crate::backoff::Backoff;
use crate::broker::STUCK;
use crate::message::write_status;
use crate::topic::{Kind, STATUS, Topics, Way};
use rumqttc::{AsyncClient, ConnectionError, Event, EventLoop, Packet, PublishOptions, QoS};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::mpsc;

/// What the rest of link hears.
pub enum FromBroker {
    /// Connected; the number grows with each connection.
    Up(u64),
    /// That connection listens to its topics.
    Subscribed(u64),
    /// No connection any more.
    Down,
    /// A body of this kind for this box.
    Body(&'static Kind, Vec<u8>),
}

/// See the module.
pub struct Poller {
    /// Of this box.
    pub topics: Topics,
    /// Towards the event loop.
    pub client: AsyncClient,
    /// Whether a visit's signalling is wanted: then no try waits longer than a second.
    pub in_visit: Arc<AtomicBool>,
    /// Towards the rest of link.
    pub tell: mpsc::Sender<FromBroker>,
}

impl Poller {
    /// Runs until nobody listens.
    pub async fn run(self, mut events: EventLoop) {
        let (mut backoff, mut connection, mut up, mut warned) = (Backoff::default(), 0, false, false);
        loop {
            let began = Instant::now();
            let told = match poll(&mut events, up).await {
                Ok(Event::Incoming(Packet::ConnAck(_))) => {
                    (connection, up, warned) = (connection + 1, true, false);
                    backoff.reset();
                    tokio::spawn(greet(self.client.clone(), self.topics.clone(), connection, self.tell.clone()));
                    self.tell.send(FromBroker::Up(connection)).await
                }
                Ok(Event::Incoming(Packet::Publish(p))) => match self.topics.kind(Way::Down, &p.topic) {
                    Some(kind) => self.tell.send(FromBroker::Body(kind, p.payload.to_vec())).await,
                    None => {
                        tracing::warn!(topic = %String::from_utf8_lossy(&p.topic), "a topic that is not ours was dropped");
                        Ok(())
                    }
                },
                Ok(_) => Ok(()),
                Err(why) => {
                    if !std::mem::replace(&mut warned, true) {
                        tracing::warn!(error = %why, "no way to the broker: trying again [org.parloir.Error.NoBroker]");
                    }
                    // A connection that was lost is redialled at once; a try that failed is followed by the next in its time.
                    let lost = std::mem::take(&mut up);
                    let told = if lost { self.tell.send(FromBroker::Down).await } else { Ok(()) };
                    let took = if lost { crate::backoff::EVERY } else { began.elapsed() };
                    let spread = RandomState::new().hash_one(connection).to_le_bytes()[0];
                    tokio::time::sleep(backoff.next(self.in_visit.load(Ordering::Relaxed), took, spread)).await;
                    told
                }
            };
            if told.is_err() {
                return;
            }
        }
    }
}

/// The next event, or why there is no connection. While there is one, silence of the event loop itself is the end of it: then it waits for
/// room in a socket whose far end acknowledges nothing, which TCP would bear for a quarter of an hour.
async fn poll(events: &mut EventLoop, up: bool) -> Result<Event, String> {
    let why = |e: ConnectionError| e.to_string();
    if !up {
        return events.poll().await.map_err(why);
    }
    match tokio::time::timeout(STUCK, events.poll()).await {
        Ok(polled) => polled.map_err(why),
        Err(_) => {
            events.clean();
            Err(format!("the connection took nothing for {} s", STUCK.as_secs()))
        }
    }
}

/// What each new connection begins with: we listen, then we say that we are there.
async fn greet(client: AsyncClient, topics: Topics, connection: u64, tell: mpsc::Sender<FromBroker>) {
    let Ok(notice) = client.subscribe_tracked(topics.all(Way::Down), QoS::AtLeastOnce).await else { return };
    match notice.wait_async().await {
        Ok(_) => {}
        Err(e) => return tracing::warn!(error = %e, "the broker refused the subscription [org.parloir.Error.BrokerRefused]"),
    }
    let options = PublishOptions::new(QoS::AtLeastOnce).retained();
    let _ = client.publish(topics.of(&STATUS), write_status(true), options).await;
    let _ = tell.send(FromBroker::Subscribed(connection)).await;
}
