//! Questions about the caller: who am I, what may I do. Answered, never stored.

use crate::discovery::Answered;
use crate::status::Failure;
use crate::{body, output};
use axum::response::Response;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};

/// Who asks; set by the door the request came through.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

impl User {
    /// The owner of the process: the in-process client, the root-only socket, our own token.
    pub(crate) fn admin() -> Self {
        let groups = ["system:masters", "system:authenticated"].map(Into::into).into();
        Self { name: "system:admin".into(), groups }
    }

    /// Every user we know is an administrator; `pki.rs` says how one gets to be one.
    fn may_do_anything(&self) -> bool {
        self.groups.iter().any(|group| group == "system:masters")
    }
}

/// All of them.
pub(crate) const ALL: [Answered; 3] = [
    question("authentication.k8s.io", "selfsubjectreviews", "SelfSubjectReview"),
    question("authorization.k8s.io", "selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    question("authorization.k8s.io", "selfsubjectrulesreviews", "SelfSubjectRulesReview"),
];

const fn question(group: &'static str, plural: &'static str, kind: &'static str) -> Answered {
    // Every plural here is the singular and an s.
    let singular = plural.split_at(plural.len() - 1).0;
    let verbs = &["create"];
    Answered { group, version: "v1", plural, singular, kind, namespaced: false, verbs }
}

/// The review at this path.
pub(crate) fn find(segments: &[&str]) -> Option<&'static Answered> {
    let ["apis", group, "v1", plural] = segments else { return None };
    ALL.iter().find(|review| review.group == *group && review.plural == *plural)
}

/// Answers a review.
pub(crate) fn answer(
    review: &Answered,
    method: &Method,
    user: &User,
    bytes: &Bytes,
    media_type: &str,
) -> Result<Response, Failure> {
    if method != Method::POST {
        return Err(Failure::method_not_allowed());
    }
    let asked = body::decode(bytes, media_type)?.value;
    let allowed = user.may_do_anything();
    let status = match review.kind {
        "SelfSubjectReview" => json!({
            "userInfo": {"username": user.name, "groups": user.groups},
        }),
        "SelfSubjectAccessReview" => json!({"allowed": allowed}),
        _ if allowed => json!({
            "incomplete": false,
            "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        }),
        _ => json!({"incomplete": false, "resourceRules": [], "nonResourceRules": []}),
    };
    let spec = match asked.get("spec") {
        Some(spec) if spec.is_object() => spec.clone(),
        _ => Value::Object(serde_json::Map::new()),
    };
    let object = json!({
        "kind": review.kind,
        "apiVersion": format!("{}/v1", review.group),
        "metadata": {"creationTimestamp": null},
        "spec": spec,
        "status": status,
    });
    Ok(output::json(StatusCode::CREATED, object.to_string().into()))
}
