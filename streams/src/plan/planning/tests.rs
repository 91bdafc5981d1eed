use super::*;
use crate::plan::Program;

const DECLARED: &str = "CREATE STREAM visits (page TEXT, ms BIGINT) WITH (key = 'page');\n\
     CREATE STREAM slow AS SELECT page, ms FROM visits WHERE ms > 100;\n\
     CREATE TABLE pages AS SELECT page, count(*) AS n FROM slow GROUP BY page;\n\
     CREATE STREAM all_slow (page TEXT, ms BIGINT);\n\
     INSERT INTO all_slow SELECT page, ms FROM slow;\n\
     INSERT INTO all_slow WITH (name = 'more') SELECT page, ms * 2 FROM slow;";

fn planning() -> Planning {
    let mut planning = Planning::new(PlanContext { pipeline: "p".to_owned(), ..PlanContext::default() });
    planning.running = true;
    said(&mut planning, DECLARED);
    planning
}

/// What each statement is answered, a line each; the first finding ends it.
fn said(planning: &mut Planning, text: &str) -> String {
    let program = Program::parse(text, "x.sql").expect("the text parses");
    let mut lines = Vec::new();
    for (origin, statement) in program.statements() {
        match planning.apply(statement, &World::default()) {
            Ok(answer) => lines.push(answer.message),
            Err(finding) => {
                lines.push(finding.within(origin).to_string());
                break;
            }
        }
    }
    lines.join("\n")
}

