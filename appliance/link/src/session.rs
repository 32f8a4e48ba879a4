//! Owns: what link says of its MQTT session when it starts: that it has one, with nothing under way.
//! Never: keeps anything.
//! Called by: [`crate::broker`].
//!
//! The broker keeps our session over our restart, with what waits in it (MQTT 5, section 4.1). The client would believe in that session only
//! with a state of its own, and refuse to send anything at QoS 1 without: a link that was killed would not come back before the session's
//! end. Nothing under way is true: at QoS 1 the sender alone has a state, and what the last process had not sent is its caller's to repeat.

use rumqttc::{AckMode, MqttOptions, PersistedAckMode, PersistedSession, SessionStore, SessionStoreError, SessionStoreKey};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, SessionStoreError>> + Send + 'a>>;

/// See the module.
#[derive(Debug)]
pub struct NothingUnderWay {
    session: PersistedSession,
    told: AtomicBool,
}

impl NothingUnderWay {
    /// Puts it into the options; again after a change of the acknowledgements' mode.
    pub fn begin(options: &mut MqttOptions) {
        options.set_session_store(Self::new(options));
    }

    fn new(options: &MqttOptions) -> Self {
        let ack_mode = match options.ack_mode() {
            AckMode::Automatic => PersistedAckMode::Automatic,
            AckMode::Manual => PersistedAckMode::Manual,
        };
        let session = PersistedSession {
            format_version: 1,
            client_id: options.client_id(),
            clean_start: false,
            session_expiry_interval: options.session_expiry_interval(),
            outgoing_inflight_upper_limit: options.get_outgoing_inflight_upper_limit(),
            ack_mode,
            last_pkid: 0,
            last_puback: 0,
            replay: Vec::new(),
            incoming_qos2: Vec::new(),
        };
        Self { session, told: AtomicBool::new(false) }
    }
}

impl SessionStore for NothingUnderWay {
    fn load<'a>(&'a self, _: &'a SessionStoreKey) -> Answer<'a, Option<PersistedSession>> {
        let first = !self.told.swap(true, Ordering::Relaxed);
        Box::pin(std::future::ready(Ok(first.then(|| self.session.clone()))))
    }
    fn save<'a>(&'a self, _: &'a SessionStoreKey, _: &'a PersistedSession) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn clear<'a>(&'a self, _: &'a SessionStoreKey) -> Answer<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}
