//! One request becomes one operation. Every request to the API passes here, and is logged here.

use crate::Api;
use crate::body;
use crate::call::{self, Accept, Call, Verb};
use crate::delete::{self, Options};
use crate::discovery;
use crate::kubelet;
use crate::metrics;
use crate::output::{self, Render};
use crate::patch::{self, Patch};
use crate::read;
use crate::review::{self, User};
use crate::status::Failure;
use crate::subresource::{self, Sent};
use crate::watch;
use crate::write::{Ownership, Write};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, request::Parts};
use kinds::Subresource;
use std::time::Instant;

/// Answers any request.
pub(crate) async fn handle(State(api): State<Api>, request: Request) -> Response {
    let begin = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let agent = call::user_agent(request.headers());
    let mut seen = Seen::default();
    let response = match answer(&api, request, &mut seen).await {
        Ok(response) => response,
        Err(failure) => failure.into_response(),
    };
    let status = response.status();
    let micros = begin.elapsed().as_micros();
    let verb = seen.verb.map_or(method.as_str(), |verb| verb.as_str());
    // Never bodies, never queries: they may hold Secrets or commands.
    if status.is_server_error() {
        tracing::error!(%agent, verb, path, status = status.as_u16(), micros, "request");
    } else if status.is_client_error() && status != StatusCode::NOT_FOUND {
        tracing::info!(%agent, verb, path, status = status.as_u16(), micros, "request");
    } else {
        tracing::debug!(%agent, verb, path, status = status.as_u16(), micros, "request");
    }
    response
}

/// What the log should know of a request once it was understood.
#[derive(Default)]
struct Seen {
    verb: Option<Verb>,
}

async fn answer(api: &Api, request: Request, seen: &mut Seen) -> Result<Response, Failure> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let segments = call::segments(&path)?;
    let texts: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    if matches!(parts.method, Method::GET | Method::HEAD)
        && let Some(answer) = discovery::answer(api, &texts, &Accept::parse(&parts.headers))
    {
        return answer;
    }
    if let Some(review) = review::find(&texts) {
        let user = parts.extensions.get::<User>().cloned().unwrap_or_else(User::admin);
        let bytes = body::read(body).await?;
        let media_type = body::media_type(&parts.headers);
        return review::answer(review, &parts.method, &user, &bytes, media_type);
    }
    if let ["api", "v1", "namespaces", namespace, "bindings"] = texts.as_slice() {
        return bindings(api, &parts, body, namespace).await;
    }
    if let ["api", "v1", "nodes", node, "proxy", "stats", "summary"] = texts.as_slice()
        && parts.method == Method::GET
    {
        return kubelet::summary(api, node, parts).await;
    }
    if let Some(asked) = metrics::find(&texts) {
        return metrics::answer(api, &asked, &parts).await;
    }
    let call = Call::parse(&segments, &parts)?;
    seen.verb = Some(call.verb);
    operate(api, &call, parts, body).await
}

/// `POST …/bindings`: the pod's name is in the body instead of the path.
async fn bindings(
    api: &Api,
    parts: &Parts,
    body: Body,
    namespace: &str,
) -> Result<Response, Failure> {
    let path = ["api", "v1", "namespaces", namespace, "pods"].map(Into::into);
    let mut call = Call::parse(&path, parts)?;
    if call.verb != Verb::Create {
        return Err(Failure::method_not_allowed());
    }
    call.subresource = Some("binding".into());
    let sent = sent(parts, body).await?;
    subresource::bind(api, &call, &sent).await
}

async fn sent(parts: &Parts, body: Body) -> Result<Sent, Failure> {
    let media_type = body::media_type(&parts.headers).to_owned();
    Ok(Sent { bytes: body::read(body).await?, media_type })
}

async fn operate(api: &Api, call: &Call, parts: Parts, body: Body) -> Result<Response, Failure> {
    let is_pod = call.kind.group.is_empty() && call.kind.plural == "pods";
    let is_namespace = call.kind.group.is_empty() && call.kind.plural == "namespaces";
    match call.subresource.as_deref() {
        None => {}
        Some("status") if call.kind.has(Subresource::Status) => match call.verb {
            Verb::Get | Verb::Update | Verb::Patch => {}
            _ => return Err(Failure::method_not_allowed()),
        },
        Some("scale") if call.kind.has(Subresource::Scale) => {
            return subresource::scale(api, call, &sent(&parts, body).await?).await;
        }
        Some(part) if is_pod && kubelet::PARTS.contains(&part) => {
            return kubelet::pass(api, call, parts, body).await;
        }
        Some("binding") if is_pod && call.verb == Verb::Create => {
            return subresource::bind(api, call, &sent(&parts, body).await?).await;
        }
        Some("eviction") if is_pod && call.verb == Verb::Create => {
            return subresource::evict(api, call, &sent(&parts, body).await?).await;
        }
        Some("finalize") if is_namespace => {
            return subresource::finalize(api, call, &sent(&parts, body).await?).await;
        }
        Some(_) => return Err(Failure::no_route()),
    }
    match call.verb {
        Verb::Get => read::get(api, call),
        Verb::List => read::list(api, call),
        Verb::Watch => watch::watch(api, call),
        _ => write(api, call, sent(&parts, body).await?).await,
    }
}

async fn write(api: &Api, call: &Call, sent: Sent) -> Result<Response, Failure> {
    let render = Render::new(call)?;
    let mut write = Write::new(api, call)?;
    let (code, bytes) = match call.verb {
        Verb::Create if call.name.is_some() => return Err(Failure::method_not_allowed()),
        Verb::Create => {
            let new = write.accept(body::decode(&sent.bytes, &sent.media_type)?)?;
            let bytes = write.create(new, Ownership::Track).await?;
            (StatusCode::CREATED, render.object(&bytes))
        }
        Verb::Update => {
            let new = write.accept(body::decode(&sent.bytes, &sent.media_type)?)?;
            let change = write.change(call.name()?, Ownership::Track, |_, _| Ok(new.clone()));
            let bytes = change.await?;
            (StatusCode::OK, render.object(&bytes))
        }
        Verb::Patch => {
            let (patch, duplicates) = Patch::decode(&sent.bytes, &sent.media_type)?;
            write.report(duplicates)?;
            let patched = patch::patch(api, call, &mut write, patch).await?;
            let code = if patched.created { StatusCode::CREATED } else { StatusCode::OK };
            (code, render.object(&patched.bytes))
        }
        Verb::Delete => {
            let options = Options::decode(&sent.bytes, &sent.media_type, &call.query)?;
            let namespace = call.namespace.as_deref();
            let name = call.name()?;
            (StatusCode::OK, delete::delete(api, call.kind, namespace, name, &options).await?)
        }
        Verb::DeleteCollection => {
            let options = Options::decode(&sent.bytes, &sent.media_type, &call.query)?;
            (StatusCode::OK, delete::delete_collection(api, call, &options).await?)
        }
        Verb::Get | Verb::List | Verb::Watch => return Err(Failure::method_not_allowed()),
    };
    Ok(output::warn(output::json(code, bytes), &write.warnings))
}
