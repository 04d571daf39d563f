//! Clocks of different machines, in nanoseconds.

use zerocopy::little_endian::I64;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A clock that the page reads.
pub(super) struct Served {
    /// Its number, clock_gettime(2).
    pub number: libc::clockid_t,
    /// Whether it tells the time of day, and may be set.
    pub wall: bool,
}

const fn wall(number: libc::clockid_t) -> Served {
    Served { number, wall: true }
}

const fn steady(number: libc::clockid_t) -> Served {
    Served { number, wall: false }
}

/// Those that the kernel's vDSO reads. CPU time and the clocks of devices are left to system calls.
pub(super) const SERVED: [Served; COUNT] = [
    wall(libc::CLOCK_REALTIME),
    steady(libc::CLOCK_MONOTONIC),
    steady(libc::CLOCK_MONOTONIC_RAW),
    wall(libc::CLOCK_REALTIME_COARSE),
    steady(libc::CLOCK_MONOTONIC_COARSE),
    steady(libc::CLOCK_BOOTTIME),
    wall(libc::CLOCK_TAI),
];
const COUNT: usize = 7;
/// Place of CLOCK_MONOTONIC among them.
const MONOTONIC: usize = 1;
/// A time of day that has been told is not waited for if it is further ahead than so many seconds: the clock has been set.
pub(super) const STEP_MAX: i64 = 1;

const SECOND: i64 = 1_000_000_000;

/// Seconds, of any sign, and nanoseconds from 0 up to 10^9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub seconds: i64,
    pub nanoseconds: i64,
}

impl Split {
    pub fn of(nanoseconds: i64) -> Self {
        Self { seconds: nanoseconds.div_euclid(SECOND), nanoseconds: nanoseconds.rem_euclid(SECOND) }
    }

    pub fn whole(self) -> i64 {
        self.seconds * SECOND + self.nanoseconds
    }
}

/// A number of nanoseconds for each clock of [`SERVED`]: times, or differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readings(pub(super) [i64; COUNT]);

/// [`Readings`] on the wire.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct WireReadings([I64; COUNT]);

impl From<Readings> for WireReadings {
    fn from(readings: Readings) -> Self {
        Self(readings.0.map(I64::new))
    }
}

impl From<WireReadings> for Readings {
    fn from(wire: WireReadings) -> Self {
        Self(wire.0.map(I64::get))
    }
}

impl Readings {
    /// This machine's clocks, one after the other. A clock that the kernel lacks stands at 0.
    pub fn of_kernel() -> Self {
        Self(SERVED.map(|served| kernel_time(served.number)))
    }

    /// CLOCK_MONOTONIC.
    pub fn monotonic(&self) -> i64 {
        self.0[MONOTONIC]
    }

    /// How far clocks that told `theirs` are behind ours, if that was between `before` and `after`. If they may be the same, as those
    /// of two processes of one machine are, they are; else as for NTP.
    pub fn ahead_of(theirs: &Self, before: &Self, after: &Self) -> Self {
        Self(std::array::from_fn(|clock| {
            let [theirs, before, after] = [theirs, before, after].map(|readings| readings.0[clock]);
            if (before..=after).contains(&theirs) { 0 } else { before + (after - before) / 2 - theirs }
        }))
    }
}

/// What the kernel tells; 0 if it lacks the clock.
pub(super) fn kernel_time(clock: libc::clockid_t) -> i64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes to this function's own variable.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now.tv_sec * SECOND + now.tv_nsec
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(nanoseconds: i64) -> Readings {
        Readings([nanoseconds; COUNT])
    }

    proptest! {
        #[test]
        fn a_time_that_was_split_is_whole_again(nanoseconds in any::<i64>()) {
            let split = Split::of(nanoseconds);
            prop_assert!((0..SECOND).contains(&split.nanoseconds));
            prop_assert_eq!(i128::from(split.seconds) * i128::from(SECOND) + i128::from(split.nanoseconds), i128::from(nanoseconds));
        }

        #[test]
        fn a_measured_difference_is_off_by_no_more_than_the_round_trip(
            before in 0..1_i64 << 60, ahead in -(1_i64 << 60)..1 << 60, there in 0..1_i64 << 30, back in 0..1_i64 << 30
        ) {
            let theirs = before + there - ahead;
            let measured = Readings::ahead_of(&all(theirs), &all(before), &all(before + there + back));
            prop_assert!((measured.monotonic() - ahead).abs() <= there + back);
        }

        #[test]
        fn clocks_of_one_machine_are_the_same(before in 0..1_i64 << 60, there in 0..1_i64 << 30, back in 0..1_i64 << 30) {
            prop_assert_eq!(Readings::ahead_of(&all(before + there), &all(before), &all(before + there + back)), all(0));
        }
    }
}
