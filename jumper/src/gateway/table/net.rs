//! Sockets.

use super::super::by_command::setsockopt;
use super::super::call::{Call, Pointer::*, Shape::*, call};
use super::super::nested::{recvmmsg, recvmsg, sendmmsg, sendmsg};
use super::sizes::*;

#[rustfmt::skip]
pub(super) const CALLS: &[Call] = &[
    call(41, "socket", &[]).ships(),
    call(53, "socketpair", &[Out(3, Fixed(8))]).ships(),
    call(42, "connect", &[In(1, Int(2))]).ships(),
    call(49, "bind", &[In(1, Int(2))]).ships(),
    call(50, "listen", &[]).ships(),
    call(48, "shutdown", &[]).ships(),
    call(43, "accept", &[InOut(1, LenAt(2)), InOut(2, Fixed(4))]).ships(),
    call(288, "accept4", &[InOut(1, LenAt(2)), InOut(2, Fixed(4))]).ships(),
    call(51, "getsockname", &[InOut(1, LenAt(2)), InOut(2, Fixed(4))]).ships(),
    call(52, "getpeername", &[InOut(1, LenAt(2)), InOut(2, Fixed(4))]).ships(),
    call(55, "getsockopt", &[InOut(3, LenAt(4)), InOut(4, Fixed(4))]).ships(),
    call(54, "setsockopt", &[In(3, Int(4)), By(setsockopt)]).ships(),

    call(44, "sendto", &[In(1, Got(2)), In(4, Int(5))]).ships(),
    call(45, "recvfrom", &[Out(1, Got(2)), InOut(4, LenAt(5)), InOut(5, Fixed(4))]).ships(),
    call(46, "sendmsg", &[By(sendmsg)]),
    call(47, "recvmsg", &[By(recvmsg)]),
    call(307, "sendmmsg", &[By(sendmmsg)]),
    call(299, "recvmmsg", &[By(recvmmsg), InOut(4, Fixed(TIME))]),
];
