//! Scenarios run against one process and against one process per stage.
