//! One-sided reads and writes, over every transport.

mod common;

use std::thread;

use common::{REGION, kinds, pair, pattern, slowness, within};
use eos_verbs::{PAGE, TRANSFER_MAX, TransportKind, VerbsError};

#[test]
fn each_end_reads_what_the_other_has_in_its_region() {
    within(20, || {
        for kind in kinds() {
            let (mut near, mut far) = pair(kind);
            assert_eq!(near.link.transport(), kind);
            near.fill(0, &pattern(PAGE, 1));
            far.fill(REGION - PAGE, &pattern(PAGE, 2));
            let page = near.link.read((REGION - PAGE) as u64, PAGE).expect("read");
            assert_eq!(page, pattern(PAGE, 2));
            assert_eq!(page.as_ptr() as usize % PAGE, 0, "{kind}: pages are aligned");
            assert_eq!(far.link.read(0, PAGE).expect("read"), pattern(PAGE, 1));
            assert_eq!(near.link.read(5, 0).expect("read"), []);
            far.fill(0, &pattern(TRANSFER_MAX, 3));
            assert!(near.link.read(0, TRANSFER_MAX).expect("read") == pattern(TRANSFER_MAX, 3));
        }
    });
}

#[test]
fn a_flushed_write_is_in_the_peers_region() {
    within(20, || {
        for kind in kinds() {
            let (mut near, far) = pair(kind);
            for (offset, len) in [(0, 1), (PAGE, PAGE), (3 * PAGE + 7, 100_000), (REGION - TRANSFER_MAX, TRANSFER_MAX)]
            {
                near.link.post_write(offset as u64, &pattern(len, offset)).expect("posted");
                near.link.flush().expect("flushed");
                assert!(far.bytes(offset, len) == pattern(len, offset), "{kind} {offset} {len}");
            }
            near.link.post_write(0, &[]).expect("posted");
            near.link.flush().expect("flushed");
            near.link.flush().expect("nothing to flush");
        }
    });
}

#[test]
fn a_read_sees_the_write_posted_before_it_and_not_the_one_after() {
    within(30, || {
        for kind in kinds() {
            let (mut near, _far) = pair(kind);
            for round in 0..2000 / slowness() as usize {
                let slot = (round % 50 * PAGE) as u64;
                near.link.post_write(slot, &pattern(PAGE, round)).expect("posted");
                assert_eq!(near.link.read(slot, PAGE).expect("read"), pattern(PAGE, round));
            }
        }
    });
}

#[test]
fn thousands_of_writes_need_no_flush_in_between() {
    within(30, || {
        for kind in kinds() {
            let (mut near, far) = pair(kind);
            for round in 0..4 {
                for slot in 0..REGION / PAGE {
                    near.link.post_write((slot * PAGE) as u64, &[(round + slot) as u8; PAGE]).expect("posted");
                }
            }
            near.link.flush().expect("flushed");
            for slot in 0..REGION / PAGE {
                assert_eq!(far.bytes(slot * PAGE, PAGE), [(3 + slot) as u8; PAGE]);
            }
        }
    });
}

#[test]
fn a_list_of_writes_arrives_in_its_order_whatever_the_sizes() {
    within(30, || {
        for kind in kinds() {
            let (mut near, far) = pair(kind);
            for count in [0, 1, 2, 31, 32, 33, 100] {
                // Every third range is written twice, by the next one too: the later write wins.
                let place = |index: usize| {
                    ((index - usize::from(index % 3 == 2)) * 2 * PAGE, [1, PAGE, 2 * PAGE, 17][index % 4])
                };
                let data: Vec<Vec<u8>> = (0..count).map(|index| pattern(place(index).1, index + count)).collect();
                let writes: Vec<(u64, &[u8])> =
                    data.iter().enumerate().map(|(index, data)| (place(index).0 as u64, &data[..])).collect();
                let mut wanted = pattern(REGION, count);
                far.fill(0, &wanted);
                for (offset, data) in &writes {
                    wanted[*offset as usize..][..data.len()].copy_from_slice(data);
                }
                near.link.post_writes(&writes).expect("posted");
                near.link.flush().expect("flushed");
                assert!(far.bytes(0, REGION) == wanted, "{kind} {count}");
            }
            let outside: [(u64, &[u8]); 2] = [(0, &[1; PAGE]), (REGION as u64 - 1, &[1; PAGE])];
            assert!(near.link.post_writes(&outside).is_err(), "{kind}");
        }
    });
}

