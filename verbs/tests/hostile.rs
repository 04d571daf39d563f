//! Frames that no honest peer sends. The wire format is written out by hand here, which pins it.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use common::{End, REGION, tcp_streams, within};
use eos_verbs::packing::Always;
use eos_verbs::{NodeId, PAGE, PeerName, Region, VerbsError, Wires, connect_pair};
use proptest::prelude::*;

/// The hostile end: three raw sockets, announced as node 0 that initiates.
struct Raw {
    msg: TcpStream,
    forward: TcpStream,
    back: TcpStream,
}

fn announcement(node: u8, initiator: u8, region_len: u64) -> Vec<u8> {
    [&b"EOSP"[..], &[node, initiator, 0, 0], &region_len.to_le_bytes()].concat()
}

fn request(op: u8, len: u32, offset: u64) -> Vec<u8> {
    [&[op, 0, 0, 0][..], &len.to_le_bytes(), &offset.to_le_bytes()].concat()
}

/// A raw end and an honest acceptor, node 1.
fn raw_pair() -> (Raw, End) {
    let [(msg, msg_far), (forward, forward_far), (back, back_far)] = [(); 3].map(|()| tcp_streams());
    let mut raw = Raw { msg, forward, back };
    for stream in [&raw.msg, &raw.forward, &raw.back] {
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
    }
    raw.msg.write_all(&announcement(0, 1, REGION as u64)).expect("written");
    let end = End::join(1, 0, false, Wires::Tcp { msg: msg_far, forward: forward_far, back: back_far });
    let mut theirs = [0; 16];
    raw.msg.read_exact(&mut theirs).expect("read");
    // The one CPU that this test may be bound to.
    theirs[6..8].fill(0);
    assert_eq!(theirs[..], announcement(1, 0, REGION as u64));
    (raw, end)
}

/// Status and length of the next response.
fn response(stream: &mut TcpStream) -> (u8, u32) {
    let mut frame = [0; 8];
    stream.read_exact(&mut frame).expect("a response");
    assert_eq!(frame[1..4], [0; 3]);
    (frame[0], u32::from_le_bytes([frame[4], frame[5], frame[6], frame[7]]))
}

#[test]
fn a_read_outside_the_region_is_answered_with_an_error_and_the_next_is_served() {
    within(20, || {
        let (mut raw, end) = raw_pair();
        end.fill(0, b"abcd");
        for (len, offset) in [(1, REGION as u64), (4096, REGION as u64 - 1), (1, u64::MAX), (4096, u64::MAX - 4095)] {
            raw.forward.write_all(&request(1, len, offset)).expect("written");
            assert_eq!(response(&mut raw.forward), (1, 0));
        }
        raw.forward.write_all(&request(1, 4, 0)).expect("written");
        assert_eq!(response(&mut raw.forward), (0, 4));
        let mut bytes = [0; 4];
        raw.forward.read_exact(&mut bytes).expect("read");
        assert_eq!(&bytes, b"abcd");
    });
}

#[test]
fn a_write_outside_the_region_is_skipped_and_the_next_fence_tells() {
    within(20, || {
        let (mut raw, end) = raw_pair();
        for len in [1u32, 5000, 200_000] {
            raw.forward.write_all(&request(2, len, REGION as u64)).expect("written");
            raw.forward.write_all(&vec![7; len as usize]).expect("written");
            raw.forward
                .write_all(&[request(2, 2, 8), b"hi".to_vec(), request(3, 0, 0), request(3, 0, 0)].concat())
                .expect("written");
            assert_eq!(response(&mut raw.forward), (1, 0));
            assert_eq!(response(&mut raw.forward), (0, 0));
            assert_eq!(end.bytes(8, 2), b"hi");
        }
    });
}

