//! The rotator against a real OpenBao and an emulated Exceptionless.
