//! Owns: a receipt from the core's word to the broker's acknowledgement: sealed, kept on the disk, carried, and forgotten only then.
//! Never: lets a disk that takes nothing keep a receipt from the facility, or an acknowledgement bring one back.
//! Called by: effects, run.

use crate::outbox::Matter;
use crate::run::Arbiter;
use parloir_pass::{Bytes32, Receipt};
use parloir_seal::Refused;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::timeout;

/// How long the disk may take before the loop goes on without it.
pub const DISK_LIMIT: Duration = Duration::from_secs(1);

/// Receipts that are not yet where they are safe.
#[derive(Debug, Default)]
pub struct Receipts {
    /// Not sealed yet: the facility's key is not known.
    unsealed: Vec<Receipt>,
    /// Cannot be sealed by this release, which is a defect; its open-visit record stays on the disk for the next.
    stuck: Vec<Receipt>,
    /// Sealed, not on the disk yet: by the receipt's id, its call, and whether the broker has it.
    unstored: BTreeMap<String, (String, Arc<AtomicBool>)>,
    /// Head of the ledger as it was read last.
    head: Bytes32,
}

impl Receipts {
    /// A new one.
    pub fn push(&mut self, receipt: Receipt) {
        self.unsealed.push(receipt);
    }

    /// Whether every one is on the disk or with the broker.
    #[must_use]
    pub fn safe(&self) -> bool {
        self.unsealed.is_empty() && self.unstored.values().all(|(_, sent)| sent.load(Ordering::Relaxed))
    }

    /// Whether the call's receipt is still to be written; it takes the open-visit record's place when it is.
    #[must_use]
    pub fn waits_for(&self, call: &str) -> bool {
        self.unsealed.iter().chain(&self.stuck).any(|r| r.call.to_string() == call)
            || self.unstored.values().any(|(c, _)| c == call)
    }
}

impl Arbiter {
    /// Seals, keeps and sends the receipts that wait for the facility's key, in order.
    pub(crate) async fn seal_waiting(&mut self) {
        while !self.receipts.unsealed.is_empty() && self.documents.can_seal() {
            let mut receipt = self.receipts.unsealed.remove(0);
            if let Ok(Ok(head)) = timeout(DISK_LIMIT, self.store.ask(|l| l.head())).await {
                self.receipts.head = Bytes32(head);
            }
            receipt.ledger_head = self.receipts.head;
            match self.documents.receipt(&receipt) {
                Ok(body) => self.keep_and_send(&receipt, body).await,
                Err(refused) => self.cannot_seal(receipt, &refused),
            }
        }
    }

    fn cannot_seal(&mut self, receipt: Receipt, refused: &Refused) {
        tracing::error!(%refused, receipt = %receipt.receipt, "a receipt cannot be sealed");
        self.receipts.stuck.push(receipt);
    }

    async fn keep_and_send(&mut self, receipt: &Receipt, body: Vec<u8>) {
        let (id, call) = (receipt.receipt.to_string(), receipt.call.to_string());
        let row = self.row("receipt", call.clone(), format!("receipt={id}"));
        let (kept_id, kept, kept_row) = (id.clone(), body.clone(), row.clone());
        let stored = timeout(DISK_LIMIT, self.store.ask(move |l| l.keep_receipt(&kept_id, &kept, &kept_row))).await;
        let why = match stored {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("the disk is too slow".to_owned()),
        };
        if let Some(why) = why {
            tracing::warn!(receipt = id, why, "the receipt is not on the disk yet; it is sent all the same");
            let sent = Arc::new(AtomicBool::new(false));
            self.receipts.unstored.insert(id.clone(), (call, sent.clone()));
            let (id, body) = (id.clone(), body.clone());
            self.store.must("receipt", move |disk| {
                let ledger = disk.ledger()?;
                if sent.load(Ordering::Relaxed) { ledger.close_visit(&row) } else { ledger.keep_receipt(&id, &body, &row) }
            });
        }
        let (reason, seconds_counted) = (&receipt.reason, receipt.seconds_counted);
        tracing::info!(receipt = id, reason, seconds_counted, "receipt");
        self.post(Matter::Receipt(id), body);
    }

    /// The broker has it.
    pub(crate) fn receipt_sent(&mut self, id: String) {
        tracing::info!(receipt = id, "receipt sent");
        // From here on the disk is told to close the visit, not to keep a receipt that nobody would acknowledge again.
        if let Some((_, sent)) = self.receipts.unstored.get(&id) {
            sent.store(true, Ordering::Relaxed);
        }
        self.store.must("sent receipt", move |disk| disk.ledger()?.receipt_sent(&id));
    }
}
