//! Every route of the canvas with each method it takes, as the router's own table says it: a new
//! route is tried at every door without anybody having to think of it.

/// Methods and paths; what stands in braces has a name of nothing that is there.
pub(crate) fn all() -> Vec<(String, String)> {
    let source = include_str!("../src/routes.rs");
    let mut found = Vec::new();
    for (start, end) in [("fn table()", "\n}\n"), ("fn canvas(", ".layer(")] {
        let from = &source[source.find(start).expect(start)..];
        let part = &from[..from.find(end).expect(end)];
        for text in part.split(".route(").skip(1) {
            let read = route(text);
            assert!(!read.is_empty(), "a route of {start} cannot be read: {text}");
            found.extend(read);
        }
    }
    assert!(found.len() > 40, "the table is longer than {found:?}");
    found
}

/// `"/v1/apps/{app}/secrets", get(code::secrets).post(app::secret))`.
fn route(text: &str) -> Vec<(String, String)> {
    let mut parts = text.splitn(3, '"');
    let (_, path, rest) = (parts.next(), parts.next().unwrap_or(""), parts.next().unwrap_or(""));
    let path = path
        .split('/')
        .map(|part| match part {
            "{release}" => "r",
            "{id}" if path.contains("operations") => "1",
            "{module}" => "postgres",
            "{block}" => "web",
            part if part.starts_with('{') => "x",
            part => part,
        })
        .collect::<Vec<_>>()
        .join("/");
    let methods = ["get", "post", "put", "delete"];
    let takes = |method: &&&str| {
        let name = format!("{method}(");
        let at = rest.find(&name);
        at.is_some_and(|at| at == 0 || !rest.as_bytes()[at - 1].is_ascii_alphanumeric())
    };
    methods.iter().filter(takes).map(|method| (method.to_uppercase(), path.clone())).collect()
}
