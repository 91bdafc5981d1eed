//! Which joins are planned, what `EXPLAIN` says of them, and which are refused with what reason.

use super::*;

const DECLARED: &str = "CREATE STREAM o (id BIGINT, at TIMESTAMP, n BIGINT, WATERMARK FOR at AS at) WITH (key = 'id');\n\
     CREATE STREAM p (id BIGINT, paid TIMESTAMP, n BIGINT, WATERMARK FOR paid AS paid);\n\
     CREATE STREAM timeless (id BIGINT, n BIGINT);\n";

fn plan(text: &str) -> Result<Plan, String> {
    let joined = |diagnostics: Vec<crate::Diagnostic>| {
        diagnostics.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    let mut program = Program::parse(DECLARED, "declared.sql").map_err(joined)?;
    program.extend(text, "x.sql").map_err(joined)?;
    program.plan(&PlanContext { pipeline: "p".to_owned(), ..PlanContext::default() }).map_err(joined)
}

fn explained(condition: &str) -> String {
    let text = format!("CREATE STREAM x AS SELECT o.id, o.n, p.n AS m FROM o JOIN p ON {condition}");
    plan(&text).unwrap_or_else(|error| panic!("{text}: {error}")).explain()
}

/// The line of the join.
fn join_line(condition: &str) -> String {
    let text = explained(condition);
    let line = text.lines().find(|line| line.contains(" join ON ")).unwrap_or_default();
    line.to_owned()
}

#[test]
fn bounds_of_time_are_read_in_any_form() {
    let cases = [
        ("p.paid BETWEEN o.at AND o.at + INTERVAL '1' HOUR", "-1h AND 0d"),
        ("o.at BETWEEN p.paid - INTERVAL '1' HOUR AND p.paid", "-1h AND 0d"),
        ("o.at >= p.paid - INTERVAL '5' MINUTE AND p.paid + INTERVAL '1' DAY >= o.at", "-5min AND 1d"),
        ("o.at > p.paid - INTERVAL '1' SECOND AND o.at < p.paid", "-999999us AND -1us"),
        ("p.paid - o.at <= INTERVAL '1' HOUR AND o.at - p.paid <= INTERVAL '2' HOUR", "-1h AND 2h"),
        ("o.at = p.paid", "0d AND 0d"),
    ];
    for (condition, expected) in cases {
        let line = join_line(&format!("o.id = p.id AND {condition}"));
        assert!(line.contains(&format!("BETWEEN {expected};")), "{condition}:\n{line}");
    }
}

#[test]
fn a_join_says_what_bounds_it_and_where_its_rows_are() {
    let text = explained("o.id = p.id AND o.n < p.n AND p.paid BETWEEN o.at AND o.at + INTERVAL '1' HOUR");
    for part in [
        "inner interval join ON id@0 = id@0 AND at@1 - paid@1 BETWEEN -1h AND 0d AND n@2 < n@5",
        "state is bounded by 1h behind the watermark; late rows are counted and dropped; changelog topic __p-x-changelog",
        "exchanged by id@0",
        "gives append; key id",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

const REFUSALS: [(&str, &str); 9] = [
    (
        "CREATE STREAM x AS SELECT o.id FROM o JOIN p ON o.id = p.id",
        "joining the streams `o` and `p` would keep every row of both for ever, since nothing bounds how far apart two rows may \
         be (add o.at BETWEEN p.paid - INTERVAL '1' HOUR AND p.paid + INTERVAL '1' HOUR, or join windows of both: TUMBLE(…) ON \
         window_start, window_end)",
    ),
    (
        "CREATE STREAM x AS SELECT o.id FROM o JOIN p ON o.id = p.id AND o.at > p.paid",
        "joining the streams `o` and `p` would keep",
    ),
    (
        "CREATE STREAM x AS SELECT o.id FROM o JOIN timeless p ON o.id = p.id",
        "(declare a WATERMARK for `timeless`, and bound the times",
    ),
    (
        "CREATE STREAM x AS SELECT o.id FROM o JOIN p ON o.at BETWEEN p.paid AND p.paid + INTERVAL '1' HOUR",
        "`o` and `p` are joined without an equality between them, so every row would be compared with every other (join ON at \
         least one column of each side that are equal: a.id = b.id)",
    ),
    (
        "CREATE STREAM x AS SELECT o.id FROM o CROSS JOIN p",
        "joining the streams `o` and `p` would keep every row of both for ever",
    ),
    (
        "CREATE STREAM x AS SELECT o.id FROM o JOIN p ON o.id = p.id AND o.at > p.paid AND o.at < p.paid",
        "they exclude each other",
    ),
    (
        "CREATE STREAM x AS SELECT l.id FROM TUMBLE(o, at, INTERVAL '1' MINUTE) l JOIN TUMBLE(p, paid, INTERVAL '2' MINUTE) r \
         ON l.id = r.id AND l.window_end = r.window_end",
        "the windows of the two sides are not alike",
    ),
    (
        "CREATE STREAM x AS SELECT o.id FROM o JOIN p FOR SYSTEM_TIME AS OF o.at ON o.id = p.id",
        "FOR SYSTEM_TIME AS OF joins a stream with a table",
    ),
    (
        "CREATE STREAM x AS SELECT id FROM p FOR SYSTEM_TIME AS OF paid",
        "FOR SYSTEM_TIME AS OF belongs to the table on the right of a JOIN",
    ),
];

#[test]
fn joins_that_nothing_bounds_are_refused_with_the_reason() {
    for (text, expected) in REFUSALS {
        match plan(text) {
            Ok(plan) => panic!("{text} is planned:\n{}", plan.explain()),
            Err(error) => assert!(error.contains(expected), "{text}:\n{error}"),
        }
    }
}
