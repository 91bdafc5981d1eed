//! Queries over a model of a cluster: programs and records in, committed records out, with and without crashes.

mod differential;
mod model;
mod random;
mod scenario;

use model::Disturbance;
use scenario::Scenario;

fn scenarios() -> Vec<Scenario> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sql");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the scenarios' folder is there")
        .map(|entry| entry.expect("a folder entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "slt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no scenario was found");
    files.iter().map(|file| Scenario::read(file)).collect()
}

#[tokio::test]
async fn results_are_as_written() {
    for scenario in scenarios() {
        scenario.run(&Disturbance::none()).await;
    }
}

#[tokio::test]
async fn results_do_not_depend_on_batch_and_commit_bounds() {
    for scenario in scenarios() {
        for seed in 1..20 {
            scenario.run(&Disturbance::shaken(seed)).await;
        }
    }
}

/// The task is stopped before and after each of its calls to the cluster in turn, once each.
#[tokio::test]
async fn results_survive_a_crash_at_any_step() {
    // One commit per piece, and one at the end.
    for (scenario, seed) in
        scenarios().into_iter().flat_map(|scenario| [(scenario.clone(), 7), (scenario, 8)])
    {
        let steps = scenario.run(&Disturbance::shaken(seed)).await;
        for step in 0..steps {
            scenario.run(&Disturbance::shaken(seed).crashing_at(step, None)).await;
        }
    }
}

#[tokio::test]
async fn results_survive_two_crashes() {
    for scenario in scenarios() {
        let steps = scenario.run(&Disturbance::shaken(3)).await;
        for step in (0..steps).step_by(5) {
            for second in (step + 1..steps).step_by(7) {
                scenario.run(&Disturbance::shaken(3).crashing_at(step, Some(second))).await;
            }
        }
    }
}
