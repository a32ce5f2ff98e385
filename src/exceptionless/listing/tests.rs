use proptest::prelude::*;

use super::*;

type Item = (u64, Option<u64>);

fn items(ids: impl IntoIterator<Item = u64>) -> Vec<Item> {
    ids.into_iter().map(|id| (id, Some(id))).collect()
}

/// What a server with these ids, oldest first, answers for a page.
fn page(world: &[u64], number: u64) -> Vec<Item> {
    let skipped = ((number - 1) * PAGE) as usize;
    items(world.iter().copied().skip(skipped).take(PAGE as usize))
}

#[test]
fn an_empty_world_is_one_page() {
    let mut listing = Listing::<u64>::new();
    assert_eq!(listing.take::<u64>(Vec::new(), 0), Step::Complete);
}

#[test]
fn as_many_items_as_were_announced_are_the_whole_world() {
    let (world, mut listing) = ((0..250).collect::<Vec<_>>(), Listing::new());
    assert_eq!(listing.take(page(&world, 1), 250), Step::Continue);
    assert_eq!(listing.take(page(&world, 2), 250), Step::Continue);
    assert_eq!(listing.page(), 3);
    assert_eq!(listing.take(page(&world, 3), 250), Step::Complete);
    assert_eq!(listing.into_items(), world);
}

#[test]
fn an_empty_page_before_the_end_is_no_smaller_world() {
    let mut listing = Listing::new();
    assert_eq!(listing.take(items(0..100), 101), Step::Continue);
    assert_eq!(listing.take(items([]), 101), Step::Incomplete);
    assert_eq!((listing.seen(), listing.announced()), (100, 101));
}

#[test]
fn items_that_appear_at_the_end_are_read_too() {
    let mut listing = Listing::new();
    assert_eq!(listing.take(items(0..100), 150), Step::Continue);
    assert_eq!(listing.take(items(100..200), 201), Step::Continue);
    assert_eq!(listing.take(items(200..201), 201), Step::Complete);
}

#[test]
fn an_item_that_is_listed_twice_counts_once() {
    let mut listing = Listing::new();
    assert_eq!(listing.take(items(0..100), 150), Step::Continue);
    assert_eq!(listing.take(items(99..150), 151), Step::Continue);
    assert_eq!(listing.take(items(150..151), 151), Step::Complete);
    assert_eq!(listing.into_items(), (0..151).collect::<Vec<_>>());
}

#[test]
fn an_item_that_is_of_no_use_was_seen_nevertheless() {
    let mut listing = Listing::new();
    assert_eq!(listing.take(vec![(1, Some(1)), (2, None)], 2), Step::Complete);
    assert_eq!(listing.into_items(), [1]);
}

#[test]
fn a_deletion_while_paging_starts_the_listing_over() {
    let mut world = (0..250).collect::<Vec<_>>();
    let mut listing = Listing::new();
    assert_eq!(listing.take(page(&world, 1), 250), Step::Continue);
    world.remove(5);
    // Item 100 has moved to the page that was already read.
    assert_eq!(listing.take(page(&world, 2), 249), Step::Continue);
    assert_eq!(listing.page(), 1);
    for number in 1..=3 {
        listing.take(page(&world, number), 249);
    }
    assert_eq!(listing.into_items(), world);
}

#[test]
fn a_listing_that_never_holds_still_is_given_up() {
    let mut listing = Listing::new();
    let mut count = 9000;
    let gave_up = (0..100).any(|_| {
        count -= 1;
        let ids = (listing.page() - 1) * PAGE..listing.page() * PAGE;
        listing.take(items(ids), count) == Step::Incomplete
    });
    assert!(gave_up);
}

#[test]
fn the_first_page_tells_that_there_are_too_many() {
    assert_eq!(Listing::new().take(items(0..100), 9_901), Step::TooMany);
    assert_eq!(Listing::new().take(items(0..100), 9_900), Step::Continue);
}

#[test]
fn the_last_page_that_the_server_can_deliver_is_the_last_that_is_asked_for() {
    let (world, mut listing) = ((0..9_900).collect::<Vec<_>>(), Listing::new());
    for _ in 1..LAST_PAGE {
        assert_eq!(listing.take(page(&world, listing.page()), 9_900), Step::Continue);
    }
    assert_eq!(listing.page(), LAST_PAGE);
    assert_eq!(listing.take(page(&world, LAST_PAGE), 9_900), Step::Complete);
}

proptest! {
    #[test]
    fn what_exists_from_beginning_to_end_is_listed(
        size in 0u64..700,
        changes in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..12),
    ) {
        let mut world: Vec<u64> = (0..size).collect();
        let mut fresh = size..;
        let (mut changes, mut listing) = (changes.into_iter(), Listing::new());
        let step = loop {
            match listing.take(page(&world, listing.page()), world.len() as u64) {
                Step::Continue => {}
                step => break step,
            }
            // One change between two pages: a deletion and a creation in one moment leave no trace.
            match changes.next() {
                Some((true, index)) if !world.is_empty() => { world.remove(index.index(world.len())); }
                Some((false, _)) => world.extend(fresh.next()),
                _ => {}
            }
        };
        if step == Step::Complete {
            let listed = listing.into_items();
            prop_assert!(world.iter().all(|id| listed.contains(id)));
        }
    }
}
