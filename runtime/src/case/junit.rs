//! The outcome of cases as JUnit XML, which every continuous-integration server reads.

use super::Outcome;

/// One test suite, named after the pipeline.
pub fn report(pipeline: &str, outcomes: &[Outcome]) -> String {
    let failures = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    let seconds: f64 = outcomes.iter().map(|outcome| outcome.elapsed.as_secs_f64()).sum();
    let counts = format!("tests=\"{}\" failures=\"{failures}\" time=\"{seconds:.3}\"", outcomes.len());
    let name = escaped(pipeline);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite name=\"{name}\" errors=\"0\" skipped=\"0\" {counts}>\n"
    );
    for outcome in outcomes {
        let location = &outcome.location;
        text.push_str(&format!(
            "    <testcase name=\"{}\" classname=\"{name}\" file=\"{}\" line=\"{}\" time=\"{:.3}\"",
            escaped(&outcome.name),
            escaped(&location.file),
            location.line,
            outcome.elapsed.as_secs_f64()
        ));
        match &outcome.failure {
            None => text.push_str("/>\n"),
            Some(failure) => {
                let told = failure.to_string();
                let first = escaped(told.lines().next().unwrap_or_default());
                text.push_str(&format!(
                    ">\n      <failure message=\"{first}\">{}</failure>\n    </testcase>\n",
                    escaped(&told)
                ));
            }
        }
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Escapes what XML cannot carry as it is; control characters, which it cannot carry at all, become `?`.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push(letter),
            control if control.is_control() => out.push('?'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::case::Failure;
    use crate::config::diagnostic::Location;

    #[test]
    fn failures_carry_their_text_and_nothing_breaks_the_markup() {
        let outcome = |name: &str, failure: Option<&str>| Outcome {
            name: name.to_owned(),
            location: Location { file: Arc::from("p.yaml"), line: 3, column: 5 },
            elapsed: Duration::from_millis(1500),
            failure: failure.map(|text| Failure::Error(text.to_owned())),
        };
        let text = report("a&b", &[outcome("good", None), outcome("\"bad\" <one>", Some("x < y\u{1}"))]);
        assert_eq!(
            text,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <testsuites tests=\"2\" failures=\"1\" time=\"3.000\">\n  \
             <testsuite name=\"a&amp;b\" errors=\"0\" skipped=\"0\" tests=\"2\" failures=\"1\" time=\"3.000\">\n    \
             <testcase name=\"good\" classname=\"a&amp;b\" file=\"p.yaml\" line=\"3\" time=\"1.500\"/>\n    \
             <testcase name=\"&quot;bad&quot; &lt;one&gt;\" classname=\"a&amp;b\" file=\"p.yaml\" line=\"3\" time=\"1.500\">\n      \
             <failure message=\"x &lt; y?\">x &lt; y?&#10;</failure>\n    </testcase>\n  </testsuite>\n</testsuites>\n"
        );
    }
}
