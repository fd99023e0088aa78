//! The order of new slots in the free queue.

use crate::WorkerIndex;

/// Spreads the slots of each worker evenly over the queue, so that no worker gets several requests in a row that another one
/// could have got.
///
/// The k-th of a worker's n slots belongs at the fraction (2k + 1) / 2n of the queue: the middle of the k-th of n equal parts.
/// Slots stand in the order of their fractions. Of equal fractions the larger worker comes first, then the one that is named
/// first. Three slots of W1 and four of W2 give `W2 W1 W2 W1 W2 W1 W2`.
#[must_use]
pub fn interleave(slots: &[(WorkerIndex, u32)]) -> Vec<WorkerIndex> {
    struct QueuedSlot {
        numerator: u64,
        slots: u32,
        named: usize,
        worker: WorkerIndex,
    }
    let mut places = Vec::with_capacity(slots.iter().map(|(_, count)| *count as usize).sum());
    for (named, (worker, count)) in slots.iter().enumerate() {
        let place = |k| QueuedSlot { numerator: 2 * u64::from(k) + 1, slots: *count, named, worker: *worker };
        places.extend((0..*count).map(place));
    }
    places.sort_by(|a, b| {
        // a.numerator / 2a.slots against b.numerator / 2b.slots, without a division.
        let (left, right) = (a.numerator * u64::from(b.slots), b.numerator * u64::from(a.slots));
        left.cmp(&right).then(b.slots.cmp(&a.slots)).then(a.named.cmp(&b.named))
    });
    places.into_iter().map(|place| place.worker).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(slots: &[(WorkerIndex, u32)]) -> String {
        interleave(slots).iter().map(|worker| format!("W{worker}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn three_and_four_alternate_beginning_and_ending_with_the_larger() {
        assert_eq!(text(&[(1, 3), (2, 4)]), "W2 W1 W2 W1 W2 W1 W2");
    }

    #[test]
    fn equal_capacities_take_turns_in_the_order_of_their_names() {
        assert_eq!(text(&[(1, 2), (2, 2), (3, 2)]), "W1 W2 W3 W1 W2 W3");
    }

    #[test]
    fn a_small_worker_stands_in_the_middle_of_a_large_one() {
        assert_eq!(text(&[(1, 1), (2, 4)]), "W2 W2 W1 W2 W2");
    }

    #[test]
    fn no_worker_and_workers_without_slots_give_nothing() {
        assert!(interleave(&[]).is_empty());
        assert!(interleave(&[(7, 0)]).is_empty());
    }

    proptest::proptest! {
        /// The distance between two neighbouring slots of a worker is what its share says, give or take one for each other
        /// worker.
        #[test]
        fn every_worker_is_spread_evenly(counts in proptest::collection::vec(1_u32..40, 1..8)) {
            let slots: Vec<_> = counts.iter().enumerate().map(|(w, n)| (w as WorkerIndex, *n)).collect();
            let order = interleave(&slots);
            let total: u32 = counts.iter().sum();
            proptest::prop_assert_eq!(order.len(), total as usize);
            for (worker, count) in &slots {
                let at: Vec<_> = (0..order.len()).filter(|i| order[*i] == *worker).collect();
                proptest::prop_assert_eq!(at.len(), *count as usize);
                let fair = f64::from(total) / f64::from(*count);
                for pair in at.windows(2) {
                    let gap = (pair[1] - pair[0]) as f64;
                    proptest::prop_assert!((gap - fair).abs() <= counts.len() as f64);
                }
            }
        }
    }
}
