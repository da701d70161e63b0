//! A pod's volumes, made ready on this machine before its containers start.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::{
    ConfigMap, DownwardAPIVolumeFile, EmptyDirVolumeSource, KeyToPath, PersistentVolume,
    PersistentVolumeClaim, Pod, ProjectedVolumeSource, Secret, Volume,
};
use kinds::quantity;
use kube::{Api, ResourceExt};

use crate::atomic::{self, File, Files};
use crate::downward::{self, Facts};
use crate::error::Error;
use crate::host::{Host, api_error, uid};

/// Modes of files unless the volume says otherwise.
const MODE: i32 = 0o644;

/// A volume that is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) path: PathBuf,
    pub(crate) read_only: bool,
    /// Whether an empty directory goes to the first container's user.
    pub(crate) adopt_owner: bool,
}

/// Makes all volumes of the pod ready. May be called again: live volumes are brought up to date.
pub(crate) async fn prepare(
    host: &Host,
    pod: &Pod,
    facts: &Facts,
) -> Result<BTreeMap<String, Ready>, Error> {
    let mut ready = BTreeMap::new();
    for volume in pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
        ready.insert(volume.name.clone(), prepare_one(host, pod, volume, facts).await?);
    }
    Ok(ready)
}

/// Whether any volume of the pod follows an object that may change.
pub(crate) fn follows_objects(pod: &Pod) -> bool {
    pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()).any(|volume| {
        volume.config_map.is_some()
            || volume.secret.is_some()
            || volume.projected.is_some()
            || volume.downward_api.is_some()
    })
}

async fn prepare_one(
    host: &Host,
    pod: &Pod,
    volume: &Volume,
    facts: &Facts,
) -> Result<Ready, Error> {
    let id = uid(pod);
    let on_disk = host.pods.volumes_dir(&id).join(&volume.name);
    let group = fs_group(pod);
    if let Some(source) = &volume.empty_dir {
        return empty_dir(host, &id, volume, source, on_disk, group).await;
    }
    if let Some(claim) = &volume.persistent_volume_claim {
        let path = claimed(host, pod, volume, &claim.claim_name).await?;
        let ready = Ready { path, read_only: claim.read_only == Some(true), adopt_owner: true };
        let dir = ready.path.clone();
        let make = move || make_disk(&dir, group);
        return blocking(&volume.name, make).await.map(|()| ready);
    }
    let mut files = Files::new();
    let mut secret = false;
    if let Some(source) = &volume.config_map {
        let mode = source.default_mode.unwrap_or(MODE);
        let map = config_map(host, pod, &source.name).await?;
        let found = map.map(|map| map_bytes(&map));
        let items = source.items.as_deref();
        files = pick(&volume.name, "configmap", &source.name, found, items, mode, source.optional)?;
    } else if let Some(source) = &volume.secret {
        secret = true;
        let name = source.secret_name.clone().unwrap_or_default();
        let mode = source.default_mode.unwrap_or(MODE);
        let found = get_secret(host, pod, &name).await?.map(|s| secret_bytes(&s));
        let items = source.items.as_deref();
        files = pick(&volume.name, "secret", &name, found, items, mode, source.optional)?;
    } else if let Some(source) = &volume.downward_api {
        let mode = source.default_mode.unwrap_or(MODE);
        own_fields(pod, &volume.name, source.items.as_deref(), mode, facts, &mut files)?;
    } else if let Some(source) = &volume.projected {
        secret = source.sources.iter().flatten().any(|source| source.secret.is_some());
        projected(host, pod, &volume.name, source, facts, &mut files).await?;
    } else {
        let reason = "this type of volume is not supported".to_owned();
        return Err(Error::Volume { volume: volume.name.clone(), reason });
    }
    let path = if secret {
        let id = id.clone();
        let memory = host.blocking("make volume", move |pods| pods.memory_dir(&id)).await?;
        memory.join(&volume.name)
    } else {
        on_disk
    };
    if group.is_some() {
        files.values_mut().for_each(|file| file.mode |= 0o440);
    }
    let ready = Ready { path: path.clone(), read_only: true, adopt_owner: false };
    blocking(&volume.name, move || atomic::write(&path, &files, group)).await?;
    Ok(ready)
}

async fn blocking<T: Send + 'static>(
    volume: &str,
    call: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result.map_err(|error| Error::Volume {
            volume: volume.to_owned(),
            reason: error.to_string(),
        }),
        Err(source) => Err(Error::BrokenOff { action: "making a volume", source }),
    }
}

