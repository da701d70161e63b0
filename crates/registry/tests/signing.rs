//! Signatures in a real registry, with openssl as the other pair of eyes.

use std::process::Command;

use registry::{Error, MANIFEST_TYPE, PublicKey, SigningKey};

use crate::world::{Kind, client, name, start, store};

fn openssl(arguments: &[&str], dir: &std::path::Path) -> String {
    let output = Command::new("openssl").args(arguments).current_dir(dir).output().unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[tokio::test]
async fn what_is_signed_is_known_and_nothing_else() {
    let registry = start(Kind::Open);
    let here = store();
    let image = here.make("demo:1", 10_000, 3);
    let to = name(&format!("{}/team/demo:1.0", registry.address));
    let client = client();
    client.push(&here.images, &image, &to, None, &|_| ()).await.unwrap();
    let repository = client.repository(&to, None);
    let (key, _) = SigningKey::generate().unwrap();
    let (other, _) = SigningKey::generate().unwrap();
    let (public, stranger) = (key.public().unwrap(), other.public().unwrap());
    let unsigned = |result| match result {
        Err(Error::Unsigned { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let keys = [public.clone()];
    assert_eq!(unsigned(repository.signed(&image.digest, &keys).await), "nobody signed it");
    repository.sign(&image.digest, &other).await.unwrap();
    let why = unsigned(repository.signed(&image.digest, &keys).await);
    assert_eq!(why, "it was signed with a key that is not trusted here");
    // Two may sign, and either is enough for who trusts it.
    repository.sign(&image.digest, &key).await.unwrap();
    let all = [stranger, public];
    let good = repository.signed(&image.digest, &all[1..]).await.unwrap();
    assert_eq!((good.name, good.key), (format!("{}/team/demo", registry.address), 0));
    assert_eq!(repository.signed(&image.digest, &all).await.unwrap().key, 0);
    let found = repository.referrers(&image.digest, Some(registry::SIGNATURE_TYPE)).await.unwrap();
    assert!(!found.is_empty());

    // The good signature of one image, laid beside another.
    let twin = here.make("twin:1", 10_000, 4);
    let place = name(&format!("{}/team/demo:2.0", registry.address));
    client.push(&here.images, &twin, &place, None, &|_| ()).await.unwrap();
    let borrowed = repository.manifest(&format!("{}.sig", image.digest.replace(':', "-"))).await;
    let tag = format!("{}.sig", twin.digest.replace(':', "-"));
    let bytes = borrowed.unwrap().bytes;
    repository.push_manifest(Some(&tag), MANIFEST_TYPE, &bytes).await.unwrap();
    let why = unsigned(repository.signed(&twin.digest, &keys).await);
    assert_eq!(why, "the signature beside it is of something else");
}

#[test]
fn openssl_and_we_understand_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let (key, text) = SigningKey::generate().unwrap();
    let at = |name: &str| dir.path().join(name);
    std::fs::write(at("key.pem"), &text).unwrap();
    std::fs::write(at("public.pem"), key.public().unwrap().to_pem()).unwrap();
    std::fs::write(at("text"), b"hello").unwrap();
    std::fs::write(at("ours"), key.sign(b"hello").unwrap()).unwrap();
    let said = openssl(
        &["dgst", "-sha256", "-verify", "public.pem", "-signature", "ours", "text"],
        dir.path(),
    );
    assert_eq!(said.trim(), "Verified OK");
    openssl(&["dgst", "-sha256", "-sign", "key.pem", "-out", "theirs", "text"], dir.path());
    assert!(key.public().unwrap().made(b"hello", &std::fs::read(at("theirs")).unwrap()));
    // A key that openssl made.
    let made =
        ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "new.pem"];
    openssl(&made, dir.path());
    openssl(&["pkey", "-in", "new.pem", "-pubout", "-out", "new.pub"], dir.path());
    let new = SigningKey::from_pem(&std::fs::read_to_string(at("new.pem")).unwrap()).unwrap();
    let public = PublicKey::from_pem(&std::fs::read_to_string(at("new.pub")).unwrap()).unwrap();
    assert_eq!(new.public().unwrap(), public);
}