#[test]
fn nonsense_is_answered_and_ends_the_connection() {
    within(20, || {
        let too_long = (4 << 20) + 1;
        for frame in [
            request(0, 0, 0),
            request(9, 4, 0),
            request(1, too_long, 0),
            request(2, u32::MAX, 0),
            request(3, 1, 0),
            request(4, too_long, 0),
            request(5, too_long, 0),
            request(6, 4, 0),
            vec![255; 16],
        ] {
            let (mut raw, _end) = raw_pair();
            raw.forward.write_all(&frame).expect("written");
            assert_eq!(response(&mut raw.forward), (2, 0));
            assert_eq!(raw.forward.read(&mut [0; 1]).expect("end of stream"), 0);
        }
    });
}

/// Data that shrinks, in a block by hand: one literal 'a', a match of distance 1, and five literals at the end (the LZ4 block format).
const HUNDRED: &[u8] = &[0x1F, b'a', 1, 0, 75, 0x50, b'a', b'a', b'a', b'a', b'a'];

fn block(wire: &[u8]) -> Vec<u8> {
    [&(wire.len() as u32).to_le_bytes()[..], wire].concat()
}

#[test]
fn packed_data_is_written_and_read_in_blocks() {
    within(20, || {
        let (mut raw, end) = raw_pair();
        let noise: Vec<u8> = (0..100_u8).map(|byte| byte.wrapping_mul(151)).collect();
        // two writes of 100 bytes, a block that is packed and one that is not; a read of both, and one of nothing
        let stream = [request(5, 100, 0), block(HUNDRED), request(5, 100, 100), block(&noise), request(5, 0, 0)];
        raw.forward.write_all(&[stream.concat(), request(4, 100, 100), request(4, 0, 0)].concat()).expect("written");
        assert_eq!(response(&mut raw.forward), (0, 100));
        let mut wire = [0; 104];
        raw.forward.read_exact(&mut wire).expect("read");
        assert_eq!(wire[..], block(&noise));
        assert_eq!(response(&mut raw.forward), (0, 0));
        assert_eq!(end.bytes(0, 200), [vec![b'a'; 100], noise].concat());
        // a piece has 32 KiB: noise and then equal bytes are a block that is not packed and one that is
        let equal = vec![7; 5000];
        end.fill(
            0,
            &[(0..1 << 15).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(), equal].concat(),
        );
        raw.forward.write_all(&request(4, (1 << 15) + 5000, 0)).expect("written");
        assert_eq!(response(&mut raw.forward), (0, (1 << 15) + 5000));
        let mut header = [0; 4];
        raw.forward.read_exact(&mut header).expect("read");
        let first = u32::from_le_bytes(header) as usize;
        assert!(first <= 1 << 15);
        raw.forward.read_exact(&mut vec![0; first]).expect("read");
        raw.forward.read_exact(&mut header).expect("read");
        assert!((1..100).contains(&u32::from_le_bytes(header)));
    });
}

#[test]
fn packed_data_outside_the_region_is_taken_and_the_next_fence_tells() {
    within(20, || {
        let (mut raw, end) = raw_pair();
        let stream = [request(5, 100, REGION as u64 - 99), block(HUNDRED), request(2, 2, 8), b"hi".to_vec()];
        raw.forward.write_all(&[stream.concat(), request(3, 0, 0)].concat()).expect("written");
        assert_eq!(response(&mut raw.forward), (1, 0));
        assert_eq!(end.bytes(8, 2), b"hi");
        assert_eq!(end.bytes(REGION - 99, 99), [0; 99]);
        raw.forward.write_all(&request(4, 100, REGION as u64 - 99)).expect("written");
        assert_eq!(response(&mut raw.forward), (1, 0));
    });
}

