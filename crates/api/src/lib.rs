//! The HTTP API for operators and their programs.
