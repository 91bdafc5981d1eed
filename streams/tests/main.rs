//! Queries on a real node: ours, in this process; or any cluster that `MILLSTREAM_TEST_BOOTSTRAP` names.

#![expect(clippy::unwrap_used, reason = "a failing step of a test is the test's failure")]

mod cluster;
mod earthquakes;
mod lifecycle;
mod session;
