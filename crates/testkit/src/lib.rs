//! Development only: real servers on free ports, stage harness, sandboxes.
