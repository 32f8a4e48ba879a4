//! Owns: rows about the same action twice, another action instead, and an action that is taken back at each stage.
//! Never: a server that does wrong otherwise.
//! Called by: the table.

use super::{ROW, Row};
use crate::Do::{Again, Cancel, Force, Hold, Kill, On, Over, PowerCut, Refuse, Release, Rest, Restarted, Sees, Server};

const BUSY: &[&str] = &["InVisit"; 30];

/// An action that was let go before the restart.
const STOPPED: Row = Row { ends: "canceled", installs: 0, runs: "1.0.0", ..ROW };

pub const ROWS: &[Row] = &[
    Row {
        case: "the same action again after its end",
        does: "does nothing more",
        script: &[Force("1.1.0"), On, Over, Server(r#"{"do":"fault","on":"poll","how":{"repeat":1},"times":3}"#), Rest(5000)],
        ..ROW
    },
    Row {
        case: "the same action again, and the updater was killed in between",
        does: "sees that it runs what is offered; the server refuses the second report (410)",
        script: &[
            Force("1.1.0"),
            On,
            Over,
            Kill,
            Server(r#"{"do":"fault","on":"poll","how":{"repeat":1},"times":3}"#),
            Sees("ddi-feedback", "status", "410"),
            Rest(3000),
        ],
        ..ROW
    },
    Row {
        case: "the same bundle in another action",
        does: "says that it runs already",
        script: &[Force("1.1.0"), On, Over, Again, Over],
        reports: &["download", "downloaded", "proceeding", "proceeding", "closed success", "closed success"],
        ..ROW
    },
    Row {
        case: "another action instead, in a download",
        does: "lets the first go, then takes the second",
        script: &[
            Server(r#"{"do":"fault","on":"download","how":{"slow":20000}}"#),
            Force("1.0.5"),
            On,
            Sees("ddi-download", "", ""),
            Force("1.1.0"),
            Over,
        ],
        reports: &["download", "cancel closed success", "download", "downloaded", "proceeding", "proceeding", "closed success"],
        downloads: 2,
        ..ROW
    },
    Row {
        case: "taken back before the first poll",
        does: "agrees; nothing was begun",
        script: &[Force("1.1.0"), Cancel, On, Over],
        reports: &["cancel closed success"],
        downloads: 0,
        ..STOPPED
    },
    Row {
        case: "taken back in the download",
        does: "ends the download, forgets the part, agrees",
        script: &[
            Server(r#"{"do":"fault","on":"download","how":{"slow":20000}}"#),
            Force("1.1.0"),
            On,
            Sees("ddi-feedback", "execution", "download"),
            Cancel,
            Over,
        ],
        reports: &["download", "cancel closed success"],
        ..STOPPED
    },
    Row {
        case: "taken back while it waits for the end of a visit",
        does: "agrees; nothing was written",
        script: &[Refuse("install", BUSY), Force("1.1.0"), On, Sees("ddi-feedback", "execution", "scheduled"), Cancel, Over],
        reports: &["download", "downloaded", "scheduled", "cancel closed success"],
        ..STOPPED
    },
    Row {
        case: "taken back while RAUC writes",
        does: "says that it is too late, and goes on",
        script: &[
            Hold,
            Force("1.1.0"),
            On,
            Sees("ddi-feedback", "execution", "proceeding"),
            Cancel,
            Sees("ddi-feedback", "execution", "rejected"),
            Release,
            Over,
        ],
        reports: &["download", "downloaded", "proceeding", "cancel rejected", "proceeding", "closed success"],
        ..ROW
    },
    Row {
        case: "taken back between installation and restart",
        does: "has the running slot start next, agrees; a power cut then changes nothing",
        script: &[
            Refuse("restart", BUSY),
            Force("1.1.0"),
            On,
            Sees("ddi-feedback", "execution", "scheduled"),
            Cancel,
            Over,
            PowerCut,
            Rest(2000),
        ],
        reports: &["download", "downloaded", "proceeding", "proceeding", "scheduled", "cancel closed success"],
        installs: 1,
        ..STOPPED
    },
    Row {
        case: "taken back after the restart",
        does: "says that it is too late; the trial decides",
        script: &[Force("1.1.0"), On, Restarted, Cancel, Over],
        reports: &["download", "downloaded", "proceeding", "proceeding", "cancel rejected", "closed success"],
        ..ROW
    },
    Row {
        case: "a cancellation that is not there (404)",
        does: "goes on, asks again, and agrees when it is there",
        script: &[
            Server(r#"{"do":"fault","on":"download","how":{"slow":10000}}"#),
            Server(r#"{"do":"fault","on":"cancel","how":{"status":{"code":404}},"times":2}"#),
            Force("1.1.0"),
            On,
            Sees("ddi-feedback", "execution", "download"),
            Cancel,
            Over,
        ],
        reports: &["download", "cancel closed success"],
        ..STOPPED
    },
    Row {
        case: "a cancellation that names another action as the one to stop, while RAUC writes",
        does: "takes it for its own, as the path says: too late",
        script: &[
            Hold,
            Server(r#"{"do":"fault","on":"cancel","how":{"stop":77}}"#),
            Force("1.1.0"),
            On,
            Sees("ddi-feedback", "execution", "proceeding"),
            Cancel,
            Sees("ddi-feedback", "of", "cancel"),
            Release,
            Over,
        ],
        reports: &["download", "downloaded", "proceeding", "cancel rejected", "proceeding", "closed success"],
        ..ROW
    },
    Row {
        case: "a cancellation of an action whose end is still on its way",
        does: "sends the end first; the server then takes no word about the cancellation (405), which is dropped",
        script: &[
            Server(r#"{"do":"fault","on":"feedback","how":{"status":{"code":503,"retry_after":4}},"after":4}"#),
            Force("1.1.0"),
            On,
            Sees("ddi-fault", "on", "feedback"),
            Cancel,
            Over,
            Sees("ddi-feedback", "status", "405"),
            Force("1.2.0"),
            Over,
        ],
        reports: &[
            "download",
            "downloaded",
            "proceeding",
            "proceeding",
            "closed success",
            "download",
            "downloaded",
            "proceeding",
            "proceeding",
            "closed success",
        ],
        downloads: 2,
        installs: 2,
        runs: "1.2.0",
        ..ROW
    },
];
