//! ONNX Runtime: the one library of this process, and a session that turns token ids into vectors.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::{
    environment::Environment,
    ep::{self, ArbitrarilyConfigurableExecutionProvider, ExecutionProviderDispatch},
    error::ErrorCode,
    session::Session,
    value::Tensor,
};

use crate::{
    batcher::{Encoder, RunError},
    error::Error,
    export::{ATTENTION_MASK, INPUT_IDS, LAST_HIDDEN_STATE},
    model::{Model, Numerics},
    pooling::Head,
    provider::{Precision, Provider, unavailable},
};

/// The library this process has loaded, and its environment. A process can hold only one.
static LOADED: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// The environment of the library at `path`, loaded at the first call.
fn environment(path: &Path, provider: Provider) -> Result<Environment, Error> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    match loaded.as_ref() {
        Some((found, environment)) if found == path => return Ok(environment.clone()),
        Some((found, _)) => {
            return Err(Error::OtherLibraryLoaded { loaded: found.clone(), wanted: path.to_path_buf() });
        }
        None => {}
    }
    let builder = ort::init_from(path).map_err(unavailable(provider))?;
    let environment = builder.with_name("heimdex").with_telemetry(false).build().map_err(unavailable(provider))?;
    *loaded = Some((path.to_path_buf(), environment.clone()));
    Ok(environment)
}

/// The library this process has loaded, if it has.
pub(crate) fn loaded_library() -> Option<PathBuf> {
    let loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    loaded.as_ref().map(|(path, _)| path.clone())
}

/// How a session is to compute: nothing left to choose.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Not `Auto`.
    pub provider: Provider,
    /// Not `Auto`.
    pub precision: Precision,
    /// The library that has the provider.
    pub library: PathBuf,
    /// Threads inside one run.
    pub threads: usize,
    /// Sessions that run side by side.
    pub sessions: usize,
}

impl Plan {
    /// What is recorded in each point.
    pub fn numerics(&self) -> Numerics {
        Numerics {
            provider: self.provider.name().to_owned(),
            precision: self.precision.name().to_owned(),
            library: library_name(&self.library),
        }
    }
}

/// `onnxruntime-1.24.1` for `libonnxruntime.so.1.24.1`, links followed; the file's own name for any other.
fn library_name(path: &Path) -> String {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let name = real.file_name().unwrap_or_default().to_string_lossy();
    match name.strip_prefix("libonnxruntime.so.") {
        Some(version) => format!("onnxruntime-{version}"),
        None => name.into_owned(),
    }
}

/// A loaded model.
pub(crate) struct OrtEncoder {
    session: Session,
    rounding: Rounding,
    head: Head,
    hidden: usize,
    window: usize,
}

impl OrtEncoder {
    /// Loads `model` as `plan` says.
    pub fn open(model: &Model, plan: &Plan) -> Result<Self, Error> {
        let environment = environment(&plan.library, plan.provider)?;
        let session = build_session(&environment, model, plan).map_err(unavailable::<ort::Error>(plan.provider))?;
        let manifest = model.manifest();
        Ok(Self {
            session,
            rounding: Rounding::of(plan.provider),
            head: Head { pooling: manifest.pooling, normalize: manifest.normalize },
            hidden: manifest.dimension,
            window: manifest.max_tokens,
        })
    }
}

fn build_session(environment: &Environment, model: &Model, plan: &Plan) -> Result<Session, ort::Error> {
    // OpenVINO computes the whole graph in its own threads; the library's pool would only stand in their way.
    let own_threads = match plan.provider {
        Provider::Openvino => 1,
        _ => plan.threads,
    };
    let mut builder = Session::builder(environment)?
        .with_intra_threads(own_threads)?
        .with_inter_threads(1)?
        // Threads that spin between batches take the processor from the other stages.
        .with_intra_op_spinning(false)?
        // Shapes differ from batch to batch: a memory pattern per shape would only grow.
        .with_memory_pattern(false)?
        .with_execution_providers(execution_providers(plan))?;
    builder.commit_from_file(model.onnx_fp32())
}

fn execution_providers(plan: &Plan) -> Vec<ExecutionProviderDispatch> {
    match plan.provider {
        Provider::Openvino => vec![openvino(plan).build().error_on_failure()],
        Provider::Cuda => vec![ep::CUDA::default().build().error_on_failure()],
        Provider::Auto | Provider::Cpu => Vec::new(),
    }
}

/// `load_config` takes the JSON text itself, not a path to it.
fn openvino(plan: &Plan) -> ep::OpenVINO {
    let hint = match plan.precision {
        Precision::Fp32 => "f32",
        Precision::Auto | Precision::Bf16 => "bf16",
    };
    let config = serde_json::json!({"CPU": {
        "INFERENCE_PRECISION_HINT": hint,
        "NUM_STREAMS": "1",
        "INFERENCE_NUM_THREADS": plan.threads.to_string(),
        // Pinned, the sessions would share the first cores.
        "ENABLE_CPU_PINNING": "NO",
    }});
    ep::OpenVINO::default().with_device_type("CPU").with_arbitrary_config("load_config", config)
}

