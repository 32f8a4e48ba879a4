//! Owns: the messages of hawkBit's Direct Device Integration API, version 1, as far as a box needs them, and whether an offer may be tried.
//! Never: a connection; an address of another server: of a link only its path is taken.
//! Called by: client (reads and writes them), run (judges offers).

use crate::code::{Code, Refused};
use crate::store::{Failed, Floor, Report};
use semver::Version;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest body that is read, bytes.
pub const MAX_BODY: usize = 256 * 1024;
/// Longest path that is taken from a link, bytes.
const MAX_PATH: usize = 2048;
/// Bounds of the server's polling interval.
pub const SLEEP: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
/// When it gives none.
pub const SLEEP_ELSE: Duration = Duration::from_secs(300);

/// A link.
#[derive(Clone, Debug, Deserialize)]
pub struct Link {
    href: String,
}

impl Link {
    /// The path and query of the link, as they are to be asked of our own server.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        let rest = match self.href.split_once("://") {
            Some(("http" | "https", rest)) => &rest[rest.find('/')?..],
            Some(_) => return None,
            None => &self.href,
        };
        let fits = rest.len() <= MAX_PATH && rest.starts_with('/') && rest.bytes().all(|b| (b'!'..=b'~').contains(&b));
        fits.then(|| rest.split('#').next().unwrap_or(rest).to_owned())
    }
}

/// `GET /{tenant}/controller/v1/{controllerId}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Poll {
    config: Config,
    #[serde(rename = "_links")]
    links: Links,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    polling: Polling,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Polling {
    sleep: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Links {
    deployment_base: Option<Link>,
    cancel_action: Option<Link>,
    config_data: Option<Link>,
}

impl Poll {
    /// How long until the next poll, by the server's word, within [`SLEEP`].
    #[must_use]
    pub fn sleep(&self) -> Duration {
        let mut parts = self.config.polling.sleep.split(':').map(|part| part.parse::<u64>().ok());
        let (hours, minutes, seconds) = (parts.next().flatten(), parts.next().flatten(), parts.next().flatten());
        let sleep = match (hours, minutes, seconds, parts.next()) {
            (Some(h), Some(m), Some(s), None) if h < 1000 && m < 60 && s < 60 => Duration::from_secs(h * 3600 + m * 60 + s),
            _ => SLEEP_ELSE,
        };
        sleep.clamp(SLEEP.0, SLEEP.1)
    }
    /// Where the offered update is described.
    #[must_use]
    pub fn deployment(&self) -> Option<String> {
        self.links.deployment_base.as_ref()?.path()
    }
    /// Where the wanted cancel is described.
    #[must_use]
    pub fn cancel(&self) -> Option<String> {
        self.links.cancel_action.as_ref()?.path()
    }
    /// Where the server wants the box's attributes.
    #[must_use]
    pub fn config_data(&self) -> Option<String> {
        self.links.config_data.as_ref()?.path()
    }
}

/// The id in a link as `…/deploymentBase/11?c=7`.
#[must_use]
pub fn id_in(path: &str) -> &str {
    path.split('?').next().unwrap_or_default().rsplit('/').next().unwrap_or_default()
}

/// `GET …/cancelAction/{id}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Cancel {
    /// Of the cancel.
    pub id: String,
    cancel_action: Stop,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Stop {
    stop_id: String,
}

impl Cancel {
    /// The action that shall stop.
    #[must_use]
    pub fn stops(&self) -> &str {
        &self.cancel_action.stop_id
    }
}

/// `GET …/deploymentBase/{actionId}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Base {
    id: String,
    deployment: Deployment,
    action_history: History,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Deployment {
    download: String,
    update: String,
    chunks: Vec<Chunk>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Chunk {
    version: String,
    artifacts: Vec<Artifact>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Artifact {
    hashes: BTreeMap<String, String>,
    size: u64,
    #[serde(rename = "_links")]
    links: BTreeMap<String, Link>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct History {
    messages: Vec<String>,
}

/// One bundle that the server offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The action.
    pub action: String,
    /// By the server's word.
    pub version: String,
    /// The operator wants it now: asked for more often, downloaded faster, tried again though it failed.
    pub forced: bool,
    /// Neither download nor installation is wanted now.
    pub skipped: bool,
    /// Where it lies.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Lower-case hex.
    pub sha256: String,
}

impl Base {
    /// Whether the history has this text.
    #[must_use]
    pub fn remembers(&self, text: &str) -> bool {
        self.action_history.messages.iter().any(|message| message.contains(text))
    }

    /// The action.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The one bundle.
    ///
    /// # Errors
    /// [`Code::UpdateOffer`].
    pub fn offer(&self) -> Result<Offer, Refused> {
        let no = |what: &str| Refused::new(Code::UpdateOffer, what);
        let mut all = self.deployment.chunks.iter().flat_map(|chunk| chunk.artifacts.iter().map(move |a| (chunk, a)));
        let (chunk, artifact) = all.next().ok_or_else(|| no("no artifact"))?;
        if all.next().is_some() {
            return Err(no("more than one artifact"));
        }
        let sha256 = artifact.hashes.get("sha256").map(|hash| hash.to_ascii_lowercase()).unwrap_or_default();
        if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(no("no SHA-256"));
        }
        if artifact.size == 0 {
            return Err(no("no size"));
        }
        let link = artifact.links.get("download").or_else(|| artifact.links.get("download-http"));
        let path = link.and_then(Link::path).ok_or_else(|| no("no link to its bundle"))?;
        let (download, update) = (self.deployment.download.as_str(), self.deployment.update.as_str());
        Ok(Offer {
            action: self.id.clone(),
            version: chunk.version.clone(),
            forced: update == "forced",
            skipped: download == "skip" || update == "skip",
            path,
            size: artifact.size,
            sha256,
        })
    }
}

/// What the box is, for the judgement of an offer.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// The version that runs.
    pub version: String,
    /// The newest that was blessed here.
    pub floor: Floor,
}

impl Running {
    /// Whether the offer's bundle is what runs: then there is nothing to do.
    #[must_use]
    pub fn is(&self, sha256: &str) -> bool {
        self.floor.sha256 == sha256 && self.floor.version == self.version
    }

    /// Whether this version may be installed.
    ///
    /// # Errors
    /// [`Code::UpdateVersion`], [`Code::UpdateOlder`].
    pub fn takes(&self, version: &str) -> Result<(), Refused> {
        let read = |text: &str| Version::parse(text).map_err(|e| Refused::new(Code::UpdateVersion, format!("`{text}`: {e}")));
        let offered = read(version)?;
        if !self.floor.version.is_empty() && offered < read(&self.floor.version)? {
            return Err(Refused::new(Code::UpdateOlder, format!("{version} is older than {}", self.floor.version)));
        }
        let running = read(&self.version)?;
        if offered < running {
            return Err(Refused::new(Code::UpdateOlder, format!("{version} is older than {}, which runs", self.version)));
        }
        if offered == running {
            return Err(Refused::new(Code::UpdateVersion, format!("{version} runs, with other content")));
        }
        Ok(())
    }
}

/// Whether an offer may be tried, before anything is fetched.
///
/// # Errors
/// Why not.
pub fn judge(offer: &Offer, running: &Running, failed: Option<&Failed>) -> Result<(), Refused> {
    if let Some(failed) = failed
        && !(offer.forced && failed.action != offer.action)
    {
        let what = format!("{}: {} in action {}", failed.version, failed.code, failed.action);
        return Err(Refused::new(Code::UpdateFailedBefore, what));
    }
    // hawkBit allows any text as the version of a software module; what counts is the bundle's own, which is read later.
    if Version::parse(&offer.version).is_ok() { running.takes(&offer.version) } else { Ok(()) }
}

/// Body of a feedback.
#[derive(Serialize)]
pub struct Feedback<'a> {
    id: &'a str,
    status: Status<'a>,
}

