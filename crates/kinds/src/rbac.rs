//! Kinds of `rbac.authorization.k8s.io`: rights, and who has them.

use crate::FieldError;
use crate::cell::{self, AGE, NAME, list_at, str_at};
use crate::kind::{Column, Hooks, Kind};
use crate::schema::put_if_absent;
use jiff::Timestamp;
use serde_json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";
const ROLE_COLUMNS: &[Column] = &[NAME, cell::text("Created At", "when it was made")];
const BINDING_COLUMNS: &[Column] = &[
    NAME,
    cell::text("Role", "kind and name of the role given"),
    AGE,
    cell::wide("Users", "users who have it"),
    cell::wide("Groups", "groups who have it"),
    cell::wide("ServiceAccounts", "service accounts that have it"),
];

pub(crate) fn role() -> Kind {
    Kind { name_fault: crate::name::path_segment, ..rights("Role", ("roles", "role")) }
}

pub(crate) fn cluster_role() -> Kind {
    Kind { namespaced: false, ..rights("ClusterRole", ("clusterroles", "clusterrole")) }
}

pub(crate) fn role_binding() -> Kind {
    binding("RoleBinding", ("rolebindings", "rolebinding"))
}

pub(crate) fn cluster_role_binding() -> Kind {
    let names = ("clusterrolebindings", "clusterrolebinding");
    Kind { namespaced: false, ..binding("ClusterRoleBinding", names) }
}

fn rights(kind: &'static str, names: (&'static str, &'static str)) -> Kind {
    Kind {
        name_fault: crate::name::path_segment,
        ..Kind::new(
            (GROUP, "v1", kind),
            names,
            ROLE_COLUMNS,
            Hooks {
                validate: |new, _, faults| {
                    for (index, rule) in list_at(new, "/rules").iter().enumerate() {
                        check_rule(rule, &format!("rules[{index}]"), faults);
                    }
                },
                ..Hooks::row_only(|object, _| {
                    let created = str_at(object, "/metadata/creationTimestamp");
                    vec![cell::name(object), json!(created)]
                })
            },
        )
    }
}

fn check_rule(rule: &Value, path: &str, faults: &mut Vec<FieldError>) {
    let resources = !list_at(rule, "/resources").is_empty();
    let urls = !list_at(rule, "/nonResourceURLs").is_empty();
    if urls {
        return;
    }
    if !resources {
        let detail = "resource rules must supply at least one resource";
        faults.push(FieldError::required(format!("{path}.resources"), detail));
    }
    if list_at(rule, "/apiGroups").is_empty() {
        let detail = "resource rules must supply at least one api group";
        faults.push(FieldError::required(format!("{path}.apiGroups"), detail));
    }
}

fn binding(kind: &'static str, names: (&'static str, &'static str)) -> Kind {
    Kind {
        name_fault: crate::name::path_segment,
        ..Kind::new(
            (GROUP, "v1", kind),
            names,
            BINDING_COLUMNS,
            Hooks {
                default: |object| {
                    let subjects = object.get_mut("subjects").and_then(Value::as_array_mut);
                    for subject in subjects.into_iter().flatten().filter_map(Value::as_object_mut) {
                        if matches!(
                            subject.get("kind").and_then(Value::as_str),
                            Some("User" | "Group")
                        ) {
                            put_if_absent(subject, "apiGroup", json!(GROUP));
                        }
                    }
                },
                validate: |new, old, faults| {
                    let role = cell::at(new, "/roleRef");
                    if let Some(old) = old
                        && old.get("roleRef") != new.get("roleRef")
                    {
                        let detail = "cannot change roleRef";
                        faults.push(FieldError::invalid("roleRef", role, detail));
                    }
                    let kinds: &[&str] = &["ClusterRole", "Role"];
                    if role.is_object() && !kinds.contains(&str_at(role, "/kind")) {
                        let shown = cell::at(role, "/kind");
                        faults.push(FieldError::not_supported("roleRef.kind", shown, kinds));
                    }
                },
                ..Hooks::row_only(binding_row)
            },
        )
    }
}

fn binding_row(object: &Value, now: Timestamp) -> Vec<Value> {
    let subjects = |kind: &str| {
        let mine = list_at(object, "/subjects").iter().filter(|s| str_at(s, "/kind") == kind);
        let names = mine.map(|subject| match str_at(subject, "/namespace") {
            "" => str_at(subject, "/name").to_owned(),
            namespace => format!("{namespace}/{}", str_at(subject, "/name")),
        });
        json!(names.collect::<Vec<_>>().join(", "))
    };
    let role = cell::at(object, "/roleRef");
    vec![
        cell::name(object),
        json!(format!("{}/{}", str_at(role, "/kind"), str_at(role, "/name"))),
        cell::age(object, now),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}
