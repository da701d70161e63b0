//! Create and change: the one way an object comes into the store, whatever its kind.
//!
//! A write is: check what was sent, fill in what the server decides, ask the kind, record who
//! owns which field, store with the expectation that nobody was faster.

use crate::Api;
use crate::body::Decoded;
use crate::call::Call;
use crate::encode;
use crate::namespace;
use crate::object;
use crate::output;
use crate::service;
use crate::status::Failure;
use bytes::Bytes;
use jiff::Timestamp;
use kinds::{FieldError, Kind, Subresource};
use serde_json::{Value, json};
use store::Expect;

/// Times a change is tried again because another writer was faster.
const RACE_RETRIES: usize = 30;
/// Times another name is drawn for `generateName`.
const NAME_RETRIES: usize = 8;

/// What is done about fields no schema knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Validation {
    Ignore,
    Warn,
    Strict,
}

/// Whether ownership of fields still has to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// From the difference between old and new.
    Track,
    /// Server-side apply did it.
    Applied,
    /// The server's own bookkeeping: owners stay as they are.
    Keep,
}

/// One write and what it needs to know.
pub(crate) struct Write<'a> {
    api: &'a Api,
    pub(crate) kind: &'static Kind,
    namespace: Option<String>,
    /// As the path says; `None` for the main resource.
    subresource: Option<String>,
    manager: String,
    dry_run: bool,
    validation: Validation,
    /// Told to the client in headers.
    pub(crate) warnings: Vec<String>,
}

impl<'a> Write<'a> {
    pub(crate) fn new(api: &'a Api, call: &Call) -> Result<Self, Failure> {
        let validation = match call.query.text("fieldValidation") {
            None | Some("" | "Warn") => Validation::Warn,
            Some("Ignore") => Validation::Ignore,
            Some("Strict") => Validation::Strict,
            Some(other) => {
                let supported = &["Ignore", "Strict", "Warn"];
                let error = FieldError::not_supported("fieldValidation", &json!(other), supported);
                let options = "CreateOptions";
                return Err(Failure::invalid_named(options, "meta.k8s.io", "", &[error]));
            }
        };
        Ok(Self {
            api,
            kind: call.kind,
            namespace: call.namespace.clone(),
            subresource: call.subresource.clone(),
            manager: call.manager(),
            dry_run: call.dry_run()?,
            validation,
            warnings: Vec::new(),
        })
    }

    /// A write of the server itself.
    pub(crate) fn internal(api: &'a Api, kind: &'static Kind) -> Self {
        Self {
            api,
            kind,
            namespace: None,
            subresource: None,
            manager: "shelf".into(),
            dry_run: false,
            validation: Validation::Ignore,
            warnings: Vec::new(),
        }
    }

    pub(crate) fn manager(&self) -> &str {
        &self.manager
    }

    fn part(&self) -> Option<Subresource> {
        match self.subresource.as_deref() {
            Some("status") => Some(Subresource::Status),
            Some("scale") => Some(Subresource::Scale),
            _ => None,
        }
    }

    /// Checks what a client sent: the right kind of thing, no field twice.
    pub(crate) fn accept(&mut self, decoded: Decoded) -> Result<Value, Failure> {
        let Decoded { mut value, duplicates } = decoded;
        if !value.is_object() {
            return Err(Failure::bad_request("the body of the request is not an object"));
        }
        self.report(duplicates)?;
        let expected = [("apiVersion", self.kind.api_version()), ("kind", self.kind.kind.into())];
        for (field, expected) in expected {
            match value[field].as_str() {
                Some(found) if found == expected => {}
                None if value[field].is_null() => value[field] = json!(expected),
                _ => {
                    let what = if field == "kind" { "kind" } else { "API version" };
                    let found = &value[field];
                    let found = found.as_str().map_or_else(|| found.to_string(), Into::into);
                    return Err(Failure::bad_request(format!(
                        "the {what} in the data ({found}) does not match the expected {what} \
                         ({expected})"
                    )));
                }
            }
        }
        Ok(value)
    }

    /// Refuses wrong types always, unknown fields as asked; then drops what no schema knows.
    pub(crate) fn check_fields(&mut self, value: &mut Value) -> Result<(), Failure> {
        let wrong = self.kind.type_errors(value);
        if !wrong.is_empty() {
            return Err(self.cannot_handle(&wrong.join(", ")));
        }
        let unknown = self.kind.unknown_fields(value);
        if !unknown.is_empty() {
            self.report(unknown)?;
            self.kind.drop_unknown_fields(value);
        }
        Ok(())
    }

    pub(crate) fn report(&mut self, messages: Vec<String>) -> Result<(), Failure> {
        match self.validation {
            Validation::Strict if !messages.is_empty() => {
                let list = format!("strict decoding error: {}", messages.join(", "));
                return Err(self.cannot_handle(&list));
            }
            Validation::Warn => self.warnings.extend(messages),
            _ => {}
        }
        Ok(())
    }

