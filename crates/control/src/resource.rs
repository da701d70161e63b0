//! Which kinds of objects the loops talk about, and their URL paths.
//!
//! A `Resource` is a small copyable name; the table of all of them comes from
//! the kinds room. Next: object.rs, one object read from the API.

/// The name of one kind of object: enough to build its URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Resource {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
}

const fn core(plural: &'static str, kind: &'static str) -> Resource {
    Resource { group: "", version: "v1", plural, kind, namespaced: true }
}

const fn grouped(group: &'static str, plural: &'static str, kind: &'static str) -> Resource {
    Resource { group, version: "v1", plural, kind, namespaced: true }
}

const fn cluster_wide(resource: Resource) -> Resource {
    Resource { namespaced: false, ..resource }
}

pub(crate) const NAMESPACE: Resource = cluster_wide(core("namespaces", "Namespace"));
pub(crate) const NODE: Resource = cluster_wide(core("nodes", "Node"));
pub(crate) const POD: Resource = core("pods", "Pod");
pub(crate) const SERVICE: Resource = core("services", "Service");
pub(crate) const ENDPOINTS: Resource = core("endpoints", "Endpoints");
pub(crate) const CONFIG_MAP: Resource = core("configmaps", "ConfigMap");
pub(crate) const SERVICE_ACCOUNT: Resource = core("serviceaccounts", "ServiceAccount");
pub(crate) const EVENT: Resource = core("events", "Event");
pub(crate) const VOLUME: Resource = cluster_wide(core("persistentvolumes", "PersistentVolume"));
pub(crate) const CLAIM: Resource = core("persistentvolumeclaims", "PersistentVolumeClaim");
pub(crate) const DEPLOYMENT: Resource = grouped("apps", "deployments", "Deployment");
pub(crate) const REPLICA_SET: Resource = grouped("apps", "replicasets", "ReplicaSet");
pub(crate) const STATEFUL_SET: Resource = grouped("apps", "statefulsets", "StatefulSet");
pub(crate) const CONTROLLER_REVISION: Resource =
    grouped("apps", "controllerrevisions", "ControllerRevision");
pub(crate) const JOB: Resource = grouped("batch", "jobs", "Job");
pub(crate) const CRON_JOB: Resource = grouped("batch", "cronjobs", "CronJob");
pub(crate) const ENDPOINT_SLICE: Resource =
    grouped("discovery.k8s.io", "endpointslices", "EndpointSlice");
pub(crate) const DISRUPTION_BUDGET: Resource =
    grouped("policy", "poddisruptionbudgets", "PodDisruptionBudget");
pub(crate) const AUTOSCALER: Resource = Resource {
    version: "v2",
    ..grouped("autoscaling", "horizontalpodautoscalers", "HorizontalPodAutoscaler")
};
pub(crate) const STORAGE_CLASS: Resource =
    cluster_wide(grouped("storage.k8s.io", "storageclasses", "StorageClass"));

/// How much of an object the cache keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Everything but `managedFields`.
    Whole,
    /// Metadata only: enough for ownership and for emptying a namespace.
    Metadata,
}

/// What some loop reads in full.
const WHOLE: [Resource; 17] = [
    NAMESPACE,
    NODE,
    POD,
    SERVICE,
    ENDPOINTS,
    VOLUME,
    CLAIM,
    DEPLOYMENT,
    REPLICA_SET,
    STATEFUL_SET,
    CONTROLLER_REVISION,
    JOB,
    CRON_JOB,
    ENDPOINT_SLICE,
    DISRUPTION_BUDGET,
    AUTOSCALER,
    STORAGE_CLASS,
];

impl Resource {
    /// Every kind the server has, except events (they own nothing and are owned by nobody).
    pub(crate) fn all() -> Vec<Self> {
        kinds::all()
            .iter()
            .filter(|kind| kind.kind != "Event")
            .map(|kind| Self {
                group: kind.group,
                version: kind.version,
                plural: kind.plural,
                kind: kind.kind,
                namespaced: kind.namespaced,
            })
            .collect()
    }

    /// How much of this kind the cache keeps: only kinds some loop reads are kept whole.
    pub(crate) fn depth(&self) -> Depth {
        if WHOLE.contains(self) { Depth::Whole } else { Depth::Metadata }
    }

    /// `v1` or `apps/v1`.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The collection's path; `namespace` is ignored for cluster-wide kinds, and an
    /// empty one means all namespaces.
    pub(crate) fn collection_path(&self, namespace: &str) -> String {
        let root =
            if self.group.is_empty() { "/api".to_owned() } else { format!("/apis/{}", self.group) };
        if self.namespaced && !namespace.is_empty() {
            format!("{root}/{}/namespaces/{namespace}/{}", self.version, self.plural)
        } else {
            format!("{root}/{}/{}", self.version, self.plural)
        }
    }

    /// The path of one object.
    pub(crate) fn path(&self, namespace: &str, name: &str) -> String {
        format!("{}/{name}", self.collection_path(namespace))
    }

    /// The kube client's form of this name.
    pub(crate) fn api_resource(&self) -> kube::core::ApiResource {
        kube::core::ApiResource {
            group: self.group.to_owned(),
            version: self.version.to_owned(),
            api_version: self.api_version(),
            kind: self.kind.to_owned(),
            plural: self.plural.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_follow_the_api_conventions() {
        assert_eq!(POD.path("a", "b"), "/api/v1/namespaces/a/pods/b");
        assert_eq!(POD.collection_path(""), "/api/v1/pods");
        assert_eq!(DEPLOYMENT.path("a", "b"), "/apis/apps/v1/namespaces/a/deployments/b");
        assert_eq!(NODE.path("ignored", "n"), "/api/v1/nodes/n");
    }

    #[test]
    fn every_kind_a_loop_reads_is_in_the_table() {
        let all = Resource::all();
        for resource in WHOLE.into_iter().chain([CONFIG_MAP, SERVICE_ACCOUNT]) {
            assert!(all.contains(&resource), "{resource:?} is not served");
        }
    }
}
