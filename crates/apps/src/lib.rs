//! The verbs on an app: check, plan, go, status, stop, start, destroy, url.
//!
//! A verb reads the app's folder, asks the pure composer what it means, builds the images that
//! are missing and writes plain Kubernetes objects through a kube client. It knows nothing of
//! HTTP, terminals or containers, and keeps no state of its own: what was done is in the objects.
//! Dropping a verb's future stops the waiting, nothing else; the next `go` carries on.
//!
//! Start reading at [`go`], then `changes.rs` (what differs), `apply.rs` (how objects are written)
//! and `observe.rs` (how a verb waits).

mod address;
mod apply;
mod around;
mod back;
mod borrowed;
mod bundle;
mod carry;
mod catalogues;
mod changes;
mod cluster;
mod data;
mod destroy;
mod edit;
mod error;
mod event;
mod examples;
mod explain;
mod export;
mod facts;
mod failure;
mod folder;
mod follow;
mod fork;
mod given;
mod go;
mod history;
mod images;
mod import;
mod init;
mod kubernetes_events;
mod layout;
mod live;
mod load;
mod lock;
mod logs;
mod metrics;
mod model;
mod moves;
mod namespace;
mod objects;
mod observe;
mod outlook;
mod plan;
mod progress;
mod published;
mod push;
mod registry;
mod release;
mod report;
mod restart;
mod revoke;
mod role;
mod rotate;
mod scale;
mod secrets;
mod shelf;
mod space;
mod status;
mod stock;
mod survey;
mod system;
mod target;
mod targets;
mod terminal;
mod upgrade;
mod workshop;

pub use around::Around;
pub use back::{BackOptions, back};
pub use borrowed::{ImageNews, Moved};
pub use bundle::{PackReport, Packed, TakeOptions, label, pack, packed, take};
pub use catalogues::{
    CatalogueOptions, CataloguePublishOptions, CataloguePublishReport, CatalogueReport,
    add_catalogue, catalogue_of, catalogues, publish_catalogue, remove_catalogue, sign_catalogue,
    take_modules, update_catalogues,
};
pub use cluster::{Cluster, Settings as TargetSettings};
pub use composer::Edit;
pub use data::{
    BackupOptions, BackupReport, CopyReport, Damage, From, Kept, LeftOut, Moment, Passphrase,
    RestoreOptions, RestoreReport, Schedule, TakenIn, UndoData, UndoOptions, UndoPlan, UndoReport,
    backup, backup_file, backups, copy, forget, restore, schedule, schedules, set_schedule, sweep,
    take_in, taken_in, undo_go, undo_plan, was_made,
};
pub use destroy::{DestroyOptions, destroy};
pub use edit::{
    EditReport, blame, edit, formatted, history, mark_released, redo, text_with, try_edit, undo,
    write_text,
};
pub use error::{Error, ErrorReport, diagnostics_value};
pub use event::{BlockState, Event, Events, WireState};
pub use examples::examples;
pub use explain::{Explained, explain_object};
pub use export::{ExportKind, ExportOptions, ExportReport, export, export_archive};
pub use follow::{draft, follow};
pub use fork::{ForkReport, Lower, Yours, fork, yours};
pub use given::give;
pub use go::{GoOptions, go};
pub use history::HistoryEntry;
pub use images::{BuildOptions, BuildReport, ImageReport, build, images};
pub use import::{
    ImportOptions, import, import_manifests, import_namespace, import_text, write_import,
};
pub use init::{InitReport, Start, block_name, init};
pub use kubernetes_events::{EventReport, kubernetes_events};
pub use layout::{Groups, Layout, Place, layout, move_blocks};
pub use load::{Sourced, app_name, block_names, check, check_at, revision, sources, text};
pub use logs::{LogLine, LogQuery, logs};
pub use metrics::{EVERY_SECONDS, Metrics, Point, Requests, Use};
pub use model::{Model, model, model_of};
pub use moves::{MoveOptions, MoveReport, move_app};
pub use namespace::{NamespaceObjects, namespace_objects};
pub use objects::objects;
pub use plan::{plan, plan_of};
pub use published::{
    AppPublishOptions, AppPublishReport, FetchOptions, FetchReport, Opening, PublishOptions,
    PublishReport, PublishedApp, fetch_module, open_app, publish_app, publish_module,
};
pub use push::{PushOptions, Received, push, receive};
pub use registry::{Beginning, Registry, write_private};
pub use release::releases;
pub use report::{
    BlockStatus, Change, ChangeKind, CheckReport, DestroyReport, GoReport, PlanReport, PodStatus,
    ReleaseReport, ScaleReport, StatusReport,
};
pub use restart::restart;
pub use role::role;
pub use rotate::{RotateReport, SecretReport, rotate, secret_list};
pub use scale::{start, stop};
pub use shelf::{catalogue, icon};
pub use space::{Space, space};
pub use status::{apps, status, url};
pub use survey::{Finding, Survey};
pub use system::system;
pub use target::{HERE, Target};
pub use targets::{
    TargetCheck, TargetReport, Targets, check_here, check_target, kubeconfig, reach,
};
pub use terminal::{Shell, Terminal, terminal};
pub use transfer::{Given, Imported, Row, State};
pub use upgrade::{
    Newer, Rehearsal, Tried, Upgradable, UpgradeOptions, UpgradeReport, UpgradesReport, upgrade,
    upgrades,
};
pub use workshop::{
    Check, CheckState, NewModule, TrialOptions, TrialReport, end_trials, inspect, new_module, trial,
};

/// The result of every door of this room.
pub type Result<T, E = Error> = std::result::Result<T, E>;