    fn cannot_handle(&self, why: &str) -> Failure {
        let (kind, version) = (self.kind.kind, self.kind.version);
        Failure::bad_request(format!(
            "{kind} in version \"{version}\" cannot be handled as a {kind}: {why}"
        ))
    }

    /// Creates the object.
    pub(crate) async fn create(
        &mut self,
        mut new: Value,
        ownership: Ownership,
    ) -> Result<Bytes, Failure> {
        if !object::meta(&new, "resourceVersion").is_empty() {
            return Err(Failure::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        self.check_fields(&mut new)?;
        self.place(&mut new)?;
        let generates = object::name(&new).is_empty();
        let mut tries = if generates { NAME_RETRIES } else { 1 };
        loop {
            tries -= 1;
            match self.create_named(new.clone(), ownership).await {
                Err(Raced(key)) if tries == 0 => {
                    let name = key.rsplit('/').next().unwrap_or("");
                    return Err(Failure::already_exists(self.kind, name));
                }
                Err(Raced(_)) => {}
                Ok(result) => return result,
            }
        }
    }

    /// Puts the object into the namespace of the path.
    fn place(&self, new: &mut Value) -> Result<(), Failure> {
        let metadata = object::metadata(new);
        let Some(namespace) = &self.namespace else {
            // kubectl sends an empty namespace with cluster-wide objects.
            if metadata.get("namespace").and_then(Value::as_str) == Some("") {
                metadata.remove("namespace");
            }
            return Ok(());
        };
        match metadata.get("namespace").and_then(Value::as_str).unwrap_or("") {
            "" => metadata.insert("namespace".into(), json!(namespace)),
            same if same == namespace => None,
            _ => {
                return Err(Failure::bad_request(
                    "the namespace of the provided object does not match the namespace sent on \
                     the request",
                ));
            }
        };
        Ok(())
    }

    async fn create_named(
        &mut self,
        mut new: Value,
        ownership: Ownership,
    ) -> Result<Result<Bytes, Failure>, Raced> {
        let now = Timestamp::now();
        let metadata = object::metadata(&mut new);
        if metadata.get("name").and_then(Value::as_str).unwrap_or("").is_empty() {
            let prefix = metadata.get("generateName").and_then(Value::as_str).unwrap_or("");
            if !prefix.is_empty() {
                let name = object::generate_name(prefix);
                metadata.insert("name".into(), json!(name));
            }
        }
        metadata.insert("uid".into(), json!(uuid::Uuid::new_v4().to_string()));
        metadata.insert("creationTimestamp".into(), object::time(now));
        if ownership == Ownership::Track {
            metadata.remove("managedFields");
        }
        let name = object::name(&new).to_owned();
        if let Some(namespace) = &self.namespace
            && let Err(failure) = namespace::check_open(self.api, namespace, self.kind, &name)
        {
            return Ok(Err(failure));
        }
        let _allocating = self.allocation().await;
        if let Err(failure) = self.finish_create(&mut new, ownership, now) {
            return Ok(Err(failure));
        }
        let key = encode::key(self.kind, self.namespace.as_deref(), &name);
        if self.dry_run {
            if self.api.store().get(&key).is_some() {
                return Err(Raced(key));
            }
            return Ok(Ok(new.to_string().into()));
        }
        let (before, after) = encode::split(&new);
        let write =
            self.api.store().put_numbered(&key, before.clone(), after.clone(), Expect::Absent);
        match write.await {
            Ok(revision) => Ok(Ok(encode::numbered(&before, &after, revision))),
            Err(store::Error::Conflict { .. }) => Err(Raced(key)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn finish_create(
        &self,
        new: &mut Value,
        ownership: Ownership,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.kind.default(new);
        self.kind.prepare_create(new);
        if namespace::is_namespace(self.kind) {
            namespace::prepare(new);
        }
        if service::allocates(self.kind) {
            service::allocate(self.api, self.kind, new, None)?;
        }
        let errors = self.kind.validate(new, None);
        if !errors.is_empty() {
            return Err(Failure::invalid(self.kind, object::name(new), &errors));
        }
        if ownership == Ownership::Track {
            kinds::apply::track(self.kind, None, new, &self.manager, "Update", None, now);
        }
        Ok(())
    }

    /// Held while a Service gets its address and is written.
    async fn allocation(&self) -> Option<tokio::sync::MutexGuard<'a, ()>> {
        match service::allocates(self.kind) && self.subresource.is_none() {
            true => Some(self.api.allocation().lock().await),
            false => None,
        }
    }

    /// Replaces the object `name` by what `change` makes of it; again when somebody was faster.
    pub(crate) async fn change(
        &mut self,
        name: &str,
        ownership: Ownership,
        mut change: impl FnMut(&mut Self, &Value) -> Result<Value, Failure>,
    ) -> Result<Bytes, Failure> {
        let key = encode::key(self.kind, self.namespace.as_deref(), name);
        for _ in 0..RACE_RETRIES {
            let entry =
                self.api.store().get(&key).ok_or_else(|| Failure::not_found(self.kind, name))?;
            let live = output::parse(&entry.value);
            let _allocating = self.allocation().await;
            let warned = self.warnings.len();
            let mut new = change(self, &live)?;
            if ownership != Ownership::Keep {
                self.finish_change(&mut new, &live, ownership)?;
            }
            if object::is_same(&live, &new) {
                return Ok(entry.value);
            }
            let revision = entry.mod_revision;
            match self.put(&key, &new, revision).await {
                Err(store::Error::Conflict { .. }) => self.warnings.truncate(warned),
                Err(error) => return Err(error.into()),
                Ok(written) => return Ok(written),
            }
        }
        Err(Failure::modified(self.kind, name))
    }

    /// Stores a changed object, or removes it when nothing holds its deletion any more.
    async fn put(&self, key: &str, new: &Value, revision: u64) -> Result<Bytes, store::Error> {
        let (before, after) = encode::split(new);
        if self.dry_run {
            return Ok(encode::numbered(&before, &after, revision));
        }
        if is_released(self.kind, new) {
            let expect = Expect::Revision(revision);
            let revision = self.api.store().delete(key, expect).await?;
            return Ok(encode::numbered(&before, &after, revision));
        }
        let expect = Expect::Revision(revision);
        let written =
            self.api.store().put_numbered(key, before.clone(), after.clone(), expect).await?;
        Ok(encode::numbered(&before, &after, written))
    }

    fn finish_change(
        &mut self,
        new: &mut Value,
        live: &Value,
        ownership: Ownership,
    ) -> Result<(), Failure> {
        let name = object::name(live).to_owned();
        self.check_identity(new, live, &name)?;
        self.check_fields(new)?;
        if ownership == Ownership::Track {
            carry_ownership(new, live);
        }
        self.kind.default(new);
        self.kind.prepare_update(new, live, self.part());
        if service::allocates(self.kind) && self.subresource.is_none() {
            service::allocate(self.api, self.kind, new, Some(live))?;
        }
        if namespace::is_namespace(self.kind) {
            namespace::keep_finalizers(new, live);
        }
        let errors = self.kind.validate(new, Some(live));
        if !errors.is_empty() {
            return Err(Failure::invalid(self.kind, &name, &errors));
        }
        if ownership == Ownership::Track {
            let subresource = self.subresource.as_deref();
            let (kind, manager) = (self.kind, self.manager.as_str());
            let now = Timestamp::now();
            kinds::apply::track(kind, Some(live), new, manager, "Update", subresource, now);
        }
        Ok(())
    }

    /// The object must be the one meant, in the state meant; what is left out is filled in.
    fn check_identity(&self, new: &mut Value, live: &Value, name: &str) -> Result<(), Failure> {
        self.place(new)?;
        let found = object::name(new);
        if !found.is_empty() && found != name {
            return Err(Failure::bad_request(format!(
                "the name of the object ({found}) does not match the name on the URL ({name})"
            )));
        }
        let uid = object::meta(new, "uid");
        let live_uid = object::meta(live, "uid");
        if !uid.is_empty() && uid != live_uid {
            let detail = format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {live_uid}"
            );
            return Err(Failure::conflict(self.kind, name, &detail));
        }
        let revision = object::meta(new, "resourceVersion");
        if !matches!(revision, "" | "0") && revision != object::meta(live, "resourceVersion") {
            if revision.parse::<u64>().is_err() {
                let value = json!(revision);
                let detail = "must be a revision this server gave out";
                let error = FieldError::invalid("metadata.resourceVersion", &value, detail);
                return Err(Failure::invalid(self.kind, name, &[error]));
            }
            return Err(Failure::modified(self.kind, name));
        }
        let metadata = object::metadata(new);
        metadata.insert("name".into(), json!(name));
        metadata.insert("resourceVersion".into(), live["metadata"]["resourceVersion"].clone());
        Ok(())
    }
}

/// The key was taken in the meantime.
struct Raced(String);

/// A writer that leaves `managedFields` out keeps them; one that sends `[{}]` clears them.
fn carry_ownership(new: &mut Value, live: &Value) {
    let sent = new["metadata"]["managedFields"].as_array();
    let cleared = sent.is_some_and(|list| list.as_slice() == [json!({})]);
    let missing = sent.is_none_or(Vec::is_empty);
    let metadata = object::metadata(new);
    if cleared {
        metadata.insert("managedFields".into(), json!([]));
    } else if missing {
        metadata.insert("managedFields".into(), live["metadata"]["managedFields"].clone());
    }
}

/// Whether an object whose deletion has begun is held by nothing any more.
pub(crate) fn is_released(kind: &Kind, object: &Value) -> bool {
    object::is_deleting(object)
        && !object::has_finalizers(object)
        && object["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0) == 0
        && !(namespace::is_namespace(kind) && namespace::has_finalizers(object))
}
