//! The stock shelf, read from the repository, for every test.

use std::path::{Path, PathBuf};

use composer::{App, Catalogue, Compiled, Facts, Graph, Images};

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A small shelf that stays as it is, for what is refused: two modules, a folder, four interfaces.
pub(crate) fn small() -> Catalogue {
    let mut catalogue = Catalogue::default();
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).unwrap();
    for name in ["amqp", "files", "http", "postgres"] {
        let path = format!("interfaces/{name}.toml");
        catalogue.add_interface(&path, &read(&path)).unwrap();
    }
    for name in ["postgres", "rabbitmq", "shared-files"] {
        let path = format!("modules/{name}/module.toml");
        catalogue.add_module(&format!("modules/{name}"), &read(&path)).unwrap();
    }
    catalogue
}

/// All stock modules and interfaces.
pub(crate) fn stock() -> Catalogue {
    let mut catalogue = Catalogue::default();
    for entry in std::fs::read_dir(repository().join("interfaces")).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("interfaces/{}", path.file_name().unwrap().to_string_lossy());
        let text = std::fs::read_to_string(path).unwrap();
        catalogue.add_interface(&name, &text).map_err(|e| composer::render(&e)).unwrap();
    }
    for entry in std::fs::read_dir(repository().join("modules")).unwrap() {
        let path = entry.unwrap().path().join("module.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let name = format!("modules/{}", path.parent().unwrap().file_name().unwrap().display());
        catalogue.add_module(&name, &text).map_err(|e| composer::render(&e)).unwrap();
    }
    catalogue
}

pub(crate) fn shop() -> String {
    std::fs::read_to_string(repository().join("examples/shop/app.toml")).unwrap()
}

/// A checked app, or its errors as text.
pub(crate) fn graph(text: &str, catalogue: &Catalogue) -> Result<Graph, String> {
    let app = App::parse("app.toml", text).map_err(|errors| composer::render(&errors))?;
    composer::check(&app, catalogue).map_err(|errors| composer::render(&errors))
}

/// What is wrong with an app, as text.
#[track_caller]
pub(crate) fn refusal(text: &str) -> String {
    graph(text, &small()).expect_err("this app should be refused")
}

pub(crate) fn facts() -> Facts {
    Facts {
        host: "shop.localhost".into(),
        url: "http://shop.localhost:8080".into(),
        storage_class: None,
        user_namespaces: true,
        shared_storage: true,
        ..Facts::default()
    }
}

/// Compiles an app with images that are easy to recognise.
pub(crate) fn compiled(text: &str, catalogue: &Catalogue) -> Compiled {
    let graph = graph(text, catalogue).unwrap_or_else(|errors| panic!("{errors}"));
    composer::compile(&graph, &images(&graph), &facts())
}

pub(crate) fn images(graph: &Graph) -> Images {
    let image = |block: String| {
        let reference = format!("shelf.local/{}/{block}@sha256:{}", graph.app, "0".repeat(64));
        (block, reference)
    };
    graph.builds().into_iter().map(|build| image(build.block)).collect()
}
