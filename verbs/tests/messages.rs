//! Messages and the mailbox, over every transport.

mod common;

use std::thread;
use std::time::{Duration, Instant};

use common::{kinds, pair, pair_with, pattern, slowness, within};
use eos_verbs::{MESSAGE_MAX, Mailbox, PAGE, TransportKind, VerbsError};
use rustix::thread::{self as thread_cpus, CpuSet};

#[test]
fn messages_of_every_size_arrive_whole_in_both_directions() {
    within(60, || {
        for kind in kinds() {
            let (mut near, mut far) = pair(kind);
            for len in [0, 1, 3, 4096, 65_531, 65_532, 65_536, 1 << 20, (1 << 20) + 1, 20_000_000] {
                let message = pattern(len, len);
                let copy = message.clone();
                let sender = thread::spawn(move || {
                    near.link.send(&[&copy]).expect("sent");
                    near
                });
                assert!(far.receive() == message, "{kind} {len}");
                near = sender.join().expect("no panic");
                let sender = thread::spawn(move || {
                    far.link.send(&[&message]).expect("sent");
                    (far, message)
                });
                let got = near.receive();
                let message;
                (far, message) = sender.join().expect("no panic");
                assert!(got == message, "{kind} {len}");
            }
        }
    });
}

#[test]
fn parts_are_joined_and_messages_keep_their_order() {
    within(20, || {
        for kind in kinds() {
            let (mut near, mut far) = pair(kind);
            let parts: Vec<Vec<u8>> = (0..100).map(|index| pattern(index, index)).collect();
            let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
            thread::scope(|scope| {
                // rdma has receive buffers for fewer
                let sender = scope.spawn(|| {
                    near.link.send(&slices).expect("sent");
                    near.link.send(&[]).expect("sent");
                    for number in 0..200u32 {
                        near.link.send(&[&number.to_le_bytes()]).expect("sent");
                    }
                });
                assert_eq!(far.receive(), parts.concat());
                assert_eq!(far.receive(), []);
                for number in 0..200u32 {
                    assert_eq!(far.receive(), number.to_le_bytes());
                }
                sender.join().expect("no panic");
            });
            let mut message = vec![1];
            assert!(!far.link.try_recv(&mut message).expect("sound"));
            assert!(message.is_empty(), "cleared first");
        }
    });
}

#[test]
fn a_message_never_overtakes_a_write() {
    within(30, || {
        for kind in kinds() {
            let (mut near, mut far) = pair(kind);
            for round in 0..300 {
                for slot in 0..20 {
                    near.link.post_write(slot * PAGE as u64, &[round as u8; PAGE]).expect("posted");
                }
                near.link.send(&[b"go"]).expect("sent");
                far.receive();
                assert_eq!(far.bytes(19 * PAGE, PAGE), [round as u8; PAGE]);
            }
        }
    });
}

#[test]
fn a_message_above_the_limit_is_refused() {
    within(20, || {
        for kind in kinds() {
            let (mut near, mut far) = pair(kind);
            let part = vec![0; MESSAGE_MAX / 2 + 1];
            assert!(matches!(near.link.send(&[&part, &part]), Err(VerbsError::TooLong { .. })));
            near.link.send(&[b"fine"]).expect("sent");
            assert_eq!(far.receive(), b"fine");
        }
    });
}

#[test]
fn a_mailbox_gives_up_after_its_limit() {
    within(20, || {
        let (mut links, mut ends) = (Vec::new(), Vec::new());
        for kind in kinds() {
            let (near, far) = pair(kind);
            links.push(Some(near.link));
            ends.push(far);
        }
        links.push(None);
        let mailbox = Mailbox::new();
        for limit in [Duration::ZERO, Duration::from_micros(20), Duration::from_millis(50)] {
            let start = Instant::now();
            assert_eq!(mailbox.wait(&mut links, &mut Vec::new(), Some(limit)).expect("sound"), None);
            assert!(start.elapsed() >= limit && start.elapsed() < limit + Duration::from_secs(2));
        }
        assert_eq!(mailbox.wait(&mut [], &mut Vec::new(), Some(Duration::ZERO)).expect("sound"), None);
    });
}