#[test]
fn a_block_that_makes_no_sense_is_refused_and_not_placed() {
    within(30, || {
        let cut = &HUNDRED[..HUNDRED.len() - 1];
        let before_the_start = [0x1F, b'a', 2, 0, 75, 0x50, b'a', b'a', b'a', b'a', b'a'];
        let header = |len: u32| len.to_le_bytes().to_vec();
        for wire in
            [header(0), header(101), header(u32::MAX), block(cut), block(&before_the_start), block(&[0x10, b'a'])]
        {
            let (mut raw, end) = raw_pair();
            raw.forward.write_all(&[request(5, 100, 0), wire].concat()).expect("written");
            assert_eq!(response(&mut raw.forward), (2, 0));
            assert_eq!(raw.forward.read(&mut [0; 1]).expect("end of stream"), 0);
            assert_eq!(end.bytes(0, 100), [0; 100]);
        }
    });
}

#[test]
fn a_packed_response_that_makes_no_sense_ends_the_link_with_a_protocol_error() {
    within(30, || {
        let served = |wire: &[u8]| [&[0, 0, 0, 0][..], &(PAGE as u32).to_le_bytes(), wire].concat();
        let answers = [
            vec![1, 0, 0, 0, 0, 0, 0, 0],
            vec![0, 0, 0, 0, 100, 0, 0, 0],
            served(&0_u32.to_le_bytes()),
            served(&(PAGE as u32 + 1).to_le_bytes()),
            served(&block(HUNDRED)),
            served(&block(&[0xF0; 20])),
        ];
        for answer in answers {
            let (mut raw, mut end) = raw_pair();
            end.link.pack_by(Box::new(Always));
            raw.back.write_all(&answer).expect("written");
            let error = end.link.read(0, PAGE).expect_err("refused");
            assert!(matches!(error, VerbsError::Protocol { .. }), "{error}");
            assert!(matches!(end.link.read(0, PAGE), Err(VerbsError::Disconnected { .. })));
            let mut frame = [0; 16];
            raw.back.read_exact(&mut frame).expect("a request");
            assert_eq!(frame[..], request(4, PAGE as u32, 0));
        }
    });
}

