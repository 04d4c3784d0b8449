//! How busy the node is, and from when on it takes no new calls for the live ones' sake.

/// So many messages read in a row without an end: new calls are refused, the rest is served.
const QUEUED: u32 = 512;
/// So many of a thousand mixer ticks late: new calls are refused.
const LATE: u16 = 500;
/// So few: they are taken again.
const CALM: u16 = 250;

/// How busy the node is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Of a thousand ticks of the mixers lately, how many began half a tick late or more.
    pub late_permille: u16,
    /// How many SIP messages were read without coming to the end of what waits.
    pub queued: u32,
}

/// Whether new calls are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Overload {
    /// They are not.
    #[default]
    Calm,
    /// They are.
    Over,
}

impl Overload {
    /// Takes news of the load.
    pub(crate) const fn after(self, load: Load) -> Self {
        let late = match self {
            Self::Calm => load.late_permille >= LATE,
            Self::Over => load.late_permille >= CALM,
        };
        if late || load.queued >= QUEUED { Self::Over } else { Self::Calm }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_ticks_close_the_door_and_only_calm_opens_it_again() {
        let late = |late_permille| Load { late_permille, queued: 0 };
        let mut overload = Overload::default().after(late(499));
        assert_eq!(overload, Overload::Calm);
        overload = overload.after(late(500));
        assert_eq!((overload, overload.after(late(250))), (Overload::Over, Overload::Over));
        assert_eq!(overload.after(late(249)), Overload::Calm);
    }

    #[test]
    fn a_queue_without_an_end_closes_it_until_its_end_is_seen() {
        let queued = |queued| Load { late_permille: 0, queued };
        let over = Overload::default().after(queued(QUEUED));
        assert_eq!((over, over.after(queued(0))), (Overload::Over, Overload::Calm));
    }
}
