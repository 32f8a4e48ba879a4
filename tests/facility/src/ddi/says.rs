//! Owns: hawkBit's device interface as JSON: what we say (HAL links) and what a box may say.
//! Never: decides.
//! Called by: rollout, web. Source: the published DDI REST description of Eclipse hawkBit.

use super::rollout::{Action, Handling, Rollout, Window};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most messages of a history, and most characters of one: hawkBit gives no more, and makes two of a longer one.
const MAX_HISTORY: usize = 100;
const MAX_MESSAGE: usize = 512;

/// `status.execution`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Execution {
    /// It is over.
    Closed,
    /// It goes on.
    Proceeding,
    /// It was stopped from outside.
    Canceled,
    /// It was noticed.
    Scheduled,
    /// It was not accepted.
    Rejected,
    /// It goes on after a restart.
    Resumed,
    /// The bundle is there.
    Downloaded,
    /// The bundle is coming.
    Download,
}

/// `status.result.finished`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Finished {
    /// Done.
    Success,
    /// Not done.
    Failure,
    /// Not yet known.
    None,
}

/// `status.result.progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// So many.
    pub cnt: u64,
    /// Of so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
}

/// `status.result`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub finished: Finished,
    /// How far it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
}

/// `status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Where it is.
    pub execution: Execution,
    /// How it ended.
    pub result: Outcome,
    /// A number of the box's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i64>,
    /// Sentences.
    #[serde(default, deserialize_with = "or_empty")]
    pub details: Vec<String>,
}

/// Of a deployment or a cancellation. Unknown members are ignored, as hawkBit does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feedback {
    /// When, ms since 1970, by the box's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
    /// What.
    pub status: Status,
}

/// What a box says of itself.
#[derive(Clone, Debug, Deserialize)]
pub struct ConfigData {
    /// By name.
    pub data: BTreeMap<String, String>,
    /// `merge` if it is not given.
    #[serde(default)]
    pub mode: Option<Mode>,
}

/// What becomes of the attributes that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// They stay, but those that are said anew.
    Merge,
    /// They go.
    Replace,
    /// Those that are named go.
    Remove,
}

fn or_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Option::<Vec<String>>::deserialize(from).map(Option::unwrap_or_default)
}

/// The resource of a box: when to ask again, and links to what there is.
#[must_use]
pub fn base(rollout: &Rollout, sleep: &str, root: &str) -> Value {
    let mut links = serde_json::Map::new();
    let mut link = |rel: &str, href: String| links.insert(rel.to_owned(), json!({ "href": href }));
    if let Some(action) = rollout.open() {
        if action.is_canceling_or_canceled() {
            link("cancelAction", format!("{root}/cancelAction/{}", action.id));
        } else {
            link("deploymentBase", format!("{root}/deploymentBase/{}?c={}", action.id, action.etag()));
        }
    }
    if let Some(action) = rollout.installed() {
        link("installedBase", format!("{root}/installedBase/{}", action.id));
    }
    if !rollout.has_attributes {
        link("configData", format!("{root}/configData"));
    }
    let mut value = json!({ "config": { "polling": { "sleep": sleep } } });
    if !links.is_empty() {
        value["_links"] = Value::Object(links);
    }
    value
}

/// What to do, with its last messages if they were asked for: hawkBit's count, of which less than zero is all.
#[must_use]
pub fn deployment(action: &Action, root: &str, history: i64) -> Value {
    let update = match action.window {
        Some(Window::Unavailable) => Handling::Skip,
        Some(Window::Available) | None => action.update,
    };
    let mut deployment = json!({ "download": action.update, "update": update, "chunks": [{
        "part": "os",
        "version": action.version,
        "name": "parloir",
        "artifacts": artifacts(action, root),
    }] });
    if let Some(window) = action.window {
        deployment["maintenanceWindow"] = json!(window);
    }
    let mut value = json!({ "id": action.id.to_string(), "deployment": deployment });
    let wanted = usize::try_from(history).unwrap_or(MAX_HISTORY).min(MAX_HISTORY);
    let messages: Vec<String> =
        action.said.iter().rev().flat_map(|s| &s.feedback.status.details).flat_map(|d| split(d)).take(wanted).collect();
    if !messages.is_empty() {
        value["actionHistory"] = json!({ "status": action.state.word().to_uppercase(), "messages": messages });
    }
    value
}

/// A detail as hawkBit's database keeps it.
fn split(detail: &str) -> Vec<String> {
    let characters: Vec<char> = detail.chars().collect();
    characters.chunks(MAX_MESSAGE).map(|part| part.iter().collect()).collect()
}

/// The bundle of an action, with its hashes and where to get it.
#[must_use]
pub fn artifacts(action: &Action, root: &str) -> Value {
    let artifact = &action.artifact;
    let download = format!("{root}/softwaremodules/{}/artifacts/{}", action.id, artifact.file);
    json!([{
        "filename": artifact.file,
        "hashes": { "sha1": artifact.sha1, "md5": artifact.md5, "sha256": artifact.sha256 },
        "size": artifact.size,
        "_links": {
            "download": { "href": download },
            "md5sum": { "href": format!("{download}.MD5SUM") },
        },
    }])
}

/// What to let go.
#[must_use]
pub fn cancellation(action: &Action) -> Value {
    json!({ "id": action.id.to_string(), "cancelAction": { "stopId": action.id.to_string() } })
}

/// hawkBit's form of a no.
#[must_use]
pub fn exception(code: &str, message: &str) -> Value {
    json!({ "errorCode": code, "message": message })
}
