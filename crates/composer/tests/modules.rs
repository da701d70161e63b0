//! The stock modules themselves, and what a module file may not say.

use composer::interface::Interface;
use composer::{Catalogue, Module};

use crate::shelf::{repository, stock};

#[test]
fn every_program_a_module_names_is_beside_it() {
    for module in stock().modules() {
        let folder = repository().join("modules").join(&module.name);
        let text = std::fs::read_to_string(folder.join("module.toml")).unwrap();
        let programs = text
            .split(['"', ' '])
            .map(|word| word.trim_start_matches("/module/"))
            .filter(|word| word.ends_with(".sh"));
        for program in programs {
            assert!(folder.join(program).is_file(), "{}: no {program}", module.name);
        }
        assert!(module.build.is_none() || folder.join("Dockerfile").is_file());
        assert!(folder.join("icon.svg").is_file(), "{}: no icon", module.name);
    }
}

#[test]
fn an_offer_that_cannot_be_kept_is_linted() {
    let text = r#"
module  = "half"
version = "1.0.0"
summary = ""
build   = "."
[provides.sql]
type = "postgres/1"
port = 5432
version = "15"
[provides.odd]
type = "postgrs/1"
port = 1
[assumes]
single = { says = "One.", if-not = "think" }
"#;
    let module = Module::parse("half/module.toml", text).unwrap();
    let found = composer::module::lint(&module, &stock());
    let codes: Vec<&str> = found.iter().map(|one| one.code.as_str()).collect();
    let all = [
        "module/grant",
        "module/probe",
        "interface/unknown",
        "module/ready",
        "module/summary",
        "module/if-not",
    ];
    assert_eq!(codes, all, "{}", composer::render(&found));
}

#[test]
fn interfaces_are_small() {
    for interface in stock().interfaces() {
        let name = interface.name.split('/').next().unwrap();
        let text = std::fs::read_to_string(repository().join(format!("interfaces/{name}.toml")));
        let lines = text.unwrap().lines().count();
        assert!(lines <= 25, "{name} has {lines} lines");
    }
}

#[test]
fn a_module_that_is_wrong_says_everything_at_once() {
    let text = r#"
module  = "Red Is"
version = "seven"
bild    = "."

[settings]
size = { help = "no default" }

[secrets]
PASSWORD = { generate = "dice:6" }

[disk.data]
at = "relative/path"

[data]
pauses = "maybe"
"#;
    insta::assert_snapshot!(composer::render(&Module::parse("modules/redis", text).unwrap_err()));
}

#[test]
fn an_interface_that_leaks_a_secret_is_refused() {
    let text = r#"
interface = "thing/1"
order     = "before-strat"

[fields]
host     = "hots"
password = "secret"
url      = "thing://{password}@{name}"

[attributes]
version = "number"
"#;
    insta::assert_snapshot!(composer::render(&Interface::parse("thing.toml", text).unwrap_err()));
}

#[test]
fn an_offer_must_say_what_its_interface_asks_for() {
    let mut catalogue = stock();
    let text = r#"
module  = "pg-lite"
version = "1.0.0"
build   = "."

[provides.sql]
type      = "postgres/1"
port      = 5432
extension = ["pg_trgm"]

[assumes]
one = { says = "One.", if-not = "two" }
"#;
    catalogue.add_module("modules/pg-lite", text).unwrap();
    let app = "app = \"a\"\n[db]\nuse = \"pg-lite\"\n";
    insta::assert_snapshot!(crate::shelf::graph(app, &catalogue).unwrap_err());
}

#[test]
fn an_empty_catalogue_is_no_panic() {
    let wrong = crate::shelf::graph(&crate::shelf::shop(), &Catalogue::default()).unwrap_err();
    assert!(wrong.contains("there is no module \"postgres\""), "{wrong}");
}

#[test]
fn a_module_without_an_image_is_only_a_disk() {
    let text = r#"
module  = "folder"
version = "1.0.0"
env     = { A = "b" }

[provides.folder]
type   = "files/1"
access = "shared"

[disk.other]
size = "1Gi"

[assumes]
one = { says = "One.", if-not = "two" }
"#;
    insta::assert_snapshot!(composer::render(&Module::parse("modules/folder", text).unwrap_err()));
}

#[test]
fn an_offer_of_a_disk_says_what_its_disk_is() {
    let mut catalogue = crate::shelf::small();
    let text = r#"
module  = "folder"
version = "1.0.0"

[provides.folder]
type   = "files/1"
access = "shared"

[provides.more]
type   = "files/1"
access = "single"

[disk.folder]
size = "1Gi"

[assumes]
one = { says = "One.", if-not = "two" }
"#;
    catalogue.add_module("modules/folder", text).unwrap();
    let app = "app = \"a\"\n[files]\nuse = \"folder\"\n";
    insta::assert_snapshot!(crate::shelf::graph(app, &catalogue).unwrap_err());
}
