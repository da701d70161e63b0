//! `RUN` with packages, users, certificates and failures, in one world: the base image takes
//! half a minute to make.

use std::time::Instant;

use crate::Test;
use crate::world::World;

pub(crate) const TESTS: &[Test] = &[(
    "root_packages_are_installed_into_an_image_and_cached",
    root_packages_are_installed_into_an_image_and_cached,
)];

const DOCKERFILE: &str = r#"FROM debian:12 AS tools
RUN apt-get update && apt-get install -y --no-install-recommends hello && rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 700 app && useradd --uid 700 --gid 700 --create-home app

FROM tools
ARG GREETING=hello
COPY --chown=app:app note /home/app/
WORKDIR /work
USER app
RUN id -u && hello --greeting="$GREETING $(cat ~/note)" && touch ~/mine && ls -ld ~/mine ~/note
RUN <<EOF
test -r "$SSL_CERT_FILE" || { echo no bundle; exit 3; }
! touch /run/build-ca/x
! touch /etc/forbidden
echo "$HOME" > ~/home
EOF
CMD ["hello"]
"#;

fn root_packages_are_installed_into_an_image_and_cached() {
    let world = World::new();
    let (built, lines) = world.build(DOCKERFILE, &[("note", "world")]);
    let built = built.unwrap_or_else(|error| panic!("{error:#?}\n{lines:#?}"));
    assert!(lines.iter().any(|line| line == "hello world"), "{lines:#?}");
    assert!(lines.iter().any(|line| line == "700"));
    assert_eq!(built.image.layers.len(), 7);
    let root = world.images.mount(&built.image, world.dir.path(), None, true).unwrap();
    let stat = |path: &str| rustix::fs::statat(&root, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
    for (path, uid) in
        [("usr/bin/hello", 0), ("home/app/mine", 700), ("home/app/home", 700), ("work", 0)]
    {
        assert_eq!(stat(path).unwrap().st_uid, uid, "{path}");
    }
    for path in ["etc/resolv.conf", "run/build-ca", "run/build-script", "etc/forbidden"] {
        assert!(stat(path).is_err(), "{path} is in the image");
    }
    let config = serde_json::to_string(&built.image.config).unwrap();
    assert!(!config.contains("build-ca"), "{config}");
    drop(root);

    let start = Instant::now();
    let (again, lines) = world.build(DOCKERFILE, &[("note", "world")]);
    let again = again.unwrap();
    assert_eq!((again.digest, again.cached_steps), (built.digest, again.steps), "{lines:#?}");
    assert!(start.elapsed().as_millis() < 100, "{:?}", start.elapsed());

    let (failed, _) =
        world.build("FROM debian:12\nRUN apt-get install -y no-such-package-at-all\n", &[]);
    let error = failed.unwrap_err().to_string();
    assert!(error.contains("Dockerfile:2") && error.contains("no-such-package-at-all"), "{error}");
    assert!(error.contains("exit code 100") && error.contains("apt-get update"), "{error}");
    let (failed, _) = world.build("FROM debian:12\nUSER nobody-here\nRUN true\n", &[]);
    assert!(format!("{:?}", failed.unwrap_err()).contains("no such user"));
    let stage = world.dir.path().join("data/images/stage");
    assert_eq!(std::fs::read_dir(stage).unwrap().count(), 0, "scratch stays behind");
    by_hand(&world);
}

/// For trying out Dockerfiles: `CONTEXT=dir:dir SHOW=1 cargo test -p build --test main`.
fn by_hand(world: &World) {
    let Some(contexts) = std::env::var_os("CONTEXT") else { return };
    for context in std::env::split_paths(&contexts) {
        let start = Instant::now();
        let (built, lines) = world.build_dir(&context);
        match built {
            Ok(built) => println!(
                "{}: {} layers, {} MB, {:?}",
                context.display(),
                built.image.layers.len(),
                built.image.layers.iter().map(|layer| layer.size).sum::<u64>() / 1_000_000,
                start.elapsed()
            ),
            Err(error) => panic!("{error}\n{:#?}", lines.iter().rev().take(40).collect::<Vec<_>>()),
        }
    }
}
