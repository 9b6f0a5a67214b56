//! Vectors, checked against the collection before anything is logged.

use std::collections::HashMap;

use qdrant_client::qdrant as proto;
use qdrant_client::qdrant::{vector, vector_output, vectors, vectors_output, with_vectors_selector};
use qdrant_edge::{
    DEFAULT_VECTOR_NAME, EdgeConfig, SparseVector, VectorInternal, VectorPersisted, VectorStructInternal, WithVector,
};

use crate::error::{Error, Result, invalid};

/// Named vectors of one point.
pub type Named = HashMap<String, VectorPersisted>;

/// A point's vectors; a lone vector has the empty name.
pub fn named(vectors: Option<proto::Vectors>, config: &EdgeConfig) -> Result<Named> {
    let messages = match vectors.and_then(|vectors| vectors.vectors_options) {
        None => HashMap::new(),
        Some(vectors::VectorsOptions::Vector(vector)) => HashMap::from([(DEFAULT_VECTOR_NAME.to_string(), vector)]),
        Some(vectors::VectorsOptions::Vectors(named)) => named.vectors,
    };
    messages
        .into_iter()
        .map(|(name, message)| {
            let vector = checked(&name, stored(message)?, config)?;
            Ok((name, vector))
        })
        .collect()
}

/// Checks one vector against the collection: known name, right kind and dimension, finite values, unique indices.
pub fn checked(name: &str, vector: VectorPersisted, config: &EdgeConfig) -> Result<VectorPersisted> {
    match vector {
        VectorPersisted::Dense(values) => {
            let params = config.vectors.get(name).ok_or_else(|| unknown(name, config))?;
            if values.len() != params.size {
                let (expected, got) = (params.size, values.len());
                return Err(invalid(format!("vector {name:?} has {got} dimensions, expected {expected}")));
            }
            finite(name, &values)?;
            Ok(VectorPersisted::Dense(values))
        }
        VectorPersisted::Sparse(vector) => {
            config.sparse_vectors.get(name).ok_or_else(|| unknown(name, config))?;
            finite(name, &vector.values)?;
            Ok(VectorPersisted::Sparse(sorted(name, vector)?))
        }
        VectorPersisted::MultiDense(_) => Err(Error::Unimplemented("a multi-dense vector".into())),
    }
}

fn unknown(name: &str, config: &EdgeConfig) -> Error {
    let other = config.vectors.contains_key(name) || config.sparse_vectors.contains_key(name);
    let reason = if other { "is of the other kind (dense or sparse)" } else { "does not exist in the collection" };
    invalid(format!("vector {name:?} {reason}"))
}

fn finite(name: &str, values: &[f32]) -> Result<()> {
    if values.iter().all(|value| value.is_finite()) {
        return Ok(());
    }
    Err(invalid(format!("vector {name:?} holds a value that is not finite")))
}

fn sorted(name: &str, vector: SparseVector) -> Result<SparseVector> {
    if vector.indices.len() != vector.values.len() {
        return Err(invalid(format!("sparse vector {name:?} has unequal counts of indices and values")));
    }
    let mut pairs: Vec<(u32, f32)> = vector.indices.into_iter().zip(vector.values).collect();
    pairs.sort_unstable_by_key(|(index, _)| *index);
    let (indices, values): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    if indices.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(invalid(format!("sparse vector {name:?} names an index twice")));
    }
    Ok(SparseVector { indices, values })
}

#[expect(deprecated, reason = "older clients still send the flat form")]
fn stored(message: proto::Vector) -> Result<VectorPersisted> {
    match message.vector {
        Some(vector::Vector::Dense(dense)) => Ok(VectorPersisted::Dense(dense.data)),
        Some(vector::Vector::Sparse(sparse)) => Ok(sparse_vector(sparse)),
        Some(vector::Vector::MultiDense(_)) => Err(Error::Unimplemented("a multi-dense vector".into())),
        Some(vector::Vector::Document(_) | vector::Vector::Image(_) | vector::Vector::Object(_)) => {
            Err(Error::Unimplemented("inference from a document, image or object".into()))
        }
        None if message.vectors_count.is_some() => Err(Error::Unimplemented("a multi-dense vector".into())),
        None => Ok(match message.indices {
            Some(indices) => sparse_vector(proto::SparseVector { values: message.data, indices: indices.data }),
            None => VectorPersisted::Dense(message.data),
        }),
    }
}

