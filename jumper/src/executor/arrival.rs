//! How execution came to this node, and whether it may leave again.

/// How execution came to this node: guards against two nodes throwing one instruction back and forth for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Arrival {
    /// The registers at the first trap here, in brief.
    pub first: Option<u64>,
    /// Whether they were others at a trap since, which proves progress.
    pub progress: bool,
    /// Traps since.
    pub traps: u32,
}

/// One instruction touches at most this many pages (a gather of 16, plus code and stack).
const PAGES_OF_AN_INSTRUCTION: u32 = 24;

impl Arrival {
    /// Notes a trap and says whether execution may leave again. `registers`: [`Frame::fingerprint`](crate::traps::context::Frame).
    /// An instruction that is only tried again changes none of them; one in a loop, which comes by with others, has gone on.
    pub fn may_leave(&mut self, registers: u64) -> bool {
        self.traps = self.traps.saturating_add(1);
        match self.first {
            None => self.first = Some(registers),
            Some(first) if first != registers => self.progress = true,
            Some(_) => {}
        }
        self.progress || self.traps > PAGES_OF_AN_INSTRUCTION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn execution_leaves_once_registers_have_changed_or_after_many_traps() {
        let mut arrival = Arrival::default();
        assert!(!arrival.may_leave(0x1000));
        assert!(!arrival.may_leave(0x1000));
        assert!(arrival.may_leave(0x1003));
        let mut stuck = Arrival::default();
        let traps = (0..100).take_while(|_| !stuck.may_leave(0x1000)).count();
        assert_eq!(traps, PAGES_OF_AN_INSTRUCTION as usize);
    }
}
