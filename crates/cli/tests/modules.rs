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
