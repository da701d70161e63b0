//! Which keys to wake when something that belongs to a workload changes.

use crate::cache::{Cache, Change};
use crate::object::Key;
use crate::queue::Queue;
use crate::resource::Resource;
use std::sync::Arc;

/// Wakes the workload itself when it changes, and when an object of `dependent` kind that it
/// controls (or could adopt) does.
pub(crate) fn wake(cache: &Cache, queue: &Arc<Queue<Key>>, owner: Resource, dependent: Resource) {
    let queue = queue.clone();
    cache.listen(Box::new(move |change, cache| {
        if change.resource == owner {
            queue.add(change.object().key());
        } else if change.resource == dependent {
            wake_owner(change, cache, &queue, owner);
        }
    }));
}

/// Wakes the workload of kind `owner` that this object belongs to, before or after the change.
pub(crate) fn wake_owner(change: &Change, cache: &Cache, queue: &Arc<Queue<Key>>, owner: Resource) {
    for state in change.states() {
        if let Some(reference) = state.controller()
            && reference.kind == owner.kind
            && reference.api_version == owner.api_version()
        {
            queue.add(Key::new(state.namespace(), &reference.name));
        }
    }
    let orphan = change.new.as_ref().filter(|new| new.controller().is_none() && !new.deleting());
    let Some(orphan) = orphan else { return };
    let unchanged = change
        .old
        .as_ref()
        .is_some_and(|old| old.labels() == orphan.labels() && old.controller().is_none());
    if !unchanged {
        for workload in cache.list(owner, orphan.namespace()) {
            queue.add(workload.key());
        }
    }
}
