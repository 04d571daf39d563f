//! Data that is compressed on its way: what comes is what was there, whatever mixture of ways it takes.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{End, REGION, pair, pattern, within};
use eos_verbs::{PAGE, PackRule, QueuePair, TransportKind, Way};
use proptest::prelude::*;

/// Compresses as the bits say, one after the other, round and round; asks for trials as often as it can.
struct Bits {
    bits: u64,
    calls: AtomicU64,
    trials: Arc<AtomicU64>,
}

impl PackRule for Bits {
    fn packs(&self, _way: Way) -> bool {
        self.bits >> (self.calls.fetch_add(1, Ordering::Relaxed) % 64) & 1 != 0
    }

    fn is_due(&mut self, _way: Way, bytes: usize) -> bool {
        assert!(bytes >= PAGE);
        true
    }

    fn link_carries(&mut self, _way: Way, bytes_per_s: Option<u64>) -> bool {
        assert_eq!(bytes_per_s, None, "a link within a host saves no wire");
        true
    }

    fn tried(&mut self, _way: Way, raw: usize, packed: usize, _cost: Duration) {
        assert!(raw == PAGE && (1..=raw).contains(&packed));
        self.trials.fetch_add(1, Ordering::Relaxed);
    }
}

fn packs_by(end: &mut End, bits: u64) -> Arc<AtomicU64> {
    let trials = Arc::new(AtomicU64::new(0));
    end.link.pack_by(Box::new(Bits { bits, calls: AtomicU64::new(0), trials: trials.clone() }));
    trials
}

/// Bytes that shrink: a page of noise, then three of one byte, and so on.
fn mixed(len: usize, seed: usize) -> Vec<u8> {
    let mut bytes = pattern(len, seed);
    for (index, page) in bytes.chunks_mut(PAGE).enumerate().filter(|(index, _)| !(index + seed).is_multiple_of(4)) {
        page.fill((index + seed) as u8);
    }
    bytes
}

#[test]
fn what_shrinks_takes_less_wire_and_the_rest_as_much_as_ever() {
    within(20, || {
        let len = 64 * PAGE;
        let (mut near, far) = pair(TransportKind::Tcp);
        packs_by(&mut near, !0);
        near.link.post_write(0, &vec![7; len]).expect("posted");
        assert!(near.link.read(0, len).expect("read") == vec![7; len]);
        let after_equal = near.link.counters();
        assert_eq!((after_equal.bytes_sent, after_equal.bytes_received), (len as u64, len as u64));
        for saved in [after_equal.saved_sent, after_equal.saved_received] {
            assert!(saved > len as u64 * 9 / 10 && saved < len as u64, "{saved}");
        }
        let noise = noise(len);
        far.fill(0, &noise);
        near.link.post_write(len as u64, &noise).expect("posted");
        assert!(near.link.read(0, len).expect("read") == noise);
        near.link.flush().expect("flushed");
        assert!(far.bytes(len, len) == noise);
        let after_noise = near.link.counters();
        let saved = |counters: eos_verbs::Counters| (counters.saved_sent, counters.saved_received);
        assert_eq!(saved(after_noise), saved(after_equal), "nothing was saved");
    });
}

fn noise(len: usize) -> Vec<u8> {
    let mut state = 9_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..len).map(next).collect()
}

#[test]
fn a_trial_changes_nothing_and_less_than_a_page_is_never_compressed() {
    within(20, || {
        let (mut near, far) = pair(TransportKind::Tcp);
        let trials = packs_by(&mut near, 0);
        far.fill(0, &mixed(8 * PAGE, 1));
        assert!(near.link.read(0, 8 * PAGE).expect("read") == mixed(8 * PAGE, 1));
        near.link.post_write(0, &mixed(PAGE, 2)).expect("posted");
        assert_eq!(trials.load(Ordering::Relaxed), 2);
        packs_by(&mut near, !0);
        near.link.post_write(0, &[3; PAGE - 1]).expect("posted");
        assert_eq!(near.link.read(0, PAGE - 1).expect("read"), [3; PAGE - 1]);
        assert_eq!((near.link.counters().saved_sent, near.link.counters().saved_received), (0, 0));
    });
}

/// Writes until the socket is full of them, with packed data outstanding that was read ahead.
#[test]
fn a_full_socket_and_data_outstanding_do_not_block_each_other() {
    within(30, || {
        let (mut near, far) = pair(TransportKind::Tcp);
        packs_by(&mut near, !0);
        far.fill(0, &noise(REGION));
        for round in 0..20 {
            let reads: Vec<_> = (0..16).map(|index| ((index * 16 * PAGE) as u64, 16 * PAGE)).collect();
            near.link.read_ahead(&reads).expect("requested");
            for index in 0..32 {
                let at = REGION / 2 + index * 32 * PAGE;
                near.link.post_write(at as u64, &noise(32 * PAGE)).expect("posted");
            }
            let (offset, len) = reads[round % 16];
            assert!(near.link.read(offset, len).expect("read") == far.bytes(offset as usize, len));
        }
    });
}

#[derive(Clone, Debug)]
enum Step {
    Write(usize, usize),
    Read(usize, usize),
    ReadAhead(usize, usize),
    ReadList(usize, usize),
    Flush,
}

fn any_step() -> impl Strategy<Value = Step> {
    let range = || (0..200_usize, 1..40_usize);
    prop_oneof![
        4 => range().prop_map(|(page, pages)| Step::Write(page, pages)),
        3 => range().prop_map(|(page, pages)| Step::Read(page, pages)),
        3 => range().prop_map(|(page, pages)| Step::ReadAhead(page, pages)),
        1 => range().prop_map(|(page, pages)| Step::ReadList(page, pages)),
        1 => Just(Step::Flush),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_mixture_of_ways_gives_what_the_region_holds(
        steps in prop::collection::vec(any_step(), 1..60),
        bits: u64,
    ) {
        within(60, move || {
            let (mut near, far) = pair(TransportKind::Tcp);
            packs_by(&mut near, bits);
            let mut model = mixed(240 * PAGE, 0);
            far.fill(0, &model);
            let link: &mut dyn QueuePair = near.link.as_mut();
            for (seed, step) in steps.into_iter().enumerate() {
                match step {
                    Step::Write(page, pages) => {
                        let data = mixed(pages * PAGE, seed);
                        link.post_write((page * PAGE) as u64, &data).expect("posted");
                        model[page * PAGE..][..data.len()].copy_from_slice(&data);
                    }
                    Step::Read(page, pages) => {
                        let (at, len) = (page * PAGE, pages * PAGE);
                        assert!(link.read(at as u64, len).expect("read") == &model[at..at + len]);
                    }
                    Step::ReadAhead(page, pages) => {
                        let reads: Vec<_> = (page..page + pages).map(|page| ((page * PAGE) as u64, PAGE)).collect();
                        link.read_ahead(&reads).expect("requested");
                    }
                    Step::ReadList(page, pages) => {
                        let reads: Vec<_> = (0..pages).map(|index| (((page + index / 2) * PAGE) as u64, PAGE)).collect();
                        let mut into = vec![0; pages * PAGE];
                        link.read_list(&reads, &mut into).expect("read");
                        for (&(at, len), bytes) in reads.iter().zip(into.chunks(PAGE)) {
                            assert!(bytes == &model[at as usize..][..len]);
                        }
                    }
                    Step::Flush => link.flush().expect("flushed"),
                }
            }
            link.flush().expect("flushed");
            assert!(far.bytes(0, model.len()) == model);
        });
    }
}
