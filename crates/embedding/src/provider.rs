//! Execution providers: which there are, which library each needs, and how `auto` decides.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use heimdex_provision::{self as provision, File, Progress};

use crate::error::Error;

/// The variable that names an ONNX Runtime library built with the CUDA provider.
pub const CUDA_LIBRARY_VARIABLE: &str = "HEIMDEX_ONNXRUNTIME_CUDA";

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// OpenVINO in bf16 where the CPU has bf16 arithmetic and the check passes, else `Cpu`.
    #[default]
    Auto,
    /// ONNX Runtime's own kernels.
    Cpu,
    /// OpenVINO's CPU device, through ONNX Runtime.
    Openvino,
    /// An NVIDIA GPU.
    Cuda,
}

/// In which arithmetic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// The fastest that the provider admits to the model's space.
    #[default]
    Auto,
    /// 32-bit floats.
    Fp32,
    /// Products of bfloat16, sums in 32 bits.
    Bf16,
}

impl Provider {
    /// Its name on the command line and in [`crate::Numerics`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Cpu => "cpu",
            Self::Openvino => "openvino",
            Self::Cuda => "cuda",
        }
    }

    /// How many sessions share `threads` when nobody says. Threads of one run wait for each other after every operator,
    /// and longer when other work takes their core; sessions do not. Measured end to end on two cores, two sessions of
    /// one thread take 30 % less processor time than one of two. Each holds the weights once more, hence the bound.
    pub(crate) fn sessions(self, threads: usize) -> usize {
        match self {
            Self::Openvino | Self::Cpu => threads.min(MOST_SESSIONS),
            Self::Auto | Self::Cuda => 1,
        }
    }
}

/// Most sessions that are opened unasked.
const MOST_SESSIONS: usize = 4;

impl Precision {
    /// Its name on the command line and in [`crate::Numerics`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
        }
    }

    /// The lowest cosine to the reference vectors that admits it to the model's space.
    #[must_use]
    pub fn bar(self) -> f32 {
        match self {
            Self::Fp32 => 0.999_99,
            Self::Auto | Self::Bf16 => 0.999_8,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Auto, Self::Cpu, Self::Openvino, Self::Cuda]
            .into_iter()
            .find(|provider| provider.name() == text)
            .ok_or_else(|| format!("{text} is none of auto, cpu, openvino, cuda"))
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Auto, Self::Fp32, Self::Bf16]
            .into_iter()
            .find(|precision| precision.name() == text)
            .ok_or_else(|| format!("{text} is none of auto, fp32, bf16"))
    }
}

/// Runtime libraries on this machine, by the provider they were built with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Libraries {
    /// With the CPU provider alone.
    pub cpu: Option<PathBuf>,
    /// With OpenVINO.
    pub openvino: Option<PathBuf>,
    /// With CUDA.
    pub cuda: Option<PathBuf>,
}

impl Libraries {
    /// Those already here; never downloads.
    #[must_use]
    pub fn located() -> Self {
        Self {
            cpu: provision::locate(File::OnnxRuntime),
            openvino: provision::locate(File::OnnxRuntimeOpenvino),
            cuda: std::env::var_os(CUDA_LIBRARY_VARIABLE).map(PathBuf::from),
        }
    }

    /// Those already here, after downloading what `provider` needs on this machine.
    ///
    /// # Errors
    /// [`Error::ProviderUnavailable`] with what went wrong. `auto` falls back to the CPU library instead.
    pub fn ensure(provider: Provider, progress: &dyn Progress) -> Result<Self, Error> {
        let wanted = needed_file(provider);
        let fetched = wanted.map(|file| provision::ensure(file, progress));
        match (fetched, provider) {
            (Some(Err(error)), Provider::Auto) if wanted != Some(File::OnnxRuntime) => {
                tracing::warn!(%error, "OpenVINO could not be provided, using the plain CPU library");
                provision::ensure(File::OnnxRuntime, progress).map_err(unavailable(provider))?;
            }
            (Some(Err(error)), _) => return Err(unavailable(provider)(error)),
            (Some(Ok(_)) | None, _) => {}
        }
        Ok(Self::located())
    }

    /// The library that runs `provider`.
    pub(crate) fn library(&self, provider: Provider) -> Result<&Path, Error> {
        let (found, hint) = match provider {
            Provider::Openvino => (&self.openvino, File::OnnxRuntimeOpenvino.variable()),
            Provider::Cuda => (&self.cuda, CUDA_LIBRARY_VARIABLE),
            Provider::Auto | Provider::Cpu => (&self.cpu, File::OnnxRuntime.variable()),
        };
        found.as_deref().ok_or_else(|| unavailable(provider)(format!("its library is not here ({hint} can name one)")))
    }
}

/// The file to provide for a provider; CUDA's is not among the pinned ones.
#[must_use]
pub fn needed_file(provider: Provider) -> Option<File> {
    match provider {
        Provider::Auto if has_bf16() => Some(File::OnnxRuntimeOpenvino),
        Provider::Auto | Provider::Cpu => Some(File::OnnxRuntime),
        Provider::Openvino => Some(File::OnnxRuntimeOpenvino),
        Provider::Cuda => None,
    }
}

/// Whether this processor multiplies bf16 matrices in tiles (AMX), and the kernel lets programs use them. Without tiles
/// bf16 is slower than 32-bit arithmetic: 5,700 against 9,300 tokens/s on a processor that has `avx512_bf16` alone.
#[must_use]
pub fn has_bf16() -> bool {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut flags = processors.lines().filter(|line| line.starts_with("flags"));
    flags.next().is_some_and(|line| line.split_whitespace().any(|flag| flag == "amx_bf16"))
}

/// For `map_err`: the provider and why it cannot run.
pub(crate) fn unavailable<E: fmt::Display>(provider: Provider) -> impl FnOnce(E) -> Error {
    move |reason| Error::ProviderUnavailable { provider: provider.name(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["auto", "cpu", "openvino", "cuda"] {
            assert_eq!(name.parse::<Provider>().unwrap().name(), name);
        }
        for name in ["auto", "fp32", "bf16"] {
            assert_eq!(name.parse::<Precision>().unwrap().name(), name);
        }
        assert!("tpu".parse::<Provider>().is_err());
        assert!("int8".parse::<Precision>().is_err());
    }

    #[test]
    fn a_provider_without_its_library_says_which_variable_names_one() {
        let error = Libraries::default().library(Provider::Cuda).unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains("cuda") && shown.contains(CUDA_LIBRARY_VARIABLE), "{shown}");
    }
}
