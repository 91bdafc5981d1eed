//! Tests of the whole: the real binary in a temporary directory, and the rules of the house.

mod cli;
mod connect;
mod tidy;
