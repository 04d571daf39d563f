//! The layout against a map with one entry a page.
#![cfg(not(loom))]

use std::collections::HashMap;
use std::ops::Range;

use eos_pager::layout::{Area, Kind, Layout, Prot};
use proptest::prelude::*;

const PAGES: u64 = 64;

#[derive(Clone, Debug)]
enum Step {
    Insert(Range<u64>, Area),
    Remove(Range<u64>),
    Protect(Range<u64>, Prot),
}

fn any_range() -> impl Strategy<Value = Range<u64>> {
    (0..PAGES, 0..16u64).prop_map(|(first, count)| first..(first + count).min(PAGES))
}

fn any_area() -> impl Strategy<Value = Area> {
    let kind = prop_oneof![Just(Kind::Anon), Just(Kind::FileRo)];
    (0..8u32, kind, any::<bool>()).prop_map(|(prot, kind, tracked)| Area {
        kind,
        tracked,
        ..Area::anon(Prot::from_bits(prot & 3))
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (any_range(), any_area()).prop_map(|(range, area)| Step::Insert(range, area)),
        any_range().prop_map(Step::Remove),
        (any_range(), 0..8u32).prop_map(|(range, prot)| Step::Protect(range, Prot::from_bits(prot))),
    ]
}

fn bytes(range: &Range<u64>) -> Range<u64> {
    range.start << 12..range.end << 12
}

fn take_step(step: Step, layout: &mut Layout, model: &mut HashMap<u64, Area>) {
    match step {
        Step::Insert(range, area) => {
            layout.insert(bytes(&range), area);
            model.extend(range.map(|page| (page, area)));
        }
        Step::Remove(range) => {
            layout.remove(bytes(&range));
            model.retain(|page, _| !range.contains(page));
        }
        Step::Protect(range, prot) => {
            let hole = range.clone().find(|page| !model.contains_key(page));
            let said = layout.protect(bytes(&range), prot);
            assert_eq!(said.err().map(|e| e.addr >> 12), hole);
            for page in range.start..hole.unwrap_or(range.end) {
                model.get_mut(&page).expect("below the hole").prot = prot;
            }
        }
    }
}

fn highest_gap(model: &HashMap<u64, Area>, count: u64, align: u64, bounds: &Range<u64>) -> Option<u64> {
    let starts = (bounds.start..bounds.end).rev().filter(|start| start % align == 0 && start + count <= bounds.end);
    starts.into_iter().find(|start| (*start..start + count).all(|page| !model.contains_key(&page)))
}

proptest! {
    #[test]
    fn the_layout_is_what_a_map_of_pages_would_be(
        steps in prop::collection::vec(any_step(), 1..40),
        bounds in any_range(), count in 1..10u64, align in 0..3u32, probe in any_range(),
    ) {
        let (mut layout, mut model) = (Layout::new(), HashMap::new());
        for step in steps {
            take_step(step, &mut layout, &mut model);
        }
        for page in 0..PAGES {
            prop_assert_eq!(layout.find((page << 12) + 5).map(|(_, area)| area), model.get(&page).copied());
        }
        let parts: Vec<_> = layout.iter().collect();
        prop_assert!(parts.windows(2).all(|w| w[0].0.end < w[1].0.start || w[0].1 != w[1].1), "equal neighbours");
        prop_assert_eq!(layout.total_pages(|area| area.tracked), model.values().filter(|area| area.tracked).count() as u64);
        prop_assert_eq!(layout.is_free(bytes(&probe)), !probe.clone().any(|page| model.contains_key(&page)));
        let cut: u64 = layout.overlapping(bytes(&probe)).map(|(part, _)| (part.end - part.start) >> 12).sum();
        prop_assert_eq!(cut, probe.filter(|page| model.contains_key(page)).count() as u64);
        let align = 1 << align;
        let gap = layout.find_gap(count << 12, align << 12, bytes(&bounds));
        prop_assert_eq!(gap.map(|addr| addr >> 12), highest_gap(&model, count, align, &bounds));
        let wire = postcard::to_stdvec(&layout).expect("encodes");
        prop_assert_eq!(postcard::from_bytes::<Layout>(&wire).expect("decodes"), layout);
    }
}
