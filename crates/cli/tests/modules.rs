//! Modules that a person makes: copied, new, linted.

use crate::shell::Shell;

#[test]
fn a_fork_says_the_cheaper_ways_first_and_what_is_yours_later() {
    let shell = Shell::shop();
    let before = shell.read("app.toml");
    let said = shell.does("fork db --dry-run");
    assert!(said.contains("would be done: db is yours, in ./db"), "{said}");
    assert!(!shell.path().join("db").exists());
    let said = shell.does("fork db");
    let (lower, price) = said.split_once("price: ").unwrap();
    assert!(lower.contains("1 set") && lower.contains("shelf set db NAME=VALUE"), "{said}");
    assert!(price.contains("| module = \"./db\"\n"), "{said}");
    shell.does("check");
    let said = shell.does("show db");
    assert!(said.contains("db is a copy of postgres@15.1.0: none of it is changed\n"), "{said}");
    assert!(said.contains("a lower rung:  shelf use db postgres@15.1.0\n"), "{said}");
    let ready = shell.read("db/ready.sh");
    shell.write("db/ready.sh", &format!("{ready}# mine\n"));
    assert!(shell.does("show db").contains("1 line is yours (ready.sh)\n"));
    shell.does("undo");
    assert_eq!(shell.read("app.toml"), before);
    assert!(shell.path().join("db/ready.sh").exists(), "an undo deletes no work");
    let value = shell.json("fork jobs --to parts/broker");
    assert_eq!(
        (&value["schema"], &value["result"]["to"]),
        (&"shelf/fork/1".into(), &"./parts/broker".into())
    );
    assert_eq!(shell.shelf("fork db").code, 1, "its folder is there already");
    assert_eq!(shell.shelf("fork nothing").code, 3);
}

#[test]
fn a_new_module_is_as_it_should_be_and_says_what_is_to_do() {
    let shell = Shell::new();
    let said = shell.does("module new shop-index");
    assert!(
        said.ends_with("next: shelf module test shop-index\n") && !said.contains("to do"),
        "{said}"
    );
    let said = shell.does("module test shop-index --lint");
    assert!(
        said.starts_with("shop-index 1.0.0\n") && said.ends_with("as it should be\n"),
        "{said}"
    );
    let said = shell.does("module new my-db --provides postgres/1,http/1");
    assert!(said.contains("to do  grant.sh: make, rotate and revoke"), "{said}");
    let text = shell.read("my-db/module.toml");
    shell.write("my-db/module.toml", &text.replace("/module/ready.sh", "/module/raedy.sh"));
    let said = shell.shelf("--json module test my-db --lint");
    assert_eq!(said.code, 1);
    let value: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(value["result"]["passed"], false);
    let checks = value["result"]["checks"].as_array().unwrap();
    assert!(checks.iter().any(|one| one["detail"] == "raedy.sh is not there"), "{checks:?}");
    assert_eq!(shell.shelf("module test nowhere --lint").code, 3);
    assert_eq!(shell.shelf("module test my-db").code, 7, "a trial needs a server");
}