#[test]
fn a_list_of_reads_comes_in_its_order_whatever_the_sizes() {
    within(30, || {
        for kind in kinds() {
            let (mut near, far) = pair(kind);
            far.fill(0, &pattern(REGION, 5));
            let whole = pattern(REGION, 5);
            let small = (0..1000).map(|index| ((index * 7919 * PAGE) % (REGION - PAGE), PAGE));
            let mixed = (0..300).map(|index| (index * 1000, [0, 1, 17, PAGE, 70_000][index % 5]));
            let large = (0..6).map(|index| (index * PAGE, TRANSFER_MAX));
            let none = std::iter::empty();
            let lists: [Vec<(usize, usize)>; 4] = [small.collect(), mixed.collect(), large.collect(), none.collect()];
            for list in lists {
                let reads: Vec<(u64, usize)> = list.iter().map(|&(offset, len)| (offset as u64, len)).collect();
                let expected: Vec<u8> =
                    list.iter().flat_map(|&(offset, len)| &whole[offset..offset + len]).copied().collect();
                let mut into = vec![0; expected.len()];
                near.link.read_list(&reads, &mut into).expect("read");
                assert!(into == expected, "{kind}");
            }
            assert!(near.link.read_list(&[(0, 5)], &mut [0; 4]).is_err());
        }
    });
}

#[test]
fn both_ends_read_and_write_at_the_same_time() {
    within(30, || {
        for kind in kinds() {
            let (near, far) = pair(kind);
            let busy = |mut end: common::End, seed: usize| {
                let rounds = 500 / slowness() as usize;
                for round in 0..rounds {
                    let reads: Vec<(u64, usize)> = (0..40).map(|slot| (slot * PAGE as u64, PAGE)).collect();
                    end.link.read_list(&reads, &mut vec![0; 40 * PAGE]).expect("read");
                    for slot in 0..20 {
                        end.link.post_write(slot * PAGE as u64, &pattern(PAGE, seed + round)).expect("posted");
                    }
                }
                end.link.flush().expect("flushed");
                assert_eq!(end.link.read(0, PAGE).expect("read"), pattern(PAGE, seed + rounds - 1));
                end
            };
            let other = thread::spawn(move || busy(far, 1000));
            let _near = busy(near, 0);
            other.join().expect("no panic");
        }
    });
}

#[test]
fn a_range_outside_the_peers_region_is_refused_and_the_link_goes_on() {
    within(20, || {
        for kind in kinds() {
            let (mut near, _far) = pair(kind);
            for (offset, len) in [(REGION as u64, 1), (REGION as u64 - 1, 2), (u64::MAX, 1), (u64::MAX - 1, PAGE)] {
                let refused = near.link.read(offset, len).expect_err("refused");
                assert!(matches!(refused, VerbsError::OutOfRange { .. }), "{refused}");
                assert!(refused.to_string().contains("node 1 (localhost)"), "{refused}");
                assert!(near.link.post_write(offset, &vec![0; len]).is_err());
                assert!(near.link.read_list(&[(0, 1), (offset, len)], &mut vec![0; 1 + len]).is_err());
            }
            assert!(matches!(near.link.read(0, TRANSFER_MAX + 1), Err(VerbsError::TooLong { .. })));
            assert_eq!(near.link.read(0, 1).expect("read"), [0]);
        }
    });
}

#[test]
fn counters_count_payload() {
    within(20, || {
        for kind in kinds() {
            let (mut near, mut far) = pair(kind);
            near.link.read(0, PAGE).expect("read");
            near.link.read_list(&[(0, 10), (0, 20)], &mut [0; 30]).expect("read");
            near.link.post_write(0, &[1; 100]).expect("posted");
            near.link.send(&[b"abc", b"de"]).expect("sent");
            assert_eq!(far.receive(), b"abcde");
            let counters = near.link.counters();
            assert_eq!((counters.reads, counters.writes, counters.messages), (3, 1, 1));
            assert_eq!((counters.bytes_received, counters.bytes_sent), (PAGE as u64 + 30, 105));
            assert_eq!((far.link.counters().bytes_received, far.link.counters().messages), (5, 1));
        }
    });
}