#[test]
fn a_mailbox_wakes_for_whichever_link_speaks() {
    within(60, || {
        let (mut links, mut ends) = (vec![None], Vec::new());
        for (index, kind) in kinds().into_iter().cycle().take(4).enumerate() {
            let (near, far) = pair_with(kind, index as u8 + 1);
            links.push(Some(near.link));
            ends.push((far, near.region));
        }
        let speaker = thread::spawn(move || {
            for round in 0..40u8 {
                // sometimes while the other side spins, sometimes while it sleeps
                thread::sleep(Duration::from_micros(u64::from(round % 8) * 100));
                let index = usize::from(round % 4);
                ends[index].0.link.send(&[&[round]]).expect("sent");
                assert_eq!(ends[index].0.receive(), [round]);
            }
            ends
        });
        let (mailbox, mut message) = (Mailbox::new(), Vec::new());
        for round in 0..40u8 {
            let index = mailbox.wait(&mut links, &mut message, None).expect("sound").expect("a message");
            assert_eq!((index, &message[..]), (usize::from(round % 4) + 1, &[round][..]));
            links[index].as_mut().expect("present").send(&[&message]).expect("sent");
        }
        speaker.join().expect("no panic");
    });
}

#[test]
fn ends_that_have_one_cpu_between_them_exchange_messages_asleep() {
    within(60, || {
        let allowed = thread_cpus::sched_getaffinity(None).expect("the CPUs allowed");
        let first = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).expect("a CPU");
        let mut one = CpuSet::new();
        one.set(first);
        // for this thread and those that it starts
        thread_cpus::sched_setaffinity(None, &one).expect("pinned");
        for kind in [TransportKind::Shm, TransportKind::Tcp] {
            let rounds = 1000 / slowness() as u32;
            let (near, far) = pair(kind);
            assert!(near.link.shares_cpu() && far.link.shares_cpu(), "{kind}");
            let echo = thread::spawn(move || {
                let (mailbox, mut message, mut links) = (Mailbox::new(), Vec::new(), [Some(far.link)]);
                while message != (rounds - 1).to_le_bytes() {
                    mailbox.wait(&mut links, &mut message, None).expect("sound");
                    links[0].as_mut().expect("present").send(&[&message]).expect("sent");
                }
            });
            let (mailbox, mut message, mut links) = (Mailbox::new(), Vec::new(), [None, Some(near.link)]);
            for round in 0..rounds {
                links[1].as_mut().expect("present").send(&[&round.to_le_bytes()]).expect("sent");
                assert_eq!(mailbox.wait(&mut links, &mut message, None).expect("sound"), Some(1));
                assert_eq!(message, round.to_le_bytes());
            }
            echo.join().expect("no panic");
            // the other end is gone now
            let gone = mailbox.wait(&mut links, &mut message, None);
            assert!(matches!(gone, Err(VerbsError::Disconnected { .. })), "{kind}: {gone:?}");
        }
    });
}

#[test]
fn no_wake_up_is_lost_in_a_long_exchange_without_spinning() {
    within(60, || {
        for kind in kinds() {
            let rounds = 3000 / slowness() as u32;
            let (near, mut far) = pair(kind);
            let mut links = [Some(near.link)];
            let echo = thread::spawn(move || {
                let mut message = Vec::new();
                let mailbox = Mailbox::with_spin(Duration::ZERO);
                for _ in 0..rounds {
                    mailbox.wait(&mut links, &mut message, None).expect("sound");
                    links[0].as_mut().expect("present").send(&[&message]).expect("sent");
                }
                links
            });
            let mut message = Vec::new();
            for round in 0..rounds {
                far.link.send(&[&round.to_le_bytes()]).expect("sent");
                let mut links = [Some(far.link)];
                Mailbox::with_spin(Duration::ZERO).wait(&mut links, &mut message, None).expect("sound");
                assert_eq!(message, round.to_le_bytes());
                let [link] = links;
                far.link = link.expect("present");
            }
            echo.join().expect("no panic");
        }
    });
}
