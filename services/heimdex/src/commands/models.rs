//! `heimdex models`: what is installed, installing, verifying.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use heimdex_embedding::Model;
use heimdex_embedding::import::{Details, import};
use heimdex_schemas::ModelName;
use serde_json::{Value, json};

use crate::cli::{ModelOptions, Models};
use crate::exit::{Failure, Outcome};
use crate::models::{installed, open, root};
use crate::output;

pub async fn run(command: Models) -> Outcome {
    match command {
        Models::Ls { json } => list(json),
        Models::Import { folder, name, json } => import_folder(&folder, name, json).await,
        Models::Verify { model, json } => verify(&model, json).await,
    }
}

fn describe(model: &Model) -> Value {
    let manifest = model.manifest();
    json!({
        "name": model.name(), "dimension": model.dimension(), "max_tokens": manifest.max_tokens,
        "languages": manifest.languages, "license": manifest.license, "space": model.space().id(),
        "path": model.dir(),
    })
}

fn list(as_json: bool) -> Outcome {
    let models = installed()?;
    if as_json {
        return output::json(&models.iter().map(describe).collect::<Vec<_>>());
    }
    for model in &models {
        show(model)?;
    }
    if models.is_empty() {
        eprintln!("no model is installed; `heimdex provision` installs the default one");
    }
    Ok(())
}

fn show(model: &Model) -> Outcome {
    let (manifest, space) = (model.manifest(), model.space());
    let languages = manifest.languages.join(",");
    output::text(format_args!(
        "{:24} {} dimensions, {} tokens, languages {languages}, {}, space {space}",
        model.name(),
        model.dimension(),
        manifest.max_tokens,
        manifest.license,
    ))
}

async fn import_folder(folder: &Path, name: Option<ModelName>, as_json: bool) -> Outcome {
    let name = match name {
        Some(name) => name,
        None => folder_name(folder)?,
    };
    let (source, into) = (folder.to_owned(), root()?.join(name.as_str()));
    let model = tokio::task::spawn_blocking(move || install(&source, into, name)).await??;
    if as_json { output::json(&describe(&model)) } else { show(&model) }
}

fn install(source: &Path, into: PathBuf, name: ModelName) -> Result<Model, Failure> {
    let details = Details { name: name.into(), ..Details::default() };
    import(source, &into, &details).map_err(Failure::input)?;
    Ok(Model::open(into)?)
}

fn folder_name(folder: &Path) -> Result<ModelName, Failure> {
    let name = folder.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    name.parse()
        .with_context(|| format!("{name:?} cannot be a model name; give one with --name"))
        .map_err(Failure::input)
}

async fn verify(options: &ModelOptions, as_json: bool) -> Outcome {
    let embedder = open(options).await?;
    let (numerics, cosine) = (embedder.numerics(), embedder.cosine());
    if as_json {
        output::json(&json!({
            "model": embedder.model().name(), "space": embedder.space().id(), "provider": numerics.provider,
            "precision": numerics.precision, "cosine_min": cosine, "verified": cosine.is_some(),
        }))?;
    } else if let Some(cosine) = cosine {
        output::text(format_args!(
            "{}: {numerics}, lowest cosine to the reference vectors {cosine:.6}",
            embedder.model().name()
        ))?;
    }
    match cosine {
        Some(_) => Ok(()),
        None => {
            Err(Failure::input(anyhow::anyhow!("model {} has no reference vectors to compare with", options.model)))
        }
    }
}
