//! Producer, fault injector and oracle over the real binaries.
