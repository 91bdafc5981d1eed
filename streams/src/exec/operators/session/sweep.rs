//! Which sessions rows make, with those that are open already. Pure.

/// A session as it is with some rows more.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub start_us: i64,
    pub end_us: i64,
    /// Open sessions that are part of it, by their place; the earliest first.
    pub open: Vec<usize>,
    /// Rows that came.
    pub rows: Vec<u32>,
}

/// `rows` are times and numbers of rows in the order of time, `open` the bounds of sessions that do not touch each other, in
/// order. Two rows are in one session if the later is at most the gap behind the other. Sessions without a new row are left
/// out.
pub(super) fn sweep(rows: &[(i64, u32)], open: &[(i64, i64)], gap_us: i64) -> Vec<Joined> {
    let mut sessions: Vec<Joined> = Vec::new();
    let (mut row, mut place) = (0, 0);
    loop {
        let takes_open = match (rows.get(row), open.get(place)) {
            (None, None) => break,
            (Some((time, _)), Some((start, _))) => start <= time,
            (None, Some(_)) => true,
            (Some(_), None) => false,
        };
        let (start_us, end_us) = match takes_open {
            true => open[place],
            false => (rows[row].0, rows[row].0.saturating_add(gap_us)),
        };
        let session = match sessions.last_mut() {
            Some(last) if start_us <= last.end_us => {
                last.end_us = last.end_us.max(end_us);
                last
            }
            _ => {
                sessions.push(Joined { start_us, end_us, open: Vec::new(), rows: Vec::new() });
                let last = sessions.len() - 1;
                &mut sessions[last]
            }
        };
        if takes_open {
            session.open.push(place);
            place += 1;
        } else {
            session.rows.push(rows[row].1);
            row += 1;
        }
    }
    sessions.retain(|session| !session.rows.is_empty());
    sessions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(start_us: i64, end_us: i64, open: &[usize], rows: &[u32]) -> Joined {
        Joined { start_us, end_us, open: open.to_vec(), rows: rows.to_vec() }
    }

    #[test]
    fn rows_at_most_the_gap_apart_are_one_session() {
        let rows = [(0, 0), (10, 1), (20, 2), (31, 3)];
        assert_eq!(sweep(&rows, &[], 10), [joined(0, 30, &[], &[0, 1, 2]), joined(31, 41, &[], &[3])]);
    }

    #[test]
    fn a_row_joins_the_sessions_it_touches() {
        assert_eq!(sweep(&[(20, 0)], &[(0, 20), (30, 45), (60, 70)], 10), [joined(0, 45, &[0, 1], &[0])]);
        // Before the start, and beyond the end.
        assert_eq!(sweep(&[(5, 7), (24, 8)], &[(10, 25)], 10), [joined(5, 34, &[0], &[7, 8])]);
        assert_eq!(sweep(&[], &[(0, 20)], 10), []);
    }
}
