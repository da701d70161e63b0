//! Against Debian's `docker-registry`, with `skopeo` as the other client.

use registry::{Client, Descriptor, EMPTY_TYPE, Error, INDEX_TYPE, MANIFEST_TYPE, Settings};
use serde_json::json;

use crate::world::{Kind, client, login, name, skopeo, start, store};

#[tokio::test]
async fn an_image_goes_there_and_comes_back_the_same() {
    let registry = start(Kind::Open);
    let (here, there) = (store(), store());
    let image = here.make("demo:1", 3 << 20, 7);
    let to = name(&format!("{}/team/demo:1.0", registry.address));
    let client = client();
    let sent = client.push(&here.images, &image, &to, None, &|_| ()).await.unwrap();
    assert_eq!(sent.digest, image.digest);
    let again = client.push(&here.images, &image, &to, None, &|step| {
        assert!(!matches!(step, registry::Progress::Done { present: false, .. }), "{step:?}");
    });
    again.await.unwrap();
    let got = client.pull(&there.images, &to, None, &|_| ()).await.unwrap();
    assert_eq!((got.digest.as_str(), got.names.len()), (image.digest.as_str(), 1));
    let layer = &image.layers[0].digest;
    assert_eq!(here.blob(layer), there.blob(layer));
    assert!(there.images.came_from_registry(&to.name()).unwrap());
    // What it was pinned to goes with its last tag.
    assert!(there.images.remove(&to.name()).unwrap());
    assert_eq!(there.images.collect(&[]).unwrap().images, 1);
}

#[tokio::test]
async fn skopeo_and_we_understand_each_other() {
    let registry = start(Kind::Open);
    let (here, there) = (store(), store());
    let image = here.make("demo:1", 100_000, 9);
    let ours = format!("{}/team/ours:1", registry.address);
    client().push(&here.images, &image, &name(&ours), None, &|_| ()).await.unwrap();
    let layout = format!("oci:{}:1", here.dir.path().join("copy").display());
    let plain = ["copy", "--src-tls-verify=false", "--preserve-digests"];
    skopeo(&[&plain[..], &[&format!("docker://{ours}"), &layout]].concat());
    // Packed with zstd, and in Docker's own form, on the way back.
    // Elsewhere: it would mount the layer as it lies here.
    let other = start(Kind::Open);
    let theirs = format!("{}/team/theirs:1", other.address);
    let bare = format!("dir:{}", here.dir.path().join("bare").display());
    skopeo(&["copy", "--dest-decompress", &layout, &bare]);
    let back = ["copy", "--dest-tls-verify=false", "--dest-compress-format=zstd", "--format=oci"];
    skopeo(&[&back[..], &[&bare, &format!("docker://{theirs}")]].concat());
    let got = client().pull(&there.images, &name(&theirs), None, &|_| ()).await.unwrap();
    let kind = there.images.document(&got).unwrap().layers[0].media_type.clone();
    assert!(kind.ends_with("tar+zstd"), "{kind}");
    assert_eq!(got.layers[0].diff_id, image.layers[0].diff_id);
    let docker = format!("{}/team/docker:1", registry.address);
    let back = ["copy", "--dest-tls-verify=false", "--format=v2s2"];
    skopeo(&[&back[..], &[&layout, &format!("docker://{docker}")]].concat());
    let got = client().pull(&there.images, &name(&docker), None, &|_| ()).await.unwrap();
    assert_eq!(got.layers[0].diff_id, image.layers[0].diff_id);
    let kind = there.images.document(&got).unwrap().media_type;
    assert_eq!(kind, "application/vnd.docker.distribution.manifest.v2+json");
}

