//! Owns: the table of the updater: where an update is, what may happen to it, what follows.
//! Never: does anything; reads a clock, a file or a message.
//! Called by: run (one `next` per cause), the printer of docs/updates.md.

use std::fmt::Write as _;

macro_rules! named {
    ($(#[$doc:meta])* $kind:ident { $($(#[doc = $words:literal])+ $name:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $kind { $($(#[doc = $words])+ $name,)+ }
        impl $kind {
            /// All, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// As the table prints it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
            /// What it means, as the table prints it.
            #[must_use]
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => concat!($($words),+)),+ }
            }
        }
    };
}

named! {
    /// The states.
    State {
        /// RAUC has not yet said which slot runs.
        Waking,
        /// The running slot is not blessed: its health is watched. The other slot is not written.
        Trial,
        /// RAUC is told that the running slot is good.
        Blessing,
        /// The trial failed: a restart without a blessing is wanted; the firmware then starts the slot before.
        Falling,
        /// That restart is under way.
        Fallen,
        /// No update is under way.
        Resting,
        /// The bundle is being fetched.
        Downloading,
        /// RAUC looks at the bundle's signature and manifest.
        Inspecting,
        /// The bundle is fit; the arbiter is asked for the lease to install.
        WaitInstall,
        /// RAUC writes the other slot.
        Installing,
        /// The other slot holds the new version; the arbiter is asked for the lease to restart.
        WaitRestart,
        /// The update was withdrawn before the restart: RAUC is told to start the running slot next.
        Reverting,
        /// The restart into the new version is under way.
        Restarting,
    }
}

named! {
    /// What happened.
    Cause {
        /// Running slot blessed; no update is under way, or one that begins anew.
        WokeIdle,
        /// Running slot blessed; RAUC is writing the other one, as it was before we were started again.
        WokeInstalling,
        /// Running slot blessed; the other one holds an update that waits for its restart.
        WokeInstalled,
        /// The running slot is not blessed.
        WokeTrial,
        /// The running slot is blessed and is the update's, which nobody has reported yet.
        WokeNew,
        /// The update that was under way has failed: the slot before it runs, or it was interrupted too often.
        WokeFailed,
        /// The server offers an update that may be tried.
        Offered,
        /// The server cancels the update, or does not offer it any more.
        Withdrawn,
        /// The bundle is here, with the hash that was promised.
        Downloaded,
        /// Signature, compatible and version fit.
        Inspected,
        /// The step will not succeed; a code says why.
        Failed,
        /// The arbiter gave the lease.
        LeaseGiven,
        /// The arbiter said what it waits for.
        LeaseRefused,
        /// The arbiter took the lease back.
        LeaseTaken,
        /// No arbiter answers: no visit can be.
        NoArbiter,
        /// RAUC has written the other slot, and it starts next.
        Installed,
        /// RAUC did what it was told of a slot.
        Marked,
        /// RAUC did not.
        NotMarked,
        /// As well as before the update.
        Healthy,
        /// Something that was there before the update is missing, and the time for it is over.
        Sick,
        /// The state's own time: ask again, or give up what hangs.
        Due,
    }
}

named! {
    /// What follows, in order.
    Act {
        /// Ask the update server soon.
        PollNow,
        /// Begin the download.
        Download,
        /// End the download.
        StopDownload,
        /// Have RAUC look at the bundle.
        Inspect,
        /// Ask the arbiter for the lease to install.
        AskInstall,
        /// Ask the arbiter for the lease to restart.
        AskRestart,
        /// Give the lease back.
        DropLease,
        /// Write down what the health is before the update.
        RecordBefore,
        /// Have RAUC write the other slot.
        Install,
        /// Wait for RAUC's word about an installation that goes on.
        WatchInstall,
        /// Write down that the other slot holds the update.
        RecordInstalled,
        /// Write down why the trial failed.
        RecordFall,
        /// Ask for the restart of the box.
        Restart,
        /// Take that request back.
        TakeBackRestart,
        /// Tell RAUC that the running slot is good.
        MarkGood,
        /// Tell RAUC to start the running slot next.
        MarkBack,
        /// Remember the version as the oldest that is taken.
        RaiseFloor,
        /// Remember the bundle as one that failed here.
        Remember,
        /// Forget the update and its bundle.
        Forget,
        /// Report: taken, is being fetched.
        ReportTaken,
        /// Report: fetched.
        ReportDownloaded,
        /// Report: waits, with the arbiter's reason; once for each reason.
        ReportWaiting,
        /// Report: is being written.
        ReportInstalling,
        /// Report: written, waits for the restart.
        ReportInstalled,
        /// Report: closed, success.
        ReportSuccess,
        /// Report: closed, failure, with its code.
        ReportFailure,
        /// Confirm a cancel, if one was asked.
        ConfirmCancel,
        /// Say that it is too late for a cancel, if one was asked.
        RefuseCancel,
    }
}

