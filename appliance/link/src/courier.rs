//! Owns: our side of `org.parloir.Courier1` and `Diagnostics1` towards one arbiter, known by its unique bus name, from its appearance to its end.
//! Never: says to a new arbiter what was meant for the old one: every call goes to the unique name.
//! Called by: [`crate::run`].

use parloir_bus::proxy::{Courier1Proxy, Diagnostics1Proxy, RouteStream, SendStream};
use std::future::poll_fn;
use std::pin::Pin;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use zbus::OwnedFd;
use zbus::export::futures_core::Stream;
use zbus::names::UniqueName;
use zbus::proxy::CacheProperties;

/// Calls that wait for the arbiter's answer to the one before.
const WAITING: usize = 256;

/// A call to the arbiter; they are made in order.
#[derive(Debug)]
pub enum Order {
    /// `Courier1.Online`.
    Online(bool),
    /// `Courier1.Deliver`.
    Deliver {
        /** Last part of the topic. */
        kind: &'static str,
        /** The body. */
        body: Vec<u8>,
        /** Comes back in [`Wish::Settled`] once the arbiter has taken or refused it. */
        held: Option<u64>,
    },
    /// `Courier1.Sent`.
    Sent(u64),
}

/// What the arbiter asks of us.
#[derive(Debug)]
pub enum Wish {
    /// `Courier1.Send`.
    Send {
        /** For `Sent`. */
        id: u64,
        /** Last part of the topic. */
        kind: String,
        /** The body. */
        body: Vec<u8>,
    },
    /// `Courier1.Route`.
    Route {
        /** Empty: no call. */
        call: String,
        /** Such as `direct`. */
        route: String,
    },
    /// The arbiter has taken or refused a body that is held for it.
    Settled(u64),
}

/// We are the courier of one arbiter. Dropping it ends that.
pub struct Attachment {
    proxy: Courier1Proxy<'static>,
    diagnostics: Diagnostics1Proxy<'static>,
    sends: SendStream,
    routes: RouteStream,
    orders: mpsc::Sender<Order>,
    settled: mpsc::Receiver<u64>,
    clerk: JoinHandle<()>,
}

impl Attachment {
    /// Attaches to the arbiter that owns this unique name.
    ///
    /// # Errors
    /// It is gone, or does not take us as its courier.
    pub async fn new(bus: &zbus::Connection, arbiter: UniqueName<'static>) -> zbus::Result<Self> {
        let diagnostics = Diagnostics1Proxy::builder(bus).destination(arbiter.clone());
        let diagnostics = diagnostics.cache_properties(CacheProperties::No).build().await?;
        let builder = Courier1Proxy::builder(bus).destination(arbiter).cache_properties(CacheProperties::No);
        let proxy = builder.build().await?;
        // Listen first: what waits at the arbiter comes right after Attach.
        let (sends, routes) = (proxy.receive_send().await?, proxy.receive_route().await?);
        proxy.attach().await?;
        let (orders, waiting) = mpsc::channel(WAITING);
        let (settle, settled) = mpsc::channel(WAITING);
        let clerk = tokio::spawn(make_calls(proxy.clone(), waiting, settle));
        Ok(Self { proxy, diagnostics, sends, routes, orders, settled, clerk })
    }

    /// Puts a call behind those that wait.
    pub async fn order(&self, order: Order) {
        // The clerk lives as long as this value.
        let _ = self.orders.send(order).await;
    }

    /// Where an acknowledgement goes when it comes later.
    #[must_use]
    pub fn orders(&self) -> mpsc::Sender<Order> {
        self.orders.clone()
    }

    /// The next thing asked; `None` when the bus connection is gone. Safe to drop between polls.
    pub async fn next(&mut self) -> Option<Wish> {
        tokio::select! {
            send = next(&mut self.sends) => {
                let send = send?;
                let args = send.args().ok()?;
                Some(Wish::Send { id: args.id, kind: args.kind.to_owned(), body: args.body.clone() })
            }
            route = next(&mut self.routes) => {
                let route = route?;
                let args = route.args().ok()?;
                Some(Wish::Route { call: args.call.to_owned(), route: args.route.to_owned() })
            }
            held = self.settled.recv() => held.map(Wish::Settled),
        }
    }

    /// For whoever needs a page of a diagnostics export.
    #[must_use]
    pub fn diagnostics(&self) -> Diagnostics {
        Diagnostics(self.diagnostics.clone())
    }

    /// For whoever needs the signalling end of a call.
    #[must_use]
    pub fn signalling(&self) -> Signalling {
        Signalling(self.proxy.clone())
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.clerk.abort();
    }
}

/// Asks for pages of diagnostics exports, and nothing else.
#[derive(Clone)]
pub struct Diagnostics(Diagnostics1Proxy<'static>);

impl Diagnostics {
    /// The page that the facility's request asks for, sealed to it.
    ///
    /// # Errors
    /// The arbiter refuses it, or is gone.
    pub async fn page(&self, request: &[u8]) -> zbus::Result<Vec<u8>> {
        self.0.export(request).await
    }
}

/// Asks for signalling ends, and nothing else.
#[derive(Clone)]
pub struct Signalling(Courier1Proxy<'static>);

impl Signalling {
    /// A fresh end for `call`; the other side's is replaced too.
    ///
    /// # Errors
    /// The arbiter has no such call (any more).
    pub async fn end(&self, call: &str) -> zbus::Result<OwnedFd> {
        self.0.signalling(call).await
    }
}

async fn make_calls(proxy: Courier1Proxy<'static>, mut waiting: mpsc::Receiver<Order>, settle: mpsc::Sender<u64>) {
    while let Some(order) = waiting.recv().await {
        let (what, held, result) = match &order {
            Order::Online(up) => ("Online", None, proxy.online(*up).await),
            Order::Deliver { kind, body, held } => (*kind, *held, proxy.deliver(kind, body).await),
            Order::Sent(id) => ("Sent", None, proxy.sent(*id).await),
        };
        let answered = match result {
            Ok(()) => true,
            // The arbiter judges; that it said no belongs in the log, and the body is dropped (Courier1.xml).
            Err(zbus::Error::MethodError(name, hint, _)) if name.starts_with(parloir_bus::error::PREFIX) => {
                tracing::warn!(what, error = %name, hint = hint.as_deref().unwrap_or(""), "the arbiter refused");
                true
            }
            // The bus says that it went, or the time is over: nobody has judged this body.
            Err(e) => {
                tracing::warn!(what, error = %e, "the arbiter did not answer");
                false
            }
        };
        if let (true, Some(held)) = (answered, held) {
            let _ = settle.send(held).await;
        }
    }
}

/// The next item of a stream.
pub async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}