fn rows(planning: &mut Planning, text: &str) -> Vec<String> {
    let program = Program::parse(text, "x.sql").expect("the text parses");
    let (_, statement) = program.statements().next().expect("a statement");
    let answer = planning.apply(statement, &World::default()).expect("an answer");
    let rows = answer.table.expect("a table").rows.into_iter();
    rows.map(|row| row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn what_is_there_is_shown() {
    let mut planning = planning();
    assert_eq!(
        rows(&mut planning, "SHOW QUERIES")
            .iter()
            .map(|row| row
                .split(" \"CREATE")
                .next()
                .unwrap_or_default()
                .split(" \"INSERT")
                .next()
                .unwrap_or_default())
            .collect::<Vec<_>>(),
        [
            r#""slow" "planned" ["visits"] "slow""#,
            r#""pages" "planned" ["slow"] "pages""#,
            r#""all_slow-1" "planned" ["slow"] "all_slow""#,
            r#""more" "planned" ["slow"] "all_slow""#,
        ]
    );
    assert_eq!(
        rows(&mut planning, "SHOW STREAMS"),
        [
            r#""all_slow" "all_slow" "json" [] "append""#,
            r#""slow" "slow" "json" ["page"] "append""#,
            r#""visits" "visits" "json" ["page"] "append""#,
        ]
    );
    assert_eq!(rows(&mut planning, "SHOW TABLES"), [r#""pages" "pages" "json" ["page"] "upsert""#]);
    assert_eq!(rows(&mut planning, "SHOW TOPICS").len(), 4);
    assert!(rows(&mut planning, "SHOW FUNCTIONS").contains(&r#""upper" "scalar""#.to_owned()));
    assert_eq!(
        rows(&mut planning, "DESCRIBE pages")[..2],
        [r#""page" "TEXT" "primary key" """#, r#""n" "BIGINT" "" """#]
    );
    assert!(rows(&mut planning, "EXPLAIN pages")[0].contains("query pages"));
    assert!(rows(&mut planning, "EXPLAIN SELECT page FROM slow")[0].contains("query explained"));
    let counted = rows(&mut planning, "EXPLAIN SELECT page, count(*) AS n FROM slow GROUP BY page").join(" ");
    assert!(counted.contains("aggregate"), "{counted}");
    assert!(
        rows(&mut planning, "EXPLAIN INSERT INTO all_slow SELECT page, 1 FROM slow")[0]
            .contains("all_slow-2")
    );
    assert_eq!(planning.entries().len(), 6, "asking changes nothing");
}

#[test]
fn what_is_used_is_not_dropped() {
    let mut planning = planning();
    assert_eq!(
        said(&mut planning, "DROP STREAM slow"),
        "x.sql:1:13: queries `pages`, `all_slow-1`, `more` still use `slow` (drop what uses it first)"
    );
    assert_eq!(
        said(
            &mut planning,
            "DROP QUERY all_slow-1; DROP QUERY more; DROP TABLE pages; DROP STREAM IF EXISTS slow; \
             DROP STREAM IF EXISTS slow; DROP STREAM slow"
        ),
        "query `all_slow-1` dropped\nquery `more` dropped\nTABLE `pages` dropped\nSTREAM `slow` dropped\n\
         there is no `slow`: nothing done\n\
         x.sql:1:127: no stream or table `slow` is declared before this statement"
    );
    assert_eq!(
        said(&mut planning, "DROP TABLE visits"),
        "x.sql:1:12: `visits` is a STREAM (write DROP STREAM visits)"
    );
}

#[test]
fn a_relation_outlives_its_query() {
    let mut planning = planning();
    assert_eq!(said(&mut planning, "DROP QUERY slow"), "query `slow` dropped");
    assert_eq!(rows(&mut planning, "SHOW QUERIES").len(), 3);
    assert_eq!(
        said(&mut planning, "PAUSE slow"),
        "x.sql:1:7: no query `slow` (`slow` is declared, but no query of this program writes it)"
    );
    assert_eq!(said(&mut planning, "CREATE STREAM also AS SELECT * FROM slow"), "STREAM `also` created");
}

#[test]
fn queries_are_paused_and_resumed() {
    let mut planning = planning();
    assert_eq!(
        said(&mut planning, "PAUSE QUERY pages; RESUME ALL"),
        "query `pages` paused\n1 queries resumed"
    );
    assert_eq!(said(&mut planning, "PAUSE ALL"), "4 queries paused");
    assert!(rows(&mut planning, "SHOW QUERIES").iter().all(|row| row.contains("\"paused\"")));
    assert_eq!(said(&mut planning, "RESUME page"), "x.sql:1:8: no query `page` (did you mean `pages`?)");
}

#[test]
fn a_replacement_keeps_its_state_or_says_why_not() {
    let mut planning = planning();
    let paused = said(&mut planning, "PAUSE pages");
    assert_eq!(paused, "query `pages` paused");
    assert_eq!(
        said(
            &mut planning,
            "CREATE OR REPLACE TABLE pages AS SELECT page, count(*) * 2 AS twice FROM slow GROUP BY page"
        ),
        "TABLE `pages` replaced"
    );
    assert!(planning.is_paused("pages"));
    let refused = said(
        &mut planning,
        "CREATE OR REPLACE TABLE pages AS SELECT page, sum(ms) AS n FROM slow GROUP BY page",
    );
    assert!(
        refused.starts_with("x.sql:1:25: `pages` cannot go on with its state: aggregates before: count"),
        "{refused}"
    );
    let filtered = "CREATE OR REPLACE STREAM slow AS SELECT page, ms FROM visits WHERE ms > 200";
    assert_eq!(said(&mut planning, filtered), "STREAM `slow` replaced");
    let names: Vec<&str> = planning.entries().iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["visits", "all_slow", "slow", "all_slow-1", "more", "pages"]);
    assert!(planning.is_paused("pages"));
    assert_eq!(
        said(&mut planning, "CREATE OR REPLACE STREAM slow AS SELECT page FROM visits WHERE ms > 200"),
        "x.sql:1:26: `all_slow-1` depends on `slow` and could not go on: no column `ms` (replace or drop it first)"
    );
    assert_eq!(
        said(&mut planning, "CREATE OR REPLACE STREAM slow AS SELECT page, ms FROM all_slow"),
        "x.sql:1:26: `all_slow-1` depends on `slow` and could not go on: what is written to `all_slow` would come \
         back to it through query `all_slow-1` (replace or drop it first)"
    );
    assert_eq!(
        said(&mut planning, "CREATE OR REPLACE STREAM slow AS SELECT page, n AS ms FROM pages"),
        "x.sql:1:60: `pages` reads `slow` itself"
    );
    assert_eq!(
        said(&mut planning, "INSERT INTO visits SELECT page, ms FROM all_slow"),
        "x.sql:1:13: what is written to `visits` would come back to it through query `visits-1` (write into another stream)"
    );
    assert_eq!(
        said(&mut planning, "CREATE STREAM IF NOT EXISTS slow AS SELECT nonsense FROM nowhere"),
        "STREAM `slow` is there already: nothing done"
    );
}

#[test]
fn what_belongs_to_the_file_stays() {
    let mut planning = planning().fixed_and_running();
    for text in [
        "DROP TABLE pages",
        "DROP QUERY more",
        "CREATE OR REPLACE STREAM slow AS SELECT page, ms FROM visits",
    ] {
        let refused = said(&mut planning, text);
        assert!(refused.contains("belongs to the pipeline's file"), "{refused}");
    }
    assert_eq!(said(&mut planning, "PAUSE pages"), "query `pages` paused");
}

#[test]
fn a_program_is_not_told_rows() {
    let program =
        Program::parse("CREATE STREAM a (x INT); INSERT INTO a VALUES (1)", "x.sql").expect("it parses");
    let refused = program.plan(&PlanContext::default()).expect_err("it is refused");
    assert_eq!(
        refused[0].to_string(),
        "x.sql:1:26: INSERT INTO … VALUES would add its rows at every start (run it once with `millstream sql`, or \
         produce the records to the topic)"
    );
}

#[test]
fn the_reference_is_true() {
    let mut planning = Planning::new(PlanContext { pipeline: "p".to_owned(), ..PlanContext::default() });
    planning.running = true;
    let mut blocks = 0;
    for block in include_str!("../../../SQL.md").split("\n```sql").skip(1) {
        let (head, rest) = block.split_once('\n').expect("a block has lines");
        let text = rest.split("\n```").next().unwrap_or_default();
        let program = Program::parse(text, "SQL.md").expect("the reference parses");
        for (origin, statement) in program.statements() {
            let planned = planning.apply(statement, &World::default());
            let planned =
                planned.map(|answer| answer.message).map_err(|finding| finding.within(origin).to_string());
            assert_eq!(planned.is_err(), head.trim() == "refused", "{}: {planned:?}", statement.text);
        }
        blocks += 1;
    }
    assert!(blocks > 8, "{blocks} blocks");
}
