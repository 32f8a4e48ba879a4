//! Owns: the pump of one call: its signalling end on one side, the broker on the other, an [`Adapter`] between.
//! Never: outlives its route; reads what it carries.
//! Called by: [`crate::run`], once per `Route`.

use crate::adapter::{Adapter, Output};
use crate::courier::Signalling;
use parloir_shell::fds;
use parloir_wire::signal::{MAX, Signal};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

/// Bodies from the far side that wait for the pump.
const WAITING: usize = 128;
/// Between two requests for the end.
const ASK_AGAIN: Duration = Duration::from_millis(100);
/// A call process that does not read for this long is treated as gone.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running pump. Dropping it says bye to the far side.
pub struct Pump {
    /// The call, as the arbiter wrote it.
    pub call: String,
    far: mpsc::Sender<Vec<u8>>,
}

impl Pump {
    /// Starts one. Bodies for the far side go to `out` in order.
    #[must_use]
    pub fn start(call: String, adapter: Box<dyn Adapter>, arbiter: Signalling, out: mpsc::Sender<Vec<u8>>) -> Self {
        let (far, from_far) = mpsc::channel(WAITING);
        let state = Running { call: call.clone(), adapter, arbiter, out, from_far, early: Some(VecDeque::new()) };
        tokio::spawn(state.run());
        Self { call, far }
    }

    /// Hands over a body of kind `signal` from the far side. When too many wait it is dropped: candidates are many, and call's own
    /// watchdog mends a lost answer by a new offer.
    pub fn from_far(&self, body: Vec<u8>) {
        if self.far.try_send(body).is_err() {
            tracing::warn!("a signal from the far side was dropped: too many wait");
        }
    }
}

struct Running {
    call: String,
    adapter: Box<dyn Adapter>,
    arbiter: Signalling,
    out: mpsc::Sender<Vec<u8>>,
    from_far: mpsc::Receiver<Vec<u8>>,
    /// What the far side said before call said anything: a link that was started again hears it before call has repeated its offer.
    early: Option<VecDeque<Vec<u8>>>,
}

/// Why one end is done with.
enum Done {
    /// The call process hung up: ask for a new end.
    EndGone,
    /// The route is over.
    RouteOver,
}

impl Running {
    async fn run(mut self) {
        while let Some(end) = self.obtain().await {
            match self.carry(&end).await {
                Ok(Done::EndGone) => tracing::info!("the call process hung up its signalling"),
                Ok(Done::RouteOver) => break,
                Err(e) => tracing::warn!(error = %e, "signalling end"),
            }
        }
        if let Some(Output::ToFar(body)) = self.adapter.close() {
            let _ = self.out.send(body).await;
        }
    }

    /// Asks for the end until there is one; `None` when the route is over first.
    async fn obtain(&mut self) -> Option<UnixStream> {
        loop {
            // Without this yield a route that ended meanwhile would be asked for once more.
            if self.from_far.is_closed() && self.from_far.is_empty() {
                return None;
            }
            match self.arbiter.end(&self.call).await {
                Ok(fd) => match own(fd.into()) {
                    Ok(end) => return Some(end),
                    Err(e) => tracing::warn!(error = %e, "signalling end"),
                },
                Err(e) => tracing::debug!(error = %e, "no signalling end yet"),
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn carry(&mut self, end: &UnixStream) -> io::Result<Done> {
        loop {
            tokio::select! {
                message = receive(end) => {
                    let Some(bytes) = message? else { return Ok(Done::EndGone) };
                    let heard = Signal::decode(&bytes).and_then(|s| self.adapter.from_call(s));
                    let early = if heard.is_ok() { self.early.take() } else { None };
                    self.act(heard, end, "call").await?;
                    for body in early.into_iter().flatten() {
                        self.far_says(&body, end).await?;
                    }
                }
                body = self.from_far.recv() => {
                    let Some(body) = body else { return Ok(Done::RouteOver) };
                    match &mut self.early {
                        Some(early) if early.len() < WAITING => early.push_back(body),
                        Some(_) => tracing::warn!("a signal from the far side was dropped: too many wait for call's offer"),
                        None => self.far_says(&body, end).await?,
                    }
                }
            }
        }
    }

    async fn far_says(&mut self, body: &[u8], end: &UnixStream) -> io::Result<()> {
        let heard = self.adapter.from_far(body);
        self.act(heard, end, "the far side").await
    }

    async fn act(
        &mut self,
        heard: Result<Option<Output>, parloir_wire::Refused>,
        end: &UnixStream,
        from: &'static str,
    ) -> io::Result<()> {
        match heard {
            Ok(None) => {}
            Ok(Some(Output::ToFar(body))) => {
                let _ = self.out.send(body).await;
            }
            Ok(Some(Output::ToCall(signal))) => send(end, &signal.encode()).await?,
            Err(e) => tracing::warn!(from, error = %e, "a signal was dropped"),
        }
        Ok(())
    }
}

/// The end as tokio waits for it. It is a seqpacket socket in a type made for streams: only its readiness is used, the messages go
/// through the shell's calls.
fn own(fd: OwnedFd) -> io::Result<UnixStream> {
    let end = std::os::unix::net::UnixStream::from(fd);
    end.set_nonblocking(true)?;
    UnixStream::from_std(end)
}

async fn receive(end: &UnixStream) -> io::Result<Option<Vec<u8>>> {
    loop {
        match end.async_io(Interest::READABLE, || fds::recv(end, MAX, 0)).await {
            Ok(message) => return Ok(message.map(|m| m.bytes)),
            // Over its bound: dropped, as any other message that is none.
            Err(e) if e.kind() == io::ErrorKind::InvalidData => tracing::warn!(error = %e, "a signal was dropped"),
            Err(e) => return Err(e),
        }
    }
}

async fn send(end: &UnixStream, bytes: &[u8]) -> io::Result<()> {
    let sending = end.async_io(Interest::WRITABLE, || fds::send(end, bytes, &[]));
    tokio::time::timeout(PATIENCE, sending).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
