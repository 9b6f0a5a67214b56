//! The installed models: folders below `<cache>/models`, found by the name in their manifest.

use std::path::PathBuf;

use heimdex_embedding::{Embedder, Libraries, Model, Options, Provider, catalogue};
use heimdex_provision as provision;
use heimdex_schemas::ModelName;

use crate::cli::ModelOptions;
use crate::exit::Failure;
use crate::output::with_progress;

/// Where models are installed.
pub fn root() -> Result<PathBuf, Failure> {
    Ok(provision::cache_dir()?.join("models"))
}

/// Every installed model that can be read, by name. Of a model that is provided by name, an older export is left out.
pub fn installed() -> Result<Vec<Model>, Failure> {
    let Ok(entries) = std::fs::read_dir(root()?) else { return Ok(Vec::new()) };
    let folders = entries.flatten().map(|entry| entry.path()).filter(|path| path.join("model.toml").is_file());
    let current = |model: &Model| catalogue::find(model.name()).and_then(catalogue::Entry::locate);
    let is_current = |model: &Model| current(model).is_none_or(|folder| folder == model.dir());
    let mut models: Vec<Model> = folders.filter_map(|folder| Model::open(folder).ok()).filter(is_current).collect();
    models.sort_by(|a, b| a.name().cmp(b.name()));
    Ok(models)
}

/// The folder of the model called `name`; one of the catalogue is provided when it is missing.
pub async fn folder(name: &ModelName) -> Result<PathBuf, Failure> {
    if let Some(entry) = catalogue::find(name.as_str()) {
        return with_progress(move |progress| entry.ensure(progress).map_err(Failure::unreachable)).await;
    }
    let models = installed()?;
    let found = models.iter().find(|model| model.name() == name.as_str()).map(|model| model.dir().to_owned());
    found.ok_or_else(|| {
        let names: Vec<&str> = models.iter().map(Model::name).collect();
        Failure::input(anyhow::anyhow!(
            "model {name} is not installed; installed are {names:?}, provided by name {:?}, and `heimdex models import \
             FOLDER` installs others",
            catalogue::MODELS.map(|entry| entry.name)
        ))
    })
}

/// The model of `options`, loaded and checked against its reference vectors.
pub async fn open(options: &ModelOptions) -> Result<Embedder, Failure> {
    open_with(options, None).await
}

/// As [`open`], with another budget of padded tokens per batch.
pub async fn open_with(options: &ModelOptions, batch_tokens: Option<usize>) -> Result<Embedder, Failure> {
    let provider: Provider =
        options.provider.parse().map_err(|e| Failure::input(anyhow::anyhow!("--provider: {e}")))?;
    let folder = folder(&options.model).await?;
    let libraries =
        with_progress(move |progress| Libraries::ensure(provider, progress).map_err(Failure::unreachable)).await?;
    let mut opening = Options { provider, libraries, ..Options::new(folder) };
    opening.threads = options.threads.unwrap_or(opening.threads);
    opening.sessions = options.sessions;
    opening.limits.batch_tokens = batch_tokens.unwrap_or(opening.limits.batch_tokens);
    Ok(tokio::task::spawn_blocking(move || Embedder::open(opening)).await??)
}
