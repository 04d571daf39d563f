//! Handshakes: who is let in, and what the others are told.

mod common;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use common::{tcp_streams, within};
use eos_verbs::session::{
    ClusterKey, HANDSHAKE_LIMIT, Hello, PAYLOAD_MAX, Purpose, SessionError, TimedStream, VERSION, Welcome, initiate,
    respond,
};
use eos_verbs::{ChannelKind, NodeId};

fn hello(purpose: Purpose) -> Hello {
    Hello { version: 3, run_id: [9; 16], from: NodeId(2), purpose }
}

fn welcome() -> Welcome {
    Welcome { boot_id: "boot".into(), unix_name: Some("eos".into()), payload: vec![1, 2, 3] }
}

fn key(seed: u8) -> ClusterKey {
    ClusterKey::from([seed; 32])
}

/// Shakes hands over `near` and `far`; the responder accepts.
fn shake<S: TimedStream + Send + 'static>(
    mut near: S,
    mut far: S,
    ours: ClusterKey,
    theirs: ClusterKey,
    said: Hello,
) -> (Result<Welcome, SessionError>, Result<Hello, SessionError>, S, S) {
    let responder = thread::spawn(move || {
        let heard = respond(&mut far, &theirs).and_then(|(hello, reply)| reply.accept(welcome()).map(|()| hello));
        (heard, far)
    });
    let answer = initiate(&mut near, &ours, &said);
    let (heard, far) = responder.join().expect("no panic");
    (answer, heard, near, far)
}

#[test]
fn equal_keys_open_the_door_and_leave_a_raw_stream() {
    within(20, || {
        for purpose in [
            Purpose::Probe,
            Purpose::Channel { kind: ChannelKind::Back },
            Purpose::Run { payload: vec![] },
            Purpose::Run { payload: (0..3_000_000).map(|index| index as u8).collect() },
        ] {
            let (near, far) = tcp_streams();
            let said = hello(purpose);
            let (answer, heard, mut near, mut far) = shake(near, far, key(1), key(1), said.clone());
            assert_eq!(answer.expect("welcome"), welcome());
            assert_eq!(heard.expect("hello"), said);
            assert_eq!((near.read_timeout().expect("read"), far.write_timeout().expect("read")), (None, None));
            near.write_all(b"raw").expect("written");
            let mut bytes = [0; 3];
            far.read_exact(&mut bytes).expect("read");
            assert_eq!(&bytes, b"raw");
        }
    });
}

#[test]
fn the_open_key_works_over_a_unix_stream() {
    within(20, || {
        let (near, far) = UnixStream::pair().expect("a pair");
        let (answer, heard, ..) = shake(near, far, ClusterKey::OPEN, ClusterKey::OPEN, hello(Purpose::Probe));
        assert_eq!((answer.expect("welcome"), heard.expect("hello")), (welcome(), hello(Purpose::Probe)));
        assert!(ClusterKey::OPEN.is_open() && !key(1).is_open());
    });
}

#[test]
fn another_key_is_told_as_such_to_both_ends() {
    within(20, || {
        for (ours, theirs) in [(key(1), key(2)), (ClusterKey::OPEN, key(2)), (key(1), ClusterKey::OPEN)] {
            let (near, far) = tcp_streams();
            let (answer, heard, ..) = shake(near, far, ours, theirs, hello(Purpose::Probe));
            assert!(matches!(answer, Err(SessionError::WrongKey)), "{answer:?}");
            assert!(matches!(heard, Err(SessionError::WrongKey)), "{heard:?}");
        }
    });
}

#[test]
fn a_refusal_carries_its_reason() {
    within(20, || {
        let (mut near, mut far) = tcp_streams();
        let responder = thread::spawn(move || {
            let (_, reply) = respond(&mut far, &key(1)).expect("hello");
            reply.reject("no memory left; try another host".into()).expect("sent");
        });
        let refused = initiate(&mut near, &key(1), &hello(Purpose::Probe)).expect_err("refused");
        assert!(refused.to_string().contains("no memory left; try another host"), "{refused}");
        responder.join().expect("no panic");
    });
}

#[test]
fn another_version_is_told_apart_from_another_key_and_from_strangers() {
    within(20, || {
        for initiator in [true, false] {
            let talk = |first: &'static [u8]| {
                let (mut near, mut far) = tcp_streams();
                let other = thread::spawn(move || {
                    far.write_all(first).expect("written");
                    let mut theirs = [0; 8];
                    far.read_exact(&mut theirs).expect("read");
                    assert_eq!(theirs[..], [b"EOSRDMA", &[VERSION][..]].concat());
                    far
                });
                let result = if initiator {
                    initiate(&mut near, &key(1), &hello(Purpose::Probe)).map(|_| ())
                } else {
                    respond(&mut near, &key(1)).map(|_| ())
                };
                other.join().expect("no panic");
                result.expect_err("refused")
            };
            let old = talk(b"EOSRDMA\0");
            assert!(matches!(old, SessionError::Version { ours: VERSION, theirs: 0 }), "{old}");
            let stranger = talk(b"SSH-2.0-OpenSSH");
            assert!(matches!(stranger, SessionError::NotEos), "{stranger}");
        }
    });
}

