//! Everything the API holds, in memory, once for all loops.
//!
//! One watch per kind feeds it (watch.rs), and each write of ours is put in at
//! once with the answer of the API (cluster.rs), so a loop always sees its own
//! writes and never creates something twice. Revisions decide which of two
//! states is newer.

use crate::object::{Key, Object};
use crate::resource::Resource;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, RwLock};

/// What changed: `old` is absent for a new object, `new` for one that is gone.
pub(crate) struct Change {
    pub(crate) resource: Resource,
    pub(crate) old: Option<Arc<Object>>,
    pub(crate) new: Option<Arc<Object>>,
}

impl Change {
    /// The newest state known of the object.
    pub(crate) fn object(&self) -> &Arc<Object> {
        // One of the two is always there: a change without an object is never made.
        self.new.as_ref().or(self.old.as_ref()).expect("a change has an object")
    }

    /// Both states, the newer last.
    pub(crate) fn states(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.old.iter().chain(self.new.iter())
    }
}

/// Called after each change, outside the lock; must only put keys into queues.
pub(crate) type Listener = Box<dyn Fn(&Change, &Cache) + Send + Sync>;

/// All objects by kind and key, with an index of who is owned by whom.
#[derive(Default)]
pub(crate) struct Cache {
    state: RwLock<State>,
    listeners: RwLock<Vec<Listener>>,
}

#[derive(Default)]
struct State {
    tables: HashMap<Resource, BTreeMap<Key, Arc<Object>>>,
    /// Where the object with this uid is.
    uids: HashMap<String, (Resource, Key)>,
    /// Objects by the uid of each of their owners.
    dependents: HashMap<String, HashSet<(Resource, Key)>>,
    /// Uids of objects that went by our own hand, until the watch says so too: what it still
    /// tells of their life is old.
    buried: HashMap<String, Resource>,
}

impl Cache {
    /// Adds a listener; done before the first watch starts.
    pub(crate) fn listen(&self, listener: Listener) {
        self.listeners.write().expect("listeners lock").push(listener);
    }

    pub(crate) fn get(
        &self,
        resource: Resource,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Object>> {
        self.read().tables.get(&resource)?.get(&Key::new(namespace, name)).cloned()
    }

    /// The objects of one namespace, by name.
    pub(crate) fn list(&self, resource: Resource, namespace: &str) -> Vec<Arc<Object>> {
        let state = self.read();
        let Some(table) = state.tables.get(&resource) else { return Vec::new() };
        table
            .range(Key::new(namespace, "")..)
            .take_while(|(key, _)| key.namespace == namespace)
            .map(|(_, object)| object.clone())
            .collect()
    }

    /// The objects of all namespaces.
    pub(crate) fn list_all(&self, resource: Resource) -> Vec<Arc<Object>> {
        self.read()
            .tables
            .get(&resource)
            .map_or_else(Vec::new, |table| table.values().cloned().collect())
    }

    pub(crate) fn by_uid(&self, uid: &str) -> Option<Arc<Object>> {
        let state = self.read();
        let (resource, key) = state.uids.get(uid)?;
        state.tables.get(resource)?.get(key).cloned()
    }

    /// Everything that names this uid among its owners.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Arc<Object>> {
        let state = self.read();
        let Some(places) = state.dependents.get(uid) else { return Vec::new() };
        places
            .iter()
            .filter_map(|(resource, key)| state.tables.get(resource)?.get(key).cloned())
            .collect()
    }

    /// Objects of one kind managed by this owner, by name.
    pub(crate) fn controlled(&self, resource: Resource, owner_uid: &str) -> Vec<Arc<Object>> {
        let mut found: Vec<_> = self
            .dependents(owner_uid)
            .into_iter()
            .filter(|object| object.resource == resource && object.is_controlled_by(owner_uid))
            .collect();
        found.sort_by(|a, b| a.name().cmp(b.name()));
        found
    }

    /// Takes a state of an object in, unless a newer one is known.
    pub(crate) fn put(&self, object: Object) -> Arc<Object> {
        let object = Arc::new(object);
        let old = {
            let mut state = self.state.write().expect("cache lock");
            if state.buried.contains_key(object.uid()) {
                return object;
            }
            let known =
                state.tables.get(&object.resource).and_then(|table| table.get(&object.key()));
            if let Some(known) = known
                && known.revision() >= object.revision()
                && object.revision() != 0
            {
                return known.clone();
            }
            state.insert(object.clone())
        };
        self.notify(&Change { resource: object.resource, old, new: Some(object.clone()) });
        object
    }

    /// Forgets an object that the watch says is gone. `revision` is that of its deletion, if
    /// known: a later namesake stays.
    pub(crate) fn remove(&self, resource: Resource, key: &Key, uid: &str, revision: Option<u64>) {
        let old = {
            let mut state = self.state.write().expect("cache lock");
            state.buried.remove(uid);
            let Some(known) = state.tables.get(&resource).and_then(|table| table.get(key)) else {
                return;
            };
            let other = !uid.is_empty() && known.uid() != uid;
            if other && revision.is_none_or(|revision| known.revision() > revision) {
                return;
            }
            state.take(resource, key)
        };
        if old.is_some() {
            self.notify(&Change { resource, old, new: None });
        }
    }

