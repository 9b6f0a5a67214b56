//! `heimdex models`: what is installed, installing, verifying.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use heimdex_embedding::Model;
use heimdex_embedding::import::{Details, import};
use heimdex_schemas::ModelName;
use serde_json::{Value, json};

use crate::cli::{ModelImport, ModelOptions, Models};
use crate::exit::{Failure, Outcome};
use crate::models::{installed, open, root};
use crate::output;

/// Languages of a model that a line has room for.
const MOST_LANGUAGES: usize = 8;

pub async fn run(command: Models) -> Outcome {
    match command {
        Models::Ls { json } => list(json),
        Models::Import(command) => import_folder(command).await,
        Models::Verify { model, json } => verify(&model, json).await,
    }
}

fn describe(model: &Model) -> Result<Value, Failure> {
    let manifest = model.manifest();
    Ok(json!({
        "name": model.name(), "dimension": model.dimension(), "max_tokens": manifest.max_tokens,
        "bytes": model.bytes_on_disk()?, "languages": manifest.languages, "license": manifest.license,
        "source": manifest.source, "query_prefix": manifest.query_prefix, "document_prefix": manifest.document_prefix,
        "fp16": model.onnx_fp16().is_some(), "space": model.space().id(), "path": model.dir(),
    }))
}

fn list(as_json: bool) -> Outcome {
    let models = installed()?;
    if as_json {
        return output::json(&models.iter().map(describe).collect::<Result<Vec<_>, _>>()?);
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
    output::text(format_args!(
        "{:24} {:4} MB, {} dimensions, {} tokens, {}, {}, space {space}",
        model.name(),
        model.bytes_on_disk()?.div_ceil(1_000_000),
        model.dimension(),
        manifest.max_tokens,
        languages(&manifest.languages),
        if manifest.license.is_empty() { "licence unknown" } else { &manifest.license },
    ))
}

/// The languages of a line, of which a long list is cut.
fn languages(all: &[String]) -> String {
    match all {
        [] => "languages not stated".to_owned(),
        few if few.len() <= MOST_LANGUAGES => format!("languages {}", few.join(",")),
        many => format!("{} languages", many.len()),
    }
}

async fn import_folder(command: ModelImport) -> Outcome {
    let name = match &command.name {
        Some(name) => name.clone(),
        None => folder_name(&command.folder)?,
    };
    let (into, as_json) = (root()?.join(name.as_str()), command.json);
    let model = tokio::task::spawn_blocking(move || install(command, into, name)).await??;
    if as_json { output::json(&describe(&model)?) } else { show(&model) }
}

fn install(command: ModelImport, into: PathBuf, name: ModelName) -> Result<Model, Failure> {
    let details = Details {
        name: name.into(),
        query_prefix: command.query_prefix,
        document_prefix: command.document_prefix,
        languages: command.languages,
        license: command.license,
        source: command.folder.display().to_string(),
        fp16: command.fp16,
    };
    import(&command.folder, &into, &details).map_err(Failure::input)?;
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
