//! Owns: what a screen, a link and a call that were taken over try, and whether they can: the declared list, and its printed form.
//! Never: tries anything; a line that nobody tries (the course compares).
//! Called by: captive (tries), course (compares, prints).

use std::collections::BTreeMap;

/// The processes that are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// `parloir-ui`.
    Screen,
    /// `parloir-link`.
    Link,
    /// `parloir-call`.
    Call,
}

impl Role {
    /// All of them, in the table's order.
    pub const ALL: [Self; 3] = [Self::Screen, Self::Link, Self::Call];

    /// Name of its cell.
    #[must_use]
    pub const fn cell(self) -> &'static str {
        match self {
            Self::Screen => "ui",
            Self::Link => "link",
            Self::Call => "call",
        }
    }

    /// By the name of the binary in whose place it was started.
    #[must_use]
    pub fn of_binary(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| name == format!("parloir-{}", role.cell()))
    }
}

/// One thing that is tried.
#[derive(Debug)]
pub struct Deed {
    /// Its name between the program and the course.
    pub name: &'static str,
    /// What it is, for the table.
    pub words: &'static str,
    /// Whether the screen, the link and the call can; `None` where it is not theirs to try.
    pub can: [Option<bool>; 3],
    /// What keeps it, or what comes of it.
    pub wall: &'static str,
}

const NO: Option<bool> = Some(false);
const CAN: Option<bool> = Some(true);

const fn deed(name: &'static str, words: &'static str, can: [Option<bool>; 3], wall: &'static str) -> Deed {
    Deed { name, words, can, wall }
}

/// All of it.
pub const DEEDS: [Deed; 30] = [
    deed(
        "keys",
        "read the keys that sign questions and receipts and unseal documents",
        [NO, NO, NO],
        "files of the arbiter's user",
    ),
    deed(
        "broker-key",
        "read the key that opens the broker",
        [NO, CAN, NO],
        "a file of link's user; the broker lets it read and write this box's topics only",
    ),
    deed("records", "read or write the ledger, waiting receipts, gate's record", [NO, NO, NO], "directories of their users"),
    deed(
        "source",
        "open camera or microphone by itself",
        [NO, NO, NO],
        "the source belongs to others; gate hands it over for a ticket",
    ),
    deed("gate", "speak to gate in the arbiter's place", [NO, NO, NO], "gate asks the kernel who is there"),
    deed("start", "have a call process started", [NO, NO, NO], "the socket is gate's"),
    deed("name", "take the arbiter's name on the bus", [NO, NO, NO], "bus policy; call reaches no bus"),
    deed("others", "call any method of another role", [NO, NO, NO], "bus policy, then the arbiter itself"),
    deed("listen", "listen to what others say on the bus", [NO, NO, NO], "bus policy"),
    deed("signal", "send a signal to any other process", [NO, NO, NO], "each role is a user"),
    deed("memory", "read another process's memory, environment or descriptors", [NO, NO, NO], "each role is a user"),
    deed("see-contacts", "see the person's contacts", [CAN, None, None], "it shows them"),
    deed("dial", "dial without a key, or with a guessed serial", [NO, None, None], "`NoFreshKey`"),
    deed(
        "borrow",
        "dial with an OK that the person pressed for something else",
        [CAN, None, None],
        "one press, one call, within a second; every door stays shut until the facility grants it",
    ),
    deed("twice", "dial a second time with that press", [NO, None, None], "`NoFreshKey`"),
    deed("no-call-frames", "have pictures without a call", [NO, None, None], "`NoCall`"),
    deed("end", "end or decline a call", [CAN, None, None], "always allowed"),
    deed("keep-end", "keep the end key to itself", [NO, None, None], "the arbiter ends the call a second later"),
    deed("carry", "be the courier and hear what is to be sent", [None, CAN, None], "it is its work"),
    deed("read-question", "read a question for the facility", [None, NO, None], "sealed (RFC 9180)"),
    deed(
        "forge",
        "forge a grant, a denial, a ring, the time or any other document",
        [None, NO, None],
        "signatures; a code for each",
    ),
    deed("withhold", "keep a question back, so that no visit opens", [None, CAN, None], "the screen says so after a minute"),
    deed(
        "spoil",
        "have a visit refused by nonsense in the place of the answer",
        [None, CAN, None],
        "`GrantNotGenuine` on the screen; to keep the answer back would do as much",
    ),
    deed("foreign-signalling", "have the signalling of a call that it was not told of", [None, NO, None], "`NoCall`"),
    deed("door", "open a door without a grant", [NO, NO, None], "looked at from outside all the time"),
    deed("watch", "see and hear while its door is open", [None, None, CAN], "it is its work"),
    deed(
        "reach",
        "start a program, write a file, list others' files, reach bus or broker",
        [None, None, NO],
        "Landlock, call filter",
    ),
    deed(
        "pretend",
        "make a visit live, or have time counted, that the visitor's page does not confirm",
        [None, None, NO],
        "the page signs what it decodes",
    ),
    deed("pass-on", "pass the camera on to screen or link", [None, None, NO], "they take no descriptor there, or close it"),
    deed("live-on", "live on after the end", [None, None, NO], "gate kills it"),
];

