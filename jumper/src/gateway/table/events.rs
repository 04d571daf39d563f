//! Waiting for descriptors: poll, select, epoll, inotify, eventfd.

use super::super::by_command::epoll_ctl;
use super::super::call::{Call, Pointer::*, Shape::*, call};
use super::super::nested::{fd_sets, mask_of_pselect6};
use super::sizes::*;

#[rustfmt::skip]
pub(super) const CALLS: &[Call] = &[
    call(7, "poll", &[InOut(0, Items(1, POLLFD))]).ships(),
    call(271, "ppoll", &[InOut(0, Items(1, POLLFD)), InOut(2, Fixed(TIME)), In(3, Bytes(4))]).ships(),
    call(23, "select", &[By(fd_sets), InOut(4, Fixed(TIME))]).ships(),
    call(270, "pselect6", &[By(fd_sets), InOut(4, Fixed(TIME)), By(mask_of_pselect6)]).ships(),

    call(213, "epoll_create", &[]).ships(),
    call(291, "epoll_create1", &[]).ships(),
    call(214, "epoll_ctl_old", &[]).refused(libc::ENOSYS),
    call(215, "epoll_wait_old", &[]).refused(libc::ENOSYS),
    call(233, "epoll_ctl", &[By(epoll_ctl)]).ships(),
    call(232, "epoll_wait", &[Out(1, GotItems(2, EPOLL_EVENT))]).ships(),
    call(281, "epoll_pwait", &[Out(1, GotItems(2, EPOLL_EVENT)), In(4, Bytes(5))]).ships(),
    call(441, "epoll_pwait2", &[Out(1, GotItems(2, EPOLL_EVENT)), In(3, Fixed(TIME)), In(4, Bytes(5))]).ships(),

    call(253, "inotify_init", &[]).ships(),
    call(294, "inotify_init1", &[]).ships(),
    call(254, "inotify_add_watch", &[Path(1)]).ships(),
    call(255, "inotify_rm_watch", &[]).ships(),
    call(300, "fanotify_init", &[]),
    call(301, "fanotify_mark", &[Path(4)]),

    call(284, "eventfd", &[]).ships(),
    call(290, "eventfd2", &[]).ships(),
    call(282, "signalfd", &[In(1, Bytes(2))]),
    call(289, "signalfd4", &[In(1, Bytes(2))]),
];
