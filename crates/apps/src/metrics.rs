//! What each block uses: processor, memory, disk, requests. One point in ten seconds, one hour of
//! them, in memory only: it is for looking, not for billing. Apps of other clusters are measured
//! while somebody looks. Where next: `there.rs` for those, `system.rs`, which shows the machine.

mod there;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::Ingress;
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde::Serialize;

use crate::{Error, Result, Target};

/// Seconds from one point to the next.
pub const EVERY_SECONDS: u64 = 10;
/// Points kept: one hour.
const MOST_POINTS: usize = 360;
/// Disks are walked once in so many points.
const DISKS_EVERY: u64 = 6;
/// Files looked at on one disk before its size is given up for this time.
const MOST_FILES: usize = 200_000;

/// What the front door counted on one route since it began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requests {
    /// The route's host, such as `shop.localhost`.
    pub host: String,
    /// The route's path prefix.
    pub path: String,
    /// Answers of any kind.
    pub requests: u64,
    /// Answers 500 and above.
    pub errors: u64,
}

/// What one block used at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Use {
    /// Thousandths of a processor, over the time since the last point.
    pub cpu_millis: u64,
    /// Memory in bytes without what could be dropped at once.
    pub memory_bytes: u64,
    /// Bytes on its disks, if they are on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
    /// Requests since the last point, if they come through the front door of this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Those of them answered 500 and above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<u64>,
}

/// One point in time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    /// When, RFC 3339.
    pub at: String,
    /// By block.
    pub blocks: BTreeMap<String, Use>,
}

/// The last hour of all apps.
#[derive(Default)]
pub struct Metrics {
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    points: HashMap<String, VecDeque<Point>>,
    count: u64,
    at: Option<Instant>,
    /// Processor time by container, as last seen.
    cpu: HashMap<(String, String), u64>,
    /// What a route had counted.
    counted: HashMap<(String, String), (u64, u64)>,
    /// By app and block.
    disks: HashMap<(String, String), u64>,
}

type Place = (String, String);

impl Metrics {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        // A half-done point is a point with less in it.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The points of an app, the oldest first.
    pub fn of(&self, app: &str) -> Vec<Point> {
        self.inside().points.get(app).into_iter().flatten().cloned().collect()
    }

    /// Takes a point of an app on another cluster, if the last one is old enough.
    ///
    /// # Errors
    /// The cluster does not answer, or does not measure.
    pub async fn look(&self, target: &Target, app: &str) -> Result<()> {
        let now = jiff::Timestamp::now();
        let due = |inside: &Inside| {
            let last = inside.points.get(app).and_then(VecDeque::back);
            let last = last.and_then(|point| point.at.parse::<jiff::Timestamp>().ok());
            last.is_none_or(|last| now.duration_since(last).as_secs() >= EVERY_SECONDS as i64)
        };
        if !due(&self.inside()) {
            return Ok(());
        }
        let blocks = there::uses(target, app).await?;
        let mut inside = self.inside();
        // Another who looked may have been quicker.
        if due(&inside) && !blocks.is_empty() {
            inside.keep(app, Point { at: now.to_string(), blocks });
        }
        Ok(())
    }

    /// Takes one point of every app on this machine.
    ///
    /// # Errors
    /// The target does not answer.
    pub async fn sample(&self, target: &Target, requests: &[Requests]) -> Result<()> {
        let selector = "app.kubernetes.io/managed-by=shelf";
        let params = ListParams::default().labels(selector);
        let failed = |kind: &str| Error::api(format!("list {kind} of all apps"));
        let api: Api<Pod> = Api::all(target.client.clone());
        let pods = api.list(&params).await.map_err(failed("pods"))?.items;
        let routes = match requests.is_empty() {
            true => HashMap::new(),
            false => routes(target, &params).await?,
        };
        let walk = self.inside().count.is_multiple_of(DISKS_EVERY);
        if walk {
            let disks = disks(target).await?;
            let walked = tokio::task::spawn_blocking(move || sizes(&disks)).await;
            let walked = walked.map_err(|source| Error::Task { what: "disks".into(), source })?;
            self.inside().disks = walked;
        }
        let engine = target.pods.clone();
        let containers = tokio::task::spawn_blocking(move || containers(&engine, &pods)).await;
        let containers =
            containers.map_err(|source| Error::Task { what: "metrics".into(), source })?;
        self.inside().take(&containers, requests, &routes);
        Ok(())
    }
}

/// One container: whose, its key, and what it used.
struct Measured {
    place: Place,
    key: (String, String),
    stats: pod::Stats,
}

