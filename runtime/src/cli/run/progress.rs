//! One line on a terminal that says how far a pipeline is; nothing where nobody watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::output::{Output, person_watches};
use crate::pipeline::PipelineRun;

/// How often the spinner turns.
const TURN: Duration = Duration::from_millis(120);

pub struct ProgressLine {
    bar: ProgressBar,
}

impl ProgressLine {
    pub fn new(output: Output) -> Self {
        if output.json || !person_watches() {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TURN);
        Self { bar }
    }

    pub fn show(&self, run: &PipelineRun) {
        if self.bar.is_hidden() {
            return;
        }
        let progress = run.progress();
        let mut parts = vec![format!("produced {}", progress.produced)];
        for query in run.queries() {
            parts.push(format!("{} {} → {}", query.name, query.rows_in, query.rows_out));
        }
        parts.push(format!("written {}", progress.taken));
        if progress.records_ahead > 0 {
            parts.push(format!("{} to go", progress.records_ahead));
        }
        self.bar.set_message(parts.join(" · "));
    }

    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
