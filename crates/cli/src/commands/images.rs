//! `shelf images`: what the store holds.

use std::process::ExitCode;

use http::Method;
use serde_json::json;

use super::{Outcome, say, say_list};
use crate::settings::Global;
use crate::table;

/// Lists the images of the server's store.
pub(crate) async fn images(global: &Global) -> Outcome {
    let client = global.client();
    let value = client.json(Method::GET, "/v1/images", None).await?;
    if global.json {
        say(&json!({"schema": "shelf/images/1", "result": value}).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = Vec::new();
    for image in value["images"].as_array().into_iter().flatten() {
        let digest = image["digest"].as_str().unwrap_or_default();
        let short = digest.strip_prefix("sha256:").unwrap_or(digest);
        let size = table::size(image["size_bytes"].as_u64().unwrap_or_default());
        let names = image["names"].as_array().cloned().unwrap_or_default();
        let names: Vec<&str> = names.iter().filter_map(|name| name.as_str()).collect();
        if global.quiet {
            // An image without a name is known by its digest.
            let known = if names.is_empty() { vec![digest] } else { names };
            rows.extend(known.into_iter().map(|name| vec![name.to_owned()]));
            continue;
        }
        rows.push(vec![
            if names.is_empty() { "<none>".to_owned() } else { names.join(", ") },
            short.chars().take(12).collect(),
            size,
        ]);
    }
    say_list(global, &["NAME", "DIGEST", "SIZE"], &rows)?;
    Ok(ExitCode::SUCCESS)
}
