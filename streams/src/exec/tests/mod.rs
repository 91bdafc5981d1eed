//! Queries over a model of a cluster: programs and records in, committed records out, with and without crashes.

mod differential;
mod differential_tables;
mod model;
mod pitfalls;
mod random;
mod scenario;
mod spill;

use model::Disturbance;
use scenario::Scenario;

use crate::state::store::StateDatabase;

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

/// A query goes on with more and with fewer workers, also after crashes.
#[tokio::test]
async fn results_do_not_depend_on_the_number_of_workers() {
    for scenario in scenarios() {
        for workers in [&[3][..], &[1, 3, 2], &[2, 1, 128]] {
            for seed in [0, 5, 6] {
                let how = if seed == 0 { Disturbance::none() } else { Disturbance::shaken(seed) };
                let how = how.scaling(workers);
                let steps = scenario.run(&how).await;
                for step in (seed as usize..steps).step_by(4) {
                    scenario.run(&how.clone().crashing_at(step, Some(step * 2 + 3))).await;
                }
            }
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

/// With a copy of the changelog on disk, and memory for no row that is not in use; the task is stopped now and then, and
/// its successor goes on from the copy.
#[tokio::test]
async fn results_do_not_depend_on_where_state_is() {
    for scenario in scenarios() {
        for seed in [1, 2] {
            let run = async |crash: Option<usize>| {
                let directory = tempfile::tempdir().expect("a directory");
                let database = StateDatabase::without_memory(directory.path());
                let disturbance = Disturbance::shaken(seed).with_database(database);
                scenario.run(&disturbance.crashing_at(crash.unwrap_or(usize::MAX), None)).await
            };
            let steps = run(None).await;
            for step in (seed as usize % 7..steps).step_by(23) {
                run(Some(step)).await;
            }
        }
    }
}

/// Two nodes take over from each other, each with its own copy of the changelog: whoever is next goes on from a copy
/// that lags by what the other committed.
#[tokio::test]
async fn a_copy_that_stood_by_takes_over() {
    for scenario in scenarios() {
        let run = async |how: Disturbance| {
            let directories = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
            let how = directories.iter().fold(how, |how, directory| {
                how.with_database(StateDatabase::without_memory(directory.path()))
            });
            scenario.run(&how).await
        };
        // Every piece is a commit.
        let steps = run(Disturbance::shaken(7)).await;
        run(Disturbance::shaken(7).crashing_every(5, steps / 4 + 3, steps)).await;
    }
}
