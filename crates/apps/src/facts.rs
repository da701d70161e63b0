//! What the compiler must know of the place an app runs at. Where next: `survey.rs`, which asks a
//! cluster.

use composer::{Compiled, Facts, Graph};

use crate::{Error, Result, Target};

/// What the compiler must know of this target.
pub(crate) fn facts(target: &Target, app: &str) -> Facts {
    if let Some(cluster) = &target.cluster {
        return cluster.facts(app);
    }
    Facts {
        host: format!("{app}.localhost"),
        url: target.url(app),
        // A disk is a directory of this machine, which all its pods reach.
        shared_storage: true,
        user_namespaces: true,
        // Its own loop makes copies by what their processors do.
        scales_by_load: true,
        enforces_network_policy: true,
        ..Facts::default()
    }
}

/// What keeps an app from running on its target at all, as far as that is known before.
pub(crate) fn missing(target: &Target, graph: &Graph, compiled: &Compiled) -> Vec<String> {
    let Some(cluster) = &target.cluster else { return Vec::new() };
    let (settings, survey) = (&cluster.settings, &cluster.survey);
    let name = &settings.name;
    let mut missing: Vec<String> = survey
        .findings
        .iter()
        .filter(|one| one.state == "wrong")
        .map(|one| {
            let hint = one.hint.as_deref().unwrap_or_default();
            format!("{}: {}.  {hint}", one.fact, one.value)
        })
        .collect();
    if graph.has_url() && graph.urls.is_empty() && settings.address.is_none() {
        missing.push(format!(
            "names: no address for {}.  url in app.{name}.toml, or  shelf target set {name} \
             --address 'https://*.example.org'",
            graph.app
        ));
    }
    if graph.has_url() && survey.front.is_none() && settings.ingress_class.is_none() {
        missing.push("addresses: nothing leads requests in.  install an ingress controller".into());
    }
    let disks = compiled.phases.iter().flat_map(|phase| &phase.objects).any(|object| {
        object["kind"] == "PersistentVolumeClaim"
            || object["spec"]["volumeClaimTemplates"].as_array().is_some_and(|all| !all.is_empty())
    });
    let class = settings.storage_class.is_some() || survey.default_class.is_some() || survey.ours;
    if disks && !class {
        missing.push(format!(
            "disks: no class of disks is the default.  shelf target set {name} --storage-class NAME"
        ));
    }
    missing
}

/// Refuses an app that its target cannot run.
///
/// # Errors
/// Something it needs is missing there.
pub(crate) fn must_fit(target: &Target, graph: &Graph, compiled: &Compiled) -> Result<()> {
    let missing = missing(target, graph, compiled);
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Data {
        code: "target/unfit",
        message: format!("{} cannot run on {}: {}", graph.app, target.name(), missing.join("; ")),
        hint: Some(format!("everything that was found:  shelf target check {}", target.name())),
    })
}
