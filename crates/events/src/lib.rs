//! The life of an event: commands and facts in, states and effects out.
