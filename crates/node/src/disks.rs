//! Persistent volumes on this machine's disk: which directory one is, and its removal.
//!
//! Directories are made when a pod first mounts them (`volumes.rs`). Here one is removed once its
//! claim is gone and its policy says so; nothing outside the volumes directory is ever touched.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::PersistentVolume;
use kube::api::{Api, DeleteParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Resource, ResourceExt};

use crate::error::Error;
use crate::host::{Host, api_error};

/// Pause before a failed removal is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// The directory of a volume, if it lies properly inside `volumes_dir`.
pub(crate) fn directory(volumes_dir: &Path, volume: &PersistentVolume) -> Option<PathBuf> {
    let spec = volume.spec.as_ref()?;
    let path = match (&spec.host_path, &spec.local) {
        (Some(host), _) => &host.path,
        (None, Some(local)) => &local.path,
        (None, None) => return None,
    };
    let inside = Path::new(path).strip_prefix(volumes_dir).ok()?;
    let mut parts = inside.components().peekable();
    parts.peek()?;
    parts.all(|part| matches!(part, Component::Normal(_))).then(|| PathBuf::from(path))
}

/// Watches volumes for ever.
pub(crate) async fn run(host: Arc<Host>) {
    let api: Api<PersistentVolume> = Api::all(host.client.clone());
    let mut changes = watcher::watcher(api, watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .boxed();
    while let Some(change) = changes.next().await {
        match change {
            Ok(volume) if to_be_removed(&volume) => {
                if let Err(error) = remove(&host, &volume).await {
                    tracing::warn!(
                        volume = volume.name_any(),
                        error = error.chain(),
                        "not removed"
                    );
                    tokio::spawn(try_again(host.clone(), volume.name_any()));
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "watch of volumes broke off, trying again"),
        }
    }
}

fn to_be_removed(volume: &PersistentVolume) -> bool {
    let policy = volume.spec.as_ref().and_then(|s| s.persistent_volume_reclaim_policy.as_deref());
    let phase = volume.status.as_ref().and_then(|s| s.phase.as_deref());
    policy == Some("Delete") && phase == Some("Released") && volume.meta().uid.is_some()
}

async fn remove(host: &Host, volume: &PersistentVolume) -> Result<(), Error> {
    // A volume of somebody else's is not ours to delete.
    let Some(path) = directory(&host.settings.volumes_dir, volume) else { return Ok(()) };
    let gone = path.clone();
    match tokio::task::spawn_blocking(move || pod::tree::remove(&gone)).await {
        Ok(Ok(())) => {}
        Ok(Err(source)) => return Err(Error::File { action: "remove", path, source }),
        Err(source) => return Err(Error::BrokenOff { action: "removing a volume", source }),
    }
    let api: Api<PersistentVolume> = Api::all(host.client.clone());
    match api.delete(&volume.name_any(), &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(api_error("delete volume", volume.name_any())(error)),
    }
}

async fn try_again(host: Arc<Host>, name: String) {
    let api: Api<PersistentVolume> = Api::all(host.client.clone());
    loop {
        tokio::time::sleep(PAUSE).await;
        match api.get_opt(&name).await {
            Ok(Some(volume)) if to_be_removed(&volume) => {
                if remove(&host, &volume).await.is_ok() {
                    return;
                }
            }
            Ok(_) => return,
            Err(error) => tracing::debug!(%error, "volume not looked at"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_directories_inside_ours_are_volumes() {
        let at = |path: &str| {
            let volume: PersistentVolume =
                serde_json::from_value(json!({"spec": {"hostPath": {"path": path}}})).unwrap();
            directory(Path::new("/data/volumes"), &volume).is_some()
        };
        assert!(at("/data/volumes/a") && at("/data/volumes/ns/a"));
        for outside in ["/data/volumes", "/data/volumes/", "/data", "/data/volumes/../x", "/etc"] {
            assert!(!at(outside), "{outside}");
        }
    }
}
