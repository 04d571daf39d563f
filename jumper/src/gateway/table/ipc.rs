//! System V and POSIX message passing; asynchronous I/O.

use super::super::by_command::{msgctl, msgrcv, msgsnd, semctl, shmctl};
use super::super::call::{Call, Pointer::*, Shape::*, call};
use super::sizes::*;

#[rustfmt::skip]
pub(super) const CALLS: &[Call] = &[
    call(29, "shmget", &[]).ships(),
    call(31, "shmctl", &[By(shmctl)]).ships(),
    call(64, "semget", &[]).ships(),
    call(65, "semop", &[In(1, Items(2, SEMBUF))]).ships(),
    call(220, "semtimedop", &[In(1, Items(2, SEMBUF)), In(3, Fixed(TIME))]).ships(),
    call(66, "semctl", &[By(semctl)]).ships(),
    call(68, "msgget", &[]).ships(),
    call(69, "msgsnd", &[By(msgsnd)]).ships(),
    call(70, "msgrcv", &[By(msgrcv)]).ships(),
    call(71, "msgctl", &[By(msgctl)]).ships(),

    call(240, "mq_open", &[Path(0), In(3, Fixed(MQ_ATTR))]).ships(),
    call(241, "mq_unlink", &[Path(0)]).ships(),
    call(242, "mq_timedsend", &[In(1, Bytes(2)), In(4, Fixed(TIME))]).ships(),
    call(243, "mq_timedreceive", &[Out(1, Got(2)), Out(3, Fixed(4)), In(4, Fixed(TIME))]).ships(),
    call(244, "mq_notify", &[In(1, Fixed(SIGEVENT))]),
    call(245, "mq_getsetattr", &[In(1, Fixed(MQ_ATTR)), Out(2, Fixed(MQ_ATTR))]).ships(),

    // The kernel would complete these into app memory at a time of its own, and maps rings into the app.
    call(206, "io_setup", &[]).refused(libc::ENOSYS),
    call(207, "io_destroy", &[]).refused(libc::ENOSYS),
    call(208, "io_getevents", &[]).refused(libc::ENOSYS),
    call(209, "io_submit", &[]).refused(libc::ENOSYS),
    call(210, "io_cancel", &[]).refused(libc::ENOSYS),
    call(333, "io_pgetevents", &[]).refused(libc::ENOSYS),
    call(425, "io_uring_setup", &[]).refused(libc::ENOSYS),
    call(426, "io_uring_enter", &[]).refused(libc::ENOSYS),
    call(427, "io_uring_register", &[]).refused(libc::ENOSYS),
];
