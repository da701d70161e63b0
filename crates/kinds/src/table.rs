//! The table of all kinds: a new kind is one line here, its text in `schema/types/`, and its file.

use crate::{Kind, apps, batch, core, networking, policy, rbac};
use std::sync::LazyLock;

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    vec![
        core::namespace::namespace(),
        core::node::node(),
        core::event::event(),
        core::pod::pod(),
        core::service::service(),
        core::endpoints::endpoints(),
        core::config::config_map(),
        core::config::secret(),
        core::config::service_account(),
        core::volume::persistent_volume(),
        core::volume::persistent_volume_claim(),
        apps::deployment::deployment(),
        apps::replica_set::replica_set(),
        apps::stateful_set::stateful_set(),
        apps::stateful_set::controller_revision(),
        batch::job::job(),
        batch::cron_job::cron_job(),
        core::endpoints::endpoint_slice(),
        networking::ingress(),
        networking::ingress_class(),
        networking::network_policy(),
        policy::pod_disruption_budget(),
        policy::storage_class(),
        policy::lease(),
        core::event::event_v1(),
        rbac::role(),
        rbac::role_binding(),
        rbac::cluster_role(),
        rbac::cluster_role_binding(),
        policy::horizontal_pod_autoscaler(),
    ]
});

/// Every kind, core group first.
pub fn all() -> &'static [Kind] {
    &KINDS
}

/// The kind served at this path.
pub fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    all().iter().find(|k| k.group == group && k.version == version && k.plural == plural)
}

/// The kind of this name.
pub fn find_kind(group: &str, version: &str, kind: &str) -> Option<&'static Kind> {
    all().iter().find(|k| k.group == group && k.version == version && k.kind == kind)
}