/// Next state, and what follows.
pub type Next = (State, &'static [Act]);

/// The table. A lease that comes when none is wanted is given back.
#[must_use]
pub const fn next(state: State, cause: Cause) -> Next {
    match state {
        State::Waking => waking(cause),
        State::Trial => trial(cause),
        State::Blessing => blessing(cause),
        State::Falling => falling(cause),
        State::Fallen => fallen(cause),
        State::Resting => resting(cause),
        State::Downloading => downloading(cause),
        State::Inspecting => inspecting(cause),
        State::WaitInstall => wait_install(cause),
        State::Installing => installing(cause),
        State::WaitRestart => wait_restart(cause),
        State::Reverting => reverting(cause),
        State::Restarting => restarting(cause),
    }
}

#[rustfmt::skip]
const fn waking(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        WokeIdle => (State::Resting, &[PollNow]),
        WokeInstalling => (State::Installing, &[WatchInstall]),
        WokeInstalled => (State::WaitRestart, &[AskRestart]),
        WokeTrial => (State::Trial, &[PollNow]),
        WokeNew => (State::Resting, &[RaiseFloor, ReportSuccess, Forget, PollNow]),
        WokeFailed => (State::Resting, &[ReportFailure, Remember, Forget, PollNow]),
        LeaseGiven => (State::Waking, &[DropLease]),
        Offered | Withdrawn | Downloaded | Inspected | Failed | LeaseRefused | LeaseTaken | NoArbiter | Installed |
            Marked | NotMarked | Healthy | Sick | Due => (State::Waking, &[]),
    }
}

#[rustfmt::skip]
const fn trial(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        Healthy => (State::Blessing, &[MarkGood]),
        Sick => (State::Falling, &[RecordFall, AskRestart]),
        Withdrawn => (State::Trial, &[RefuseCancel]),
        LeaseGiven => (State::Trial, &[DropLease]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | Failed | LeaseRefused | LeaseTaken | NoArbiter | Installed | Marked | NotMarked | Due => (State::Trial, &[]),
    }
}

#[rustfmt::skip]
const fn blessing(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        Marked => (State::Resting, &[RaiseFloor, ReportSuccess, Forget, PollNow]),
        Due => (State::Blessing, &[MarkGood]),
        Withdrawn => (State::Blessing, &[RefuseCancel]),
        LeaseGiven => (State::Blessing, &[DropLease]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | Failed | LeaseRefused | LeaseTaken | NoArbiter | Installed | NotMarked | Healthy | Sick => (State::Blessing, &[]),
    }
}

#[rustfmt::skip]
const fn falling(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        LeaseGiven | NoArbiter => (State::Fallen, &[Restart]),
        Due => (State::Falling, &[AskRestart]),
        Withdrawn => (State::Falling, &[RefuseCancel]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | Failed | LeaseRefused | LeaseTaken | Installed | Marked | NotMarked | Healthy | Sick => (State::Falling, &[]),
    }
}

#[rustfmt::skip]
const fn fallen(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        LeaseTaken => (State::Falling, &[TakeBackRestart]),
        Due => (State::Falling, &[TakeBackRestart, DropLease, AskRestart]),
        Withdrawn => (State::Fallen, &[RefuseCancel]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | Failed | LeaseGiven | LeaseRefused | NoArbiter | Installed | Marked | NotMarked | Healthy | Sick => (State::Fallen, &[]),
    }
}

#[rustfmt::skip]
const fn resting(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        Offered => (State::Downloading, &[ReportTaken, Download]),
        Withdrawn => (State::Resting, &[ConfirmCancel]),
        LeaseGiven => (State::Resting, &[DropLease]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Downloaded | Inspected | Failed |
            LeaseRefused | LeaseTaken | NoArbiter | Installed | Marked | NotMarked | Healthy | Sick | Due => (State::Resting, &[]),
    }
}

#[rustfmt::skip]
const fn downloading(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        Downloaded => (State::Inspecting, &[ReportDownloaded, Inspect]),
        Failed => (State::Resting, &[ReportFailure, Remember, Forget, PollNow]),
        Withdrawn => (State::Resting, &[StopDownload, ConfirmCancel, Forget, PollNow]),
        LeaseGiven => (State::Downloading, &[DropLease]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Inspected |
            LeaseRefused | LeaseTaken | NoArbiter | Installed | Marked | NotMarked | Healthy | Sick | Due => (State::Downloading, &[]),
    }
}

