//! How sockets find their providers.

use composer::Catalogue;

use crate::shelf::{graph, stock};

fn tied(text: &str, catalogue: &Catalogue) -> Vec<String> {
    let graph = graph(text, catalogue).unwrap_or_else(|errors| panic!("{errors}"));
    graph.wires.iter().map(|wire| format!("{} -> {}", wire.end(), wire.provider)).collect()
}

#[test]
fn the_block_of_the_same_name_wins_over_others() {
    let text = r#"
        app = "a"
        [other]
        use = "postgres"
        [db]
        use = "postgres"
        [web]
        source = "./web"
        needs = { db = "postgres/1" }
    "#;
    assert_eq!(tied(text, &stock()), ["web.db -> db"]);
}

#[test]
fn the_only_candidate_is_taken() {
    let text = r#"
        app = "a"
        [store]
        use = "postgres"
        [web]
        source = "./web"
        needs = { database = "postgres/1" }
    "#;
    assert_eq!(tied(text, &stock()), ["web.database -> store"]);
}

#[test]
fn what_is_written_wins() {
    let text = r#"
        app = "a"
        [db]
        use = "postgres"
        [other]
        use = "postgres"
        [web]
        source = "./web"
        needs = { db = "postgres/1" }
        wire = { db = "other" }
    "#;
    assert_eq!(tied(text, &stock()), ["web.db -> other"]);
}

#[test]
fn an_optional_socket_may_stay_empty_and_its_values_are_left_out() {
    let text = r#"
        app = "a"
        [web]
        source = "./web"
        needs = { queue = "amqp/1?" }
        env = { HAS = "{queue.present}", URL = "{queue.url}" }
    "#;
    let graph = graph(text, &stock()).unwrap();
    assert!(graph.wires.is_empty());
    let names: Vec<&str> = graph.blocks[0].env.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["HAS"]);
}

#[test]
fn a_login_that_nobody_makes_is_left_out() {
    let mut catalogue = stock();
    let module = r#"
        module  = "postbox"
        version = "1.0.0"
        build   = "."
        [provides.mail]
        type = "smtp/1"
        port = 1025
        [assumes]
        one = { says = "One.", if-not = "two" }
    "#;
    catalogue.add_module("modules/postbox", module).unwrap();
    let text = r#"
        app = "a"
        [mail]
        use = "postbox"
        [web]
        source = "./web"
        needs = { mail = "smtp/1" }
    "#;
    let graph = graph(text, &catalogue).unwrap();
    let fields: Vec<&str> = graph.wires[0].fields.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(fields, ["host", "port", "url"]);
}

#[test]
fn circles_of_http_are_fine() {
    let text = r#"
        app = "a"
        [one]
        source = "./one"
        needs = { two = "http/1" }
        run = { one = { port = 80 } }
        [two]
        source = "./two"
        needs = { one = "http/1" }
        run = { two = { port = 80 } }
    "#;
    assert_eq!(tied(text, &stock()), ["one.two -> two", "two.one -> one"]);
}

#[test]
fn each_wire_has_a_login_of_its_own() {
    let text = r#"
        app = "a"
        [db]
        use = "postgres"
        [one]
        source = "./one"
        needs = { db = "postgres/1" }
        [two]
        source = "./two"
        needs = { db = "postgres/1" }
    "#;
    let graph = graph(text, &stock()).unwrap();
    let logins: Vec<String> = graph
        .wires
        .iter()
        .map(|wire| {
            let field = wire.fields.iter().find(|field| field.name == "username").unwrap();
            format!("{:?}", field.value)
        })
        .collect();
    assert_eq!(logins, ["Plain(\"one_db\")", "Plain(\"two_db\")"]);
}
