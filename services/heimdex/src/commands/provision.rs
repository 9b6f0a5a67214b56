//! `heimdex provision`: the runtime files cargo cannot get.

use heimdex_embedding::catalogue::{self, DEFAULT_MODEL};
use heimdex_provision::{self as provision, File};
use serde_json::json;

use crate::cli::Provision;
use crate::exit::{Failure, Outcome};
use crate::output::{self, with_progress};

pub async fn run(command: Provision) -> Outcome {
    if !command.check {
        with_progress(|progress| provision::ensure_all(&wanted(), progress).map_err(Failure::unreachable)).await?;
        with_progress(|progress| heimdex_embedding::default_model(progress).map_err(Failure::unreachable)).await?;
    }
    show(command.json)?;
    match provision::missing(&wanted()).len() {
        0 => Ok(()),
        n => Err(Failure::unreachable(anyhow::anyhow!(
            "{n} runtime files are missing; `heimdex provision` fetches them"
        ))),
    }
}

/// All but the models that nobody asked for: those come when they are named.
fn wanted() -> Vec<File> {
    let is_other_model = |file: &File| catalogue::MODELS.iter().any(|m| m.file == *file && m.name != DEFAULT_MODEL);
    File::ALL.into_iter().filter(|file| !is_other_model(file)).collect()
}

fn show(as_json: bool) -> Outcome {
    let files = wanted().into_iter().map(|file| (file, provision::locate(file)));
    if as_json {
        let files = files.map(|(file, path)| json!({"name": file.name(), "path": path, "variable": file.variable()}));
        return output::json(&files.collect::<Vec<_>>());
    }
    for (file, path) in files {
        let place =
            path.map_or_else(|| format!("missing ({} can name one)", file.variable()), |p| p.display().to_string());
        output::text(format_args!("{:34} {place}", file.name()))?;
    }
    Ok(())
}