#[tokio::test]
async fn a_password_is_asked_for_and_taken() {
    let registry = start(Kind::Password);
    let here = store();
    let image = here.make("demo:1", 1000, 11);
    let to = name(&format!("{}/team/demo:1.0", registry.address));
    let client = client();
    let refused = client.push(&here.images, &image, &to, None, &|_| ()).await.unwrap_err();
    assert_eq!(refused.code(), "registry/denied");
    assert!(refused.line().contains("shelf login 127.0.0.1"), "{}", refused.line());
    client.push(&here.images, &image, &to, Some(&login()), &|_| ()).await.unwrap();
    client.check(&registry.address, &login()).await.unwrap();
    let wrong = registry::Login::new("ana", "wrong");
    let refused = client.check(&registry.address, &wrong).await.unwrap_err();
    assert!(matches!(refused, Error::Denied { user: Some(_), .. }), "{refused}");
    assert!(!refused.line().contains("wrong"), "{}", refused.line());
}

#[tokio::test]
async fn a_certificate_is_checked_also_on_this_machine() {
    let registry = start(Kind::Tls);
    let here = store();
    let image = here.make("demo:1", 1000, 13);
    let to = name(&format!("{}/team/demo:1.0", registry.address));
    let refused = client().push(&here.images, &image, &to, None, &|_| ()).await.unwrap_err();
    assert_eq!(refused.code(), "registry/unreachable");
    assert!(refused.line().contains("certificate"), "{}", refused.line());
    let settings = Settings { ca_file: Some(registry.ca()), ..Settings::default() };
    let client = Client::new(&settings).unwrap();
    client.push(&here.images, &image, &to, None, &|_| ()).await.unwrap();
}

#[tokio::test]
async fn a_missing_tag_names_those_that_are_near() {
    let registry = start(Kind::Open);
    let here = store();
    let image = here.make("demo:1", 1000, 17);
    for tag in ["1.0", "1.1", "nightly"] {
        let to = name(&format!("{}/team/demo:{tag}", registry.address));
        client().push(&here.images, &image, &to, None, &|_| ()).await.unwrap();
    }
    let wanted = name(&format!("{}/team/demo:1.2", registry.address));
    let missing = client().pull(&here.images, &wanted, None, &|_| ()).await.unwrap_err();
    let Error::Missing { near, .. } = &missing else { panic!("{missing}") };
    assert_eq!(near[..2], ["1.0".to_owned(), "1.1".to_owned()]);
    assert!(missing.line().contains("tags that are there: 1.0, 1.1"), "{}", missing.line());
    let nowhere = name(&format!("{}/nobody/nothing:1", registry.address));
    let missing = client().pull(&here.images, &nowhere, None, &|_| ()).await.unwrap_err();
    assert_eq!(missing.code(), "registry/missing");
    let repository = client().repository(&wanted, None);
    assert_eq!(repository.tags().await.unwrap().len(), 3);
}

#[tokio::test]
async fn this_machines_image_of_an_index_is_found_again_by_the_index() {
    let registry = start(Kind::Open);
    let (here, there) = (store(), store());
    let image = here.make("demo:1", 1000, 19);
    let to = name(&format!("{}/team/demo:one", registry.address));
    let client = client();
    let one = client.push(&here.images, &image, &to, None, &|_| ()).await.unwrap();
    let repository = client.repository(&to, None);
    let platform = |architecture: &str| {
        json!({"mediaType": one.media_type, "digest": one.digest, "size": one.size,
            "platform": {"os": "linux", "architecture": architecture}})
    };
    let index = |all: Vec<serde_json::Value>| {
        json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": all}).to_string()
    };
    let both = index(vec![platform(image::architecture())]);
    let pinned = repository.push_manifest(Some("all"), INDEX_TYPE, both.as_bytes()).await.unwrap();
    let asked = name(&format!("{}/team/demo@{}", registry.address, pinned.digest));
    let got = client.pull(&there.images, &asked, None, &|_| ()).await.unwrap();
    assert_eq!(got.digest, image.digest);
    drop(registry);
    let found = there.images.find(&asked.to_string()).unwrap().expect("it is here under its pin");
    assert_eq!(found.digest, image.digest);
    assert!(found.names.is_empty(), "a pin is no tag");
    assert_eq!(there.images.collect(&[]).unwrap().images, 0, "a pin keeps it");
}

