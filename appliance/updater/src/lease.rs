//! Owns: our side of `org.parloir.Maintenance1`: the lease, and the health that the arbiter tells.
//! Never: keeps a lease that is not wanted; takes silence for a lease.
//! Called by: run.

use crate::health::Health;
use parloir_bus::proxy::Maintenance1Proxy;
use std::path::Path;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use zbus::proxy::CacheProperties;

/// What a lease is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Writing the other slot.
    Install,
    /// Restarting the box.
    Restart,
}

impl Stage {
    /// As on the bus.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Restart => "restart",
        }
    }
}

/// The arbiter's answer.
#[derive(Debug)]
pub enum Answer {
    /// Ours until its other end closes.
    Lease(Lease),
    /// What it waits for: the code, and words.
    Refused(String, String),
    /// Nobody answers.
    NoArbiter,
}

/// A lease. Dropping it gives it back.
#[derive(Debug)]
pub struct Lease(UnixStream);

impl Lease {
    /// Returns when the arbiter takes it back.
    pub async fn taken(&mut self) {
        // Nothing is ever sent on it; whatever comes, or an error, is its end.
        let _ = self.0.read(&mut [0; 1]).await;
    }
}

/// The arbiter, as the updater knows it.
#[derive(Clone)]
pub struct Arbiter(Maintenance1Proxy<'static>);

impl Arbiter {
    /// On this bus. It need not be there yet.
    ///
    /// # Errors
    /// The bus.
    pub async fn new(bus: &zbus::Connection) -> zbus::Result<Self> {
        Ok(Self(Maintenance1Proxy::builder(bus).cache_properties(CacheProperties::No).build().await?))
    }

    /// Asks for a lease.
    pub async fn begin(&self, stage: Stage, version: &str) -> Answer {
        match self.0.begin(stage.name(), version).await {
            Ok(fd) => {
                let end = std::os::unix::net::UnixStream::from(std::os::fd::OwnedFd::from(fd));
                let stream = end.set_nonblocking(true).and_then(|()| UnixStream::from_std(end));
                stream.map_or_else(|e| Answer::Refused("Io".to_owned(), e.to_string()), |stream| Answer::Lease(Lease(stream)))
            }
            Err(zbus::Error::MethodError(name, hint, _)) if name.starts_with(parloir_bus::error::PREFIX) => {
                let code = name.strip_prefix(parloir_bus::error::PREFIX).unwrap_or_default().to_owned();
                Answer::Refused(code, hint.unwrap_or_default())
            }
            Err(e) => {
                tracing::info!("the arbiter was asked for a lease and gave no answer: {e}");
                Answer::NoArbiter
            }
        }
    }

    /// What is well, and whether the box is left alone now. The camera is seen here, the update server elsewhere.
    pub async fn health(&self, camera: &Path) -> Option<(Health, bool)> {
        let told = self.0.health().await.ok()?;
        let is = |name: &str| told.get(name).copied().unwrap_or(false);
        let health = Health {
            camera: camera.exists(),
            drawn: is("drawn"),
            gate: is("gate"),
            courier: is("courier"),
            online: is("online"),
            facility: false,
        };
        // An arbiter that does not say is an older one: then the lease alone decides.
        Some((health, told.get("quiet").copied().unwrap_or(true)))
    }

    /// Tells ledger and screen.
    pub async fn report(&self, version: &str, code: &str) {
        if let Err(e) = self.0.report(version, code).await {
            tracing::info!(what = code, "the arbiter did not take the word: {e}");
        }
    }
}
