//! Requests and replies that no honest node sends. None is executed.

use crate::own_fds::OwnFds;
use crate::threads::Pending;
use proptest::prelude::*;

use super::execute::validate;
use super::{ApplyError, ForwardError, Patience, Staging, apply, encode, execute};
use crate::gateway::fake::FakeMemory;
use crate::gateway::{Call, all};

const A: u64 = 0x10_0000;

fn named(name: &str) -> &'static Call {
    all().find(|call| call.name == name).expect("in the table")
}

fn request(name: &str, args: [u64; 6]) -> Vec<u8> {
    let mut memory = FakeMemory::with(A, 0x4000);
    memory.put(A, b"/tmp\0");
    memory.put_words(A + 64, &[A, 5, A + 8, 40]);
    memory.put(A + 128, &16_u32.to_le_bytes());
    let mut request = Vec::new();
    encode(named(name), &args, &mut memory, &mut request).expect("shipped");
    request
}

fn honest() -> Vec<Vec<u8>> {
    vec![
        request("write", [1, A, 100, 0, 0, 0]),
        request("read", [0, A, 100, 0, 0, 0]),
        request("openat", [0, A, 0, 0, 0, 0]),
        request("rename", [A, A, 0, 0, 0, 0]),
        request("writev", [1, A + 64, 2, 0, 0, 0]),
        request("readv", [0, A + 64, 2, 0, 0, 0]),
        request("poll", [A, 3, 0, 0, 0, 0]),
        request("accept", [3, A + 256, A + 128, 0, 0, 0]),
        request("ioctl", [0, libc::TCGETS, A, 0, 0, 0]),
        request("getpid", [0; 6]),
    ]
}

#[test]
fn a_request_that_ends_early_or_late_is_refused() {
    for request in honest() {
        assert!(validate(&request).is_ok());
        for len in 0..request.len() {
            let refused = execute(
                &request[..len],
                &OwnFds::default(),
                &mut Staging::new(),
                &Pending::new(),
                Patience::Waits,
                &mut Vec::new(),
            );
            assert!(matches!(refused, Err(ForwardError::Length { .. })), "{len}");
        }
        let longer = [&request[..], b"x"].concat();
        assert!(matches!(validate(&longer), Err(ForwardError::Length { .. })));
    }
}

#[test]
fn a_buffer_shorter_than_its_arguments_say_is_refused() {
    let mut read = request("read", [0, A, 100, 0, 0, 0]);
    read[4 + 2 * 8] = 101;
    assert_eq!(validate(&read).err(), Some(ForwardError::Buffers { name: "read" }));
    let mut accept = request("accept", [3, A + 256, A + 128, 0, 0, 0]);
    let length_word = accept.len() - 4;
    accept[length_word] = 17;
    assert_eq!(validate(&accept).err(), Some(ForwardError::Buffers { name: "accept" }));
}

#[test]
fn an_address_without_a_buffer_is_refused() {
    let mut path = request("openat", [0, 0, 0, 0, 0, 0]);
    path[4 + 8] = 1;
    assert_eq!(validate(&path).err(), Some(ForwardError::Buffers { name: "openat" }));
    let mut vector = request("writev", [1, A + 64, 2, 0, 0, 0]);
    vector[2] = 0; // not flattened after all: the kernel would follow the array
    assert_eq!(validate(&vector).err(), Some(ForwardError::Buffers { name: "writev" }));
}

#[test]
fn a_call_that_only_home_may_make_is_refused() {
    for number in [9_u16, 56, 59, 60, 231, 425, 469 + 1, u16::MAX] {
        let mut request = request("getpid", [0; 6]);
        request[..2].copy_from_slice(&number.to_le_bytes());
        assert_eq!(validate(&request).err(), Some(ForwardError::NotShipped { number: number.into() }));
    }
}

#[test]
fn more_memory_than_a_call_may_have_is_refused_before_it_is_taken() {
    let mut read = request("read", [0, A, 100, 0, 0, 0]);
    read[4 + 2 * 8..4 + 3 * 8].copy_from_slice(&0x7000_0000_u64.to_le_bytes());
    read[54..58].copy_from_slice(&0x7000_0000_u32.to_le_bytes());
    assert_eq!(validate(&read).err(), Some(ForwardError::Buffers { name: "read" }));
}

#[test]
fn a_reply_cannot_write_more_than_the_call_asked_for() {
    let (call, args) = (named("read"), [0, A, 100, 0, 0, 0]);
    let mut memory = FakeMemory::with(A, 0x1000);
    let mut reply = Vec::new();
    reply.extend_from_slice(&200_i64.to_le_bytes());
    reply.extend_from_slice(&[0, 1, 1, 1, 200, 0, 0, 0]);
    reply.extend_from_slice(&[7; 200]);
    let wrong = ApplyError::Reply(ForwardError::Buffers { name: "read" });
    assert_eq!(apply(&reply, call, &args, &mut memory), Err(wrong));
    assert!(matches!(apply(&reply[..50], call, &args, &mut memory), Err(ApplyError::Reply(_))));
    assert_eq!(memory.get(A, 200), [0; 200]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn noise_is_never_a_crash(
        seed in 0..10_usize,
        changes in prop::collection::vec((0..160_usize, any::<u8>()), 0..6),
        noise in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut request = honest().swap_remove(seed);
        for (at, value) in changes {
            let len = request.len();
            request[at % len] = value;
        }
        for message in [&request[..], &noise] {
            let mut staging = Staging::new();
            if let Ok((request, _)) = validate(message) {
                let args = staging.place(&request);
                for segment in request.segments() {
                    prop_assert_ne!(args[usize::from(segment.arg)], request.args[usize::from(segment.arg)]);
                }
            }
            for call in [named("read"), named("readv"), named("accept")] {
                let _ = apply(message, call, &[0, A, 3, 0, 0, 0], &mut FakeMemory::with(A, 0x2000));
            }
        }
    }
}
