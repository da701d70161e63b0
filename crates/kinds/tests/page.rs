//! `docs/kubernetes.md` is generated from the table; this checks that the committed page is current.

use kinds::schema::{ListKind, Schema, Shape, Struct};
use kinds::{Kind, Subresource};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Upstream's kinds that an app might look for and will not find.
const ABSENT: &str = "DaemonSet, ReplicationController, PodTemplate, LimitRange, ResourceQuota, \
    PriorityClass, RuntimeClass, CSIDriver, CSINode, CSIStorageCapacity, VolumeAttachment, \
    VolumeAttributesClass, CertificateSigningRequest, CustomResourceDefinition, APIService, \
    webhook and admission policy configurations, FlowSchema, ResourceClaim and its group, \
    IPAddress, ServiceCIDR";

#[test]
fn the_page_of_kinds_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kubernetes.md");
    let wanted = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == wanted,
        "docs/kubernetes.md is old; UPDATE_DOCS=1 cargo test -p kinds rewrites it"
    );
}

fn page() -> String {
    let mut out = String::from(
        "# The Kubernetes API that Shelf speaks\n\n\
         Generated from the table of kinds by `UPDATE_DOCS=1 cargo test -p kinds`; do not edit.\n\
         Field names, types and list semantics are those of Kubernetes v1.36. Every kind has the \
         verbs create, get, list, watch, update, patch (JSON, merge, strategic, apply), delete and \
         deletecollection.\n\n\
         Answered and not stored: SelfSubjectReview, SelfSubjectAccessReview and \
         SelfSubjectRulesReview (create), and `metrics.k8s.io/v1beta1`: NodeMetrics and PodMetrics \
         (get, list), from what the node measures every ten seconds; `kubectl top` reads them.\n\n\
         ## Kinds\n\n\
         | Kind | API version | Path | Short | Scope | Subresources | What it is |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for kind in kinds::all() {
        let _infallible = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            kind.kind,
            kind.api_version(),
            kind.plural,
            kind.short_names.join(", "),
            if kind.namespaced { "namespace" } else { "cluster" },
            subresources(kind),
            kind.description,
        );
    }
    let _infallible = write!(
        out,
        "\nPods also have `log`, `exec`, `attach`, `eviction` and `binding`. \
         Not here: {ABSENT}.\n\n## Fields\n\n\
         `!` required, `=x` the default, `[T]` a list, `{{T}}` a map; `[T by k]` a list whose items \
         are told apart by `k`, `[T set]` one of distinct values; other lists are one value to \
         server-side apply.\n\
         A field that is listed is stored, checked and given back; whether something acts on it is \
         the business of the loops, not of this page.\n",
    );
    let mut types: BTreeMap<&str, &Struct> = BTreeMap::new();
    for kind in kinds::all() {
        collect(kind.schema(), &mut types);
    }
    for named in types.values() {
        let fields: Vec<String> = named
            .fields
            .iter()
            .map(|field| {
                let default =
                    field.default.as_ref().map(|value| format!("={value}")).unwrap_or_default();
                let required = if field.required { "!" } else { "" };
                let allowed: Vec<&str> =
                    field.allowed.iter().copied().filter(|a| !a.is_empty()).collect();
                let allowed = if allowed.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", allowed.join(", "))
                };
                format!(
                    "`{}{required}: {}{default}`{allowed}",
                    field.name,
                    type_name(&field.schema)
                )
            })
            .collect();
        let short = named.component.strip_prefix("io.k8s.api.").unwrap_or("meta.v1");
        let section = short.strip_suffix(&format!(".{}", named.name)).unwrap_or(short);
        let dash = if named.description.is_empty() { "" } else { ", " };
        let _infallible = write!(
            out,
            "\n**{}** ({section}{dash}{}): {}\n",
            named.name,
            named.description,
            fields.join(" · ")
        );
    }
    out
}

fn subresources(kind: &Kind) -> String {
    let names = kind.subresources.iter().map(|subresource| match subresource {
        Subresource::Status => "status",
        Subresource::Scale => "scale",
    });
    names.collect::<Vec<_>>().join(", ")
}

fn collect<'a>(schema: &'a Schema, types: &mut BTreeMap<&'a str, &'a Struct>) {
    match &schema.shape {
        Shape::Struct(_) => {
            let Some(named) = schema.as_struct() else { return };
            if types.insert(&named.component, named).is_none() {
                named.fields.iter().for_each(|field| collect(&field.schema, types));
            }
        }
        Shape::List(item, _) | Shape::Map(item) => collect(item, types),
        _ => {}
    }
}

fn type_name(schema: &Schema) -> String {
    match &schema.shape {
        Shape::String => "string".to_owned(),
        Shape::Int32 => "int32".to_owned(),
        Shape::Int64 => "int64".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::Boolean => "bool".to_owned(),
        Shape::Quantity => "quantity".to_owned(),
        Shape::IntOrString => "int or string".to_owned(),
        Shape::Time => "time".to_owned(),
        Shape::MicroTime => "micro time".to_owned(),
        Shape::Bytes => "base64".to_owned(),
        Shape::Any => "any".to_owned(),
        Shape::Struct(id) => id.get().name.to_owned(),
        Shape::List(item, ListKind::Map(keys)) => {
            format!("[{} by {}]", type_name(item), keys.join(", "))
        }
        Shape::List(item, ListKind::Set) => format!("[{} set]", type_name(item)),
        Shape::List(item, ListKind::Atomic) => format!("[{}]", type_name(item)),
        Shape::Map(item) => format!("{{{}}}", type_name(item)),
    }
}
