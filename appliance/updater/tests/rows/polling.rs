//! Owns: rows about asking the server, and about the connection to it.
//! Never: a bundle that is wrong.
//! Called by: the table.

use super::{ROW, Row};
use crate::Do::{Again, Blind, Force, Foreign, Holds, Junk, Kill, On, Over, Sees, Server, Shows};

pub const ROWS: &[Row] = &[
    Row {
        case: "nothing fails",
        does: "fetches, installs, restarts, is blessed, says so",
        script: &[Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "401 at a poll",
        does: "asks again, each time later: an operator may have to enrol it",
        script: &[Server(r#"{"do":"fault","on":"poll","how":{"status":{"code":401}}}"#), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "403 at a poll",
        does: "the same",
        script: &[Server(r#"{"do":"fault","on":"poll","how":{"status":{"code":403}}}"#), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "404 at a poll",
        does: "the same",
        script: &[Server(r#"{"do":"fault","on":"poll","how":{"status":{"code":404}}}"#), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "429 at a poll, with Retry-After",
        does: "asks again when it was told to",
        script: &[
            Server(r#"{"do":"fault","on":"poll","how":{"status":{"code":429,"retry_after":2}},"times":3}"#),
            Force("1.1.0"),
            On,
            Over,
        ],
        ..ROW
    },
    Row {
        case: "502, then 503 with Retry-After, at a poll",
        does: "asks again, by itself later and later, or when it was told to",
        script: &[
            Server(r#"{"do":"fault","on":"poll","how":{"status":{"code":502}}}"#),
            Server(r#"{"do":"fault","on":"poll","how":{"status":{"code":503,"retry_after":1}}}"#),
            Force("1.1.0"),
            On,
            Over,
        ],
        ..ROW
    },
    Row {
        case: "a poll that is no JSON",
        does: "asks again",
        script: &[Server(r#"{"do":"fault","on":"poll","how":"garbage"}"#), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "a poll of ten megabytes",
        does: "reads the first 256 KiB, drops the connection, asks again",
        script: &[Server(r#"{"do":"fault","on":"poll","how":{"huge":10000000}}"#), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "a poll that is never answered",
        does: "asks again",
        script: &[Server(r#"{"do":"fault","on":"poll","how":{"hang":3}}"#), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "404 at the deployment",
        does: "asks what is wanted again: it may have been taken back in between",
        script: &[
            Server(r#"{"do":"fault","on":"deployment","how":{"status":{"code":404}},"times":2}"#),
            Force("1.1.0"),
            On,
            Over,
        ],
        ..ROW
    },
    Row {
        case: "409 at the deployment",
        does: "the same",
        script: &[Server(r#"{"do":"fault","on":"deployment","how":{"status":{"code":409}}}"#), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "500 at the deployment and at the attributes",
        does: "the same; the attributes are sent again too",
        script: &[
            Server(r#"{"do":"fault","on":"deployment","how":{"status":{"code":500}}}"#),
            Server(r#"{"do":"fault","on":"config","how":{"status":{"code":500}}}"#),
            Force("1.1.0"),
            On,
            Sees("ddi-config", "", ""),
            Over,
        ],
        ..ROW
    },
    Row {
        case: "the server's certificate expired",
        does: "goes on, and no date is looked at: a box has no clock to judge by (docs/adr/0011-a-time-for-tls.md)",
        script: &[Shows("server-expired"), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "a certificate of another authority",
        does: "says nothing to it and asks again; goes on when the right server is there",
        script: &[Shows("stranger"), Force("1.1.0"), On, Sees("ddi-refused", "status", "null"), Shows("server"), Over],
        ..ROW
    },
    Row {
        case: "the box's certificate expired",
        does: "is refused by the server, keeps everything, and goes on with a new certificate",
        script: &[Holds("box-expired"), Force("1.1.0"), On, Sees("ddi-refused", "status", "null"), Holds("box"), Kill, Over],
        ..ROW
    },
    Row {
        case: "a maintenance window that is shut",
        does: "waits until it opens",
        script: &[
            Force("1.1.0"),
            Server(r#"{"do":"change","action":1,"maintenance":"unavailable"}"#),
            On,
            Sees("ddi-deployment", "", ""),
            Sees("ddi-deployment", "", ""),
            Server(r#"{"do":"change","action":1,"maintenance":"available"}"#),
            Over,
        ],
        ..ROW
    },
    Row {
        case: "a bundle for another board",
        does: "says so; nothing is written",
        script: &[Foreign("1.1.0"), On, Over],
        reports: &["download", "downloaded", "closed failure"],
        ends: "error",
        code: "UpdateCompatible",
        installs: 0,
        runs: "1.0.0",
        ..ROW
    },
    Row {
        case: "a bundle that nobody signed",
        does: "says so; nothing is written",
        script: &[Junk("1.1.0"), On, Over],
        reports: &["download", "downloaded", "closed failure"],
        ends: "error",
        code: "UpdateSignature",
        installs: 0,
        runs: "1.0.0",
        ..ROW
    },
    Row {
        case: "an older version",
        does: "says so before it fetches anything",
        script: &[Force("0.9.0"), On, Over],
        reports: &["closed failure"],
        ends: "error",
        code: "UpdateOlder",
        downloads: 0,
        installs: 0,
        runs: "1.0.0",
        ..ROW
    },
    Row {
        case: "a version whose screen draws nothing, and its bundle once more",
        does: "goes back to the version before, says why, and does not take the same bundle a second time unless it is forced",
        script: &[Blind("1.1.0"), Force("1.1.0"), On, Over, Again, Over],
        reports: &["download", "downloaded", "proceeding", "proceeding", "closed failure", "closed failure"],
        ends: "error",
        code: "UpdateFailedBefore",
        runs: "1.0.0",
        ..ROW
    },
];
