//! `heimdex dlq export` and `import`.

use std::path::Path;

use anyhow::Context as _;
use tokio::fs::File;
use tokio::io::{AsyncBufRead, AsyncWrite, BufReader, BufWriter};

use super::{failure, reader};
use crate::cli::{DlqExport, DlqImport};
use crate::exit::{Failure, Outcome};
use crate::output;

pub async fn export(command: DlqExport) -> Outcome {
    let redrive = reader(&command.nats).await?;
    let mut out: Box<dyn AsyncWrite + Unpin + Send> = match &command.output {
        Some(path) => Box::new(BufWriter::new(create(path).await.map_err(Failure::input)?)),
        None => Box::new(BufWriter::new(tokio::io::stdout())),
    };
    let count = redrive.export(&command.letters.filter(), &mut out).await.map_err(failure)?;
    eprintln!("{count} dead letters exported");
    Ok(())
}

pub async fn import(command: DlqImport) -> Outcome {
    let mut source: Box<dyn AsyncBufRead + Unpin + Send> = match command.file.to_str() {
        Some("-") => Box::new(BufReader::new(tokio::io::stdin())),
        _ => Box::new(BufReader::new(open(&command.file).await.map_err(Failure::input)?)),
    };
    let imported = reader(&command.broker.nats).await?.import(&mut source).await.map_err(failure)?;
    if command.broker.json {
        output::json(&imported)?;
    }
    eprintln!("{} dead letters imported, {} were there already", imported.added, imported.present);
    Ok(())
}

async fn create(path: &Path) -> anyhow::Result<File> {
    File::create(path).await.with_context(|| format!("cannot write {}", path.display()))
}

async fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).await.with_context(|| format!("cannot read {}", path.display()))
}
