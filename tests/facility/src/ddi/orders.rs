//! Owns: what an operator may tell the update server: offer, take back, change; and on a bench, what it shall do wrong.
//! Never: talks to a box.
//! Called by: ddi, the console.

use super::fault::{Fault, word};
use super::rollout::{Handling, State, Window};
use super::{Server, door, download};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;

/// One line of the console.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// A bundle for the box. An open action is taken back first.
    Offer {
        /** On our disk. */
        bundle: PathBuf,
        /** What the operator calls it. */
        version: String,
        /** Soft (`attempt`, the default) or `forced`. */
        #[serde(default = "attempt")]
        update: Handling,
        /** A maintenance window, if one is set. */
        #[serde(default)]
        maintenance: Option<Window>,
    },
    /// Takes an action back.
    Cancel {
        /** Its number. */
        action: u64,
    },
    /// Makes an open action forced, or soft, or opens or shuts its window.
    Change {
        /** Its number. */
        action: u64,
        /** Soft or forced. */
        #[serde(default)]
        update: Option<Handling>,
        /** The window. */
        #[serde(default)]
        maintenance: Option<Window>,
    },
    /// Lists all actions with what the box said of them.
    Actions,
    /// How often the box shall ask, `HH:MM:SS`.
    Polling {
        /** As hawkBit says it. */
        sleep: String,
    },
    /// Does wrong.
    Fault(Fault),
    /// Does right again.
    NoFaults,
    /// Shows another certificate from now on; connections that stand end.
    Certificate {
        /** PEM. */
        cert: PathBuf,
        /** PEM. */
        key: PathBuf,
    },
}

fn attempt() -> Handling {
    Handling::Attempt
}

impl Order {
    /// Reads a line, if it is one for the update server.
    #[must_use]
    pub fn read(line: &str) -> Option<Result<Self, String>> {
        let value: Value = serde_json::from_str(line).ok()?;
        let ours = ["offer", "cancel", "change", "actions", "polling", "fault", "no-faults", "certificate"];
        let verb = value["do"].as_str().filter(|verb| ours.contains(verb))?.to_owned();
        Some(serde_json::from_value(value).map_err(|e| format!("{verb}: {e}: docs/mqtt.md has the form")))
    }
}

impl Server {
    /// Carries an order out and tells of it. What is wrong with it is told as a `console` event, as the desk does.
    pub async fn order(&self, order: Order) {
        if let Err(error) = self.carry_out(order).await {
            self.desk.tell(json!({"event": "console", "error": error}));
        }
    }

    async fn carry_out(&self, order: Order) -> Result<(), String> {
        let desk = &self.desk;
        match order {
            Order::Offer { bundle, version, update, maintenance } => {
                let measured = tokio::task::spawn_blocking(move || download::measure(&bundle)).await;
                let artifact = measured.map_err(|e| e.to_string())??;
                let told = json!({"version": version, "update": word(&update), "size": artifact.size, "sha256": artifact.sha256});
                let id = desk.change(|rollout| rollout.offer(version, update, maintenance, artifact))?;
                desk.tell(json!({"event": "ddi-offered", "action": id, "version": told["version"], "update": told["update"],
                    "size": told["size"], "sha256": told["sha256"]}));
            }
            Order::Cancel { action } => {
                desk.change(|rollout| rollout.cancel(action))?.map_err(|e| format!("action {action}: {e}"))?;
                desk.tell(json!({"event": "ddi-cancelling", "action": action}));
            }
            Order::Change { action, update, maintenance } => {
                desk.change(|rollout| rollout.change(action, update, maintenance))?
                    .map_err(|e| format!("action {action}: {e}"))?;
                desk.tell(json!({"event": "console", "do": "change", "action": action, "error": null}));
            }
            Order::Actions => {
                let actions = desk.with(|inner| {
                    let one = |a: &super::rollout::Action| {
                        json!({"action": a.id, "version": a.version, "state": State::word(a.state), "said": a.said})
                    };
                    inner.rollout.actions().iter().map(one).collect::<Vec<_>>()
                });
                desk.tell(json!({"event": "ddi-actions", "actions": actions}));
            }
            Order::Polling { sleep } => {
                let parts: Vec<&str> = sleep.split(':').collect();
                if parts.len() != 3 || parts.iter().any(|p| p.len() != 2 || p.parse::<u8>().is_err()) {
                    return Err(format!("polling: `{sleep}` is not HH:MM:SS"));
                }
                desk.set_sleep(sleep.clone());
                desk.tell(json!({"event": "console", "do": "polling", "sleep": sleep, "error": null}));
            }
            Order::Fault(fault) => {
                let told = word(&fault);
                desk.add_fault(fault)?;
                desk.tell(json!({"event": "console", "do": "fault", "fault": told, "error": null}));
            }
            Order::NoFaults => {
                desk.clear_faults();
                desk.tell(json!({"event": "console", "do": "no-faults", "error": null}));
            }
            Order::Certificate { cert, key } => {
                let config = door::config(&cert, &key, &self.clients).map_err(|e| e.to_string())?;
                self.frame.set(config);
                desk.tell(json!({"event": "console", "do": "certificate", "error": null}));
            }
        }
        Ok(())
    }
}