impl Encoder for OrtEncoder {
    fn encode(&mut self, rows: &[&[u32]]) -> Result<Vec<Vec<f32>>, RunError> {
        let width = rows.iter().map(|row| row.len()).max().unwrap_or(0);
        if width == 0 {
            return Ok(rows.iter().map(|_| Vec::new()).collect());
        }
        // Never past the window: the position table may end there.
        let width = self.rounding.apply(width).min(self.window.max(width));
        let (ids, mask) = padded(rows, width);
        let shape = [rows.len(), width];
        let inputs = ort::inputs![
            INPUT_IDS => Tensor::from_array((shape, ids)).map_err(run_error)?,
            ATTENTION_MASK => Tensor::from_array((shape, mask)).map_err(run_error)?,
        ];
        let outputs = self.session.run(inputs).map_err(run_error)?;
        let states = outputs
            .get(LAST_HIDDEN_STATE)
            .ok_or_else(|| RunError::Failed("the model has no last_hidden_state".to_owned()))?;
        let (_, states) = states.try_extract_tensor::<f32>().map_err(run_error)?;
        let (head, hidden) = (self.head, self.hidden);
        Ok(states
            .chunks_exact(width * hidden)
            .zip(rows)
            .map(|(states, row)| head.apply(states, hidden, row.len()))
            .collect())
    }
}

/// How row lengths are rounded up before a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounding {
    Exact,
    Tiles,
}

impl Rounding {
    /// OpenVINO prepares kernels per shape, and AMX works in tiles of 32 bf16 values: measured on 1,000 abstracts,
    /// rounding costs padding and still saves 8 % of the processor time. Short rows round less, as padding weighs more.
    fn of(provider: Provider) -> Self {
        match provider {
            Provider::Openvino => Self::Tiles,
            Provider::Auto | Provider::Cpu | Provider::Cuda => Self::Exact,
        }
    }

    fn apply(self, width: usize) -> usize {
        match self {
            Self::Exact => width,
            Self::Tiles if width <= 64 => width.next_multiple_of(8),
            Self::Tiles => width.next_multiple_of(32),
        }
    }
}

/// Token ids and mask of `rows`, each padded with 0 to `width`, flattened.
fn padded(rows: &[&[u32]], width: usize) -> (Vec<i64>, Vec<i64>) {
    let size = rows.len() * width;
    let (mut ids, mut mask) = (Vec::with_capacity(size), Vec::with_capacity(size));
    for row in rows {
        let padding = width - row.len();
        ids.extend(row.iter().map(|id| i64::from(*id)));
        ids.extend(std::iter::repeat_n(0, padding));
        mask.extend(std::iter::repeat_n(1, row.len()));
        mask.extend(std::iter::repeat_n(0, padding));
    }
    (ids, mask)
}

/// ONNX Runtime has no error code for memory, so its words have to do (`bad_alloc` of the CPU arena, CUDA's and
/// OpenVINO's messages).
const MEMORY_WORDS: [&str; 4] = ["bad_alloc", "out of memory", "failed to allocate", "cannot allocate memory"];

fn run_error(error: ort::Error) -> RunError {
    let message = error.message().to_owned();
    let lower = message.to_lowercase();
    if error.code() == ErrorCode::DeviceReset {
        RunError::Lost(message)
    } else if MEMORY_WORDS.iter().any(|words| lower.contains(words)) {
        RunError::OutOfMemory(message)
    } else {
        RunError::Failed(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_padded_and_masked() {
        let (ids, mask) = padded(&[&[5, 6, 7], &[8]], 3);
        assert_eq!(ids, [5, 6, 7, 8, 0, 0]);
        assert_eq!(mask, [1, 1, 1, 1, 0, 0]);
    }

    #[test]
    fn rounding_never_shortens_and_is_exact_where_it_does_not_pay() {
        assert_eq!(Rounding::of(Provider::Cpu).apply(13), 13);
        let tiles = Rounding::of(Provider::Openvino);
        assert_eq!([1, 8, 9, 64, 65, 256].map(|n| tiles.apply(n)), [8, 8, 16, 64, 96, 256]);
    }

    #[test]
    fn a_library_is_named_by_its_version() {
        let name = |path: &str| library_name(Path::new(path));
        assert_eq!(name("/x/libonnxruntime.so.1.31.1"), "onnxruntime-1.31.1");
        assert_eq!(name("/x/custom.so"), "custom.so");
    }
}
