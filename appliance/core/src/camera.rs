//! Owns: the table of the machine `Camera`: what gate's doors are, as far as gate has said.
//! Never: opens anything by itself; `Open` is only a cause that the edge into `Joining` brings.
//! Called by: edges (its own messages to gate), gate's facts, tables, invariants.

use crate::call::named;
use parloir_pass::Id;

named! {
    /// The states.
    Kind {
        /// Gate is not connected; it shuts every door by itself.
        Absent,
        /// Gate is there, no lease, every door shut.
        Shut,
        /// `Prepare` is sent.
        Starting,
        /// The call process runs, every door shut.
        Ready,
        /// `Open` is sent.
        Opening,
        /// Gate said that the doors are open.
        Open,
        /// The call process died; doors shut until it runs again.
        Broken,
        /// `Relaunch` is sent.
        Restarting,
        /// `Close` is sent; gate has not said that the doors are shut.
        Shutting,
    }
}

impl Kind {
    /// Whether a verified grant stands behind this state.
    #[must_use]
    pub const fn wants_doors_open(self) -> bool {
        matches!(self, Self::Opening | Self::Open | Self::Broken | Self::Restarting)
    }
}

named! {
    /// What happened. Words of gate about another lease never get here.
    Cause {
        /// Gate says Hello.
        Hello,
        /// Gate hung up or fell silent.
        Gone,
        /// We send `Prepare`.
        Prepare,
        /// Gate: prepared.
        Prepared,
        /// We send `Open`.
        Open,
        /// Gate: opened.
        Opened,
        /// Gate: the call process died.
        CallGone,
        /// We send `Relaunch`.
        Relaunch,
        /// Gate: it runs again.
        Relaunched,
        /// We send `Close`.
        Close,
        /// Gate: shut, or it knows no such lease.
        Shut,
        /// Gate: refused.
        Refused,
    }
}

/// The table.
#[must_use]
#[rustfmt::skip]
pub const fn next(state: Kind, cause: Cause) -> Kind {
    use Cause as C;
    use Kind as K;
    match (state, cause) {
        (K::Absent, C::Hello) => K::Shut,
        (K::Absent, C::Gone | C::Prepare | C::Prepared | C::Open | C::Opened | C::CallGone | C::Relaunch | C::Relaunched | C::Close
            | C::Shut | C::Refused) => K::Absent,

        (K::Shut, C::Gone) => K::Absent,
        (K::Shut, C::Prepare) => K::Starting,
        (K::Shut, C::Hello | C::Prepared | C::Open | C::Opened | C::CallGone | C::Relaunch | C::Relaunched | C::Close | C::Shut
            | C::Refused) => K::Shut,

        (K::Starting, C::Gone) => K::Absent,
        (K::Starting, C::Prepared) => K::Ready,
        (K::Starting, C::Close) => K::Shutting,
        (K::Starting, C::Hello | C::Shut | C::Refused) => K::Shut,
        (K::Starting, C::Prepare | C::Open | C::Opened | C::CallGone | C::Relaunch | C::Relaunched) => K::Starting,

        (K::Ready, C::Gone) => K::Absent,
        (K::Ready, C::Open) => K::Opening,
        (K::Ready, C::Close) => K::Shutting,
        (K::Ready, C::Hello | C::Shut) => K::Shut,
        (K::Ready, C::Prepare | C::Prepared | C::Opened | C::CallGone | C::Relaunch | C::Relaunched | C::Refused) => K::Ready,

        (K::Opening, C::Gone) => K::Absent,
        (K::Opening, C::Opened) => K::Open,
        (K::Opening, C::CallGone) => K::Broken,
        (K::Opening, C::Refused) => K::Ready,
        (K::Opening, C::Close) => K::Shutting,
        (K::Opening, C::Hello | C::Shut) => K::Shut,
        (K::Opening, C::Prepare | C::Prepared | C::Open | C::Relaunch | C::Relaunched) => K::Opening,

        (K::Open, C::Gone) => K::Absent,
        (K::Open, C::CallGone) => K::Broken,
        (K::Open, C::Close) => K::Shutting,
        (K::Open, C::Hello | C::Shut) => K::Shut,
        (K::Open, C::Prepare | C::Prepared | C::Open | C::Opened | C::Relaunch | C::Relaunched | C::Refused) => K::Open,

        (K::Broken, C::Gone) => K::Absent,
        (K::Broken, C::Relaunch) => K::Restarting,
        (K::Broken, C::Close) => K::Shutting,
        (K::Broken, C::Hello | C::Shut) => K::Shut,
        (K::Broken, C::Prepare | C::Prepared | C::Open | C::Opened | C::CallGone | C::Relaunched | C::Refused) => K::Broken,

        (K::Restarting, C::Gone) => K::Absent,
        (K::Restarting, C::Relaunched) => K::Open,
        (K::Restarting, C::Refused) => K::Broken,
        (K::Restarting, C::Close) => K::Shutting,
        (K::Restarting, C::Hello | C::Shut) => K::Shut,
        // A death that crossed our `Relaunch` on the wire is answered by the same `Relaunched`.
        (K::Restarting, C::Prepare | C::Prepared | C::Open | C::Opened | C::CallGone | C::Relaunch) => K::Restarting,

        (K::Shutting, C::Gone) => K::Absent,
        (K::Shutting, C::Hello | C::Shut) => K::Shut,
        (K::Shutting, C::Prepare | C::Prepared | C::Open | C::Opened | C::CallGone | C::Relaunch | C::Relaunched | C::Close
            | C::Refused) => K::Shutting,
    }
}

