//! Where values come from.

use composer::{App, explain};

use crate::shelf::{facts, images, small};

#[test]
fn every_value_says_where_it_comes_from() {
    let text = "app = \"shop\"\n[db]\nuse = \"postgres@15\"\nset = { size = \"20Gi\", memory = \"1Gi\" }\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\nenv = { A = \"b\", URL = \"{db.url}\", DSN = \"x {db.password}\" }\nsecrets = { key = { generate = \"random:32\" } }\nrun = { web = { port = 80, path = \"/\", env = { C = \"d\" } } }\n";
    let over = "[db]\nset = { memory = \"2Gi\" }\n[web.run]\nweb = { copies = 3 }\n";
    let app = App::parse("app.toml", text).unwrap().lay_over("app.prod.toml", over).unwrap();
    let graph = composer::check(&app, &small()).map_err(|e| composer::render(&e)).unwrap();
    let mut lines = Vec::new();
    for part in &graph.blocks {
        for one in &part.explained {
            lines.push(format!("{}.{} = {}  ({})", part.name, one.name, one.value, one.source));
        }
    }
    let compiled = composer::compile(&graph, &images(&graph), &facts());
    for object in ["Deployment/web", "StatefulSet/db", "ConfigMap/db-settings"] {
        for field in explain(&graph, &compiled, object).unwrap() {
            let source = field.source.to_string();
            if source != "shelf" {
                lines.push(format!("{object} {} = {}  ({source})", field.path, field.value));
            }
        }
    }
    assert!(explain(&graph, &compiled, "Deployment/nobody").is_none());
    insta::assert_snapshot!(lines.join("\n"));
}
