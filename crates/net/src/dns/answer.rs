//! One DNS question in, one answer out: a pure function of bytes and zone.
//! RFC 1035; EDNS(0) of RFC 6891 for the payload size only; negative answers
//! carry the SOA (RFC 2308).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::Ipv4Addr;
use std::str::FromStr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, PTR, SOA, SRV};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::zone::{Entry, Zone, below};

/// Seconds our own names may be cached: short, pods come and go.
const TTL: u32 = 5;
/// The payload we offer and accept over UDP, safe from fragmentation.
const UDP_PAYLOAD: u16 = 1232;

/// How the question came, which bounds the answer's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// What to do with a question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Reply(Vec<u8>),
    /// Not ours: ask the host's resolvers.
    Forward,
    /// Not a question at all.
    Nothing,
}

/// What we know about a name in our care.
enum Found {
    Records(Vec<RData>),
    /// The name is there, but has nothing of this type.
    Empty,
    Missing,
}

/// Answers `question` from the zone. Never panics, whatever the bytes.
pub(crate) fn answer(zone: &Zone, question: &[u8], transport: Transport) -> Outcome {
    // Answers must never be answered: two servers could keep each other busy.
    if question.len() < 12 || question[2] & 0x80 != 0 {
        return Outcome::Nothing;
    }
    let id = u16::from_be_bytes([question[0], question[1]]);
    let Ok(request) = Message::from_vec(question) else {
        return reply(&failure(id, OpCode::Query, ResponseCode::FormErr), 512);
    };
    let op_code = request.metadata.op_code;
    if op_code != OpCode::Query {
        return reply(&failure(id, op_code, ResponseCode::NotImp), 512);
    }
    let [query] = request.queries.as_slice() else {
        return reply(&failure(id, op_code, ResponseCode::FormErr), 512);
    };
    if query.query_class() != DNSClass::IN {
        return reply(&failure(id, op_code, ResponseCode::Refused), 512);
    }
    let Some(found) = find(zone, query) else { return Outcome::Forward };
    let mut message = Message::response(id, OpCode::Query);
    message.metadata.authoritative = true;
    message.metadata.recursion_desired = request.metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.add_query(query.clone());
    fill(&mut message, zone, query, found);
    let limit = match transport {
        Transport::Tcp => usize::from(u16::MAX),
        Transport::Udp => usize::from(
            request.edns.as_ref().map_or(512, Edns::max_payload).clamp(512, UDP_PAYLOAD),
        ),
    };
    if request.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD).set_version(0);
        message.set_edns(edns);
    }
    reply(&message, limit)
}

/// A SERVFAIL for a question that could not be forwarded; empty if the bytes do
/// not even hold an id.
pub(crate) fn server_failure(question: &[u8]) -> Vec<u8> {
    let Some(id) = question.get(..2) else { return Vec::new() };
    let id = u16::from_be_bytes([id[0], id[1]]);
    let mut message = failure(id, OpCode::Query, ResponseCode::ServFail);
    if let Ok(request) = Message::from_vec(question) {
        message.metadata.recursion_desired = request.metadata.recursion_desired;
        message.metadata.recursion_available = true;
        message.add_queries(request.queries);
    }
    message.to_vec().unwrap_or_default()
}

fn failure(id: u16, op_code: OpCode, code: ResponseCode) -> Message {
    let mut message = Message::response(id, op_code);
    message.metadata.response_code = code;
    message
}

fn reply(message: &Message, limit: usize) -> Outcome {
    match message.to_vec() {
        Ok(bytes) if bytes.len() <= limit => Outcome::Reply(bytes),
        Ok(_) => {
            // Too big for this client: it comes again over TCP.
            let mut short = message.clone();
            short.answers.clear();
            short.additionals.clear();
            short.metadata.truncation = true;
            short.to_vec().map_or(Outcome::Nothing, Outcome::Reply)
        }
        Err(_) => Outcome::Nothing,
    }
}

