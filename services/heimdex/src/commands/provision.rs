//! `heimdex provision`: the runtime files cargo cannot get.

use heimdex_provision::{self as provision, File};
use serde_json::json;

use crate::cli::Provision;
use crate::exit::{Failure, Outcome};
use crate::output::{self, with_progress};

pub async fn run(command: Provision) -> Outcome {
    if !command.check {
        with_progress(|progress| provision::ensure_all(&File::ALL, progress).map_err(Failure::unreachable)).await?;
        with_progress(|progress| heimdex_embedding::default_model(progress).map_err(Failure::unreachable)).await?;
    }
    show(command.json)?;
    match provision::missing(&File::ALL).len() {
        0 => Ok(()),
        n => Err(Failure::unreachable(anyhow::anyhow!(
            "{n} runtime files are missing; `heimdex provision` fetches them"
        ))),
    }
}

fn show(as_json: bool) -> Outcome {
    let files = File::ALL.map(|file| (file, provision::locate(file)));
    if as_json {
        let files = files.map(|(file, path)| json!({"name": file.name(), "path": path, "variable": file.variable()}));
        return output::json(&files);
    }
    for (file, path) in files {
        let place =
            path.map_or_else(|| format!("missing ({} can name one)", file.variable()), |p| p.display().to_string());
        output::text(format_args!("{:34} {place}", file.name()))?;
    }
    Ok(())
}
