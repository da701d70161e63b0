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
