//! Every example of the guide is right: what it shows is what the language is.

use composer::{App, Catalogue, Diagnostic};

use crate::shelf::{graph, repository, shop, small};

#[test]
fn every_example_in_the_guide_is_right() {
    let text = std::fs::read_to_string(repository().join("docs/guide/app-language.md")).unwrap();
    let mut catalogue = small();
    let billing = "app = \"billing\"\n[db]\nuse = \"postgres@15\"\n";
    catalogue.add_app(graph(billing, &catalogue).unwrap());
    let mut count = 0;
    for rest in text.split("\n```toml ").skip(1) {
        let (kind, rest) = rest.split_once('\n').unwrap();
        let example = rest.split_once("\n```").unwrap().0;
        let result = try_example(kind, example, &mut catalogue);
        assert!(result.is_ok(), "{kind}:\n{example}\n{}", composer::render(&result.unwrap_err()));
        count += 1;
    }
    assert!(count >= 8, "only {count} examples were found");
}

/// Reads and checks an example by the word after `toml` in its fence.
fn try_example(
    kind: &str,
    example: &str,
    catalogue: &mut Catalogue,
) -> Result<(), Vec<Diagnostic>> {
    let check = |text: &str, catalogue: &Catalogue| {
        let mut app = App::parse("guide", text)?;
        let named: Vec<String> = app.named_files().into_iter().map(str::to_owned).collect();
        named.iter().for_each(|path| app.give_file(path, "text"));
        composer::check(&app, catalogue).map(|_| ())
    };
    match kind {
        "interface" => catalogue.add_interface("guide", example),
        "module" => catalogue.add_module("guide", example),
        "overlay" => {
            let app = App::parse("app.toml", &shop())?.lay_over("app.prod.toml", example)?;
            composer::check(&app, catalogue).map(|_| ())
        }
        "app" => check(example, catalogue),
        // A part of an app: completed with a name, a database and a broker.
        "block" => {
            let head =
                "app = \"guide\"\n[db]\nuse = \"postgres@15\"\n[jobs]\nuse = \"rabbitmq@3\"\n";
            check(&format!("{head}{example}\n"), catalogue)
        }
        other => panic!("the guide has an example of kind {other:?}"),
    }
}

#[test]
fn the_guide_fits_on_four_pages() {
    let text = std::fs::read_to_string(repository().join("docs/guide/app-language.md")).unwrap();
    let lines = text.lines().count();
    assert!(lines <= 240, "{lines} lines are more than four pages");
}

/// The page of the shelf lists every stock module, as its file describes it, and no other.
#[test]
fn the_page_of_the_shelf_is_the_shelf() {
    let page = std::fs::read_to_string(repository().join("docs/guide/shelf.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| `")).collect();
    let mut count = 0;
    for entry in std::fs::read_dir(repository().join("modules")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path().join("module.toml")).unwrap();
        let row = row(&text.parse().unwrap());
        assert!(rows.contains(&row.as_str()), "docs/guide/shelf.md lacks this line:\n{row}");
        count += 1;
    }
    assert_eq!(rows.len(), count, "docs/guide/shelf.md has lines of modules that do not exist");
}

/// A module's line in the table of the page.
fn row(module: &toml_edit::DocumentMut) -> String {
    let text = |key: &str| module[key].as_str().unwrap().to_owned();
    let listed = |items: Vec<String>| match items.is_empty() {
        true => "–".to_owned(),
        false => items.join(" "),
    };
    let named = |item: &str| format!("`{item}`");
    let typed = |key: &str| {
        let table = module.get(key).and_then(|item| item.as_table_like());
        let types = table.into_iter().flat_map(|table| table.iter()).map(|(_, item)| {
            named(item.as_str().or_else(|| item["type"].as_str()).unwrap_or_default())
        });
        listed(types.collect())
    };
    let settings = module.get("settings").and_then(|item| item.as_table_like());
    let settings = settings.into_iter().flat_map(|table| table.iter());
    format!(
        "| {} | {} | {} | {} | {} | {} |",
        named(&text("module")),
        text("version").rsplit_once('.').unwrap().0,
        typed("provides"),
        typed("needs"),
        listed(settings.map(|(name, _)| named(name)).collect()),
        text("summary")
    )
}
