//! The app language: parse, check and compile, without any I/O.
//!
//! An app file and the modules on the shelf go in; a checked graph of blocks and wires comes out,
//! and from it plain Kubernetes objects: the same bytes for the same input. The composer knows
//! nothing of disks, HTTP or clusters; whoever calls it reads the files and applies the objects.
//!
//! Start reading at `app.rs` (what is written), then `check.rs` (what it means), `compile.rs` (what
//! it becomes) and `edit.rs` (how it is changed).
//!
//! ```
//! let mut catalogue = composer::Catalogue::default();
//! catalogue.add_interface("http.toml", "interface = \"http/1\"\n[fields]\nhost = \"host\"\n").unwrap();
//! let app = "app = \"hello\"\n[web]\nsource = \"./web\"\nrun = { web = { port = 80, path = \"/\" } }\n";
//! let app = composer::App::parse("app.toml", app).unwrap();
//! let graph = composer::check(&app, &catalogue).unwrap();
//! assert_eq!(graph.builds().len(), 1);
//! ```

mod app;
mod card;
mod catalogue;
mod check;
mod command;
mod compile;
mod diagnostic;
mod edit;
mod explain;
pub mod graph;
pub mod index;
pub mod interface;
pub mod lock;
pub mod module;
mod names;
mod quantity;
mod read;
mod secret;
mod shape;
mod sketch;
mod source;
mod suggest;
mod template;
mod version;

pub use app::{App, Dockerfile, Opened};
pub use card::{Card, Choice, Given, Opening, cards};
pub use catalogue::Catalogue;
pub use check::{check, sound};
pub use compile::{Compiled, Facts, Front, Images, Phase, PhaseKind, Turn, compile, compile_wires};
pub use diagnostic::{Diagnostic, Help, Side, render};
pub use edit::{Edit, Edited, Piece, changed_lines, edit, format, kept_lines, touched};
pub use explain::{Field, explain};
pub use graph::Graph;
pub use module::Module;
pub use names::name_from;
pub use quantity::quantity;
pub use secret::{GeneratedSecret, Recipe, SecretKey, SecretValue, Taken};
pub use sketch::{Added, Draft, Knob, Premise, Sketch, Socket, sketch};
pub use source::Span;