/// A state with what it owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) enum Camera {
    Absent,
    Shut,
    /// Every other state, with the lease that it is about.
    Leased(Leased),
}

/// A state that is about a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Leased {
    pub lease: Id,
    pub state: LeasedState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[allow(missing_docs)]
pub(crate) enum LeasedState {
    Starting,
    Ready,
    Opening,
    /// What gate said it opened.
    Open {
        camera: bool,
        microphone: bool,
    },
    Broken,
    Restarting,
    Shutting,
}

impl Camera {
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Absent => Kind::Absent,
            Self::Shut => Kind::Shut,
            Self::Leased(leased) => match leased.state {
                LeasedState::Starting => Kind::Starting,
                LeasedState::Ready => Kind::Ready,
                LeasedState::Opening => Kind::Opening,
                LeasedState::Open { .. } => Kind::Open,
                LeasedState::Broken => Kind::Broken,
                LeasedState::Restarting => Kind::Restarting,
                LeasedState::Shutting => Kind::Shutting,
            },
        }
    }

    pub(crate) fn is_about(&self, lease: Id) -> bool {
        matches!(self, Self::Leased(leased) if leased.lease == lease)
    }

    /// The state after a cause. `lease` names the lease that a `Prepare` is for and is not looked at otherwise; `media` is what gate
    /// says it opened.
    pub(crate) fn after(self, cause: Cause, lease: Id, media: (bool, bool)) -> Self {
        let before = self.kind();
        let after = next(before, cause);
        if before == after {
            return self;
        }
        let lease = match self {
            Self::Leased(leased) => leased.lease,
            Self::Absent | Self::Shut => lease,
        };
        let state = match after {
            Kind::Absent => return Self::Absent,
            Kind::Shut => return Self::Shut,
            Kind::Starting => LeasedState::Starting,
            Kind::Ready => LeasedState::Ready,
            Kind::Opening => LeasedState::Opening,
            Kind::Open => LeasedState::Open { camera: media.0, microphone: media.1 },
            Kind::Broken => LeasedState::Broken,
            Kind::Restarting => LeasedState::Restarting,
            Kind::Shutting => LeasedState::Shutting,
        };
        Self::Leased(Leased { lease, state })
    }
}