#[test]
fn the_responder_sees_memory_that_was_discarded_as_zero() {
    within(20, || {
        for kind in [TransportKind::Tcp, TransportKind::Shm] {
            let (mut near, far) = pair(kind);
            near.link.post_write(PAGE as u64, &[9; PAGE]).expect("posted");
            near.link.flush().expect("flushed");
            far.region.discard(PAGE, PAGE);
            assert_eq!(near.link.read(PAGE as u64, PAGE).expect("read"), [0; PAGE]);
        }
    });
}

#[test]
fn what_was_read_ahead_is_what_the_region_holds_when_it_is_read() {
    within(60, || {
        for kind in kinds() {
            let (mut near, far) = pair(kind);
            far.fill(0, &pattern(REGION, 9));
            let mut holds = pattern(REGION, 9);
            let mut random = 1_u64;
            let mut below = |limit: usize| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) as usize % limit
            };
            for round in 0..6000 / slowness() as usize {
                let (at, count) = (below(40), 1 + below(24));
                let (offset, len) = (at * PAGE, count * PAGE);
                match below(8) {
                    0..3 => {
                        let reads: Vec<_> = (0..1 + below(3)).map(|n| ((offset + n * len) as u64, len)).collect();
                        near.link.read_ahead(&reads).expect("asked for");
                    }
                    3..6 => assert!(near.link.read(offset as u64, len).expect("read") == &holds[offset..offset + len]),
                    6 => {
                        let bytes = pattern(PAGE, round);
                        near.link.post_write(offset as u64, &bytes).expect("posted");
                        holds[offset..offset + PAGE].copy_from_slice(&bytes);
                    }
                    _ if below(4) == 0 => {
                        near.link.flush().expect("flushed");
                        // what others write is seen after a flush
                        far.fill(offset, &pattern(len, round));
                        holds[offset..offset + len].copy_from_slice(&pattern(len, round));
                    }
                    _ => {
                        let mut into = vec![0; len];
                        near.link.read_list(&[(offset as u64, len)], &mut into).expect("read");
                        assert!(into == holds[offset..offset + len], "{kind}");
                    }
                }
            }
        }
    });
}

#[test]
fn writes_do_not_wait_for_ever_while_nobody_takes_what_was_read_ahead() {
    within(60, || {
        for kind in kinds() {
            let (mut near, far) = pair(kind);
            far.fill(0, &pattern(REGION, 9));
            let ahead: Vec<_> = (0..4).map(|n| (n << 18, 1 << 18)).collect();
            for round in 0..32 / slowness() as usize {
                near.link.read_ahead(&ahead).expect("asked for");
                for slot in (1 << 20)..(1 << 20) + 64 {
                    near.link.post_write((slot % (REGION / PAGE) * PAGE) as u64, &[round as u8; PAGE]).expect("posted");
                }
                near.link.post_write(0, &[0; TRANSFER_MAX]).expect("posted");
                near.link.read_ahead(&ahead).expect("asked for");
                assert_eq!(near.link.read(0, 1 << 18).expect("read"), vec![0; 1 << 18]);
            }
            near.link.flush().expect("flushed");
        }
    });
}

#[test]
fn a_range_that_is_asked_for_twice_is_requested_once() {
    within(20, || {
        let (mut near, _far) = pair(TransportKind::Tcp);
        let reads = [(0, PAGE), (4 * PAGE as u64, 2 * PAGE)];
        near.link.read_ahead(&reads).expect("asked for");
        near.link.read_ahead(&reads).expect("asked for");
        for (offset, len) in reads {
            assert_eq!(near.link.read(offset, len).expect("read").len(), len);
        }
        let counters = near.link.counters();
        assert_eq!((counters.reads, counters.bytes_received), (2, 3 * PAGE as u64));
    });
}