impl Inside {
    fn take(
        &mut self,
        containers: &[Measured],
        requests: &[Requests],
        routes: &HashMap<(String, String), Place>,
    ) {
        let now = Instant::now();
        let passed = self.at.map_or(EVERY_SECONDS as f64, |at| (now - at).as_secs_f64()).max(0.001);
        let first = self.at.is_none();
        self.at = Some(now);
        self.count += 1;
        // Of what runs here all is known, if only that it is nothing.
        let none =
            Use { disk_bytes: Some(0), requests: Some(0), errors: Some(0), ..Use::default() };
        let mut uses: BTreeMap<Place, Use> = BTreeMap::new();
        let mut cpu = HashMap::new();
        for one in containers {
            let used = uses.entry(one.place.clone()).or_insert(none);
            used.memory_bytes += one.stats.memory_bytes;
            // What a container used before it was first seen was not used in this time.
            if let Some(before) = self.cpu.get(&one.key) {
                let nanoseconds = one.stats.cpu_ns.saturating_sub(*before) as f64;
                used.cpu_millis += (nanoseconds / passed / 1e6).round() as u64;
            }
            cpu.insert(one.key.clone(), one.stats.cpu_ns);
        }
        self.cpu = cpu;
        for (place, bytes) in &self.disks {
            uses.entry(place.clone()).or_insert(none).disk_bytes = Some(*bytes);
        }
        for route in requests {
            let key = (route.host.clone(), route.path.clone());
            let counted = (route.requests, route.errors);
            let before = self.counted.insert(key.clone(), counted);
            let Some(place) = routes.get(&key) else { continue };
            let used = uses.entry(place.clone()).or_insert(none);
            // Of a route seen for the first time after us, all is new; at our own start, nothing.
            let (requests, errors) = match before {
                // Less than before: the door was started again.
                Some((requests, _)) if requests > counted.0 => counted,
                Some((requests, errors)) => {
                    (counted.0 - requests, counted.1.saturating_sub(errors))
                }
                None if first => (0, 0),
                None => counted,
            };
            used.requests = used.requests.map(|before| before + requests);
            used.errors = used.errors.map(|before| before + errors);
        }
        let at = jiff::Timestamp::now().to_string();
        let mut apps: BTreeMap<String, BTreeMap<String, Use>> = BTreeMap::new();
        for ((app, block), used) in uses {
            apps.entry(app).or_default().insert(block, used);
        }
        // An app that has neither copies nor disks any more is gone.
        self.points.retain(|app, _| apps.contains_key(app));
        for (app, blocks) in apps {
            self.keep(&app, Point { at: at.clone(), blocks });
        }
    }

    fn keep(&mut self, app: &str, point: Point) {
        let points = self.points.entry(app.to_owned()).or_default();
        points.push_back(point);
        while points.len() > MOST_POINTS {
            points.pop_front();
        }
    }
}

fn containers(engine: &pod::Pods, pods: &[Pod]) -> Vec<Measured> {
    let mut measured = Vec::new();
    for pod in pods {
        let (Some(app), Some(uid)) = (pod.namespace(), pod.metadata.uid.clone()) else { continue };
        let Some(block) = crate::observe::block_of(pod) else { continue };
        let Some(state) = engine.get(&uid) else { continue };
        for container in state.containers.iter().filter(|container| container.running()) {
            // One that ends meanwhile uses nothing.
            let Ok(stats) = engine.stats(&uid, &container.name) else { continue };
            measured.push(Measured {
                place: (app.clone(), block.to_owned()),
                key: (uid.clone(), format!("{}/{}", container.name, container.attempt)),
                stats,
            });
        }
    }
    measured
}

/// Which block answers on a route: the Ingress names a Service, and that its block.
async fn routes(target: &Target, params: &ListParams) -> Result<HashMap<(String, String), Place>> {
    let failed = |kind: &str| Error::api(format!("list {kind} of all apps"));
    let api: Api<Ingress> = Api::all(target.client.clone());
    let ingresses = api.list(params).await.map_err(failed("ingresses"))?;
    let api: Api<Service> = Api::all(target.client.clone());
    let services = api.list(params).await.map_err(failed("services"))?;
    let block = |app: &str, name: &str| {
        let found = services
            .iter()
            .find(|one| one.namespace().as_deref() == Some(app) && one.name_any() == name)?;
        crate::observe::block_of(found).map(str::to_owned)
    };
    let mut routes = HashMap::new();
    for ingress in &ingresses {
        let app = ingress.namespace().unwrap_or_default();
        let rules = ingress.spec.as_ref().and_then(|spec| spec.rules.as_ref());
        for rule in rules.into_iter().flatten() {
            let host = rule.host.clone().unwrap_or_default();
            for path in rule.http.iter().flat_map(|http| &http.paths) {
                let service = path.backend.service.as_ref().map(|service| service.name.as_str());
                let Some(block) = service.and_then(|name| block(&app, name)) else { continue };
                let path = path.path.clone().unwrap_or_else(|| "/".into());
                routes.insert((host.clone(), path), (app.clone(), block));
            }
        }
    }
    Ok(routes)
}

