//! Queries on a real node: ours, in this process; or any cluster that `MILLSTREAM_TEST_BOOTSTRAP` names.

mod cluster;
mod earthquakes;
mod lifecycle;
