//! Owns: what this server does wrong when it was told to: which request, in which way, how often.
//! Never: wrong by itself.
//! Called by: orders, web, download.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The kinds of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// The resource of the box.
    Poll,
    /// What the box says of itself.
    Config,
    /// What to do.
    Deployment,
    /// The bundle.
    Download,
    /// How it goes.
    Feedback,
    /// What to let go.
    Cancel,
    /// Whether it lets go.
    CancelFeedback,
    /// What it runs.
    Installed,
}

/// The ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum How {
    /// This code instead of an answer; nothing is done.
    Status {
        /** 400 to 599. */
        code: u16,
        /** `Retry-After`, seconds. */
        #[serde(default)]
        retry_after: Option<u32>,
    },
    /// The connection stays open and nothing comes for so many seconds; then it is closed.
    Hang(u32),
    /// The request is carried out, and the connection closed without an answer.
    LostAnswer,
    /// 200 with something that is not JSON.
    Garbage,
    /// 200 with JSON that is well formed and of so many bytes.
    Huge(usize),
    /// Another SHA-256 (and SHA-1, and MD5) than the bundle's.
    HashWrong,
    /// So many bytes more (or fewer) than the bundle has.
    SizeWrong(i64),
    /// The download's link leads there.
    Link(String),
    /// The poll has a link to this action's deployment, whatever is open.
    Repeat(u64),
    /// The cancellation names this action as the one to stop.
    Stop(u64),
    /// The whole bundle whatever part was asked for, and no word of ranges.
    NoRange,
    /// At most so many bytes a second.
    Slow(u64),
    /// The connection closed after so many bytes of this answer.
    Cut(u64),
    /// The byte at this place of the bundle is another one.
    Flip(u64),
}

impl How {
    /// Whether it makes sense there.
    fn fits(&self, on: On) -> bool {
        match self {
            Self::Status { code, .. } => (400..600).contains(code),
            Self::Hang(_) | Self::LostAnswer => true,
            Self::Garbage | Self::Huge(_) => matches!(on, On::Poll | On::Deployment | On::Cancel | On::Installed),
            Self::HashWrong | Self::SizeWrong(_) | Self::Link(_) => on == On::Deployment,
            Self::Repeat(_) => on == On::Poll,
            Self::Stop(_) => on == On::Cancel,
            Self::NoRange | Self::Slow(_) | Self::Cut(_) | Self::Flip(_) => on == On::Download,
        }
    }
}

/// One order to do wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// At which requests.
    pub on: On,
    /// In which way.
    pub how: How,
    /// At so many of them; 0: until `no-faults`.
    #[serde(default = "one")]
    pub times: u32,
    /// After so many that go well.
    #[serde(default)]
    pub after: u32,
}

fn one() -> u32 {
    1
}

/// Those that stand. The oldest that fits a request happens, one at a time.
#[derive(Clone, Debug, Default)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// One more.
    ///
    /// # Errors
    /// It makes no sense at this request.
    pub fn add(&mut self, fault: Fault) -> Result<(), String> {
        if !fault.how.fits(fault.on) {
            let (on, how) = (word(&fault.on), word(&fault.how));
            return Err(format!("no such fault at `{on}`: {how}: docs/mqtt.md says which goes where"));
        }
        self.0.push(fault);
        Ok(())
    }

    /// None any more.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// What goes wrong with this request.
    pub fn take(&mut self, on: On) -> Option<How> {
        let at = self.0.iter().position(|f| f.on == on)?;
        let fault = &mut self.0[at];
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        let how = fault.how.clone();
        match fault.times {
            0 => {}
            1 => drop(self.0.remove(at)),
            _ => fault.times -= 1,
        }
        Some(how)
    }
}

/// As JSON has it.
pub fn word(of: &impl Serialize) -> Value {
    serde_json::to_value(of).unwrap_or_default()
}
