//! A deployment whose `replicas` changed, or that is paused: sets are resized, templates stay.

use super::rolling::{Share, proportional};
use super::{Deployments, View, replicas, revision};
use crate::error::Result;
use crate::object::Object;
use std::cmp::Reverse;

fn noted(set: &Object, annotation: &str) -> Option<i64> {
    set.annotation(annotation)?.parse().ok()
}

impl Deployments {
    /// Whether a set with pods was sized for another number of replicas.
    pub(super) fn was_rescaled(&self, view: &View) -> bool {
        view.sets().filter(|set| replicas(set) > 0).any(|set| {
            noted(set, revision::DESIRED).is_some_and(|desired| desired != view.limits.replicas)
        })
    }

    pub(super) async fn rescale(&self, view: &mut View) -> Result<()> {
        let wanted = view.limits.replicas;
        let active: Vec<_> = view.sets().filter(|set| replicas(set) > 0).cloned().collect();
        // One set with pods, or none: the newest takes all.
        if active.len() <= 1 {
            let only = active
                .first()
                .cloned()
                .or_else(|| view.new.clone())
                .or_else(|| view.old.last().cloned());
            let Some(only) = only else { return Ok(()) };
            let scaled = self.scale(view, &only, wanted).await?;
            self.replace(view, scaled);
            return Ok(());
        }
        let saturated = view.new.as_ref().is_some_and(|new| {
            replicas(new) == wanted && self.count(view, new).available == wanted
        });
        if saturated {
            let none = vec![0; view.old.len()];
            return self.scale_old(view, &none).await;
        }
        if view.deployment.text("/spec/strategy/type") == Some("Recreate") {
            return Ok(());
        }
        // In the middle of a rollout: both sides keep their share of risk.
        let allowed = if wanted > 0 { wanted + view.limits.max_surge } else { 0 };
        let total: i64 = active.iter().map(|set| replicas(set)).sum();
        let mut largest_first = active;
        if allowed >= total {
            largest_first.sort_by_key(|set| (Reverse(replicas(set)), Reverse(set.created())));
        } else {
            largest_first.sort_by_key(|set| (Reverse(replicas(set)), set.created()));
        }
        let shares: Vec<_> = largest_first
            .iter()
            .map(|set| Share {
                wanted: replicas(set),
                max_then: noted(set, revision::MAX).unwrap_or(wanted + view.limits.max_surge),
            })
            .collect();
        for (set, next) in largest_first.iter().zip(proportional(&shares, allowed)) {
            let scaled = self.scale(view, set, next).await?;
            self.replace(view, scaled);
        }
        Ok(())
    }

    fn replace(&self, view: &mut View, set: std::sync::Arc<Object>) {
        if view.new.as_ref().is_some_and(|new| new.uid() == set.uid()) {
            view.new = Some(set);
        } else if let Some(old) = view.old.iter_mut().find(|old| old.uid() == set.uid()) {
            *old = set;
        }
    }
}
