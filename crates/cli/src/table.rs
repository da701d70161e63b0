//! Tables for people: no borders, columns as wide as they need, times that are relative.

/// Draws rows under a heading; the last column is not padded.
pub(crate) fn draw(heading: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (place, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if place + 1 < row.len() {
                let gap = widths[place] + 3 - cell.chars().count();
                line.extend(std::iter::repeat_n(' ', gap));
            }
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Rows without a heading, each padded to the widest of its column.
pub(crate) fn rows(rows: &[Vec<String>]) -> Vec<String> {
    let Some((first, rest)) = rows.split_first() else { return Vec::new() };
    let heading: Vec<&str> = first.iter().map(String::as_str).collect();
    draw(&heading, rest).lines().map(str::to_owned).collect()
}

/// How long ago an RFC 3339 time was: `12s`, `5m`, `3h`, `2d`.
pub(crate) fn age(since: &str) -> String {
    let Ok(then) = since.parse::<jiff::Timestamp>() else { return "?".into() };
    let seconds = jiff::Timestamp::now().as_second().saturating_sub(then.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// A size for people: `127 MB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1000 => format!("{bytes} B"),
        1000..1_000_000 => format!("{} kB", bytes / 1000),
        1_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_the_last_is_not_padded() {
        let rows = vec![
            vec!["db".to_owned(), "ready".to_owned()],
            vec!["webshop".to_owned(), "failing".to_owned()],
        ];
        let text = draw(&["BLOCK", "STATE"], &rows);
        assert_eq!(text, "BLOCK     STATE\ndb        ready\nwebshop   failing\n");
    }
}
