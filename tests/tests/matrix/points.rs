//! Which points there are to strike, and what passes each of them.

use std::fmt;

use heimdex_schemas::StageName;
use heimdex_testkit::heimdex::Part;

use crate::triggers::Trigger::{
    self, Again, Broken, Delete, DeleteAtOnce, OtherModel, Pdf, Purge, Rejected, Replace, Text,
};

/// Actions that need more than one crash before they happen: a suspect's mark, which `runtime`'s own tests strike.
pub const STRUCK_ELSEWHERE: [&str; 1] = ["ledger_attempt"];

/// One crash: where, and under what.
#[derive(Debug, Clone)]
pub struct Case {
    pub stage: StageName,
    pub point: String,
    pub trigger: Trigger,
}

impl Case {
    /// What arms the point. What replaces an upload passes the writer's points for the second time.
    pub fn armed(&self) -> String {
        match self.trigger {
            Replace => format!("{}:2", self.point),
            _ => self.point.clone(),
        }
    }

    /// The process that dies.
    pub const fn part(&self) -> Part {
        match self.stage {
            StageName::Extractor => Part::Extractor,
            StageName::Chunker => Part::Chunker,
            StageName::Embedder => Part::Embedder,
            StageName::Writer | StageName::Eraser | StageName::Purger => Part::Writer,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}", self.point, self.trigger)
    }
}

/// All of them, by stage.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for stage in StageName::ALL {
        for (action, triggers) in passed_by(*stage) {
            for moment in ["before", "after"] {
                let point = format!("{stage}.{moment}_{action}");
                let case = |trigger: &Trigger| Case { stage: *stage, point: point.clone(), trigger: *trigger };
                cases.extend(triggers.iter().map(case));
            }
        }
    }
    cases
}

type Passed = (&'static str, &'static [Trigger]);

/// The ways out of a stage for what it cannot work with.
const fn refused(triggers: &'static [Trigger]) -> [Passed; 3] {
    [("dead_letter", triggers), ("consequence", triggers), ("term", triggers)]
}

fn passed_by(stage: StageName) -> Vec<Passed> {
    let (own, refused): (&[Passed], [Passed; 3]) = match stage {
        StageName::Extractor => (
            &[
                ("ledger_accepted", &[Text, Pdf]),
                ("ledger_origin", &[Text, Pdf]),
                ("blob", &[Text, Pdf]),
                ("publish", &[Text, Pdf]),
                ("ack", &[Text, Again]),
            ],
            refused(&[Rejected]),
        ),
        StageName::Chunker => {
            (&[("blob", &[Text, Pdf]), ("publish", &[Text, Pdf]), ("ack", &[Text, Again])], refused(&[OtherModel]))
        }
        StageName::Embedder => (
            &[("blob", &[Text]), ("publish", &[Text, Again]), ("ack", &[Text])],
            refused(&[Broken(StageName::Embedder)]),
        ),
        StageName::Writer => (
            &[
                ("ledger_part", &[Text, Again, DeleteAtOnce, Rejected]),
                ("ledger_head", &[Text, Again, Replace]),
                ("ledger_done", &[Text, Again, Rejected]),
                ("upsert", &[Text, Pdf, Again]),
                ("flip", &[Text, Again, Replace]),
                ("retire", &[Text, Again, Replace]),
                ("publish", &[Text, Again, Rejected]),
                ("ack", &[Text, Again, DeleteAtOnce, Rejected]),
            ],
            refused(&[Broken(StageName::Writer)]),
        ),
        StageName::Eraser => (&deletion(&[Delete]), refused(&[Broken(StageName::Eraser)])),
        StageName::Purger => (&deletion(&[Purge]), refused(&[Broken(StageName::Purger)])),
    };
    own.iter().copied().chain(refused).collect()
}

const fn deletion(triggers: &'static [Trigger]) -> [Passed; 7] {
    [
        ("ledger_accepted", triggers),
        ("ledger_tombstone", triggers),
        ("ledger_done", triggers),
        ("delete", triggers),
        ("blob_delete", triggers),
        ("publish", triggers),
        ("ack", triggers),
    ]
}
