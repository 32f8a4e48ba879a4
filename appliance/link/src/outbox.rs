//! Owns: the order in which signals of the box leave, over every loss of the connection: each until the broker has it, or until a newer offer
//! makes it worthless.
//! Never: changes one.
//! Called by: [`crate::run`], once.

use crate::message::read_signal;
use crate::topic::{SIGNAL, Topics};
use parloir_wire::Id;
use parloir_wire::signal::Signal;
use rumqttc::{AsyncClient, PublishNoticeError, PublishOptions, QoS};
use std::collections::VecDeque;
use std::pin::Pin;
use tokio::sync::{mpsc, watch};

/// Most signals that wait: an offer with its candidates, twice over. The oldest goes first.
pub const MAX_WAITING: usize = 160;
/// Most that are under way to the broker at once.
const UNDER_WAY: usize = 16;

type Outcome = Pin<Box<dyn Future<Output = bool> + Send>>;

/// See the module.
pub struct Outbox {
    client: AsyncClient,
    topic: String,
    waiting: VecDeque<Vec<u8>>,
    under_way: VecDeque<(Vec<u8>, Outcome)>,
}

impl Outbox {
    /// For the box of these topics.
    #[must_use]
    pub fn new(client: AsyncClient, topics: &Topics) -> Self {
        Self { client, topic: topics.of(&SIGNAL), waiting: VecDeque::new(), under_way: VecDeque::new() }
    }

    /// Runs until nothing more can come, or the client is gone.
    pub async fn run(mut self, mut bodies: mpsc::Receiver<Vec<u8>>, mut up: watch::Receiver<bool>) {
        loop {
            // While there is no connection they wait here, where a newer offer still finds them.
            while *up.borrow() && self.under_way.len() < UNDER_WAY {
                let Some(body) = self.waiting.pop_front() else { break };
                let options = PublishOptions::new(QoS::AtLeastOnce);
                let Ok(notice) = self.client.publish_tracked(self.topic.clone(), body.clone(), options).await else { return };
                let settled = async { matches!(notice.wait_async().await, Ok(_) | Err(PublishNoticeError::V5PubAck(_))) };
                self.under_way.push_back((body, Box::pin(settled)));
            }
            tokio::select! {
                body = bodies.recv() => match body {
                    Some(body) => push(&mut self.waiting, body),
                    None => return,
                },
                changed = up.changed() => if changed.is_err() { return },
                settled = first(&mut self.under_way) => {
                    let body = self.under_way.pop_front();
                    // Lost with the connection: it goes again, before those that came after it, and they go again too, in order.
                    if !settled && let Some((body, _)) = body {
                        let rest = self.under_way.drain(..).map(|(body, _)| body).rev();
                        rest.chain([body]).for_each(|b| self.waiting.push_front(b));
                    }
                }
            }
        }
    }
}

async fn first(under_way: &mut VecDeque<(Vec<u8>, Outcome)>) -> bool {
    match under_way.front_mut() {
        Some((_, outcome)) => outcome.await,
        None => std::future::pending().await,
    }
}

/// Puts one behind those that wait. An offer ends the worth of all that waits of its call's earlier generations, and of other calls but their byes.
fn push(waiting: &mut VecDeque<Vec<u8>>, body: Vec<u8>) {
    if let Ok((call, Signal::Offer { generation, .. })) = read_signal(&body) {
        waiting.retain(|old| outlives(old, &call, generation));
    }
    if waiting.len() >= MAX_WAITING {
        tracing::warn!("too many signals wait for the broker: the oldest is dropped");
        waiting.pop_front();
    }
    waiting.push_back(body);
}

fn outlives(old: &[u8], call: &Id, generation: u32) -> bool {
    match read_signal(old) {
        Ok((_, Signal::Bye { .. })) => true,
        Ok((of, Signal::Offer { generation: g, .. } | Signal::Answer { generation: g, .. })) => of == *call && g >= generation,
        Ok((of, Signal::Candidate { generation: g, .. } | Signal::Again { generation: g })) => of == *call && g >= generation,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_WAITING, push};
    use crate::message::write_signal;
    use parloir_wire::signal::Signal;
    use std::collections::VecDeque;

    #[test]
    fn a_newer_offer_supersedes_what_waits_and_order_stays() {
        let offer = |call, generation| write_signal(&[call; 16], &Signal::Offer { generation, sdp: "v=0".into() });
        let candidate =
            |call, generation| write_signal(&[call; 16], &Signal::Candidate { generation, mline: 0, candidate: String::new() });
        let bye = |call, generation| write_signal(&[call; 16], &Signal::Bye { generation });
        let mut waiting = VecDeque::new();
        let first = [offer(1, 1), candidate(1, 1), bye(1, 1), offer(2, 1), candidate(2, 1)];
        first.into_iter().for_each(|b| push(&mut waiting, b));
        assert_eq!(waiting, [bye(1, 1), offer(2, 1), candidate(2, 1)], "the bye of the call before stays");
        push(&mut waiting, candidate(2, 1));
        push(&mut waiting, offer(2, 2));
        push(&mut waiting, candidate(2, 2));
        assert_eq!(waiting, [bye(1, 1), offer(2, 2), candidate(2, 2)]);
        (0..MAX_WAITING).for_each(|_| push(&mut waiting, candidate(2, 2)));
        assert_eq!(waiting.len(), MAX_WAITING);
    }
}
