//! The model that pages draw, with the last sound one kept for while a file cannot be read.
//! Where next: `apps::model`, which reads the file.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use apps::{Around, Error};
use serde_json::{Value, json};

use crate::Door;
use crate::answer::Refusal;
use crate::app::blocking;
use crate::edits;

/// The last model of each app that could be drawn.
#[derive(Default)]
pub(crate) struct Models {
    last: Mutex<HashMap<String, Value>>,
}

impl Door {
    /// The app as it is drawn for a person; the last good drawing if the file cannot be read.
    pub(crate) async fn model(&self, app: &str, person: &str) -> Result<Value, Refusal> {
        let dir = self.registry.dir(app)?;
        let (models, name, by) = (self.models.clone(), app.to_owned(), person.to_owned());
        let around = self.around(&dir).await;
        let on = self.target.name().to_owned();
        let mut model = blocking(move || models.draw(&name, &dir, &around, (&on, &by))).await?;
        // The address is known once a go has given it.
        let url = apps::url(&self.target, app).await.ok().flatten();
        model["url"] = json!(url);
        Ok(model)
    }

    /// What there is to say of an app's model: its revision, and whether the file is right.
    pub(crate) async fn model_news(&self, app: &str) -> Option<Value> {
        let dir = self.registry.dir(app).ok()?;
        let (models, name) = (self.models.clone(), app.to_owned());
        let around = self.around(&dir).await;
        let on = self.target.name().to_owned();
        let looked =
            move || Ok((edits::changes_of(&dir, &on), models.sketch(&name, &dir, &around)?));
        let news = match blocking(looked).await {
            Ok((changes, model)) => news(app, &model, changes),
            Err(refusal) => json!({ "app": app, "revision": null, "valid": false,
                "error": refusal.message() }),
        };
        Some(news)
    }

    /// What decides about the app in a folder beside its file; nothing while the file cannot be
    /// read, which is said where it is drawn.
    async fn around(&self, dir: &Path) -> Around {
        match apps::text(dir) {
            Ok(text) => Around::glance(&self.target, dir, &text).await,
            Err(_) => Around::default(),
        }
    }

    /// The revision of an app's file and how many changes wait, without drawing it.
    pub(crate) async fn text_news(&self, app: &str) -> Option<(String, usize)> {
        let dir = self.registry.dir(app).ok()?;
        let on = self.target.name().to_owned();
        let read = move || Ok((apps::revision(&apps::text(&dir)?), edits::changes_of(&dir, &on)));
        blocking(read).await.ok()
    }
}

/// What is told of a model that was drawn for a person.
pub(crate) fn news_of(app: &str, model: &Value) -> Value {
    news(app, model, model["changes"].as_array().map_or(0, Vec::len))
}

fn news(app: &str, model: &Value, changes: usize) -> Value {
    json!({ "app": app, "revision": model["revision"], "valid": model["valid"],
        "error": model["diagnostics"][0]["message"], "changes": changes })
}

impl Models {
    /// The drawing with what was changed since the last go to the target `on`, for the person `by`.
    fn draw(
        &self,
        app: &str,
        dir: &Path,
        around: &Around,
        (on, by): (&str, &str),
    ) -> Result<Value, Error> {
        // First, for it makes the file and the history agree.
        let pending = edits::pending(dir, on, by)?;
        let mut value = self.sketch(app, dir, around)?;
        for block in value["blocks"].as_array_mut().into_iter().flatten() {
            let names = |change: &&Value| {
                change["blocks"].as_array().is_some_and(|names| names.contains(&block["name"]))
            };
            if let Some(change) = pending.changes.iter().rev().find(names) {
                block["staged"] = json!({ "by": change["by"], "initials": change["initials"] });
            }
        }
        value["changes"] = pending.changes.into();
        value["history"] = json!({ "undo": pending.undo, "redo": pending.redo });
        Ok(value)
    }

    /// The drawing alone.
    fn sketch(&self, app: &str, dir: &Path, around: &Around) -> Result<Value, Error> {
        let text = apps::text(dir)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let value = match apps::model_of(dir, &text, around) {
            Ok(model) => {
                last.insert(app.to_owned(), model.value.clone());
                model.value
            }
            Err(Error::Wrong(diagnostics)) => {
                let mut value = last.get(app).cloned().unwrap_or_else(
                    || json!({ "app": app, "dir": dir, "blocks": [], "wires": [] }),
                );
                value["revision"] = apps::revision(&text).into();
                value["valid"] = false.into();
                value["diagnostics"] = apps::diagnostics_value(&diagnostics);
                value
            }
            Err(error) => return Err(error),
        };
        Ok(value)
    }
}