    /// Forgets an object that went by our own hand, before the watch says so.
    pub(crate) fn bury(&self, object: &Object) {
        let old = {
            let mut state = self.state.write().expect("cache lock");
            let known =
                state.tables.get(&object.resource).and_then(|table| table.get(&object.key()));
            if known.is_none_or(|known| known.uid() != object.uid()) {
                return;
            }
            state.buried.insert(object.uid().to_owned(), object.resource);
            state.take(object.resource, &object.key())
        };
        if old.is_some() {
            self.notify(&Change { resource: object.resource, old, new: None });
        }
    }

    /// Forgets every object of a kind that a complete list did not have and that
    /// we did not write ourselves since the list began.
    pub(crate) fn retain(
        &self,
        resource: Resource,
        listed: &HashSet<Key>,
        known_before: &HashSet<Key>,
    ) {
        let gone: Vec<_> = {
            let state = self.read();
            let Some(table) = state.tables.get(&resource) else { return };
            table
                .iter()
                .filter(|(key, _)| !listed.contains(*key) && known_before.contains(*key))
                .map(|(key, object)| (key.clone(), object.uid().to_owned()))
                .collect()
        };
        // The list is newer than anything the old watch had to tell.
        self.state.write().expect("cache lock").buried.retain(|_, buried| *buried != resource);
        for (key, uid) in gone {
            self.remove(resource, &key, &uid, None);
        }
    }

    /// The keys of a kind.
    pub(crate) fn keys(&self, resource: Resource) -> HashSet<Key> {
        self.read()
            .tables
            .get(&resource)
            .map_or_else(HashSet::new, |table| table.keys().cloned().collect())
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().expect("cache lock")
    }

    fn notify(&self, change: &Change) {
        for listener in self.listeners.read().expect("listeners lock").iter() {
            listener(change, self);
        }
    }
}

impl State {
    fn insert(&mut self, object: Arc<Object>) -> Option<Arc<Object>> {
        let place = (object.resource, object.key());
        let old = self.take(object.resource, &place.1);
        for owner in object.owners() {
            self.dependents.entry(owner.uid.clone()).or_default().insert(place.clone());
        }
        self.uids.insert(object.uid().to_owned(), place.clone());
        self.tables.entry(place.0).or_default().insert(place.1, object);
        old
    }

    fn take(&mut self, resource: Resource, key: &Key) -> Option<Arc<Object>> {
        let old = self.tables.get_mut(&resource)?.remove(key)?;
        self.uids.remove(old.uid());
        let place = (resource, key.clone());
        for owner in old.owners() {
            if let Some(places) = self.dependents.get_mut(&owner.uid) {
                places.remove(&place);
                if places.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
        Some(old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{POD, REPLICA_SET};
    use serde_json::json;

    fn pod(name: &str, uid: &str, revision: u64, owner: &str) -> Object {
        let raw = serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "a", "name": name, "uid": uid, "resourceVersion": revision.to_string(),
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": owner, "controller": true}]},
        })).unwrap();
        Object::from_api(POD, raw)
    }

    #[test]
    fn an_older_state_never_replaces_a_newer_one() {
        let cache = Cache::default();
        cache.put(pod("p", "1", 5, "o"));
        cache.put(pod("p", "1", 4, "other"));
        assert_eq!(cache.controlled(POD, "o").len(), 1);
        assert!(cache.controlled(POD, "other").is_empty());
    }

    #[test]
    fn a_late_deletion_does_not_remove_the_namesake() {
        let cache = Cache::default();
        cache.put(pod("p", "1", 5, "o"));
        cache.put(pod("p", "2", 8, "o"));
        cache.remove(POD, &Key::new("a", "p"), "1", Some(7));
        assert!(cache.by_uid("2").is_some());
        cache.remove(POD, &Key::new("a", "p"), "2", Some(9));
        assert!(cache.by_uid("2").is_none());
        assert!(cache.dependents("o").is_empty());
        assert!(cache.list(REPLICA_SET, "a").is_empty());
    }

    #[test]
    fn what_we_deleted_does_not_come_back_by_an_old_event() {
        let cache = Cache::default();
        let created = cache.put(pod("p", "1", 5, "o"));
        cache.bury(&created);
        cache.put(pod("p", "1", 6, "o"));
        assert!(cache.by_uid("1").is_none());
        cache.put(pod("p", "2", 8, "o"));
        cache.remove(POD, &Key::new("a", "p"), "1", Some(7));
        assert!(cache.by_uid("2").is_some());
        assert!(cache.read().buried.is_empty());
    }

    #[test]
    fn a_relist_forgets_what_is_gone_but_not_what_we_just_wrote() {
        let cache = Cache::default();
        cache.put(pod("old", "1", 5, "o"));
        let before = cache.keys(POD);
        cache.put(pod("fresh", "2", 9, "o"));
        cache.retain(POD, &HashSet::new(), &before);
        assert!(cache.by_uid("1").is_none());
        assert!(cache.by_uid("2").is_some());
    }
}