/// What our zone says; `None` if the name is not in our care.
fn find(zone: &Zone, query: &Query) -> Option<Found> {
    let name = query.name().to_lowercase().to_ascii();
    let name = name.trim_end_matches('.');
    if zone.holds(name) {
        let Some(entry) = zone.get(name) else { return Some(Found::Missing) };
        if name == zone.domain && query.query_type() == RecordType::SOA {
            return Some(Found::Records(soa(zone).map(RData::SOA).into_iter().collect()));
        }
        return Some(of_type(entry, query.query_type()));
    }
    if below(name, "localhost") {
        // The bare name means the pod itself; names below it are apps.
        let ip = if name == "localhost" { Ipv4Addr::LOCALHOST } else { zone.gateway };
        let entry = Entry { addresses: vec![ip], places: Vec::new() };
        return Some(of_type(&entry, query.query_type()));
    }
    let ip = reverse_address(name).filter(|ip| zone.owns(*ip))?;
    Some(match zone.name_of(ip).and_then(|name| Name::from_ascii(format!("{name}.")).ok()) {
        Some(name) if query.query_type() == RecordType::PTR => {
            Found::Records(vec![RData::PTR(PTR(name))])
        }
        Some(_) => Found::Empty,
        None => Found::Missing,
    })
}

fn of_type(entry: &Entry, kind: RecordType) -> Found {
    let mut records = Vec::new();
    if matches!(kind, RecordType::A | RecordType::ANY) {
        let mut addresses = entry.addresses.clone();
        shuffle(&mut addresses);
        records.extend(addresses.into_iter().map(|ip| RData::A(A(ip))));
    }
    if matches!(kind, RecordType::SRV | RecordType::ANY) {
        let places = entry.places.iter().filter_map(|(port, target)| {
            let target = Name::from_ascii(format!("{target}.")).ok()?;
            Some(RData::SRV(SRV::new(0, 100, *port, target)))
        });
        records.extend(places);
    }
    if records.is_empty() { Found::Empty } else { Found::Records(records) }
}

fn fill(message: &mut Message, zone: &Zone, query: &Query, found: Found) {
    match found {
        Found::Records(records) => {
            for record in records {
                if let RData::SRV(srv) = &record {
                    add_target(message, zone, &srv.target);
                }
                message.add_answer(Record::from_rdata(query.name().clone(), TTL, record));
            }
            return;
        }
        Found::Empty => {}
        Found::Missing => message.metadata.response_code = ResponseCode::NXDomain,
    }
    if let (Some(soa), Ok(apex)) = (soa(zone), Name::from_ascii(format!("{}.", zone.domain))) {
        message.add_authority(Record::from_rdata(apex, TTL, RData::SOA(soa)));
    }
}

/// The addresses of an SRV target, so that the client need not ask again.
fn add_target(message: &mut Message, zone: &Zone, target: &Name) {
    let name = target.to_ascii();
    let Some(entry) = zone.get(name.trim_end_matches('.')) else { return };
    for ip in &entry.addresses {
        message.add_additional(Record::from_rdata(target.clone(), TTL, RData::A(A(*ip))));
    }
}

fn soa(zone: &Zone) -> Option<SOA> {
    let server = Name::from_ascii(format!("ns.dns.{}.", zone.domain)).ok()?;
    let contact = Name::from_ascii(format!("hostmaster.{}.", zone.domain)).ok()?;
    Some(SOA::new(server, contact, 1, 7200, 1800, 86400, TTL))
}

/// `7.0.88.10.in-addr.arpa` → 10.88.0.7.
fn reverse_address(name: &str) -> Option<Ipv4Addr> {
    let forward = name.strip_suffix(".in-addr.arpa")?;
    let ip = Ipv4Addr::from_str(forward).ok()?;
    let [a, b, c, d] = ip.octets();
    Some(Ipv4Addr::new(d, c, b, a))
}

fn shuffle(list: &mut [Ipv4Addr]) {
    if list.len() < 2 {
        return;
    }
    let mut seed = random() | 1;
    for last in (1..list.len()).rev() {
        // xorshift: spreading load needs no better.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let pick = usize::try_from(seed % (last as u64 + 1)).unwrap_or(0);
        list.swap(last, pick);
    }
}

/// Unpredictable to others: std's keyed hash with keys from the system.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Whether `reply` answers `question` when sent with `id`: same id, an answer,
/// same question section.
pub(crate) fn belongs(reply: &[u8], question: &[u8], id: u16) -> bool {
    if reply.len() < 12 || reply[..2] != id.to_be_bytes() || reply[2] & 0x80 == 0 {
        return false;
    }
    let (Ok(ours), Ok(theirs)) = (Message::from_vec(question), Message::from_vec(reply)) else {
        return false;
    };
    let same = |a: &Query, b: &Query| {
        a.query_type() == b.query_type() && a.name().to_lowercase() == b.name().to_lowercase()
    };
    theirs.metadata.message_type == MessageType::Response
        && ours.queries.len() == theirs.queries.len()
        && ours.queries.iter().zip(&theirs.queries).all(|(a, b)| same(a, b))
}

#[cfg(test)]
mod tests;
