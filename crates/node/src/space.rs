//! `emptyDir` volumes on disk that have a limit: what they use, and the end of a pod that uses more.
//!
//! Those in memory are limited by the kernel. On disk nothing stops a write, so it is looked at
//! again and again, as upstream's kubelet does, and the pod is evicted with its words.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Pod, Volume};
use kinds::quantity;

use crate::host::{Host, title, uid};
use crate::status::Failure;

/// Time between two looks.
pub(crate) const LOOK: Duration = Duration::from_secs(10);
/// Why such a pod ends.
pub(crate) const EVICTED: &str = "Evicted";

/// The volumes on disk with a limit: name, bytes, and the limit as it was written.
fn limited(pod: &Pod) -> impl Iterator<Item = (&str, u64, &str)> {
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(|Volume { name, empty_dir, .. }| {
        let source = empty_dir.as_ref().filter(|s| s.medium.as_deref() != Some("Memory"))?;
        let text = source.size_limit.as_ref()?.0.as_str();
        let most = u64::try_from(quantity::parse(text).ok()?.value()).ok()?;
        // Nothing asked for is no limit, as upstream has it.
        (most > 0).then_some((name.as_str(), most, text))
    })
}

/// Whether there is something to look at.
pub(crate) fn is_limited(pod: &Pod) -> bool {
    limited(pod).next().is_some()
}

/// The first volume that uses more than it may.
pub(crate) async fn overfull(host: &Host, pod: &Pod) -> Option<Failure> {
    for (name, most, text) in limited(pod) {
        let (id, volume) = (uid(pod), name.to_owned());
        let counted =
            host.blocking("count a volume", move |pods| pods.volume_bytes(&id, &volume, most));
        match counted.await {
            Ok(bytes) if bytes > most => {
                let message =
                    format!("Usage of EmptyDir volume \"{name}\" exceeds the limit \"{text}\". ");
                return Some(Failure { reason: EVICTED.to_owned(), message });
            }
            Ok(_) => {}
            Err(error) => {
                tracing::warn!(
                    pod = title(pod),
                    volume = name,
                    error = error.chain(),
                    "not counted"
                );
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_volumes_on_disk_with_a_limit_are_counted() {
        let pod: Pod = serde_json::from_value(json!({"spec": {"containers": [], "volumes": [
            {"name": "free", "emptyDir": {}},
            {"name": "zero", "emptyDir": {"sizeLimit": "0"}},
            {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            {"name": "cache", "emptyDir": {"sizeLimit": "1500k"}},
        ]}}))
        .unwrap();
        assert_eq!(limited(&pod).collect::<Vec<_>>(), [("cache", 1_500_000, "1500k")]);
        assert!(is_limited(&pod) && !is_limited(&Pod::default()));
    }
}
