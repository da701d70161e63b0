//! Commands that look, without a server.

use crate::shell::Shell;

#[test]
fn the_shelf_is_searched_and_shown() {
    let shell = Shell::new();
    assert!(shell.does("search amqp").contains("rabbitmq"));
    assert!(!shell.does("search amqp").contains("postgres "));
    let said = shell.shelf("search nonsense-word");
    assert!(said.code == 3 && said.err.contains("postgres"), "{said:?}");
    let card = shell.does("show postgres@15");
    for wanted in ["postgres 15", "postgres/1", "settings", "size", "assumes", "if not:"] {
        assert!(card.contains(wanted), "{wanted} in {card}");
    }
    let said = shell.shelf("show postgrs");
    assert!(said.code == 3 && said.err.contains("did you mean: postgres"), "{said:?}");
    let value = shell.json("show rabbitmq");
    assert_eq!(value["result"]["offers"][0]["interface"], "amqp/1");
    assert!(shell.does("interface list").contains("postgres/1"));
    let shown = shell.does("interface show postgres");
    assert!(shown.contains("<SOCKET>_PASSWORD") && shown.contains("given by: postgres"), "{shown}");
    assert_eq!(shell.shelf("interface show sql").code, 3);
    assert!(Shell::shop().does("show db").starts_with("postgres 15"));
}

#[test]
fn the_graph_is_drawn_in_three_ways() {
    let shell = Shell::shop();
    let text = shell.does("graph");
    assert!(text.starts_with("shop\n") && text.contains("-> jobs"), "{text}");
    assert!(shell.does("graph --format dot").contains("\"web\" -> \"db\""));
    assert!(shell.does("graph --format svg").starts_with("<svg "));
    assert_eq!(shell.json("graph")["result"]["wires"].as_array().unwrap().len(), 2);
    shell.does("remove jobs");
    assert!(shell.does("graph").contains("-> MISSING"));
}

#[test]
fn everything_can_be_asked_why_it_is_there() {
    let shell = Shell::shop();
    shell.does("set db size=20Gi");
    let said = shell.does("explain db.size");
    assert!(said.starts_with("db.size is 20Gi"), "{said}");
    assert!(
        said.contains("app.toml:5   by ana") && said.contains("(shelf set db size=20Gi)"),
        "{said}"
    );
    assert!(shell.does("explain db.memory").contains("the default of postgres"));
    let said = shell.does("explain web.db");
    assert!(said.contains("tied to db: a block of the socket's name fits"), "{said}");
    assert!(said.contains("creates Secret web-db") && said.contains("DB_PASSWORD"), "{said}");
    assert!(shell.does("explain web.DB_URL").contains("the url of the wire web.db -> db"));
    assert!(shell.does("explain Secret/web-db").contains("for the wire web.db -> db"));
    assert!(shell.does("explain Deployment/web-worker").contains("process worker of block web"));
    assert!(shell.does("explain 4").contains("in block db"));
    assert!(shell.does("explain web").contains("./web"));
    let said = shell.shelf("explain wep");
    assert!(said.code == 3 && said.err.contains("blocks: db, jobs, web"), "{said:?}");
}

#[test]
fn the_first_page_fits_a_screen_and_says_how_the_machine_is() {
    let shell = Shell::new();
    for words in ["", "--help", "-h"] {
        let page = shell.does(words);
        assert!(page.starts_with("Put an application together"), "{page}");
        assert!(page.contains("This machine: no server runs here"), "{page}");
        assert!(
            page.lines().count() <= 24 && page.lines().all(|line| line.chars().count() <= 120),
            "{page}"
        );
    }
    let all = shell.does("help --all");
    assert!(all.contains("  wire        Tie a need"), "{all}");
    assert!(shell.does("help wire").contains("Usage: shelf wire"));
    assert!(shell.does("help exit-codes").contains("130"));
    assert_eq!(shell.shelf("help nothing").code, 2);
    for name in ["bash", "zsh", "fish"] {
        assert!(shell.does(&format!("completion {name}")).contains("unwire"));
    }
}

#[test]
fn what_needs_a_server_says_that_none_answers() {
    let shell = Shell::shop();
    for words in ["diff", "status", "open", "plan"] {
        let said = shell.shelf(words);
        assert_eq!(said.code, 7, "{words}: {said:?}");
    }
    assert_eq!(Shell::new().shelf("graph").code, 3);
}
