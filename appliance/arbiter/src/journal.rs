//! Owns: the journal of the core: a state and each step since then, so that whoever has it can go the same steps again; in memory only.
//! Never: a name, a word of staff, a credential: they are tags here, the same text the same tag, made with a salt that never leaves.
//! Called by: run (each step), diagnostics (an export).

use parloir_core::journal::told;
use parloir_core::{Effect, Event, Now, State};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Bytes of steps after which another state is written down; there are two such parts at most.
const PART: usize = 384 * 1024;
/// Texts of a person, of staff or of a relay, by their key in any document or state.
const PRIVATE: [&str; 9] = ["name", "recorded_by", "watched_by", "words", "staff_words", "user", "password", "language", "jws"];

/// A state and the steps after it.
#[derive(Debug)]
struct Part {
    base: Box<State>,
    steps: String,
}

/// See the module.
#[derive(Debug)]
pub struct Journal {
    salt: [u8; 32],
    older: Option<Part>,
    newer: Option<Part>,
}

impl Journal {
    /// Empty; the salt is random and of this start.
    #[must_use]
    pub const fn new(salt: [u8; 32]) -> Self {
        Self { salt, older: None, newer: None }
    }

    /// Before a step: its first half of a line, from the state that it begins with.
    pub fn before(&mut self, core: &State, now: Now, event: &Event) -> String {
        if self.newer.as_ref().is_none_or(|part| part.steps.len() >= PART) {
            self.older = self.newer.replace(Part { base: Box::new(core.clone()), steps: String::new() });
        }
        format!(r#"{{"at":{},"event":{},"#, now.mono_ms, self.open(event))
    }

    /// After it.
    pub fn after(&mut self, mut line: String, effects: &[Effect]) {
        let Some(part) = &mut self.newer else { return };
        line.push_str(&format!("\"did\":\"{}\"}}\n", digest(effects)));
        part.steps.push_str(&line);
    }

    /// The whole text: the oldest state on the first line, a step on each after it.
    #[must_use]
    pub fn text(&self) -> String {
        let parts: Vec<_> = self.older.iter().chain(&self.newer).collect();
        let Some(first) = parts.first() else { return String::new() };
        let head = json!({ "v": 1, "release": env!("CARGO_PKG_VERSION"), "state": null });
        let head = head.to_string().replace("null", &self.open(&*first.base));
        parts.iter().fold(head + "\n", |text, part| text + &part.steps)
    }

    /// As JSON, with tags for what is private.
    fn open<T: serde::Serialize>(&self, value: &T) -> String {
        let mut value = serde_json::to_value(value).unwrap_or_else(|error| {
            tracing::error!(%error, "something of the core cannot be written down");
            Value::Null
        });
        self.close(&mut value);
        value.to_string()
    }

    fn close(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (key, value) in members {
                    match value {
                        Value::String(text) if PRIVATE.contains(&key.as_str()) => *text = self.tag(text),
                        other => self.close(other),
                    }
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.close(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The same text has the same tag, and no text has none: that is all that the core asks of them.
    fn tag(&self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let hash = Sha256::new().chain_update(self.salt).chain_update(text).finalize();
        hash[..6].iter().fold("~".to_owned(), |tag, byte| tag + &format!("{byte:02x}"))
    }
}

/// What the effects are compared by.
fn digest(effects: &[Effect]) -> String {
    let hash = Sha256::digest(told(effects));
    hash[..8].iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::{Journal, PART, digest};
    use parloir_core::state::Floors;
    use parloir_core::{Event, Now, Settings, State};
    use parloir_issuer::example::{DEVICE, Example, SITE};
    use serde_json::Value;

    fn core() -> State {
        State::new(Settings { device: DEVICE, site: SITE, bench_direct: false, floors: Floors::default() })
    }

    fn walk(journal: &mut Journal, core: &mut State, event: Event, at: u64) {
        let now = Now { mono_ms: at };
        let line = journal.before(core, now, &event);
        let effects = core.step(now, event);
        journal.after(line, &effects);
    }

    /// Every step again, from the text alone; the same effects each time.
    fn again(text: &str) -> usize {
        let mut lines = text.lines();
        let head: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        let mut core = serde_json::from_value::<State>(head["state"].clone()).unwrap().restored();
        let steps = lines.map(|line| {
            let step: Value = serde_json::from_str(line).unwrap();
            let now = Now { mono_ms: step["at"].as_u64().unwrap() };
            let effects = core.step(now, serde_json::from_value(step["event"].clone()).unwrap());
            assert_eq!(step["did"], digest(&effects), "{line}");
        });
        steps.count()
    }

    fn documents() -> [Event; 4] {
        let site = Example::default();
        let (authority, policy) = (Box::new(site.authority().unwrap()), Box::new(site.policy()));
        let (person, deny) = (Box::new(site.person()), Box::new(site.deny()));
        [Event::Authority(authority), Event::Policy(policy), Event::Entitlement(person), Event::Deny(deny)]
    }

    #[test]
    fn the_same_steps_do_the_same_and_nobody_is_named() {
        let (mut journal, mut core) = (Journal::new([7; 32]), core());
        for (event, at) in documents().into_iter().zip(1..) {
            walk(&mut journal, &mut core, event, at);
        }
        let text = journal.text();
        assert_eq!(again(&text), 4);
        let person = Example::default().person();
        let words = Example::default().deny().words;
        for text_of in person.contacts.iter().map(|c| &c.name).chain([&person.name, &words]).filter(|t| !t.is_empty()) {
            assert!(!text.contains(text_of.as_str()), "{text_of}");
        }
        assert!(text.contains(&person.person.to_string()) && text.contains("\"name\":\"~"));
        let other = Journal::new([8; 32]);
        assert_ne!(journal.tag("Ana"), other.tag("Ana"), "nobody can try names");
    }

    #[test]
    fn what_is_remembered_is_bounded_and_still_whole() {
        let (mut journal, mut core) = (Journal::new([7; 32]), core());
        for (event, at) in documents().into_iter().zip(1..) {
            walk(&mut journal, &mut core, event, at);
        }
        let mut longest = 0;
        for n in 0..8_000_u64 {
            let event = Event::Online { up: n % 2 == 0, fresh: parloir_pass::Id(u128::from(n).to_le_bytes()) };
            walk(&mut journal, &mut core, event, 1000 + n);
            if n % 1000 == 0 {
                longest = longest.max(journal.text().len());
            }
        }
        assert!(longest < 2 * PART + 64 * 1024, "{longest}");
        assert!(again(&journal.text()) > 2000);
    }

    #[test]
    fn a_step_that_did_something_else_is_seen() {
        let (mut journal, mut core) = (Journal::new([7; 32]), core());
        let now = Now { mono_ms: 5 };
        let event = Event::Online { up: true, fresh: parloir_pass::Id([9; 16]) };
        let line = journal.before(&core, now, &event);
        let mut effects = core.step(now, event);
        effects.pop();
        journal.after(line, &effects);
        assert!(std::panic::catch_unwind(|| again(&journal.text())).is_err());
    }
}
