//! An Exceptionless server for tests.

fn main() {}
