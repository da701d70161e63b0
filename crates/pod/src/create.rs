//! A pod's sandbox: ids, namespaces, network, `/etc` files, in this order; undone in reverse.

use std::net::Ipv4Addr;
use std::sync::{Arc, Condvar, Mutex};

use engine::{IdRange, Sandbox, SandboxSpec};
use jiff::Timestamp;

use crate::disk::{make_dir, remove_dir, save};
use crate::pods::{Inner, Pod, lock};
use crate::state::FORMAT;
use crate::{Created, Dns, Error, Pods, Spec, State, etc};

impl Pods {
    /// Makes the pod's sandbox, or finds that it is there. A pod whose sandbox was lost gets a new
    /// one and keeps its range of ids, its volumes and what is known of its containers.
    ///
    /// On failure nothing is left behind but, for a pod that was lost, its directory.
    pub fn create(&self, spec: &Spec) -> Result<Created, Error> {
        let mut spec = spec.clone();
        if spec.dns.nameservers.is_empty() {
            spec.dns = Dns { nameservers: self.inner.host_dns().nameservers, ..spec.dns };
        }
        let (pod, new) = self.inner.enter(&spec)?;
        let _door = lock(&pod.door);
        {
            let state = lock(&pod.state);
            let ip = if spec.isolated { Some(Ipv4Addr::UNSPECIFIED) } else { state.ip };
            if let (true, Some(ip)) = (state.alive, ip) {
                return Ok(Created { ip, existed: true });
            }
        }
        match self.inner.build_sandbox(&pod, &spec) {
            Ok(ip) => Ok(Created { ip: ip.unwrap_or(Ipv4Addr::UNSPECIFIED), existed: false }),
            Err(error) => {
                if new {
                    lock(&self.inner.pods).remove(&spec.id);
                    if let Err(error) = remove_dir(&pod.dir) {
                        tracing::warn!(pod = spec.id, %error, "remains not removed");
                    }
                }
                Err(error)
            }
        }
    }
}

impl Inner {
    /// The pod in memory, entered with a range of ids when it is new.
    fn enter(&self, spec: &Spec) -> Result<(Arc<Pod>, bool), Error> {
        let mut pods = lock(&self.pods);
        if let Some(pod) = pods.get(&spec.id) {
            return Ok((pod.clone(), false));
        }
        let ids_start = if spec.user_namespace { Some(self.free_ids(&pods)?) } else { None };
        let state = State {
            format: FORMAT,
            spec: spec.clone(),
            ids_start,
            ip: None,
            created_at: Timestamp::now(),
            alive: false,
            containers: Vec::new(),
        };
        let pod = Arc::new(Pod {
            dir: self.settings.pod_dir(&spec.id),
            door: Mutex::new(()),
            state: Mutex::new(state),
            ended: Condvar::new(),
            sandbox: Mutex::new(None),
        });
        pods.insert(spec.id.clone(), pod.clone());
        Ok((pod, true))
    }

    fn build_sandbox(&self, pod: &Pod, spec: &Spec) -> Result<Option<Ipv4Addr>, Error> {
        make_dir(&pod.dir)?;
        let ids_start = {
            let mut state = lock(&pod.state);
            state.spec = spec.clone();
            state.created_at = Timestamp::now();
            save(&pod.dir, &state)?;
            state.ids_start
        };
        // The network must not hand the old address's rules to a new namespace.
        self.detach(&spec.id);
        let sandbox = self.new_sandbox(&spec.id, &spec.hostname, &spec.sysctls, ids_start)?;
        let finish = || -> Result<Option<Ipv4Addr>, Error> {
            let ip = if spec.isolated { None } else { Some(self.attach(&spec.id, &sandbox)?) };
            etc::write(&pod.dir.join("etc"), spec, ip)?;
            let mut state = lock(&pod.state);
            state.ip = ip;
            state.alive = true;
            save(&pod.dir, &state).inspect_err(|_| state.alive = false)?;
            Ok(ip)
        };
        match finish() {
            Ok(ip) => {
                *lock(&pod.sandbox) = Some(sandbox);
                Ok(ip)
            }
            Err(error) => {
                self.detach(&spec.id);
                if let Err(error) = sandbox.destroy() {
                    tracing::warn!(pod = spec.id, %error, "sandbox not destroyed");
                }
                Err(error)
            }
        }
    }

    pub(crate) fn new_sandbox(
        &self,
        id: &str,
        hostname: &str,
        sysctls: &[(String, String)],
        ids_start: Option<u32>,
    ) -> Result<Sandbox, Error> {
        let spec = SandboxSpec {
            id: id.to_owned(),
            hostname: hostname.to_owned(),
            ids: ids_start.map(|start| IdRange { start, len: crate::ids::LEN }),
            sysctls: sysctls.to_vec(),
            ..SandboxSpec::default()
        };
        self.engine.create(&spec).map_err(|source| Error::Engine {
            action: "create sandbox",
            id: id.to_owned(),
            source,
        })
    }

    pub(crate) fn attach(&self, id: &str, sandbox: &Sandbox) -> Result<Ipv4Addr, Error> {
        let attached = self.handle.block_on(self.net.attach(id, sandbox.netns()));
        attached.map(|attachment| attachment.ip).map_err(|source| Error::Net {
            action: "attach",
            id: id.to_owned(),
            source,
        })
    }

    /// This machine's own name resolution, as far as a pod can reach it.
    pub(crate) fn host_dns(&self) -> Dns {
        // Without the file the C library asks the loopback; so would we, hence the fallback.
        let text = fs_err::read_to_string("/etc/resolv.conf").unwrap_or_default();
        etc::host_dns(&text, self.net.dns_address())
    }
}
