//! How a source's image is built where it is not the last stage of its `Dockerfile`.

use composer::graph::From;
use composer::{App, Catalogue};

fn check(lines: &str) -> Result<composer::Graph, String> {
    let text = format!("app = \"shop\"\n[web]\nsource = \"./web\"\n{lines}");
    let said = |wrong: Vec<composer::Diagnostic>| composer::render(&wrong);
    let app = App::parse("app.toml", &text).map_err(said)?;
    composer::check(&app, &Catalogue::default()).map_err(said)
}

#[test]
fn a_source_says_its_dockerfile_stage_and_arguments() {
    let lines = "dockerfile = \"docker/web\"\ntarget = \"run\"\nargs = { VERSION = \"1.2\", DEBUG = true, N = 3 }\n";
    let graph = check(lines).unwrap();
    let From::Source { path, build } = &graph.blocks[0].from else { panic!("no source") };
    assert_eq!((path.as_str(), build.file()), ("./web", "docker/web"));
    assert_eq!(build.target.as_deref(), Some("run"));
    let args: Vec<String> = build.args.iter().map(|(a, b)| format!("{a}={b}")).collect();
    assert_eq!(args, ["DEBUG=true", "N=3", "VERSION=1.2"]);
    let told = |name: &str| {
        let found = graph.blocks[0].explained.iter().find(|one| one.name == name);
        found.map(|one| (one.value.clone(), one.source.to_string()))
    };
    assert_eq!(told("target"), Some(("run".to_owned(), "you, app.toml:5".to_owned())));
    assert_eq!(told("args.N"), Some(("3".to_owned(), "you, app.toml:6".to_owned())));

    let plain = check("").unwrap();
    let From::Source { build, .. } = &plain.blocks[0].from else { panic!("no source") };
    assert!(build.is_plain());
    assert_eq!(build.file(), "Dockerfile");
}

#[test]
fn what_no_build_can_have_is_refused_with_its_line() {
    let wrong =
        check("dockerfile = \"../web.Dockerfile\"\nargs = { \"A-B\" = \"1\" }\n").unwrap_err();
    for word in ["block/dockerfile", "app.toml:4", "block/args", "app.toml:5"] {
        assert!(wrong.contains(word), "no {word} in {wrong}");
    }
    let text = "app = \"shop\"\n[db]\nimage = \"org/db:1\"\ntarget = \"run\"\n";
    let wrong = App::parse("app.toml", text).unwrap_err();
    assert!(composer::render(&wrong).contains("no key \"target\""), "an image is not built");
}
