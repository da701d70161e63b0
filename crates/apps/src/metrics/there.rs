//! What copies on another cluster use, as its `metrics.k8s.io` tells: processor and memory. Its
//! disks and its front door are not ours to measure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use super::Use;
use crate::{Error, Result, Target, live, observe};

/// By block.
pub(super) async fn uses(target: &Target, app: &str) -> Result<BTreeMap<String, Use>> {
    let params = ListParams::default().labels(&live::selector(app));
    let api: Api<Pod> = Api::namespaced(target.client.clone(), app);
    let pods = api.list(&params).await.map_err(Error::api(format!("list pods of {app}")))?;
    let kind = GroupVersionKind::gvk("metrics.k8s.io", "v1beta1", "PodMetrics");
    let kind = ApiResource::from_gvk_with_plural(&kind, "pods");
    let api: Api<DynamicObject> = Api::namespaced_with(target.client.clone(), app, &kind);
    let told = match api.list(&params).await {
        Ok(told) => told,
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let hint = "install a metrics server there; shelf target check says what it has";
            return Err(Error::Data {
                code: "target/unmeasured",
                message: format!("{} does not measure what its pods use", target.name()),
                hint: Some(hint.into()),
            });
        }
        Err(error) => return Err(Error::api(format!("ask what {app} uses"))(error)),
    };
    let mut uses: BTreeMap<String, Use> = BTreeMap::new();
    for one in &told {
        // By name: what a pod's measurement is labelled with is up to who measures.
        let pod = pods.iter().find(|pod| pod.name_any() == one.name_any());
        let Some(block) = pod.and_then(observe::block_of) else { continue };
        let used = uses.entry(block.to_owned()).or_default();
        for container in one.data["containers"].as_array().into_iter().flatten() {
            let (cpu_millis, memory_bytes) = used_by(&container["usage"]);
            used.cpu_millis += cpu_millis;
            used.memory_bytes += memory_bytes;
        }
    }
    Ok(uses)
}

/// Thousandths of a processor, and bytes. What is no quantity is nothing.
fn used_by(usage: &Value) -> (u64, u64) {
    let quantity = |name: &str| usage[name].as_str().and_then(composer::quantity);
    let cpu = quantity("cpu").map_or(0, |cpu| cpu.milli());
    let memory = quantity("memory").map_or(0, |memory| memory.value());
    (u64::try_from(cpu).unwrap_or(0), u64::try_from(memory).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_become_thousandths_and_bytes() {
        let usage = json!({"cpu": "12345678n", "memory": "4Ki"});
        assert_eq!(used_by(&usage), (13, 4096));
        assert_eq!(used_by(&json!({"cpu": "250m", "memory": "1000"})), (250, 1000));
        assert_eq!(used_by(&json!({"cpu": "much"})), (0, 0));
    }
}
