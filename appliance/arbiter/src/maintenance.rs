//! Owns: the arbiter's end of a maintenance lease, watched until its holder closes the other; and what the box is well enough for.
//! Never: gives a lease (core does), or reads a word of its holder.
//! Called by: run, effects.

use crate::bus::Reply;
use crate::channel::Channel;
use crate::input::Input;
use crate::run::Arbiter;
use parloir_core::{Event, Owner, Request, camera};
use parloir_shell::fds;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Our end. It closes when this is dropped: the holder reads the end of the file.
pub(crate) struct Held {
    pub(crate) holder: Owner,
    pub(crate) run: u64,
    _channel: Arc<Channel>,
    reader: JoinHandle<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Arbiter {
    /// A new lease to its holder; an event when there can be none.
    pub(crate) fn hand_lease(&mut self, request: Request, holder: Owner) -> Option<Event> {
        self.leases += 1;
        match self.lease_socket(&holder, self.leases) {
            Ok((held, theirs)) => {
                self.lease = Some(held);
                self.answer(request, Ok(Reply::End(theirs)));
                None
            }
            Err(error) => {
                self.cannot_hand(request, &error);
                Some(Event::LeaseDropped { owner: holder })
            }
        }
    }

    fn lease_socket(&self, holder: &Owner, run: u64) -> io::Result<(Held, OwnedFd)> {
        let (ours, theirs) = fds::pair()?;
        let channel = Arc::new(Channel::new(ours)?);
        let (watched, owner, inputs) = (channel.clone(), holder.clone(), self.inputs.clone());
        let reader = tokio::spawn(async move {
            // The holder has nothing to say here: a word ends the lease as hanging up does.
            let _ = watched.recv(1, 0).await;
            let _ = inputs.send(Input::LeaseDropped { owner, run }).await;
        });
        Ok((Held { holder: holder.clone(), run, _channel: channel, reader }, theirs))
    }

    /// The facts of `Maintenance1.Health`.
    pub(crate) fn health(&self) -> BTreeMap<String, bool> {
        let facts = [
            ("drawn", self.drawn),
            ("gate", self.core.camera_kind() != camera::Kind::Absent),
            ("courier", self.has_courier()),
            ("online", self.core.view().clock_trusted),
            ("quiet", self.core.may_maintain().is_ok()),
        ];
        facts.map(|(name, is)| (name.to_owned(), is)).into()
    }
}
