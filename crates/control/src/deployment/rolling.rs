//! The arithmetic of a rolling update: how many replicas each ReplicaSet may have next.
//!
//! Pure. Two bounds hold at every step: never more than `replicas + max_surge` pods asked
//! for, never fewer than `replicas - max_unavailable` available ones.

/// A deployment's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) replicas: i64,
    pub(super) max_surge: i64,
    pub(super) max_unavailable: i64,
}

/// What a ReplicaSet has: replicas asked for, and how many of its pods are available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) wanted: i64,
    pub(super) available: i64,
}

impl Count {
    /// Available pods that will stay: those above `wanted` are about to be deleted.
    fn lasting(self) -> i64 {
        self.available.min(self.wanted)
    }
}

impl Limits {
    /// From the strategy's values; both zero would make no progress, so one pod may then be missing.
    pub(super) fn resolve(replicas: i64, max_surge: i64, max_unavailable: i64) -> Self {
        let max_unavailable =
            if max_surge == 0 && max_unavailable == 0 { 1 } else { max_unavailable };
        Self { replicas, max_surge, max_unavailable: max_unavailable.min(replicas) }
    }

    pub(super) fn min_available(self) -> i64 {
        self.replicas - self.max_unavailable
    }

    /// Replicas the new ReplicaSet should have now.
    pub(super) fn grow_new(self, new: i64, total: i64) -> i64 {
        if new >= self.replicas {
            return self.replicas;
        }
        let room = self.replicas + self.max_surge - total;
        if room <= 0 {
            return new;
        }
        new + room.min(self.replicas - new)
    }

    /// Replicas each old ReplicaSet (oldest first) should have now: unhealthy pods go first,
    /// they cost no availability; then available ones as far as allowed.
    pub(super) fn shrink_old(self, new: Count, old: &[Count]) -> Vec<i64> {
        let mut next: Vec<i64> = old.iter().map(|count| count.wanted).collect();
        let total: i64 = new.wanted + next.iter().sum::<i64>();
        // What is asked for of the new set but not there yet counts as missing.
        let new_missing = (new.wanted - new.available).max(0);
        let mut budget = total - self.min_available() - new_missing;
        if budget <= 0 {
            return next;
        }
        for (wanted, count) in next.iter_mut().zip(old) {
            let unhealthy = (count.wanted - count.lasting()).min(budget).max(0);
            *wanted -= unhealthy;
            budget -= unhealthy;
        }
        let available = new.lasting() + old.iter().map(|count| count.lasting()).sum::<i64>();
        let mut spare = (available - self.min_available()).min(budget).max(0);
        for wanted in &mut next {
            let step = spare.min(*wanted);
            *wanted -= step;
            spare -= step;
        }
        next
    }
}

/// One ReplicaSet in a proportional scale: replicas asked for, and the most the deployment
/// allowed when that was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) wanted: i64,
    pub(super) max_then: i64,
}

/// Spreads `allowed` pods over ReplicaSets in proportion to their size, the first taking
/// what rounding leaves. Callers put the largest first.
pub(super) fn proportional(shares: &[Share], allowed: i64) -> Vec<i64> {
    let total: i64 = shares.iter().map(|share| share.wanted).sum();
    let to_add = allowed - total;
    let mut added = 0;
    let mut next: Vec<i64> = shares
        .iter()
        .map(|share| {
            if to_add == 0 || share.wanted == 0 {
                return share.wanted;
            }
            let max_then = share.max_then.max(1);
            // Rounded to nearest, as a division of positive integers.
            let fair = (share.wanted * allowed * 2 + max_then) / (max_then * 2) - share.wanted;
            let left = to_add - added;
            let part = if to_add > 0 { fair.clamp(0, left) } else { fair.clamp(left, 0) };
            added += part;
            share.wanted + part
        })
        .collect();
    if let Some(first) = next.first_mut() {
        *first = (*first + to_add - added).max(0);
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_set_grows_into_the_surge() {
        let limits = Limits::resolve(10, 3, 2);
        assert_eq!(limits.grow_new(0, 10), 3);
        assert_eq!(limits.grow_new(3, 13), 3);
        assert_eq!(limits.grow_new(9, 11), 10);
        assert_eq!(limits.grow_new(12, 12), 10);
    }

    #[test]
    fn old_sets_shrink_only_by_what_may_be_missing() {
        let limits = Limits::resolve(10, 3, 2);
        let new = Count { wanted: 3, available: 0 };
        assert_eq!(limits.shrink_old(new, &[Count { wanted: 10, available: 10 }]), [8]);
        // The same look again, while two pods are still being deleted: nothing more.
        assert_eq!(limits.shrink_old(new, &[Count { wanted: 8, available: 10 }]), [8]);
        let new = Count { wanted: 5, available: 3 };
        assert_eq!(limits.shrink_old(new, &[Count { wanted: 8, available: 8 }]), [5]);
    }

    #[test]
    fn unhealthy_old_pods_go_first() {
        let limits = Limits::resolve(4, 1, 0);
        let new = Count { wanted: 1, available: 1 };
        let old = [Count { wanted: 2, available: 2 }, Count { wanted: 2, available: 1 }];
        assert_eq!(limits.shrink_old(new, &old), [2, 1]);
    }

    #[test]
    fn no_surge_and_no_missing_pod_still_makes_progress() {
        assert_eq!(Limits::resolve(3, 0, 0).max_unavailable, 1);
    }

    /// Plays every combination of small numbers to the end, with pods becoming available one
    /// at a time and deletions taking effect late.
    #[test]
    fn bounds_hold_at_every_step_and_the_update_ends() {
        for replicas in 0..7_i64 {
            for max_surge in 0..4 {
                for max_unavailable in 0..4 {
                    play(Limits::resolve(replicas, max_surge, max_unavailable));
                }
            }
        }
    }

    fn play(limits: Limits) {
        let mut new = Count { wanted: 0, available: 0 };
        let mut old = Count { wanted: limits.replicas, available: limits.replicas };
        for step in 0..200 {
            let total = new.wanted + old.wanted;
            new.wanted = limits.grow_new(new.wanted, total);
            assert!(new.wanted + old.wanted <= limits.replicas + limits.max_surge, "{limits:?}");
            old.wanted = limits.shrink_old(new, &[old])[0];
            // Deletion happens at some later time.
            if step % 3 == 0 {
                old.available = old.available.min(old.wanted);
            }
            assert!(
                new.available + old.available.min(old.wanted) >= limits.min_available(),
                "{limits:?} {new:?} {old:?}"
            );
            if step % 2 == 0 && new.available < new.wanted {
                new.available += 1;
            }
            if new.available == limits.replicas && old.wanted == 0 {
                return;
            }
        }
        panic!("{limits:?} does not end: {new:?} {old:?}");
    }

    #[test]
    fn scaling_in_mid_rollout_is_proportional() {
        // 10 wanted with surge 5: sets of 8 and 5; now 15 wanted: 20 allowed.
        let shares = [Share { wanted: 8, max_then: 15 }, Share { wanted: 5, max_then: 15 }];
        let next = proportional(&shares, 20);
        assert_eq!(next.iter().sum::<i64>(), 20);
        assert_eq!(next, [13, 7]);
        let down = proportional(
            &[Share { wanted: 13, max_then: 20 }, Share { wanted: 7, max_then: 20 }],
            10,
        );
        assert_eq!(down.iter().sum::<i64>(), 10);
        assert_eq!(proportional(&shares, 13), [8, 5]);
    }
}