#[derive(Serialize)]
struct Status<'a> {
    execution: &'a str,
    result: Outcome<'a>,
    details: &'a [String],
}

#[derive(Serialize)]
struct Outcome<'a> {
    finished: &'a str,
}

impl<'a> Feedback<'a> {
    /// Of a report.
    #[must_use]
    pub fn of(report: &'a Report) -> Self {
        let status =
            Status { execution: &report.execution, result: Outcome { finished: &report.finished }, details: &report.details };
        Self { id: &report.action, status }
    }
}

/// Body of `PUT …/configData`.
#[derive(Serialize)]
pub struct ConfigData<'a> {
    /// `merge`.
    pub mode: &'a str,
    /// What the operator sees of the box.
    pub data: BTreeMap<&'a str, &'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(text: &str) -> Poll {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_poll_has_an_interval_and_links_of_which_only_the_path_counts() {
        let text = r#"{"config":{"polling":{"sleep":"00:05:07"}},"_links":{
            "deploymentBase":{"href":"https://elsewhere:1/t/controller/v1/d/deploymentBase/11?c=-2"},
            "configData":{"href":"/t/controller/v1/d/configData"},"confirmationBase":{"href":"x"}}}"#;
        let poll = self::poll(text);
        assert_eq!(poll.sleep(), Duration::from_secs(307));
        assert_eq!(poll.deployment().unwrap(), "/t/controller/v1/d/deploymentBase/11?c=-2");
        assert_eq!(id_in(&poll.deployment().unwrap()), "11");
        assert_eq!((poll.cancel(), poll.config_data().unwrap().as_str()), (None, "/t/controller/v1/d/configData"));
    }

    #[test]
    fn nonsense_in_a_poll_is_bounded_and_hostile_links_are_none() {
        for (sleep, seconds) in
            [("", 300), ("x", 300), ("00:00:00", 1), ("99:00:00", 86_400), ("00:61:00", 300), ("1:2:3:4", 300)]
        {
            let text = format!(r#"{{"config":{{"polling":{{"sleep":"{sleep}"}}}}}}"#);
            assert_eq!(poll(&text).sleep(), Duration::from_secs(seconds), "{sleep}");
        }
        assert_eq!(poll("{}").sleep(), SLEEP_ELSE);
        for href in ["", "x", "ftp://h/x", "https://host", "/a b", "/a\\u000ab", "/ä", "file:///etc/passwd"] {
            let text = format!(r#"{{"_links":{{"deploymentBase":{{"href":"{href}"}}}}}}"#);
            assert_eq!(poll(&text).deployment(), None, "{href}");
        }
    }

    const BASE: &str = r#"{"id":"8","deployment":{"download":"forced","update":"attempt","chunks":[{"part":"os","version":"1.2.3",
        "name":"image","artifacts":[{"filename":"b.raucb","hashes":{"sha1":"x","md5":"y","sha256":"HASH"},"size":9,
        "_links":{"download":{"href":"https://h/t/x/b.raucb"},"md5sum":{"href":"https://h/m"}}}]}]},
        "actionHistory":{"status":"RUNNING","messages":["taken [report 3]"]}}"#;

    fn base() -> Base {
        serde_json::from_str(&BASE.replace("HASH", &"Ab".repeat(32))).unwrap()
    }

    #[test]
    fn an_offer_is_one_bundle_with_hash_size_and_link() {
        let offer = base().offer().unwrap();
        assert_eq!(
            (offer.action.as_str(), offer.version.as_str(), offer.size, offer.forced, offer.skipped),
            ("8", "1.2.3", 9, false, false)
        );
        assert_eq!((offer.path.as_str(), offer.sha256.clone()), ("/t/x/b.raucb", "ab".repeat(32)));
        assert!(base().remembers(" [report 3]") && !base().remembers(" [report 4]"));
        let mut two = base();
        let again = two.deployment.chunks[0].clone();
        two.deployment.chunks.push(again);
        let mut none = base();
        none.deployment.chunks.clear();
        let mut unhashed = base();
        unhashed.deployment.chunks[0].artifacts[0].hashes.clear();
        let mut empty = base();
        empty.deployment.chunks[0].artifacts[0].size = 0;
        let mut lost = base();
        lost.deployment.chunks[0].artifacts[0].links.clear();
        for (wrong, what) in [(two, "more"), (none, "no artifact"), (unhashed, "SHA"), (empty, "size"), (lost, "link")] {
            let refused = wrong.offer().unwrap_err();
            assert!(refused.code == Code::UpdateOffer && refused.what.contains(what), "{refused}");
        }
    }

    #[test]
    fn no_version_below_the_floor_or_the_running_one_is_taken() {
        let floor = Floor { v: 1, version: "1.2.0".to_owned(), sha256: "aa".to_owned() };
        let running = Running { version: "1.1.0".to_owned(), floor };
        let code = |version: &str| running.takes(version).map_err(|refused| refused.code);
        assert_eq!(code("1.2.0"), Ok(()), "blessed once, fallen back from by hand: it may come again");
        assert_eq!((code("1.3.0"), code("1.10.0")), (Ok(()), Ok(())));
        for older in ["1.1.9", "0.9.0", "1.2.0-rc.1"] {
            assert_eq!(code(older), Err(Code::UpdateOlder), "{older}");
        }
        for odd in ["", "1.2", "v1.3.0", "1.3.0 ", "01.3.0"] {
            assert_eq!(code(odd), Err(Code::UpdateVersion), "{odd}");
        }
        let fresh = Running { version: "1.1.0".to_owned(), floor: Floor::default() };
        assert_eq!(fresh.takes("1.1.0").unwrap_err().code, Code::UpdateVersion, "the same version with other content");
        assert_eq!(fresh.takes("1.0.0").unwrap_err().code, Code::UpdateOlder, "without a floor the running one is it");
    }

    #[test]
    fn a_bundle_that_failed_waits_for_an_operator() {
        let offer = Offer { forced: false, ..base().offer().unwrap() };
        let running = Running { version: "1.0.0".to_owned(), floor: Floor::default() };
        assert_eq!(judge(&offer, &running, None), Ok(()));
        let failed = Failed { action: "8".to_owned(), ..Failed::default() };
        assert_eq!(judge(&offer, &running, Some(&failed)).unwrap_err().code, Code::UpdateFailedBefore);
        let forced = Offer { forced: true, ..offer.clone() };
        assert_eq!(judge(&forced, &running, Some(&failed)).unwrap_err().code, Code::UpdateFailedBefore, "the same action");
        let earlier = Failed { action: "7".to_owned(), ..Failed::default() };
        assert_eq!(judge(&forced, &running, Some(&earlier)), Ok(()));
        assert_eq!(judge(&Offer { version: "next".to_owned(), ..offer }, &running, None), Ok(()), "RAUC reads the true one");
    }

    #[test]
    fn a_feedback_is_hawkbits() {
        let report = Report {
            action: "8".to_owned(),
            execution: "closed".to_owned(),
            finished: "success".to_owned(),
            details: vec!["1.2.3 runs".to_owned()],
            ..Report::default()
        };
        let body = serde_json::to_string(&Feedback::of(&report)).unwrap();
        assert_eq!(
            body,
            r#"{"id":"8","status":{"execution":"closed","result":{"finished":"success"},"details":["1.2.3 runs"]}}"#
        );
    }
}