/// A sparse vector as sent, unchecked.
pub fn sparse_vector(sparse: proto::SparseVector) -> VectorPersisted {
    VectorPersisted::Sparse(SparseVector { indices: sparse.indices, values: sparse.values })
}

/// Which vectors to return; none when the request does not say.
pub fn selector(selector: Option<proto::WithVectorsSelector>) -> WithVector {
    match selector.and_then(|selector| selector.selector_options) {
        None => WithVector::Bool(false),
        Some(with_vectors_selector::SelectorOptions::Enable(all)) => WithVector::Bool(all),
        Some(with_vectors_selector::SelectorOptions::Include(include)) => WithVector::Selector(include.names),
    }
}

/// A stored point's vectors by name.
pub fn by_name(vectors: VectorStructInternal) -> HashMap<String, VectorInternal> {
    match vectors {
        VectorStructInternal::Single(values) => one(VectorInternal::Dense(values)),
        VectorStructInternal::MultiDense(values) => one(VectorInternal::MultiDense(values)),
        VectorStructInternal::Named(named) => named,
    }
}

fn one(vector: VectorInternal) -> HashMap<String, VectorInternal> {
    HashMap::from([(DEFAULT_VECTOR_NAME.to_string(), vector)])
}

/// A stored point's vectors as an answer.
pub fn output(vectors: VectorStructInternal) -> proto::VectorsOutput {
    let mut named: HashMap<String, proto::VectorOutput> =
        by_name(vectors).into_iter().map(|(name, vector)| (name, vector_message(vector))).collect();
    let options = match named.remove(DEFAULT_VECTOR_NAME) {
        Some(lone) if named.is_empty() => vectors_output::VectorsOptions::Vector(lone),
        Some(unnamed) => {
            named.insert(DEFAULT_VECTOR_NAME.to_string(), unnamed);
            vectors_output::VectorsOptions::Vectors(proto::NamedVectorsOutput { vectors: named })
        }
        None => vectors_output::VectorsOptions::Vectors(proto::NamedVectorsOutput { vectors: named }),
    };
    proto::VectorsOutput { vectors_options: Some(options) }
}

fn vector_message(vector: VectorInternal) -> proto::VectorOutput {
    let vector = match vector {
        VectorInternal::Dense(data) => vector_output::Vector::Dense(proto::DenseVector { data }),
        VectorInternal::Sparse(SparseVector { indices, values }) => {
            vector_output::Vector::Sparse(proto::SparseVector { indices, values })
        }
        VectorInternal::MultiDense(multi) => {
            let dim = multi.dim.max(1);
            let vectors = multi.flattened_vectors.chunks(dim).map(|v| proto::DenseVector { data: v.to_vec() });
            vector_output::Vector::MultiDense(proto::MultiDenseVector { vectors: vectors.collect() })
        }
    };
    proto::VectorOutput { vector: Some(vector), ..proto::VectorOutput::default() }
}

/// Vectors as a request would send them.
pub fn input(named: &Named) -> Option<proto::Vectors> {
    let message = |vector: &VectorPersisted| match vector {
        VectorPersisted::Dense(data) => Some(vector::Vector::Dense(proto::DenseVector { data: data.clone() })),
        VectorPersisted::Sparse(SparseVector { indices, values }) => {
            Some(vector::Vector::Sparse(proto::SparseVector { indices: indices.clone(), values: values.clone() }))
        }
        VectorPersisted::MultiDense(_) => None,
    };
    let vectors = named
        .iter()
        .map(|(name, vector)| (name.clone(), proto::Vector { vector: message(vector), ..proto::Vector::default() }));
    let named = proto::NamedVectors { vectors: vectors.collect() };
    Some(proto::Vectors { vectors_options: Some(vectors::VectorsOptions::Vectors(named)) })
}
