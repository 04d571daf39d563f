use proptest::prelude::*;

use super::*;

fn header() -> Header {
    Header { budget_pages: 512, nodes: 2, command: "sort big".into() }
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        (0..16u8).prop_map(What::Pull),
        Just(What::Slot),
        Just(What::Fresh),
        Just(What::Upgrade),
        (0..16u8).prop_map(What::Push),
        (0..16u8).prop_map(What::Arrive),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0..1_000_000u64, 0..1_000_000u64, 0..(1u64 << 35), 0..40u64, any::<bool>(), what());
    prop::collection::vec(one, 0..60).prop_map(|list| {
        let mut now = 1 << 40;
        let in_order = |(gap, took_ns, page, pages, write, what)| {
            now += gap;
            let event = Event { at_ns: now, took_ns, page, pages, write, what };
            now += took_ns;
            event
        };
        list.into_iter().map(in_order).collect()
    })
}

fn file(blocks: &[(u8, &[Event])]) -> Vec<u8> {
    let mut bytes = header().encode();
    let mut encoder = Encoder::new(1 << 16);
    for (node, events) in blocks {
        events.iter().for_each(|event| encoder.push(event));
        bytes.extend(encoder.block(*node));
        encoder.clear();
    }
    bytes
}

proptest! {
    #[test]
    fn what_was_written_is_read_and_a_cut_file_gives_its_beginning(events in events(), at: prop::sample::Index, cut: prop::sample::Index) {
        let (one, two) = events.split_at(at.index(events.len() + 1));
        let bytes = file(&[(0, one), (3, two)]);
        let whole = Trace::decode(&bytes).expect("whole");
        let expected: Vec<_> = one.iter().map(|e| (0, *e)).chain(two.iter().map(|e| (3, *e))).collect();
        prop_assert_eq!(&whole.events, &expected);
        prop_assert!(!whole.truncated && whole.header == header());
        let cut = cut.index(bytes.len());
        match Trace::decode(&bytes[..cut]) {
            Ok(part) => prop_assert_eq!(&part.events[..], &expected[..part.events.len()]),
            Err(error) => prop_assert!(cut < header().encode().len(), "{error}"),
        }
    }

    #[test]
    fn nonsense_is_read_or_refused_but_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Trace::decode(&bytes);
        let _ = Trace::decode(&[header().encode(), bytes].concat());
    }
}

#[test]
fn other_files_and_other_versions_are_told_apart() {
    assert_eq!(Trace::decode(b""), Err(TraceError::NoTrace));
    assert_eq!(Trace::decode(b"\x7fELF and so on and on and on"), Err(TraceError::NoTrace));
    assert_eq!(Trace::decode(b"EOSTRA"), Err(TraceError::Short));
    let mut newer = header().encode();
    newer[8] = 9;
    assert_eq!(Trace::decode(&newer), Err(TraceError::Version(9)));
}

#[test]
fn an_event_of_a_scan_takes_few_bytes_and_a_full_block_counts_what_it_leaves_out() {
    let mut encoder = Encoder::new(4096);
    let event = |n: u64| Event {
        at_ns: n * 9000,
        took_ns: 6000,
        page: 700_000_000 + n,
        pages: 1,
        write: false,
        what: What::Pull(1),
    };
    (0..2000).for_each(|n| encoder.push(&event(n)));
    let written = 2000 - encoder.lost();
    assert!(encoder.len() <= 4096 && encoder.len() as u64 / written <= 7, "{} for {written}", encoder.len());
}
