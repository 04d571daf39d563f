//! What the kernel would touch, for arguments of every kind, sane and not.

use proptest::prelude::*;

use super::fake::FakeMemory;
use super::{Call, Dir, MAX_RW_COUNT, Range, Ranges, all, ranges};

const BASE: u64 = 0x10_0000;

fn named(name: &str) -> &'static Call {
    all().find(|call| call.name == name).expect("in the table")
}

fn found(name: &str, args: [u64; 6], memory: &mut FakeMemory) -> Vec<(u64, u64, Dir)> {
    let mut out = Ranges::new();
    ranges(named(name), &args, memory, &mut out).expect("no fault");
    out.as_slice().iter().map(|range| (range.addr, range.len, range.dir)).collect()
}

#[test]
fn a_read_needs_its_buffer_writable() {
    let memory = &mut FakeMemory::default();
    assert_eq!(found("read", [3, BASE, 100, 0, 0, 0], memory), [(BASE, 100, Dir::Out)]);
    assert_eq!(found("write", [3, BASE, 100, 0, 0, 0], memory), [(BASE, 100, Dir::In)]);
}

#[test]
fn optional_pointers_left_out_and_empty_buffers_give_no_range() {
    let memory = &mut FakeMemory::default();
    assert_eq!(found("nanosleep", [BASE, 0, 0, 0, 0, 0], memory), [(BASE, 16, Dir::In)]);
    assert_eq!(found("read", [3, BASE, 0, 0, 0, 0], memory), []);
    assert_eq!(found("accept", [3, 0, 0, 0, 0, 0], memory), []);
}

#[test]
fn absurd_lengths_are_cut_where_the_kernel_cuts_them() {
    let memory = &mut FakeMemory::default();
    assert_eq!(found("read", [3, BASE, 1 << 62, 0, 0, 0], memory), [(BASE, MAX_RW_COUNT, Dir::Out)]);
    let at_the_end = found("read", [3, u64::MAX - 9, 1 << 62, 0, 0, 0], memory);
    assert_eq!(at_the_end, [(u64::MAX - 9, 9, Dir::Out)]);
}

#[test]
fn a_path_ends_with_its_nul_and_the_next_page_is_never_touched() {
    let memory = &mut FakeMemory::with(BASE, 4096);
    memory.put(BASE + 4090, b"/tmp/\0");
    assert_eq!(found("open", [BASE + 4090, 0, 0, 0, 0, 0], memory), [(BASE + 4090, 6, Dir::In)]);
    assert!(memory.touched.iter().all(|page| *page == BASE / 4096));
}

#[test]
fn a_path_that_runs_into_unmapped_memory_is_a_fault_there() {
    let memory = &mut FakeMemory::with(BASE, 4096);
    memory.put(BASE + 4000, &[b'x'; 96]);
    let fault = ranges(named("open"), &[BASE + 4000, 0, 0, 0, 0, 0], memory, &mut Ranges::new());
    assert_eq!(fault.expect_err("unmapped").addr, BASE + 4096);
}

#[test]
fn a_path_without_end_stops_at_path_max() {
    let memory = &mut FakeMemory::with(BASE, 3 * 4096);
    memory.put(BASE + 100, &[b'x'; 8000]);
    assert_eq!(found("open", [BASE + 100, 0, 0, 0, 0, 0], memory), [(BASE + 100, 4096, Dir::In)]);
}

#[test]
fn an_iovec_array_leads_to_its_buffers_also_when_there_are_a_thousand() {
    let memory = &mut FakeMemory::with(BASE, 5 * 4096);
    for i in 0..1024 {
        memory.put_words(BASE + 16 * i, &[0x20_0000 + i * 8192, i]);
    }
    let ranges = found("readv", [3, BASE, 1024, 0, 0, 0], memory);
    assert_eq!(ranges.len(), 1 + 1023, "the array, and all but the empty buffer");
    assert_eq!(ranges[0], (BASE, 16 * 1024, Dir::In));
    assert_eq!(ranges[1023], (0x20_0000 + 1023 * 8192, 1023, Dir::Out));
}

#[test]
fn an_iovec_array_longer_than_the_kernel_takes_is_left_to_the_kernel() {
    assert_eq!(found("writev", [3, BASE, 1025, 0, 0, 0], &mut FakeMemory::default()), []);
}

#[test]
fn the_buffers_of_one_readv_are_cut_in_total() {
    let memory = &mut FakeMemory::with(BASE, 4096);
    memory.put_words(BASE, &[0x20_0000, 0x7000_0000, 0x30_0000, u64::MAX, 0x40_0000, 5]);
    let ranges = found("readv", [3, BASE, 3, 0, 0, 0], memory);
    assert_eq!(ranges[1..], [(0x20_0000, 0x7000_0000, Dir::Out), (0x30_0000, 0x0fff_f000, Dir::Out)]);
}