/// A disk of a block.
#[derive(Debug, Clone)]
pub(crate) struct FoundDisk {
    pub(crate) app: String,
    pub(crate) block: String,
    /// The claim's name.
    pub(crate) claim: String,
    /// The size that was asked for.
    pub(crate) size: String,
    /// Where it lies, if on this machine.
    pub(crate) path: Option<PathBuf>,
}

/// Every disk of every app.
pub(crate) async fn disks(target: &Target) -> Result<Vec<FoundDisk>> {
    let failed = |kind: &str| Error::api(format!("list {kind} of all apps"));
    let params = ListParams::default();
    let api: Api<PersistentVolumeClaim> = Api::all(target.client.clone());
    let claims = api.list(&params).await.map_err(failed("disks"))?;
    let api: Api<PersistentVolume> = Api::all(target.client.clone());
    let volumes = api.list(&params).await.map_err(failed("volumes"))?;
    let path = |name: &str| {
        let found = volumes.iter().find(|one| one.name_any() == name)?;
        found.spec.as_ref()?.host_path.as_ref().map(|host| PathBuf::from(&host.path))
    };
    let disk = |claim: PersistentVolumeClaim| {
        let block = crate::observe::block_of(&claim)?.to_owned();
        let spec = claim.spec.as_ref()?;
        let requests = spec.resources.as_ref()?.requests.as_ref()?;
        Some(FoundDisk {
            app: claim.namespace()?,
            block,
            claim: claim.name_any(),
            size: requests.get("storage").map(|size| size.0.clone()).unwrap_or_default(),
            path: spec.volume_name.as_deref().and_then(path),
        })
    };
    Ok(claims.into_iter().filter_map(disk).collect())
}

fn sizes(disks: &[FoundDisk]) -> HashMap<Place, u64> {
    let mut sizes = HashMap::new();
    for disk in disks {
        let bytes = disk.path.as_deref().and_then(bytes_in).unwrap_or(0);
        *sizes.entry((disk.app.clone(), disk.block.clone())).or_insert(0) += bytes;
    }
    sizes
}

/// What a folder takes on its disk; nothing if it has too many files to be walked.
pub(crate) fn bytes_in(folder: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    let mut folders = vec![folder.to_owned()];
    let (mut bytes, mut files) = (0, 0);
    while let Some(folder) = folders.pop() {
        // A folder that goes meanwhile takes nothing.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            files += 1;
            if files > MOST_FILES {
                return None;
            }
            // Of a link, its own size: nothing is followed out of the disk.
            let Ok(metadata) = entry.metadata() else { continue };
            bytes += metadata.blocks() * 512;
            if metadata.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(cpu_ns: u64) -> Vec<Measured> {
        vec![Measured {
            place: ("shop".into(), "db".into()),
            key: ("uid".into(), "db/0".into()),
            stats: pod::Stats { cpu_ns, memory_bytes: 100, pids: 1 },
        }]
    }

    #[test]
    fn points_are_differences_and_the_first_has_none() {
        let mut inside = Inside::default();
        let routes = HashMap::from([(
            ("shop.localhost".to_owned(), "/".to_owned()),
            ("shop".to_owned(), "web".to_owned()),
        )]);
        let counted = |requests, errors| {
            vec![Requests { host: "shop.localhost".into(), path: "/".into(), requests, errors }]
        };
        inside.take(&measured(5_000_000_000), &counted(100, 5), &routes);
        let first = inside.points["shop"][0].clone();
        assert_eq!((first.blocks["db"].cpu_millis, first.blocks["db"].memory_bytes), (0, 100));
        assert_eq!(first.blocks["web"].requests, Some(0), "what was before us is not of this time");
        inside.at = inside.at.and_then(|at| at.checked_sub(std::time::Duration::from_secs(10)));
        inside.take(&measured(10_000_000_000), &counted(130, 6), &routes);
        let second = inside.points["shop"][1].clone();
        let cpu = second.blocks["db"].cpu_millis;
        assert!((490..=500).contains(&cpu), "half a processor over ten seconds: {cpu}");
        assert_eq!(
            (second.blocks["web"].requests, second.blocks["web"].errors),
            (Some(30), Some(1))
        );
        inside.take(&measured(10_000_000_000), &counted(3, 0), &routes);
        assert_eq!(
            inside.points["shop"][2].blocks["web"].requests,
            Some(3),
            "the door began again"
        );
    }

    #[test]
    fn an_hour_is_kept_and_apps_that_are_gone_are_not() {
        let mut inside = Inside::default();
        for _ in 0..MOST_POINTS + 5 {
            inside.take(&measured(1), &[], &HashMap::new());
        }
        assert_eq!(inside.points["shop"].len(), MOST_POINTS);
        inside.take(&[], &[], &HashMap::new());
        assert!(inside.points.is_empty());
    }

    #[test]
    fn a_folder_is_as_large_as_what_is_in_it_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/file"), vec![1; 100_000]).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("out")).unwrap();
        let bytes = bytes_in(dir.path()).unwrap();
        assert!((100_000..1_000_000).contains(&bytes), "{bytes}");
    }
}
