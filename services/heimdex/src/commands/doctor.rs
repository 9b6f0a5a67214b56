//! `heimdex doctor`: what is right and what is not, each with what to do.

use heimdex_bus::{Bus, Durability};
use heimdex_index::Index;
use heimdex_provision::{self as provision, File};
use heimdex_schemas::StageName;
use serde::Serialize;

use crate::cli::Doctor;
use crate::exit::{Code, Failure, Outcome};
use crate::{connect, models, output};

/// One thing looked at.
#[derive(Debug, Serialize)]
struct Check {
    name: String,
    ok: bool,
    detail: String,
    /// A dependency that could not be reached, rather than something wrong here.
    #[serde(skip)]
    unreachable: bool,
}

impl Check {
    fn new(name: impl Into<String>, ok: bool, detail: impl Into<String>) -> Self {
        Self { name: name.into(), ok, detail: detail.into(), unreachable: false }
    }

    fn unreachable(name: &str, detail: impl Into<String>) -> Self {
        Self { unreachable: true, ..Self::new(name, false, detail) }
    }
}

pub async fn run(command: Doctor) -> Outcome {
    let mut checks: Vec<Check> = File::ALL.iter().map(|file| runtime_file(*file)).collect();
    checks.push(installed_models());
    checks.push(bf16());
    checks.extend(broker(&command.connection.nats).await);
    if let Some(url) = &command.qdrant {
        checks.push(qdrant(url).await);
    }
    show(&checks, command.json)?;
    verdict(&checks)
}

fn runtime_file(file: File) -> Check {
    match provision::locate(file) {
        Some(path) => Check::new(file.name(), true, path.display().to_string()),
        None => Check::new(
            file.name(),
            false,
            format!("missing; `heimdex provision` fetches it, {} can name one", file.variable()),
        ),
    }
}

fn installed_models() -> Check {
    match models::installed() {
        Ok(models) if !models.is_empty() => {
            Check::new("models", true, models.iter().map(|m| m.name().to_owned()).collect::<Vec<_>>().join(", "))
        }
        Ok(_) => Check::new("models", false, "none is installed; `heimdex provision` installs the default one"),
        Err(Failure { error, .. }) => Check::new("models", false, format!("{error:#}")),
    }
}

fn bf16() -> Check {
    let detail = if heimdex_embedding::provider::has_bf16() {
        "this CPU computes in bfloat16: `auto` uses OpenVINO"
    } else {
        "this CPU has no bfloat16: `auto` uses fp32"
    };
    Check::new("processor", true, detail)
}

async fn broker(url: &str) -> Vec<Check> {
    match connect::bus(url).await {
        Err(Failure { error, .. }) => vec![Check::unreachable("broker", format!("{error:#}"))],
        Ok(bus) => {
            let mut checks = vec![Check::new("broker", true, url), durability(&bus).await];
            for stage in StageName::ALL {
                checks.push(queue(&bus, *stage).await);
            }
            checks
        }
    }
}

async fn durability(bus: &Bus) -> Check {
    match bus.durability().await {
        Durability::No => {
            Check::new("durability", false, "the broker does not sync every write; set jetstream.sync_interval: always")
        }
        known => Check::new("durability", true, format!("{known:?}").to_lowercase()),
    }
}

/// Orphans are messages that nobody will ever deliver again.
async fn queue(bus: &Bus, stage: StageName) -> Check {
    let name = format!("queue of {stage}");
    match bus.queue_state(stage).await {
        Ok(state) => Check::new(name, state.orphans() == 0, format!("{state:?}")),
        Err(error) => Check::new(name, false, format!("{error}; `heimdex up` creates it")),
    }
}

async fn qdrant(url: &str) -> Check {
    let index = match Index::connect(url, heimdex_index::Options::default()) {
        Ok(index) => index,
        Err(error) => return Check::new("qdrant", false, error.to_string()),
    };
    match index.ready().await {
        Ok(()) => Check::new("qdrant", true, url),
        Err(error) => Check::unreachable("qdrant", format!("{url}: {error}")),
    }
}

fn show(checks: &[Check], as_json: bool) -> Outcome {
    if as_json {
        return output::json(&checks);
    }
    checks.iter().try_for_each(|check| {
        let mark = if check.ok { "ok  " } else { "FAIL" };
        output::text(format_args!("{mark} {:34} {}", check.name, check.detail))
    })
}

fn verdict(checks: &[Check]) -> Outcome {
    let failed = checks.iter().filter(|check| !check.ok).count();
    let code = if checks.iter().any(|check| check.unreachable) { Code::Unreachable } else { Code::Internal };
    match failed {
        0 => Ok(()),
        n => Err(Failure { code, error: anyhow::anyhow!("{n} of {} checks failed", checks.len()) }),
    }
}
