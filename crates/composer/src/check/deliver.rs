//! What a wire delivers: each field of its interface, from the wire itself, from what the provider
//! states, or from what exists already.

use super::Node;
use super::limits;
use super::wires::{Reach, Tied};
use crate::graph::{Mount, Slot, Wire, WireField};
use crate::interface::{Field, FieldKind, Interface};
use crate::secret::{Recipe, SecretValue, Taken};
use crate::shape::Need;

pub(super) fn wire(
    app: &str,
    node: &Node<'_>,
    need: &Need,
    interface: &Interface,
    tied: Tied,
) -> Wire {
    let socket = need.socket.value.clone();
    let many = need.cardinality.takes_many();
    let binding = if many { format!("{socket}-{}", tied.short()) } else { socket.clone() };
    let field = |field: &Field| {
        let (name, secret) = (field.name.clone(), field.is_secret());
        let value = match &tied.reach {
            Reach::External(from) if field.kind != FieldKind::Path => {
                Some(taken(field, from, &tied))
            }
            _ => value(app, node, need, &binding, field, &tied),
        };
        let optional = field.optional && tied.is_external();
        Some(WireField { name, value: value?, secret, optional })
    };
    Wire {
        consumer: node.name().to_owned(),
        many,
        limits: limits::texts(need),
        before_start: interface.before_start,
        probe: interface.probe.clone(),
        fields: interface.fields.iter().filter_map(field).collect(),
        mount: need.at.as_ref().filter(|_| interface.is_disk()).map(|at| Mount {
            at: at.value.clone(),
            claim: match &tied.reach {
                Reach::External(claim) => claim.clone(),
                _ => crate::graph::claim(&tied.name, &tied.offer.name),
            },
            shared: tied.offer.fact("access") == Some("shared"),
        }),
        login: login(interface, &tied),
        slot: Slot::A,
        socket,
        binding,
        provider: tied.name,
        offer: tied.offer,
        beyond: match tied.reach {
            Reach::App(beyond) => Some(beyond),
            _ => None,
        },
    }
}

/// The field that names the login, if a second one can be made beside it.
fn login(interface: &Interface, tied: &Tied) -> Option<String> {
    let made = matches!(tied.reach, Reach::Here) && tied.offer.grant.is_some();
    let login = interface.login.clone().unwrap_or_else(|| "username".to_owned());
    let named = interface.field(&login).is_some_and(|field| field.kind == FieldKind::Name);
    let free = tied.offer.fact(&login).is_none();
    (made && named && free && interface.rotate_slots >= 2).then_some(login)
}

/// A value of a wire that has a login of its own.
fn value(
    app: &str,
    node: &Node<'_>,
    need: &Need,
    binding: &str,
    field: &Field,
    tied: &Tied,
) -> Option<SecretValue> {
    let (offer, fact) = (&tied.offer, tied.offer.fact(&field.name).map(str::to_owned));
    // Without a program that makes logins, there are only those that the provider states.
    let no_login = offer.grant.is_none();
    // 56 letters leave room for a suffix within PostgreSQL's 63.
    let login = match &tied.reach {
        Reach::App(_) => format!("{app}_{}_{binding}", node.name()),
        _ => format!("{}_{binding}", node.name()),
    };
    let login = crate::names::fit(&login.replace('-', "_"), 56);
    Some(match &field.kind {
        FieldKind::Host => SecretValue::Plain(match &tied.reach {
            Reach::App(beyond) => format!("{}.{}.svc", offer.service, beyond.app),
            _ => offer.service.clone(),
        }),
        FieldKind::Port => SecretValue::Plain(offer.port?.to_string()),
        FieldKind::Name | FieldKind::Secret if no_login && field.optional => {
            SecretValue::Plain(fact?)
        }
        FieldKind::Name => SecretValue::Plain(fact.unwrap_or(login)),
        FieldKind::Label => SecretValue::Plain(fact.unwrap_or_else(|| login.replace('_', "-"))),
        FieldKind::Path => SecretValue::Plain(need.at.as_ref()?.value.clone()),
        FieldKind::Text | FieldKind::Pem => SecretValue::Plain(fact?),
        FieldKind::Secret => SecretValue::Generated(Recipe::Random(32)),
        FieldKind::Derived { template, .. } => SecretValue::Derived(template.clone()),
    })
}

/// A value of a service from outside: what its Secret holds under the field's name, else what the
/// block states, else what the interface derives.
fn taken(field: &Field, secret: &str, tied: &Tied) -> SecretValue {
    let derived = match &field.kind {
        FieldKind::Derived { template, .. } => Some(template.clone()),
        _ => tied.offer.fact(&field.name).map(str::to_owned),
    };
    SecretValue::Taken(Taken {
        app: None,
        secret: secret.to_owned(),
        key: field.name.clone(),
        required: !field.optional && derived.is_none(),
        otherwise: derived,
    })
}