/// What was seen: role and deed to whether it could.
pub type Seen = BTreeMap<(Role, String), bool>;

/// Where what was seen is not as declared; deeds that were not tried, and tried ones that nobody declared.
#[must_use]
pub fn differences(seen: &Seen) -> Vec<String> {
    let mut all = Vec::new();
    for (at, role) in Role::ALL.into_iter().enumerate() {
        for deed in &DEEDS {
            match (deed.can[at], seen.get(&(role, deed.name.to_owned()))) {
                (Some(declared), Some(could)) if declared != *could => {
                    all.push(format!("{} {}: {}", role.cell(), if *could { "can" } else { "cannot" }, deed.words));
                }
                (Some(_), None) => all.push(format!("{} did not try: {}", role.cell(), deed.words)),
                (None, Some(_)) => all.push(format!("{} tried what is not declared: {}", role.cell(), deed.words)),
                _ => {}
            }
        }
    }
    let known = |name: &str| DEEDS.iter().any(|deed| deed.name == name);
    all.extend(
        seen.keys()
            .filter(|(_, name)| !known(name))
            .map(|(role, name)| format!("{} tried {name}, which is no deed", role.cell())),
    );
    all
}

/// The table, as Markdown, of what was seen.
#[must_use]
pub fn table(seen: &Seen) -> String {
    let mut text = "| A process that was taken over tries to | screen | link | call | What keeps it, or comes of it |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for deed in &DEEDS {
        let cell = |role: Role| match seen.get(&(role, deed.name.to_owned())) {
            Some(true) => "**can**",
            Some(false) => "no",
            None => "",
        };
        let [screen, link, call] = Role::ALL.map(cell);
        text.push_str(&format!("| {} | {screen} | {link} | {call} | {} |\n", deed.words, deed.wall));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_declared() -> Seen {
        let each = |deed: &'static Deed| {
            Role::ALL.into_iter().zip(deed.can).filter_map(|(role, can)| Some(((role, deed.name.to_owned()), can?)))
        };
        DEEDS.iter().flat_map(each).collect()
    }

    #[test]
    fn what_is_as_declared_differs_in_nothing() {
        assert_eq!(differences(&as_declared()), Vec::<String>::new());
    }

    #[test]
    fn a_deed_that_could_or_was_not_tried_is_told() {
        let mut seen = as_declared();
        seen.insert((Role::Screen, "keys".to_owned()), true);
        seen.remove(&(Role::Call, "watch".to_owned()));
        seen.insert((Role::Link, "nonsense".to_owned()), false);
        assert_eq!(differences(&seen).len(), 3, "{:?}", differences(&seen));
    }
}