fn fs_group(pod: &Pod) -> Option<u32> {
    let group = pod.spec.as_ref()?.security_context.as_ref()?.fs_group?;
    u32::try_from(group).ok()
}

async fn empty_dir(
    host: &Host,
    id: &str,
    volume: &Volume,
    source: &EmptyDirVolumeSource,
    on_disk: PathBuf,
    group: Option<u32>,
) -> Result<Ready, Error> {
    let path = if source.medium.as_deref() == Some("Memory") {
        let size = source.size_limit.as_ref().and_then(|size| {
            quantity::parse(&size.0).ok().and_then(|q| u64::try_from(q.value()).ok())
        });
        let (id, name) = (id.to_owned(), volume.name.clone());
        host.blocking("make volume", move |pods| pods.memory_volume(&id, &name, size)).await?
    } else {
        on_disk
    };
    let ready = Ready { path: path.clone(), read_only: false, adopt_owner: false };
    blocking(&volume.name, move || {
        fs_err::create_dir_all(&path)?;
        let mode = if group.is_some() { 0o2777 } else { 0o777 };
        if let Some(group) = group {
            std::os::unix::fs::lchown(&path, None, Some(group))?;
        }
        fs_err::set_permissions(&path, std::fs::Permissions::from_mode(mode))
    })
    .await?;
    Ok(ready)
}

/// The directory behind a claim. Only directories below our own volumes directory are used.
async fn claimed(host: &Host, pod: &Pod, volume: &Volume, claim: &str) -> Result<PathBuf, Error> {
    let refuse = |reason: String| Error::Volume { volume: volume.name.clone(), reason };
    let namespace = pod.namespace().unwrap_or_default();
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(host.client.clone(), &namespace);
    let found = claims.get_opt(claim).await.map_err(api_error("get claim", claim))?;
    let found =
        found.ok_or_else(|| refuse(format!("persistentvolumeclaim \"{claim}\" not found")))?;
    let bound = found.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Bound");
    let name = found.spec.and_then(|spec| spec.volume_name).filter(|_| bound);
    let name = name.ok_or_else(|| refuse(format!("claim {claim} is not bound yet")))?;
    let volumes: Api<PersistentVolume> = Api::all(host.client.clone());
    let found = volumes.get_opt(&name).await.map_err(api_error("get volume", name.as_str()))?;
    let found = found.ok_or_else(|| refuse(format!("persistentvolume \"{name}\" not found")))?;
    crate::disks::directory(&host.settings.volumes_dir, &found).ok_or_else(|| {
        refuse(format!("volume {name} does not lie in this machine's volumes directory"))
    })
}

/// Makes the directory of a persistent volume, and gives what it holds to the group once.
fn make_disk(path: &Path, group: Option<u32>) -> std::io::Result<()> {
    if !path.exists() {
        fs_err::create_dir_all(path)?;
        fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    }
    let Some(group) = group else { return Ok(()) };
    // The root's group tells whether it was done: looking at every file on each start is slow.
    if fs_err::symlink_metadata(path)?.gid() == group {
        return Ok(());
    }
    let mut left = vec![path.to_owned()];
    let mut dirs = Vec::new();
    while let Some(dir) = left.pop() {
        for entry in fs_err::read_dir(&dir)? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            std::os::unix::fs::lchown(entry.path(), None, Some(group))?;
            if metadata.is_dir() {
                left.push(entry.path());
            } else if metadata.is_file() {
                let mode = metadata.mode() & 0o7777 | 0o660;
                fs_err::set_permissions(entry.path(), std::fs::Permissions::from_mode(mode))?;
            }
        }
        dirs.push(dir);
    }
    // The root last: only then is it done.
    for dir in dirs.into_iter().rev() {
        std::os::unix::fs::lchown(&dir, None, Some(group))?;
        let mode = fs_err::symlink_metadata(&dir)?.mode() & 0o7777 | 0o2770;
        fs_err::set_permissions(&dir, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

async fn config_map(host: &Host, pod: &Pod, name: &str) -> Result<Option<ConfigMap>, Error> {
    let namespace = pod.namespace().unwrap_or_default();
    let api: Api<ConfigMap> = Api::namespaced(host.client.clone(), &namespace);
    api.get_opt(name).await.map_err(api_error("get configmap", name))
}

async fn get_secret(host: &Host, pod: &Pod, name: &str) -> Result<Option<Secret>, Error> {
    let namespace = pod.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(host.client.clone(), &namespace);
    api.get_opt(name).await.map_err(api_error("get secret", name))
}

/// Fetches all that the pod's environments refer to.
pub(crate) async fn sources(host: &Host, pod: &Pod) -> Result<crate::env::Sources, Error> {
    let (maps, secrets) = crate::env::references(pod);
    let mut sources = crate::env::Sources::default();
    for name in maps {
        let found = config_map(host, pod, &name).await?;
        sources.config_maps.insert(name, found);
    }
    for name in secrets {
        let found = get_secret(host, pod, &name).await?;
        sources.secrets.insert(name, found);
    }
    Ok(sources)
}

type Bytes = BTreeMap<String, Vec<u8>>;

fn map_bytes(map: &ConfigMap) -> Bytes {
    let text = map.data.iter().flatten().map(|(k, v)| (k.clone(), v.clone().into_bytes()));
    let binary = map.binary_data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone()));
    text.chain(binary).collect()
}

