//! Owns: rows about reports on their way: taken once, in order, or known not to be wanted.
//! Never: what the reports are about.
//! Called by: the table.

use super::{ROW, Row};
use crate::Do::{Force, Kill, On, Over, Rest, Sees, Server};

pub const ROWS: &[Row] = &[
    Row {
        case: "401 at a report",
        does: "keeps it and sends it again; the next wait for it",
        script: &[Server(r#"{"do":"fault","on":"feedback","how":{"status":{"code":401}}}"#), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "403 at the last report",
        does: "keeps it and sends it again",
        script: &[Server(r#"{"do":"fault","on":"feedback","how":{"status":{"code":403}},"after":4}"#), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "404 at a report",
        does: "drops that report: the server knows no such action; the update goes on",
        script: &[Server(r#"{"do":"fault","on":"feedback","how":{"status":{"code":404}}}"#), Force("1.1.0"), On, Over],
        reports: &["downloaded", "proceeding", "proceeding", "closed success"],
        ..ROW
    },
    Row {
        case: "409 at a report",
        does: "keeps it and sends it again",
        script: &[Server(r#"{"do":"fault","on":"feedback","how":{"status":{"code":409}},"after":1}"#), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "410 at the last report",
        does: "drops it: the server has closed the action; what runs does not change",
        script: &[
            Server(r#"{"do":"fault","on":"feedback","how":{"status":{"code":410}},"after":4}"#),
            Force("1.1.0"),
            On,
            Sees("ddi-fault", "on", "feedback"),
        ],
        reports: &["download", "downloaded", "proceeding", "proceeding"],
        ends: "retrieved",
        ..ROW
    },
    Row {
        case: "429 at reports, with Retry-After",
        does: "sends them again when it was told to",
        script: &[
            Server(r#"{"do":"fault","on":"feedback","how":{"status":{"code":429,"retry_after":1}},"times":3}"#),
            Force("1.1.0"),
            On,
            Over,
        ],
        ..ROW
    },
    Row {
        case: "500, then 503, at a report",
        does: "keeps it and sends it again, later and later",
        script: &[
            Server(r#"{"do":"fault","on":"feedback","how":{"status":{"code":500}}}"#),
            Server(r#"{"do":"fault","on":"feedback","how":{"status":{"code":503,"retry_after":1}}}"#),
            Force("1.1.0"),
            On,
            Over,
        ],
        ..ROW
    },
    Row {
        case: "the answer to every report is lost",
        does: "asks the action's history whether it came, and sends nothing twice",
        script: &[
            Server(r#"{"do":"fault","on":"feedback","how":"lost-answer","times":0}"#),
            Force("1.1.0"),
            On,
            Over,
            Rest(8000),
        ],
        ..ROW
    },
    Row {
        case: "the answer to a report is lost, and the updater is killed",
        does: "the same, from what it wrote down before it sent",
        script: &[
            Server(r#"{"do":"fault","on":"feedback","how":"lost-answer","after":4}"#),
            Force("1.1.0"),
            On,
            Over,
            Kill,
            Rest(4000),
        ],
        ..ROW
    },
    Row {
        case: "a report hangs, and the updater is killed",
        does: "sends it again",
        script: &[
            Server(r#"{"do":"fault","on":"feedback","how":{"hang":2},"after":4}"#),
            Force("1.1.0"),
            On,
            Sees("ddi-fault", "on", "feedback"),
            Kill,
            Over,
        ],
        ..ROW
    },
];