#[rustfmt::skip]
const fn inspecting(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        Inspected => (State::WaitInstall, &[AskInstall]),
        Failed => (State::Resting, &[ReportFailure, Remember, Forget, PollNow]),
        Withdrawn => (State::Resting, &[ConfirmCancel, Forget, PollNow]),
        Due => (State::Inspecting, &[Inspect]),
        LeaseGiven => (State::Inspecting, &[DropLease]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded |
            LeaseRefused | LeaseTaken | NoArbiter | Installed | Marked | NotMarked | Healthy | Sick => (State::Inspecting, &[]),
    }
}

#[rustfmt::skip]
const fn wait_install(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        LeaseGiven => (State::Installing, &[RecordBefore, ReportInstalling, Install]),
        LeaseRefused | NoArbiter => (State::WaitInstall, &[ReportWaiting]),
        Due => (State::WaitInstall, &[AskInstall]),
        Withdrawn => (State::Resting, &[ConfirmCancel, Forget, PollNow]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | Failed | LeaseTaken | Installed | Marked | NotMarked | Healthy | Sick => (State::WaitInstall, &[]),
    }
}

#[rustfmt::skip]
const fn installing(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        Installed => (State::WaitRestart, &[DropLease, RecordInstalled, ReportInstalled, AskRestart]),
        Failed => (State::Resting, &[DropLease, ReportFailure, Remember, Forget, PollNow]),
        Withdrawn => (State::Installing, &[RefuseCancel]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | LeaseGiven | LeaseRefused | LeaseTaken | NoArbiter | Marked | NotMarked | Healthy | Sick | Due => (State::Installing, &[]),
    }
}

#[rustfmt::skip]
const fn wait_restart(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        LeaseGiven => (State::Restarting, &[Restart]),
        LeaseRefused | NoArbiter => (State::WaitRestart, &[ReportWaiting]),
        Due => (State::WaitRestart, &[AskRestart]),
        Withdrawn => (State::Reverting, &[MarkBack]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | Failed | LeaseTaken | Installed | Marked | NotMarked | Healthy | Sick => (State::WaitRestart, &[]),
    }
}

#[rustfmt::skip]
const fn reverting(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        Marked => (State::Resting, &[ConfirmCancel, Forget, PollNow]),
        NotMarked => (State::WaitRestart, &[RefuseCancel]),
        LeaseGiven => (State::Reverting, &[DropLease]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Withdrawn | Downloaded
            | Inspected | Failed | LeaseRefused | LeaseTaken | NoArbiter | Installed | Healthy | Sick | Due => (State::Reverting, &[]),
    }
}

#[rustfmt::skip]
const fn restarting(cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    match cause {
        LeaseTaken => (State::WaitRestart, &[TakeBackRestart]),
        Due => (State::WaitRestart, &[TakeBackRestart, DropLease]),
        Withdrawn => (State::Restarting, &[RefuseCancel]),
        WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | Failed | LeaseGiven | LeaseRefused | NoArbiter | Installed | Marked | NotMarked | Healthy | Sick => (State::Restarting, &[]),
    }
}

/// `docs/updates.md`: the table as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# An update, as a table\n\nPrinted by `parloir_updater::table::markdown()` from the code that runs; a test compares. To print it \
         anew: `UPDATE=1 cargo test -p parloir-updater --test docs`.\n\nWhat does not stand here changes nothing, but that a lease which \
         comes when none is wanted is given back.\n\n| State | What happens | Next | What follows |\n| --- | --- | --- | --- |\n",
    );
    for state in State::ALL {
        for cause in Cause::ALL {
            let (to, acts) = next(*state, *cause);
            let stays = to == *state && (acts.is_empty() || acts == [Act::DropLease]);
            if !stays {
                let acts: Vec<&str> = acts.iter().map(|act| act.name()).collect();
                let _ = writeln!(out, "| {} | {} | {} | {} |", state.name(), cause.name(), to.name(), acts.join(", "));
            }
        }
    }
    for (title, names) in [
        ("States", State::ALL.iter().map(|s| (s.name(), s.words())).collect::<Vec<_>>()),
        ("What happens", Cause::ALL.iter().map(|c| (c.name(), c.words())).collect()),
        ("What follows", Act::ALL.iter().map(|a| (a.name(), a.words())).collect()),
    ] {
        let _ = writeln!(out, "\n## {title}\n");
        for (name, words) in names {
            let _ = writeln!(out, "- **{name}**: {}", words.trim());
        }
    }
    out
}