#[test]
fn a_message_leads_to_name_control_data_and_buffers() {
    let memory = &mut FakeMemory::with(BASE, 4096);
    memory.put_words(BASE, &[0x1_1000, 16, BASE + 512, 1, 0x1_2000, 24, 0]);
    memory.put_words(BASE + 512, &[0x1_3000, 99]);
    assert_eq!(
        found("recvmsg", [3, BASE, 0, 0, 0, 0], memory),
        [
            (BASE, 56, Dir::InOut),
            (0x1_1000, 16, Dir::Out),
            (0x1_2000, 24, Dir::Out),
            (BASE + 512, 16, Dir::In),
            (0x1_3000, 99, Dir::Out),
        ]
    );
}

#[test]
fn socket_addresses_are_as_long_as_their_length_word_says() {
    let memory = &mut FakeMemory::with(BASE, 4096);
    memory.put(BASE, &28_u32.to_le_bytes());
    let expected = [(0x2_0000, 28, Dir::InOut), (BASE, 4, Dir::InOut)];
    assert_eq!(found("getsockname", [3, 0x2_0000, BASE, 0, 0, 0], memory), expected);
}

#[test]
fn select_needs_whole_words_of_each_set() {
    let sets = found("select", [65, BASE, 0, BASE + 64, 0, 0], &mut FakeMemory::default());
    assert_eq!(sets, [(BASE, 16, Dir::InOut), (BASE + 64, 16, Dir::InOut)]);
    assert_eq!(found("select", [u64::MAX, BASE, 0, 0, 0, 0], &mut FakeMemory::default()), []);
}

#[test]
fn upper_halves_of_int_arguments_are_ignored() {
    let memory = &mut FakeMemory::default();
    assert_eq!(found("poll", [BASE, 0xdead_0000_0000_0002, 0, 0, 0, 0], memory), [(BASE, 16, Dir::InOut)]);
}

#[test]
fn ioctl_knows_old_requests_by_name_and_new_ones_by_number() {
    let memory = &mut FakeMemory::default();
    assert_eq!(found("ioctl", [0, libc::TIOCGWINSZ, BASE, 0, 0, 0], memory), [(BASE, 8, Dir::InOut)]);
    assert_eq!(found("ioctl", [0, 0x4004_9409, 77, 0, 0, 0], memory), [], "FICLONE takes a descriptor");
    let mut out = Ranges::new();
    ranges(named("ioctl"), &[0, 0xc010_6401, BASE, 0, 0, 0], memory, &mut out).expect("no fault");
    assert_eq!(out.as_slice(), [Range { addr: BASE, len: 16, dir: Dir::InOut, arg: Some(2) }]);
    assert!(out.guessed() && !out.flat());
}

#[test]
fn waking_a_private_futex_touches_nothing() {
    let memory = &mut FakeMemory::default();
    assert_eq!(found("futex", [BASE, 129, 1, 0, 0, 0], memory), []);
    let wait = [(BASE, 4, Dir::In), (BASE + 64, 16, Dir::In)];
    assert_eq!(found("futex", [BASE, 128, 1, BASE + 64, 0, 0], memory), wait);
}

#[test]
fn execve_needs_every_string() {
    let memory = &mut FakeMemory::with(BASE, 4096);
    memory.put(BASE, b"/bin/ls\0-l\0");
    memory.put_words(BASE + 64, &[BASE, BASE + 8, 0]);
    let ranges = found("execve", [BASE, BASE + 64, 0, 0, 0, 0], memory);
    let total: u64 = ranges.iter().map(|(_, len, _)| len).sum();
    assert_eq!(total, 8 + 24 + 8 + 3);
}

/// Arguments that look like what programs pass: small integers, addresses in or near mapped memory, and noise.
fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..64_u64,
        BASE - 64..BASE + 3 * 4096,
        any::<u64>(),
        any::<u32>().prop_map(u64::from),
        Just(u64::MAX),
        Just(1 << 62),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn no_call_with_any_arguments_gives_a_wrapping_or_empty_range(
        args in prop::array::uniform6(argument()),
        contents in prop::collection::vec(argument(), 0..1024),
    ) {
        let mut memory = FakeMemory::with(BASE, 2 * 4096);
        memory.put_words(BASE, &contents);
        let mut out = Ranges::new();
        for call in all() {
            let _ = ranges(call, &args, &mut memory, &mut out);
            for range in out.as_slice() {
                prop_assert!(range.addr != 0 && range.len != 0, "{}: {range:?}", call.name);
                prop_assert!(range.addr.checked_add(range.len).is_some(), "{}: {range:?}", call.name);
                if let Some(arg) = range.arg {
                    prop_assert_eq!(range.addr, args[usize::from(arg)]);
                }
            }
        }
    }

    #[test]
    fn ranges_keep_their_order_when_they_spill(count in 0..200_u64) {
        let mut ranges = Ranges::new();
        (1..=count).for_each(|i| ranges.push(i, i, Dir::In, None));
        let addrs: Vec<u64> = ranges.as_slice().iter().map(|range| range.addr).collect();
        prop_assert_eq!(addrs, (1..=count).collect::<Vec<_>>());
        ranges.clear();
        prop_assert!(ranges.as_slice().is_empty());
    }
}
