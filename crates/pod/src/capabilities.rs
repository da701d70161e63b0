//! Which capabilities a container gets: a default set, changed by what the pod asks.
//!
//! Inside a user namespace they reach only what the pod owns. The set is Docker's without
//! NET_RAW, MKNOD and AUDIT_WRITE (see capabilities(7)).

/// What an ordinary container has, inside its user namespace.
pub const DEFAULT: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Capabilities that may be added on request; the others reach the host's kernel.
const GRANTABLE: &[&str] = &["CAP_NET_RAW", "CAP_AUDIT_WRITE", "CAP_MKNOD", "CAP_NET_ADMIN"];

/// The set after `add` and `drop` (with or without `CAP_`, any case, `ALL` understood), or the
/// name of the first capability that is not given to anybody.
///
/// Adding wins over dropping, as upstream: `drop: [ALL], add: [NET_BIND_SERVICE]` leaves one.
pub fn choose(add: &[String], drop: &[String]) -> Result<Vec<String>, String> {
    let name = |raw: &String| {
        let upper = raw.to_ascii_uppercase();
        if upper.starts_with("CAP_") || upper == "ALL" { upper } else { format!("CAP_{upper}") }
    };
    let drop: Vec<String> = drop.iter().map(name).collect();
    let mut set: Vec<String> = if drop.iter().any(|d| d == "ALL") {
        Vec::new()
    } else {
        DEFAULT.iter().map(|c| (*c).to_owned()).filter(|c| !drop.contains(c)).collect()
    };
    for wanted in add.iter().map(name) {
        if wanted == "ALL" {
            return Err(wanted);
        }
        if !DEFAULT.contains(&wanted.as_str()) && !GRANTABLE.contains(&wanted.as_str()) {
            return Err(wanted);
        }
        if !set.contains(&wanted) {
            set.push(wanted);
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    #[test]
    fn dropping_all_and_adding_one_leaves_one() {
        assert_eq!(
            choose(&words(&["NET_BIND_SERVICE"]), &words(&["ALL"])),
            Ok(words(&["CAP_NET_BIND_SERVICE"]))
        );
    }

    #[test]
    fn the_default_has_no_raw_sockets() {
        let set = choose(&[], &words(&["chown"])).unwrap();
        assert!(!set.contains(&"CAP_NET_RAW".to_owned()));
        assert!(!set.contains(&"CAP_CHOWN".to_owned()));
        assert!(set.contains(&"CAP_SETUID".to_owned()));
    }

    #[test]
    fn what_reaches_the_host_is_refused_by_name() {
        assert_eq!(choose(&words(&["SYS_ADMIN"]), &[]), Err("CAP_SYS_ADMIN".to_owned()));
    }
}
