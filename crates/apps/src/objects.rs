//! The Kubernetes objects that an app becomes, as one YAML text: what a go would apply, without
//! any secret's value.

use std::path::Path;

use serde_json::{Value, json};

use crate::{Error, Result, Target, borrowed, facts, images, live, load, release, rotate};

/// The objects of the app in `dir`, or of `text` as if it stood there, in the order in which they
/// are applied.
///
/// # Errors
/// The app is wrong, or the target does not answer.
pub async fn objects(target: &Target, dir: &Path, text: Option<String>) -> Result<String> {
    let text = match text {
        Some(text) => text,
        None => load::text(dir)?,
    };
    let loaded = load::text_at(target, dir, text).await?;
    let app = loaded.graph.app.clone();
    let live = live::list(target, &app).await?;
    // Images that are not built yet are named without a digest; the rest run as they are here.
    let recorded = release::read(&live);
    let pinned = borrowed::pinned(&loaded);
    let image = |build: composer::graph::Build| {
        if let Some(image) = pinned.get(&build.block) {
            return (build.block, image.clone());
        }
        let known = recorded.as_ref().and_then(|one| one.images.get(&build.block).cloned());
        let image = known.unwrap_or_else(|| images::reference(&app, &build.block, "unbuilt"));
        (build.block, image)
    };
    let images = loaded.graph.builds().into_iter().map(image).collect();
    let compiled = composer::compile(
        &loaded.graph,
        &target.images_there(&images, &loaded.around),
        &rotate::stay(facts::facts(target, &app), recorded.as_ref()),
    );
    let mut documents: Vec<Value> =
        compiled.phases.into_iter().flat_map(|phase| phase.objects).collect();
    // Secrets stand where they are made: after the namespace. Values are made then, not here.
    let secrets = compiled.secrets.iter().map(|secret| {
        let keys: Vec<&str> = secret.keys.iter().map(|key| key.name.as_str()).collect();
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": { "name": secret.name, "namespace": app, "labels": secret.labels,
                "annotations": { "shelf.dev/keys": keys.join(",") } },
            "type": "Opaque",
        })
    });
    let at = documents.len().min(1);
    let secrets: Vec<Value> = secrets.collect();
    documents.splice(at..at, secrets);
    let mut yaml = String::new();
    for document in &documents {
        let text = serde_saphyr::to_string(document).map_err(|error| Error::Unfit {
            code: "objects/yaml",
            message: format!("an object cannot be written as YAML: {error}"),
        })?;
        yaml.push_str("---\n");
        yaml.push_str(text.trim_end());
        yaml.push('\n');
    }
    Ok(yaml)
}
