//! From the options to a session that runs and passed its check: what to try, in which order, and what admits it.

use crate::{
    batcher::Encoder,
    embedder::Options,
    error::Error,
    model::Model,
    provider::{Precision, Provider, has_bf16, unavailable},
    reference::Reference,
    runtime::{OrtEncoder, Plan, loaded_library},
};

/// The first of what `options` allows that opens and passes the check against `reference`.
pub(crate) fn open(model: &Model, reference: Option<&Reference>, options: &Options) -> Result<Opened, Error> {
    open_first(model, reference, plans(options)?)
}

/// A session that passed its check.
pub(crate) struct Opened {
    /// How it computes.
    pub plan: Plan,
    /// The loaded model, once for each session.
    pub encoders: Vec<OrtEncoder>,
    /// The lowest cosine to the reference vectors, where there are some.
    pub cosine: Option<f32>,
}

/// The first of `plans` that opens and passes the check.
fn open_first(model: &Model, reference: Option<&Reference>, plans: Vec<Plan>) -> Result<Opened, Error> {
    let mut last = Error::ProviderUnavailable { provider: "auto", reason: "no runtime library is here".to_owned() };
    for plan in plans {
        // A library cannot be unloaded: what comes after the first one loaded runs on that one.
        let plan = Plan {
            library: match plan.provider {
                Provider::Cpu => loaded_library().unwrap_or(plan.library),
                _ => plan.library,
            },
            ..plan
        };
        match open_checked(model, reference, plan.clone()) {
            Ok(opened) => return Ok(opened),
            Err(error) => {
                tracing::warn!(provider = %plan.provider, precision = %plan.precision, %error, "not usable here");
                last = error;
            }
        }
    }
    Err(last)
}

fn open_checked(model: &Model, reference: Option<&Reference>, plan: Plan) -> Result<Opened, Error> {
    let mut encoders = Vec::with_capacity(plan.sessions);
    for _ in 0..plan.sessions {
        encoders.push(OrtEncoder::open(model, &plan)?);
    }
    let Some(reference) = reference else {
        return without_reference(encoders, plan);
    };
    let mut cosine = f32::INFINITY;
    // Each of them, as this also warms it up.
    for encoder in &mut encoders {
        cosine = cosine.min(measure(encoder, reference).map_err(unavailable(plan.provider))?);
    }
    let bar = plan.precision.bar();
    if cosine < bar {
        return Err(Error::ReferenceMismatch { cosine, bar });
    }
    Ok(Opened { plan, encoders, cosine: Some(cosine) })
}

/// Reduced precision is admitted to a space only by reference vectors; 32-bit arithmetic defines it.
fn without_reference(encoders: Vec<OrtEncoder>, plan: Plan) -> Result<Opened, Error> {
    if plan.precision != Precision::Fp32 {
        return Err(unavailable(plan.provider)(
            "the model has no reference vectors that could admit reduced precision",
        ));
    }
    Ok(Opened { plan, encoders, cosine: None })
}

/// The lowest cosine over the reference texts, run one by one and all together, which also warms the session up.
fn measure(encoder: &mut OrtEncoder, reference: &Reference) -> Result<f32, String> {
    let rows: Vec<&[u32]> = reference.vectors.iter().map(|vector| vector.token_ids.as_slice()).collect();
    let together = encoder.encode(&rows).map_err(|error| format!("{error:?}"))?;
    let mut alone = Vec::with_capacity(rows.len());
    for row in rows {
        alone.extend(encoder.encode(&[row]).map_err(|error| format!("{error:?}"))?);
    }
    let cosine = reference.lowest_cosine(&together);
    Ok(cosine.min(reference.lowest_cosine(&alone)))
}

/// What to try, in order.
fn plans(options: &Options) -> Result<Vec<Plan>, Error> {
    match options.provider {
        Provider::Auto => Ok(auto_plans(options)),
        provider => Ok(vec![plan(options, provider, fixed_precision(options)?)?]),
    }
}

/// The precision of a provider that was asked for by name.
fn fixed_precision(options: &Options) -> Result<Precision, Error> {
    let fast = options.provider == Provider::Openvino;
    match (options.precision, fast) {
        (Precision::Auto, true) if has_bf16() => Ok(Precision::Bf16),
        (Precision::Auto | Precision::Fp32, _) => Ok(Precision::Fp32),
        (Precision::Bf16, true) => Ok(Precision::Bf16),
        (Precision::Bf16, false) => Err(unavailable(options.provider)("it has no bf16")),
    }
}

fn auto_plans(options: &Options) -> Vec<Plan> {
    let bf16 = has_bf16() && options.precision != Precision::Fp32;
    let choices = [
        (Provider::Openvino, Precision::Bf16, bf16),
        (Provider::Cpu, Precision::Fp32, options.precision != Precision::Bf16),
    ];
    choices
        .into_iter()
        .filter(|(_, _, possible)| *possible)
        .filter_map(|(provider, precision, _)| {
            plan(options, provider, precision).inspect_err(|error| tracing::info!(%error, "passed over")).ok()
        })
        .collect()
}

fn plan(options: &Options, provider: Provider, precision: Precision) -> Result<Plan, Error> {
    let found = options.libraries.library(provider);
    // Every library has the CPU provider, so any of them will do where the plain one is not here.
    let library = match (found, provider, &options.libraries.openvino) {
        (Ok(library), _, _) => library,
        (Err(_), Provider::Cpu, Some(library)) => library.as_path(),
        (Err(error), _, _) => return Err(error),
    };
    let threads = options.threads.max(1);
    let sessions = options.sessions.unwrap_or_else(|| provider.sessions(threads)).clamp(1, threads);
    Ok(Plan { provider, precision, library: library.to_path_buf(), threads: threads / sessions, sessions })
}