#[test]
fn silence_and_dripping_end_after_the_time_limit() {
    within(30, || {
        let (mut near, _silent) = tcp_streams();
        let (mut other, mut dripping) = tcp_streams();
        thread::spawn(move || {
            for byte in [b"EOSRDMA", &[VERSION][..], &[200, 0], &[0; 100]].concat() {
                if dripping.write_all(&[byte]).is_err() {
                    return;
                }
                thread::sleep(Duration::from_millis(300));
            }
        });
        let start = Instant::now();
        let drip = thread::spawn(move || respond(&mut other, &key(1)).map(|_| ()).expect_err("given up"));
        let silence = initiate(&mut near, &key(1), &hello(Purpose::Probe)).expect_err("given up");
        assert!(matches!(silence, SessionError::TimedOut { seconds: 10 }), "{silence}");
        let drip = drip.join().expect("no panic");
        assert!(matches!(drip, SessionError::TimedOut { seconds: 10 }), "{drip}");
        assert!(start.elapsed() < HANDSHAKE_LIMIT * 2);
    });
}

#[test]
fn a_peer_that_hangs_up_is_told_apart() {
    within(20, || {
        let (mut near, far) = tcp_streams();
        drop(far);
        let closed = initiate(&mut near, &key(1), &hello(Purpose::Probe)).expect_err("closed");
        assert!(matches!(closed, SessionError::Closed), "{closed}");
    });
}

/// Copies bytes both ways; returns what the initiator said. `change` may alter a byte of it, by its place.
fn eavesdrop(near: UnixStream, far: UnixStream, change: Option<usize>) -> thread::JoinHandle<Vec<u8>> {
    let (mut back_from, mut back_to) = (far.try_clone().expect("a copy"), near.try_clone().expect("a copy"));
    thread::spawn(move || {
        let _ = std::io::copy(&mut back_from, &mut back_to);
        let _ = back_to.shutdown(Shutdown::Both);
    });
    thread::spawn(move || {
        let (mut said, mut byte) = (Vec::new(), [0]);
        while (&near).read(&mut byte).is_ok_and(|count| count == 1) {
            said.push(byte[0]);
            byte[0] ^= u8::from(change == Some(said.len() - 1));
            if (&far).write_all(&byte).is_err() {
                break;
            }
        }
        said
    })
}

#[test]
fn a_recorded_handshake_opens_nothing_when_it_is_played_again() {
    within(30, || {
        let (near, relay_near) = UnixStream::pair().expect("a pair");
        let (relay_far, far) = UnixStream::pair().expect("a pair");
        let recording = eavesdrop(relay_near, relay_far, None);
        let (answer, heard, near, far) = shake(near, far, key(1), key(1), hello(Purpose::Probe));
        assert!(answer.is_ok() && heard.is_ok());
        drop((near, far));
        let recorded = recording.join().expect("no panic");
        let (mut thief, mut door) = UnixStream::pair().expect("a pair");
        thief.write_all(&recorded).expect("written");
        assert!(respond(&mut door, &key(1)).is_err());
    });
}

#[test]
fn a_byte_changed_on_the_way_fails_the_handshake() {
    within(60, || {
        for place in [12, 30, 57, 60, 70] {
            let (near, relay_near) = UnixStream::pair().expect("a pair");
            let (relay_far, far) = UnixStream::pair().expect("a pair");
            let _relay = eavesdrop(relay_near, relay_far, Some(place));
            let (mut near, mut far) = (near, far);
            let responder = thread::spawn(move || respond(&mut far, &key(1)).map(|(hello, _)| hello));
            let answer = initiate(&mut near, &key(1), &hello(Purpose::Run { payload: vec![5; 100] }));
            assert!(answer.is_err(), "{place}");
            drop(near);
            let heard = responder.join().expect("no panic");
            assert!(heard.is_err(), "{place}: {heard:?}");
        }
    });
}

#[test]
fn a_payload_above_the_limit_is_refused_before_it_is_sent() {
    within(30, || {
        let (mut near, mut far) = tcp_streams();
        let responder = thread::spawn(move || respond(&mut far, &key(1)).map(|_| ()));
        let too_long = hello(Purpose::Run { payload: vec![0; PAYLOAD_MAX] });
        let refused = initiate(&mut near, &key(1), &too_long).expect_err("refused");
        assert!(matches!(refused, SessionError::TooLong { .. }), "{refused}");
        drop(near);
        assert!(matches!(responder.join().expect("no panic"), Err(SessionError::Closed)));
    });
}
