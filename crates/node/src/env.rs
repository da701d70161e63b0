//! Environment, command and arguments: sources looked up, `$(NAME)` expanded.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{ConfigMap, Container, EnvVarSource, Pod, Secret};

use crate::downward::{self, Facts};
use crate::error::Error;

/// The ConfigMaps and Secrets a pod refers to, fetched before a start; `None` is not there.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    pub(crate) config_maps: BTreeMap<String, Option<ConfigMap>>,
    pub(crate) secrets: BTreeMap<String, Option<Secret>>,
}

impl Sources {
    fn config_map(&self, name: &str) -> Option<&ConfigMap> {
        self.config_maps.get(name).and_then(Option::as_ref)
    }

    fn secret(&self, name: &str) -> Option<&Secret> {
        self.secrets.get(name).and_then(Option::as_ref)
    }
}

/// Names of ConfigMaps and Secrets the pod's environments refer to, each once.
pub(crate) fn references(pod: &Pod) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut maps, mut secrets) = (BTreeSet::new(), BTreeSet::new());
    let spec = pod.spec.iter();
    let containers =
        spec.flat_map(|s| s.init_containers.iter().flatten().chain(s.containers.iter()));
    for container in containers {
        for from in container.env_from.iter().flatten() {
            maps.extend(from.config_map_ref.as_ref().map(|r| r.name.clone()));
            secrets.extend(from.secret_ref.as_ref().map(|r| r.name.clone()));
        }
        for source in container.env.iter().flatten().filter_map(|e| e.value_from.as_ref()) {
            maps.extend(source.config_map_key_ref.as_ref().map(|r| r.name.clone()));
            secrets.extend(source.secret_key_ref.as_ref().map(|r| r.name.clone()));
        }
    }
    (maps, secrets)
}

/// The container's environment, in order; later entries override earlier ones of the same name.
pub(crate) fn environment(
    pod: &Pod,
    container: &Container,
    sources: &Sources,
    facts: &Facts,
) -> Result<Vec<(String, String)>, Error> {
    let mut env: Vec<(String, String)> = Vec::new();
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some(reference) = &from.config_map_ref {
            match sources.config_map(&reference.name) {
                Some(map) => {
                    for (key, value) in map.data.iter().flatten() {
                        set(&mut env, format!("{prefix}{key}"), value.clone());
                    }
                }
                None if reference.optional == Some(true) => {}
                None => return Err(missing(format!("configmap \"{}\" not found", reference.name))),
            }
        }
        if let Some(reference) = &from.secret_ref {
            match sources.secret(&reference.name) {
                Some(secret) => {
                    for (key, value) in secret.data.iter().flatten() {
                        let value = String::from_utf8_lossy(&value.0).into_owned();
                        set(&mut env, format!("{prefix}{key}"), value);
                    }
                }
                None if reference.optional == Some(true) => {}
                None => return Err(missing(format!("secret \"{}\" not found", reference.name))),
            }
        }
    }
    for entry in container.env.iter().flatten() {
        let value = match (&entry.value, &entry.value_from) {
            (Some(text), _) => Some(expand(text, &env)),
            (None, Some(from)) => looked_up(pod, container, from, sources, facts)?,
            (None, None) => Some(String::new()),
        };
        if let Some(value) = value {
            set(&mut env, entry.name.clone(), value);
        }
    }
    Ok(env)
}

fn set(env: &mut Vec<(String, String)>, name: String, value: String) {
    match env.iter_mut().find(|(known, _)| *known == name) {
        Some(slot) => slot.1 = value,
        None => env.push((name, value)),
    }
}

fn missing(reason: String) -> Error {
    Error::Config { reason }
}

fn looked_up(
    pod: &Pod,
    container: &Container,
    from: &EnvVarSource,
    sources: &Sources,
    facts: &Facts,
) -> Result<Option<String>, Error> {
    if let Some(field) = &from.field_ref {
        return downward::field(pod, &field.field_path, facts).map(Some).map_err(missing);
    }
    if let Some(resource) = &from.resource_field_ref {
        return downward::resource(pod, Some(&container.name), resource, facts)
            .map(Some)
            .map_err(missing);
    }
    let (kind, name, key, optional, found, value) = if let Some(r) = &from.config_map_key_ref {
        let map = sources.config_map(&r.name);
        let value = map.and_then(|m| m.data.as_ref()?.get(&r.key).cloned());
        ("configmap", &r.name, &r.key, r.optional, map.is_some(), value)
    } else if let Some(r) = &from.secret_key_ref {
        let secret = sources.secret(&r.name);
        let value = secret.and_then(|s| s.data.as_ref()?.get(&r.key));
        let value = value.map(|v| String::from_utf8_lossy(&v.0).into_owned());
        ("secret", &r.name, &r.key, r.optional, secret.is_some(), value)
    } else {
        return Err(missing("this source of an environment variable is not supported".into()));
    };
    match value {
        Some(value) => Ok(Some(value)),
        None if optional == Some(true) => Ok(None),
        None if !found => Err(missing(format!("{kind} \"{name}\" not found"))),
        None => Err(missing(format!("couldn't find key {key} in {kind} \"{name}\""))),
    }
}

/// Replaces `$(NAME)` by the variable's value; `$$` is a dollar sign, and what is not known is
/// left as it stands (Kubernetes API, `Container.args`).
pub(crate) fn expand(text: &str, env: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) =
            after.strip_prefix('(').and_then(|inner| inner.split_once(')'))
        {
            match env.iter().find(|(known, _)| known == name) {
                Some((_, value)) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn known_names_are_replaced_and_all_else_stays() {
        let env = vec![("A".to_owned(), "1".to_owned()), ("B-x.y".to_owned(), "2".to_owned())];
        for (text, expected) in [
            ("$(A)-$(B-x.y)", "1-2"),
            ("$$(A) $(C) $A $", "$(A) $(C) $A $"),
            ("$(A", "$(A"),
            ("$$$(A)", "$1"),
            ("", ""),
        ] {
            assert_eq!(expand(text, &env), expected, "{text}");
        }
    }

    #[test]
    fn sources_are_looked_up_and_later_entries_see_earlier_ones() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p", "namespace": "n", "labels": {"app": "shop"}},
            "spec": {"containers": [{"name": "c", "env": [
                {"name": "USER", "valueFrom": {"secretKeyRef": {"name": "s", "key": "user"}}},
                {"name": "URL", "value": "amqp://$(USER)@$(HOST)/"},
                {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
                {"name": "NONE", "valueFrom": {"configMapKeyRef":
                    {"name": "gone", "key": "k", "optional": true}}},
            ], "envFrom": [{"prefix": "", "configMapRef": {"name": "m"}}]}]},
        }))
        .unwrap();
        let container = pod.spec.as_ref().unwrap().containers[0].clone();
        let mut sources = Sources::default();
        let map = serde_json::from_value(json!({"data": {"HOST": "mq"}})).unwrap();
        sources.config_maps.insert("m".into(), Some(map));
        let facts = Facts::default();
        let error = environment(&pod, &container, &sources, &facts).unwrap_err();
        assert_eq!(error.to_string(), "secret \"s\" not found");
        let secret = serde_json::from_value(json!({"data": {"user": "Ym9i"}})).unwrap();
        sources.secrets.insert("s".into(), Some(secret));
        let env = environment(&pod, &container, &sources, &facts).unwrap();
        let text: Vec<_> = env.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(text, ["HOST=mq", "USER=bob", "URL=amqp://bob@mq/", "APP=shop"]);
    }
}
