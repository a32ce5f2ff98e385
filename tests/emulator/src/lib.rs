//! An Exceptionless server for tests.