#[test]
fn frames_that_come_byte_by_byte_are_served() {
    within(30, || {
        let (mut raw, end) = raw_pair();
        raw.forward.set_nodelay(true).expect("set");
        for byte in
            [request(5, 100, 0), block(HUNDRED), request(2, 3, 100), b"xyz".to_vec(), request(1, 3, 100)].concat()
        {
            raw.forward.write_all(&[byte]).expect("written");
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(response(&mut raw.forward), (0, 3));
        let mut bytes = [0; 3];
        raw.forward.read_exact(&mut bytes).expect("read");
        assert_eq!(&bytes, b"xyz");
        assert_eq!(end.bytes(100, 3), b"xyz");
        assert_eq!(end.bytes(0, 100), [b'a'; 100]);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn a_responder_survives_any_stream(
        frames in prop::collection::vec((0u8..7, 0u32..10_000, prop_oneof![0..REGION as u64 * 2, any::<u64>()]), 0..20),
        tail in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        within(20, move || {
            let (raw, mut end) = raw_pair();
            let mut stream: Vec<u8> = frames.iter().flat_map(|&(op, len, offset)| request(op, len, offset)).collect();
            stream.extend(tail);
            let _ = (&raw.forward).write_all(&stream);
            let _ = raw.forward.shutdown(Shutdown::Write);
            // a responder that panicked would not end the connection: this would run into its time-out
            let ended = (&raw.forward).read_to_end(&mut Vec::new());
            assert!(!matches!(&ended, Err(error) if error.kind() == ErrorKind::WouldBlock), "{ended:?}");
            // the rest of the link still works
            end.link.send(&[b"well"]).expect("sent");
            let mut message = [0; 8];
            (&raw.msg).read_exact(&mut message).expect("read");
            assert_eq!(&message, b"\x04\0\0\0well");
        });
    }
}

#[test]
fn responses_that_fit_no_request_end_the_link_with_a_protocol_error() {
    within(30, || {
        let answers: [&[u8]; 4] =
            [&[1, 0, 0, 0, 0, 0, 0, 0], &[2, 0, 0, 0, 0, 0, 0, 0], &[0, 0, 0, 0, 9, 0, 0, 0], &[77; 8]];
        for answer in answers {
            let (mut raw, mut end) = raw_pair();
            raw.back.write_all(answer).expect("written");
            let error = end.link.read(0, PAGE).expect_err("refused");
            assert!(matches!(error, VerbsError::Protocol { .. }), "{error}");
            assert!(matches!(end.link.read(0, PAGE), Err(VerbsError::Disconnected { .. })));
        }
    });
}

#[test]
fn a_response_in_pieces_is_put_together() {
    within(20, || {
        let (mut raw, mut end) = raw_pair();
        let peer = thread::spawn(move || {
            let mut frame = [0; 16];
            raw.back.read_exact(&mut frame).expect("a request");
            assert_eq!(frame[..], request(1, 6, 64));
            for byte in [&[0, 0, 0, 0, 6, 0, 0, 0][..], b"sesame"].concat() {
                raw.back.write_all(&[byte]).expect("written");
                thread::sleep(Duration::from_millis(1));
            }
            raw
        });
        assert_eq!(end.link.read(64, 6).expect("read"), b"sesame");
        peer.join().expect("no panic");
    });
}

#[test]
fn a_message_header_above_the_limit_is_a_protocol_error() {
    within(20, || {
        let (mut raw, mut end) = raw_pair();
        raw.msg.write_all(&u32::MAX.to_le_bytes()).expect("written");
        let mut message = Vec::new();
        let error = loop {
            match end.link.try_recv(&mut message) {
                Ok(got) => assert!(!got),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, VerbsError::Protocol { .. }), "{error}");
    });
}

#[test]
fn a_message_cut_off_by_the_end_of_the_stream_is_a_disconnect() {
    within(20, || {
        let (mut raw, mut end) = raw_pair();
        raw.msg.write_all(&[10, 0, 0, 0, 1, 2]).expect("written");
        drop(raw);
        let mut message = Vec::new();
        while !matches!(end.link.try_recv(&mut message), Err(VerbsError::Disconnected { .. })) {
            assert!(message.is_empty());
        }
    });
}

#[test]
fn a_stranger_on_the_wires_is_refused() {
    within(30, || {
        let region = Region::new(REGION).expect("a region");
        let join = |wires| connect_pair(NodeId(1), PeerName(NodeId(0), "h".into()), false, wires, &region, 0).err();
        for hello in
            [b"GET / HTTP/1.1\r\n".to_vec(), announcement(5, 1, 4096), announcement(0, 0, 4096), announcement(0, 1, 1)]
        {
            let [(mut msg, far), (_forward, forward_far), (_back, back_far)] = [(); 3].map(|()| tcp_streams());
            msg.write_all(&hello).expect("written");
            let error = join(Wires::Tcp { msg: far, forward: forward_far, back: back_far }).expect("refused");
            assert!(matches!(error, VerbsError::Protocol { .. }), "{error}");

            let (mut near, far) = UnixStream::pair().expect("a pair");
            near.write_all(&hello).expect("written");
            let error = join(Wires::Shm(far)).expect("refused");
            assert!(matches!(error, VerbsError::Protocol { .. }), "{error}");
        }
        let (near, far) = UnixStream::pair().expect("a pair");
        drop(near);
        assert!(matches!(join(Wires::Shm(far)), Some(VerbsError::Disconnected { .. })));
    });
}

#[test]
fn an_end_that_never_announces_itself_is_given_up() {
    within(20, || {
        let region = Region::new(REGION).expect("a region");
        let (_near, far) = UnixStream::pair().expect("a pair");
        let peer = PeerName(NodeId(0), "h".into());
        let error = connect_pair(NodeId(1), peer, false, Wires::Shm(far), &region, 0).err().expect("given up");
        assert!(matches!(error, VerbsError::Disconnected { .. }), "{error}");
    });
}