#[tokio::test]
async fn an_image_for_another_machine_or_none_at_all_is_refused() {
    let registry = start(Kind::Open);
    let here = store();
    let image = here.make("demo:1", 1000, 23);
    let to = name(&format!("{}/team/demo:one", registry.address));
    let client = client();
    let one = client.push(&here.images, &image, &to, None, &|_| ()).await.unwrap();
    let repository = client.repository(&to, None);
    let index = json!({"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": [
        {"mediaType": one.media_type, "digest": one.digest, "size": one.size,
            "platform": {"os": "linux", "architecture": "s390x"}}]});
    repository.push_manifest(Some("odd"), INDEX_TYPE, index.to_string().as_bytes()).await.unwrap();
    let odd = name(&format!("{}/team/demo:odd", registry.address));
    let error = client.pull(&here.images, &odd, None, &|_| ()).await.unwrap_err();
    assert_eq!(error.code(), "registry/platform");
    assert!(error.to_string().contains("linux/s390x"), "{error}");
    let empty = repository.push_blob(EMPTY_TYPE, b"{}").await.unwrap();
    let artifact = json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPE,
        "artifactType": "application/vnd.test", "config": empty, "layers": [empty]});
    let bytes = artifact.to_string().into_bytes();
    repository.push_manifest(Some("module"), MANIFEST_TYPE, &bytes).await.unwrap();
    let module = name(&format!("{}/team/demo:module", registry.address));
    let error = client.pull(&here.images, &module, None, &|_| ()).await.unwrap_err();
    assert_eq!(error.code(), "registry/kind");
    assert!(error.to_string().contains("application/vnd.test"), "{error}");
}

#[tokio::test]
async fn what_refers_to_an_artifact_is_found() {
    let registry = start(Kind::Open);
    let to = name(&format!("{}/team/module", registry.address));
    let repository = client().repository(&to, None);
    let empty = repository.push_blob(EMPTY_TYPE, b"{}").await.unwrap();
    let layer = repository.push_blob("text/plain", b"what it is about").await.unwrap();
    assert_eq!(repository.blob(&layer).await.unwrap(), b"what it is about");
    let push = async |kind: &str, subject: Option<&Descriptor>, tag: Option<&str>| {
        let mut manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST_TYPE,
            "artifactType": kind, "config": empty, "layers": [layer]});
        if let Some(subject) = subject {
            manifest["subject"] = json!(subject);
        }
        let bytes = manifest.to_string().into_bytes();
        repository.push_manifest(tag, MANIFEST_TYPE, &bytes).await.unwrap()
    };
    let module = push("application/vnd.module", None, Some("1.0")).await;
    assert!(repository.referrers(&module.digest, None).await.unwrap().is_empty());
    let signature = push("application/vnd.signature", Some(&module), None).await;
    let bill = push("application/vnd.bill", Some(&module), None).await;
    let _again = push("application/vnd.bill", Some(&module), None).await;
    let all = repository.referrers(&module.digest, None).await.unwrap();
    let digests: Vec<&str> = all.iter().map(|one| one.digest.as_str()).collect();
    assert_eq!(digests, [&signature.digest, &bill.digest]);
    let kind = Some("application/vnd.signature");
    let signatures = repository.referrers(&module.digest, kind).await.unwrap();
    assert_eq!(signatures.len(), 1);
    let manifest = repository.manifest(&signatures[0].digest).await.unwrap();
    assert_eq!(manifest.descriptor.digest, signature.digest);
    assert_eq!(repository.resolve("1.0").await.unwrap().digest, module.digest);
}

#[tokio::test]
async fn a_neighbours_blobs_are_mounted_not_sent() {
    let registry = start(Kind::Open);
    let here = store();
    let first = name(&format!("{}/team/one:1", registry.address));
    let image = here.make(&first.name(), 50_000, 29);
    let client = client();
    client.push(&here.images, &image, &first, None, &|_| ()).await.unwrap();
    let second = name(&format!("{}/team/two:1", registry.address));
    let present = std::sync::atomic::AtomicUsize::new(0);
    let count = |step| {
        if matches!(step, registry::Progress::Done { present: true, .. }) {
            present.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    };
    client.push(&here.images, &image, &second, None, &count).await.unwrap();
    assert_eq!(present.into_inner(), 2, "layer and configuration");
}
