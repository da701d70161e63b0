//! Proving who we are: Basic, or a token from the server that the challenge names.
//!
//! The protocol is the one of Docker's registries ("token authentication"), with OAuth 2 for logins
//! that are identity tokens. A password is sent to the token server of the registry only, and
//! never by plain HTTP to another machine that was not named as insecure. Where next: `wire.rs`.

use std::sync::PoisonError;

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Method, Uri};
use serde::Deserialize;

use crate::challenge::{self, Challenge};
use crate::wire::{Ask, Payload};
use crate::{Error, Repository, Result, host};

/// Longest answer of a token server, in bytes.
const TOKEN_MAX: u64 = 256 << 10;

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl Repository {
    /// Makes what the challenges of an answer ask for, and keeps it; false when we have nothing
    /// that would satisfy them.
    pub(crate) async fn satisfy(
        &self,
        headers: &HeaderMap,
        what: &str,
        more_scopes: &[String],
    ) -> Result<bool> {
        let sent = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let challenges: Vec<Challenge> =
            sent.filter_map(|value| value.to_str().ok()).flat_map(challenge::parse).collect();
        let pass = if let Some(bearer) = challenges.iter().find(|one| one.scheme == "bearer") {
            Some(format!("Bearer {}", self.token(bearer, what, more_scopes).await?))
        } else if challenges.iter().any(|one| one.scheme == "basic") {
            self.login.as_ref().map(crate::Login::basic)
        } else {
            None
        };
        let found = pass.is_some();
        *self.pass.lock().unwrap_or_else(PoisonError::into_inner) = pass;
        Ok(found)
    }

    async fn token(&self, bearer: &Challenge, what: &str, more: &[String]) -> Result<String> {
        let wrong = |reason: String| Error::Wrong {
            registry: host::familiar(&self.host).to_owned(),
            what: what.to_owned(),
            reason,
        };
        let realm = bearer.parameters.get("realm").map(String::as_str).unwrap_or_default();
        let uri: Uri = realm
            .parse()
            .map_err(|_| wrong(format!("its token server `{}` is no URL", realm.escape_debug())))?;
        let server = uri.authority().map_or("", |name| name.as_str());
        let safe = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => self.wire.may_be_plain(server),
            _ => false,
        };
        if !safe || server.is_empty() {
            let realm = realm.escape_debug();
            return Err(wrong(format!("its token server {realm} is not reached by HTTPS")));
        }
        let mut fields = Vec::new();
        if let Some(service) = bearer.parameters.get("service") {
            fields.push(("service", service.clone()));
        }
        let asked = bearer.parameters.get("scope");
        // Several scopes come in one, with spaces between them.
        let asked = asked.iter().flat_map(|scope| scope.split(' ')).map(str::to_owned);
        fields.extend(asked.chain(more.iter().cloned()).map(|scope| ("scope", scope)));
        let about = format!("a token for {what}");
        let identity = self.login.as_ref().and_then(|login| login.identity.clone());
        let answer = if let Some(identity) = identity {
            let scopes: Vec<String> = fields
                .iter()
                .filter(|(name, _)| *name == "scope")
                .map(|(_, scope)| scope.clone())
                .collect();
            fields.retain(|(name, _)| *name != "scope");
            fields.push(("scope", scopes.join(" ")));
            fields.push(("grant_type", "refresh_token".to_owned()));
            fields.push(("client_id", "shelf".to_owned()));
            fields.push(("refresh_token", identity));
            let mut ask = Ask::new(Method::POST, realm.to_owned(), about.clone())
                .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
            ask.body = Payload::Bytes(Bytes::from(form(&fields)));
            self.wire.send(&ask, None).await?
        } else {
            let basic = self.login.as_ref().map(crate::Login::basic);
            if let Some(login) = &self.login {
                fields.push(("account", login.user.clone()));
            }
            let sign = if realm.contains('?') { '&' } else { '?' };
            let url = format!("{realm}{sign}{}", form(&fields));
            let ask = Ask::new(Method::GET, url, about.clone());
            self.wire.send(&ask, basic.as_deref()).await?
        };
        if !answer.status.is_success() {
            let error = answer.refusal(server, &about, self.login.as_ref()).await;
            // It is the registry that people log in to.
            return Err(match error {
                Error::Denied { answer, user, .. } => Error::Denied {
                    registry: host::familiar(&self.host).to_owned(),
                    what: what.to_owned(),
                    answer,
                    user,
                },
                other => other,
            });
        }
        let body = answer.read(TOKEN_MAX).await.map_err(|error| wrong(error.to_string()))?;
        let token: Token = serde_json::from_slice(&body)
            .map_err(|_| wrong("its token server sends no token".to_owned()))?;
        let token = token.token.or(token.access_token).filter(|token| !token.is_empty());
        token.ok_or_else(|| wrong("its token server sends an empty token".to_owned()))
    }
}

/// `application/x-www-form-urlencoded`.
pub(crate) fn form(fields: &[(&str, String)]) -> String {
    let pairs: Vec<String> =
        fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

/// Percent-encodes all but what is safe anywhere in a URL (RFC 3986, 2.3).
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive_a_url() {
        let fields =
            [("scope", "repository:a/b:pull,push".to_owned()), ("account", "a&b=c".into())];
        assert_eq!(form(&fields), "scope=repository%3Aa%2Fb%3Apull%2Cpush&account=a%26b%3Dc");
    }
}
