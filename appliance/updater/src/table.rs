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
#[rustfmt::skip]
pub const fn next(state: State, cause: Cause) -> Next {
    use Act::*;
    use Cause::*;
    use State::*;
    match (state, cause) {
        (Waking, WokeIdle) => (Resting, &[PollNow]),
        (Waking, WokeInstalling) => (Installing, &[WatchInstall]),
        (Waking, WokeInstalled) => (WaitRestart, &[AskRestart]),
        (Waking, WokeTrial) => (Trial, &[PollNow]),
        (Waking, WokeNew) => (Resting, &[RaiseFloor, ReportSuccess, Forget, PollNow]),
        (Waking, WokeFailed) => (Resting, &[ReportFailure, Remember, Forget, PollNow]),
        (Waking, LeaseGiven) => (Waking, &[DropLease]),
        (Waking, Offered | Withdrawn | Downloaded | Inspected | Failed | LeaseRefused | LeaseTaken | NoArbiter | Installed | Marked
            | NotMarked | Healthy | Sick | Due) => (Waking, &[]),

        (Trial, Healthy) => (Blessing, &[MarkGood]),
        (Trial, Sick) => (Falling, &[RecordFall, AskRestart]),
        (Trial, Withdrawn) => (Trial, &[RefuseCancel]),
        (Trial, LeaseGiven) => (Trial, &[DropLease]),
        (Trial, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected | Failed
            | LeaseRefused | LeaseTaken | NoArbiter | Installed | Marked | NotMarked | Due) => (Trial, &[]),

        (Blessing, Marked) => (Resting, &[RaiseFloor, ReportSuccess, Forget, PollNow]),
        (Blessing, Due) => (Blessing, &[MarkGood]),
        (Blessing, Withdrawn) => (Blessing, &[RefuseCancel]),
        (Blessing, LeaseGiven) => (Blessing, &[DropLease]),
        (Blessing, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected | Failed
            | LeaseRefused | LeaseTaken | NoArbiter | Installed | NotMarked | Healthy | Sick) => (Blessing, &[]),

        (Falling, LeaseGiven | NoArbiter) => (Fallen, &[Restart]),
        (Falling, Due) => (Falling, &[AskRestart]),
        (Falling, Withdrawn) => (Falling, &[RefuseCancel]),
        (Falling, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected | Failed
            | LeaseRefused | LeaseTaken | Installed | Marked | NotMarked | Healthy | Sick) => (Falling, &[]),

        (Fallen, LeaseTaken) => (Falling, &[TakeBackRestart]),
        (Fallen, Due) => (Falling, &[TakeBackRestart, DropLease, AskRestart]),
        (Fallen, Withdrawn) => (Fallen, &[RefuseCancel]),
        (Fallen, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected | Failed
            | LeaseGiven | LeaseRefused | NoArbiter | Installed | Marked | NotMarked | Healthy | Sick) => (Fallen, &[]),

        (Resting, Offered) => (Downloading, &[ReportTaken, Download]),
        (Resting, Withdrawn) => (Resting, &[ConfirmCancel]),
        (Resting, LeaseGiven) => (Resting, &[DropLease]),
        (Resting, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Downloaded | Inspected | Failed
            | LeaseRefused | LeaseTaken | NoArbiter | Installed | Marked | NotMarked | Healthy | Sick | Due) => (Resting, &[]),

        (Downloading, Downloaded) => (Inspecting, &[ReportDownloaded, Inspect]),
        (Downloading, Failed) => (Resting, &[ReportFailure, Remember, Forget, PollNow]),
        (Downloading, Withdrawn) => (Resting, &[StopDownload, ConfirmCancel, Forget, PollNow]),
        (Downloading, LeaseGiven) => (Downloading, &[DropLease]),
        (Downloading, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Inspected
            | LeaseRefused | LeaseTaken | NoArbiter | Installed | Marked | NotMarked | Healthy | Sick | Due) => (Downloading, &[]),

        (Inspecting, Inspected) => (WaitInstall, &[AskInstall]),
        (Inspecting, Failed) => (Resting, &[ReportFailure, Remember, Forget, PollNow]),
        (Inspecting, Withdrawn) => (Resting, &[ConfirmCancel, Forget, PollNow]),
        (Inspecting, Due) => (Inspecting, &[Inspect]),
        (Inspecting, LeaseGiven) => (Inspecting, &[DropLease]),
        (Inspecting, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded
            | LeaseRefused | LeaseTaken | NoArbiter | Installed | Marked | NotMarked | Healthy | Sick) => (Inspecting, &[]),

        (WaitInstall, LeaseGiven) => (Installing, &[RecordBefore, ReportInstalling, Install]),
        (WaitInstall, LeaseRefused | NoArbiter) => (WaitInstall, &[ReportWaiting]),
        (WaitInstall, Due) => (WaitInstall, &[AskInstall]),
        (WaitInstall, Withdrawn) => (Resting, &[ConfirmCancel, Forget, PollNow]),
        (WaitInstall, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | Failed | LeaseTaken | Installed | Marked | NotMarked | Healthy | Sick) => (WaitInstall, &[]),

        (Installing, Installed) => (WaitRestart, &[DropLease, RecordInstalled, ReportInstalled, AskRestart]),
        (Installing, Failed) => (Resting, &[DropLease, ReportFailure, Remember, Forget, PollNow]),
        (Installing, Withdrawn) => (Installing, &[RefuseCancel]),
        (Installing, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | LeaseGiven | LeaseRefused | LeaseTaken | NoArbiter | Marked | NotMarked | Healthy | Sick | Due) => (Installing, &[]),

        (WaitRestart, LeaseGiven) => (Restarting, &[Restart]),
        (WaitRestart, LeaseRefused | NoArbiter) => (WaitRestart, &[ReportWaiting]),
        (WaitRestart, Due) => (WaitRestart, &[AskRestart]),
        (WaitRestart, Withdrawn) => (Reverting, &[MarkBack]),
        (WaitRestart, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | Failed | LeaseTaken | Installed | Marked | NotMarked | Healthy | Sick) => (WaitRestart, &[]),

        (Reverting, Marked) => (Resting, &[ConfirmCancel, Forget, PollNow]),
        (Reverting, NotMarked) => (WaitRestart, &[RefuseCancel]),
        (Reverting, LeaseGiven) => (Reverting, &[DropLease]),
        (Reverting, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Withdrawn | Downloaded
            | Inspected | Failed | LeaseRefused | LeaseTaken | NoArbiter | Installed | Healthy | Sick | Due) => (Reverting, &[]),

        (Restarting, LeaseTaken) => (WaitRestart, &[TakeBackRestart]),
        (Restarting, Due) => (WaitRestart, &[TakeBackRestart, DropLease]),
        (Restarting, Withdrawn) => (Restarting, &[RefuseCancel]),
        (Restarting, WokeIdle | WokeInstalling | WokeInstalled | WokeTrial | WokeNew | WokeFailed | Offered | Downloaded | Inspected
            | Failed | LeaseGiven | LeaseRefused | NoArbiter | Installed | Marked | NotMarked | Healthy | Sick) => (Restarting, &[]),
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
