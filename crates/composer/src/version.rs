//! Versions and limits on them: `15.1.0`, `>=14`, `>=14, <16`. Parts are compared as numbers and a
//! missing part counts as 0; a limit without a sign means "this version or below it in detail"
//! (`15` takes `15.1`).

/// Whether a version keeps a limit; `None` if one of the two cannot be read.
pub(crate) fn keeps(version: &str, limit: &str) -> Option<bool> {
    let version = parts(version)?;
    let mut kept = true;
    for clause in limit.split(',') {
        kept &= keeps_one(&version, clause.trim())?;
    }
    Some(kept)
}

/// The order of two versions; one that cannot be read is the older.
pub(crate) fn order(left: &str, right: &str) -> std::cmp::Ordering {
    compare(&parts(left).unwrap_or_default(), &parts(right).unwrap_or_default())
}

fn keeps_one(version: &[u64], clause: &str) -> Option<bool> {
    for sign in [">=", "<=", ">", "<", "="] {
        let Some(rest) = clause.strip_prefix(sign) else { continue };
        let wanted = parts(rest.trim())?;
        let order = compare(version, &wanted);
        return Some(match sign {
            ">=" => order.is_ge(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            "<" => order.is_lt(),
            _ => begins_with(version, &wanted),
        });
    }
    Some(begins_with(version, &parts(clause)?))
}

fn begins_with(version: &[u64], wanted: &[u64]) -> bool {
    let padded = version.iter().copied().chain(std::iter::repeat(0));
    wanted.iter().copied().zip(padded).all(|(want, have)| want == have)
}

fn compare(left: &[u64], right: &[u64]) -> std::cmp::Ordering {
    let length = left.len().max(right.len());
    let pad = |parts: &[u64]| -> Vec<u64> {
        parts.iter().copied().chain(std::iter::repeat(0)).take(length).collect()
    };
    pad(left).cmp(&pad(right))
}

fn parts(text: &str) -> Option<Vec<u64>> {
    text.split('.').map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_compare_numbers_not_letters() {
        assert_eq!(keeps("15", ">=14"), Some(true));
        assert_eq!(keeps("9.6", ">=14"), Some(false));
        assert_eq!(keeps("15", ">=15.0"), Some(true));
        assert_eq!(keeps("15.4", ">=14, <16"), Some(true));
        assert_eq!(keeps("16", ">=14, <16"), Some(false));
        assert_eq!(keeps("15.1.0", "15"), Some(true));
        assert_eq!(keeps("15.1.0", "15.2"), Some(false));
        assert_eq!(keeps("3", "=3.0"), Some(true));
        assert_eq!(keeps("fifteen", ">=14"), None);
        assert_eq!(keeps("15", ">=new"), None);
    }
}
