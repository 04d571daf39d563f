//! Clocks, sleeping and timers.

use super::super::call::{Call, Pointer::*, Shape::*, call};
use super::sizes::*;

#[rustfmt::skip]
pub(super) const CALLS: &[Call] = &[
    call(96, "gettimeofday", &[Out(0, Fixed(TIME)), Out(1, Fixed(8))]).ships(),
    call(164, "settimeofday", &[In(0, Fixed(TIME)), In(1, Fixed(8))]).ships(),
    call(201, "time", &[Out(0, Fixed(8))]).ships(),
    call(100, "times", &[Out(0, Fixed(32))]).ships(),
    call(228, "clock_gettime", &[Out(1, Fixed(TIME))]).ships(),
    call(227, "clock_settime", &[In(1, Fixed(TIME))]).ships(),
    call(229, "clock_getres", &[Out(1, Fixed(TIME))]).ships(),
    call(159, "adjtimex", &[InOut(0, Fixed(TIMEX))]).ships(),
    call(305, "clock_adjtime", &[InOut(1, Fixed(TIMEX))]).ships(),

    call(35, "nanosleep", &[In(0, Fixed(TIME)), InOut(1, Fixed(TIME))]).ships(),
    call(230, "clock_nanosleep", &[In(2, Fixed(TIME)), InOut(3, Fixed(TIME))]).ships(),

    // These end in signals, which belong to the node that runs the app: not forwarded.
    call(36, "getitimer", &[Out(1, Fixed(2 * TIME))]).ships(),
    call(37, "alarm", &[]),
    call(38, "setitimer", &[In(1, Fixed(2 * TIME)), Out(2, Fixed(2 * TIME))]),
    call(222, "timer_create", &[In(1, Fixed(SIGEVENT)), Out(2, Fixed(4))]),
    call(223, "timer_settime", &[In(2, Fixed(2 * TIME)), Out(3, Fixed(2 * TIME))]),
    call(224, "timer_gettime", &[Out(1, Fixed(2 * TIME))]).ships(),
    call(225, "timer_getoverrun", &[]).ships(),
    call(226, "timer_delete", &[]),

    call(283, "timerfd_create", &[]).ships(),
    call(286, "timerfd_settime", &[In(2, Fixed(2 * TIME)), Out(3, Fixed(2 * TIME))]).ships(),
    call(287, "timerfd_gettime", &[Out(1, Fixed(2 * TIME))]).ships(),
];