fn secret_bytes(secret: &Secret) -> Bytes {
    secret.data.iter().flatten().map(|(k, v)| (k.clone(), v.0.clone())).collect()
}

/// The files of a ConfigMap or Secret: all keys, or the listed items.
fn pick(
    volume: &str,
    kind: &str,
    name: &str,
    found: Option<Bytes>,
    items: Option<&[KeyToPath]>,
    mode: i32,
    optional: Option<bool>,
) -> Result<Files, Error> {
    let optional = optional == Some(true);
    let refuse = |reason: String| Error::Volume { volume: volume.to_owned(), reason };
    let Some(mut found) = found else {
        return if optional {
            Ok(Files::new())
        } else {
            Err(refuse(format!("{kind} \"{name}\" not found")))
        };
    };
    let mode = u32::try_from(mode).unwrap_or(0o644);
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        let file = |(key, content)| (key, File { mode, content });
        return Ok(found.into_iter().map(file).collect());
    };
    let mut files = Files::new();
    for item in items {
        let mode = item.mode.and_then(|m| u32::try_from(m).ok()).unwrap_or(mode);
        match found.get_mut(&item.key) {
            Some(content) => {
                files.insert(item.path.clone(), File { mode, content: content.clone() });
            }
            None if optional => {}
            None => {
                let text = format!("{kind} \"{name}\" references non-existent key: {}", item.key);
                return Err(refuse(text));
            }
        }
    }
    Ok(files)
}

fn own_fields(
    pod: &Pod,
    volume: &str,
    items: Option<&[DownwardAPIVolumeFile]>,
    mode: i32,
    facts: &Facts,
    files: &mut Files,
) -> Result<(), Error> {
    for item in items.unwrap_or_default() {
        let content = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => downward::field(pod, &field.field_path, facts),
            (None, Some(resource)) => downward::resource(pod, None, resource, facts),
            (None, None) => continue,
        };
        let content = content
            .map_err(|reason| Error::Volume { volume: volume.to_owned(), reason })?
            .into_bytes();
        let mode = u32::try_from(item.mode.unwrap_or(mode)).unwrap_or(0o644);
        files.insert(item.path.clone(), File { mode, content });
    }
    Ok(())
}

async fn projected(
    host: &Host,
    pod: &Pod,
    volume: &str,
    projected: &ProjectedVolumeSource,
    facts: &Facts,
    files: &mut Files,
) -> Result<(), Error> {
    let mode = projected.default_mode.unwrap_or(MODE);
    for source in projected.sources.iter().flatten() {
        if let Some(source) = &source.config_map {
            let found = config_map(host, pod, &source.name).await?.map(|m| map_bytes(&m));
            let items = source.items.as_deref();
            let name = &source.name;
            files.extend(pick(volume, "configmap", name, found, items, mode, source.optional)?);
        } else if let Some(source) = &source.secret {
            let found = get_secret(host, pod, &source.name).await?.map(|s| secret_bytes(&s));
            let items = source.items.as_deref();
            let name = &source.name;
            files.extend(pick(volume, "secret", name, found, items, mode, source.optional)?);
        } else if let Some(source) = &source.downward_api {
            own_fields(pod, volume, source.items.as_deref(), mode, facts, files)?;
        } else {
            let reason = "this projected source is not supported".to_owned();
            return Err(Error::Volume { volume: volume.to_owned(), reason });
        }
    }
    Ok(())
}
