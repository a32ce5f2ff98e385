//! The credential for Exceptionless: when it is refused, where it comes from, and how it is changed.

mod trouble;
