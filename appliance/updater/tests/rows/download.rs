//! Owns: rows about the bundle: what is said of it, and how it comes.
//! Never: reports.
//! Called by: the table.

use super::{ROW, Row};
use crate::Do::{Force, Kill, On, Over, PowerCut, Sees, Server};

/// What is reported of a bundle that does not come right.
const FAILED: Row = Row { reports: &["download", "closed failure"], ends: "error", installs: 0, runs: "1.0.0", ..ROW };

pub const ROWS: &[Row] = &[
    Row {
        case: "a SHA-256 that the bundle has not",
        does: "fetches it twice, installs nothing, says so",
        script: &[Server(r#"{"do":"fault","on":"deployment","how":"hash-wrong","times":0}"#), Force("1.1.0"), On, Over],
        code: "UpdateHash",
        downloads: 2,
        ..FAILED
    },
    Row {
        case: "a byte that is another on the way, once",
        does: "fetches it once more from the start",
        script: &[Server(r#"{"do":"fault","on":"download","how":{"flip":70000}}"#), Force("1.1.0"), On, Over],
        downloads: 2,
        ..ROW
    },
    Row {
        case: "a byte that is another on the way, each time",
        does: "installs nothing, says so",
        script: &[Server(r#"{"do":"fault","on":"download","how":{"flip":70000},"times":0}"#), Force("1.1.0"), On, Over],
        code: "UpdateHash",
        downloads: 2,
        ..FAILED
    },
    Row {
        case: "a size that is one byte too large",
        does: "sees it before a byte of it is taken; says so",
        script: &[Server(r#"{"do":"fault","on":"deployment","how":{"size-wrong":1},"times":0}"#), Force("1.1.0"), On, Over],
        code: "UpdateSize",
        downloads: 2,
        ..FAILED
    },
    Row {
        case: "a size that is one byte too small",
        does: "the same",
        script: &[Server(r#"{"do":"fault","on":"deployment","how":{"size-wrong":-1},"times":0}"#), Force("1.1.0"), On, Over],
        code: "UpdateSize",
        downloads: 2,
        ..FAILED
    },
    Row {
        case: "a size of nearly two to the power of 63",
        does: "has no room for it and says so; nothing is fetched",
        script: &[
            Server(r#"{"do":"fault","on":"deployment","how":{"size-wrong":9223372036854000000},"times":0}"#),
            Force("1.1.0"),
            On,
            Over,
        ],
        code: "UpdateNoRoom",
        downloads: 0,
        ..FAILED
    },
    Row {
        case: "a link to another server",
        does: "asks its own server for the path of it, and nobody else",
        script: &[
            Server(
                r#"{"do":"fault","on":"deployment","how":{"link":"https://192.0.2.1/51515151515151515151515151515151/controller/v1/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/softwaremodules/1/artifacts/parloir-qemu-1.1.0.raucb"},"times":0}"#,
            ),
            Force("1.1.0"),
            On,
            Over,
        ],
        ..ROW
    },
    Row {
        case: "a download that is cut, and the box is told a part",
        does: "continues where it was cut",
        script: &[
            Server(r#"{"do":"fault","on":"download","how":{"cut":60000}}"#),
            Force("1.1.0"),
            On,
            Sees("ddi-download", "status", "200"),
            Sees("ddi-download", "status", "206"),
            Over,
        ],
        downloads: 2,
        ..ROW
    },
    Row {
        case: "a download that is cut, from a server that knows no parts",
        does: "begins it anew",
        script: &[
            Server(r#"{"do":"fault","on":"download","how":{"cut":60000}}"#),
            Server(r#"{"do":"fault","on":"download","how":"no-range","times":0}"#),
            Force("1.1.0"),
            On,
            Sees("ddi-download", "status", "200"),
            Sees("ddi-download", "status", "200"),
            Over,
        ],
        downloads: 2,
        ..ROW
    },
    Row {
        case: "the updater is killed in a download",
        does: "continues where it was",
        script: &[
            Server(r#"{"do":"fault","on":"download","how":{"slow":40000}}"#),
            Force("1.1.0"),
            On,
            Sees("ddi-download", "status", "200"),
            crate::Do::Rest(1000),
            Kill,
            Sees("ddi-download", "status", "206"),
            Over,
        ],
        reports: &["download", "download", "downloaded", "proceeding", "proceeding", "closed success"],
        downloads: 2,
        ..ROW
    },
    Row {
        case: "the power is cut while RAUC writes",
        does: "begins the installation anew; the bundle is still there",
        script: &[
            crate::Do::Hold,
            Force("1.1.0"),
            On,
            Sees("ddi-feedback", "execution", "proceeding"),
            PowerCut,
            crate::Do::Release,
            Over,
        ],
        reports: &[
            "download",
            "downloaded",
            "proceeding",
            "download",
            "downloaded",
            "proceeding",
            "proceeding",
            "closed success",
        ],
        installs: 2,
        ..ROW
    },
    Row {
        case: "401, then 403, at the download",
        does: "asks again, later and later",
        script: &[
            Server(r#"{"do":"fault","on":"download","how":{"status":{"code":401}}}"#),
            Server(r#"{"do":"fault","on":"download","how":{"status":{"code":403}}}"#),
            Force("1.1.0"),
            On,
            Over,
        ],
        ..ROW
    },
    Row {
        case: "404 and 410 at the download",
        does: "asks three times, then says that the offer leads nowhere",
        script: &[
            Server(r#"{"do":"fault","on":"download","how":{"status":{"code":404}}}"#),
            Server(r#"{"do":"fault","on":"download","how":{"status":{"code":410}},"times":0}"#),
            Force("1.1.0"),
            On,
            Over,
        ],
        code: "UpdateOffer",
        downloads: 0,
        ..FAILED
    },
    Row {
        case: "409 at the download",
        does: "asks again",
        script: &[Server(r#"{"do":"fault","on":"download","how":{"status":{"code":409}}}"#), Force("1.1.0"), On, Over],
        ..ROW
    },
    Row {
        case: "429 at the download, with Retry-After",
        does: "asks again when it was told to",
        within: 20,
        script: &[
            Server(r#"{"do":"fault","on":"download","how":{"status":{"code":429,"retry_after":1}},"times":4}"#),
            Force("1.1.0"),
            On,
            Over,
        ],
        ..ROW
    },
    Row {
        case: "500, then 503, at the download",
        does: "asks again, later and later",
        script: &[
            Server(r#"{"do":"fault","on":"download","how":{"status":{"code":500}}}"#),
            Server(r#"{"do":"fault","on":"download","how":{"status":{"code":503}}}"#),
            Force("1.1.0"),
            On,
            Over,
        ],
        ..ROW
    },
];
