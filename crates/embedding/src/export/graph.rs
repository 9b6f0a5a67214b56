//! A small ONNX graph under construction: operators are methods that return the name of their result.

use half::f16;
use onnx_protobuf::{
    AttributeProto, GraphProto, Message, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, TensorShapeProto,
    TypeProto, ValueInfoProto,
    attribute_proto::AttributeType,
    tensor_proto::DataType,
    tensor_shape_proto::{Dimension, dimension},
    type_proto::{self, Value},
};

use crate::error::Error;

/// LayerNormalization entered ONNX with opset 17.
const OPSET: i64 = 17;
/// The IR version that came with opset 17.
const IR_VERSION: i64 = 8;

/// A named dimension, or a fixed one.
pub(super) enum Axis<'a> {
    Named(&'a str),
    Fixed(usize),
}

/// In which floats a graph computes and keeps its weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Float {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits (IEEE half), for GPUs.
    F16,
}

impl Float {
    fn data_type(self) -> DataType {
        match self {
            Self::F32 => DataType::FLOAT,
            Self::F16 => DataType::FLOAT16,
        }
    }
}

/// The graph so far.
#[derive(Default)]
pub(super) struct Graph {
    proto: GraphProto,
    counter: usize,
    float: Float,
}

impl Graph {
    /// An empty graph that computes in `float`.
    pub fn new(float: Float) -> Self {
        Self { float, ..Self::default() }
    }

    /// Declares an `int64` input.
    pub fn input(&mut self, name: &str, shape: &[Axis<'_>]) -> String {
        let info = value_info(name, DataType::INT64, shape);
        self.proto.input.push(info);
        name.to_owned()
    }

    /// Declares a 32-bit float output and gives it the value of `from`.
    pub fn output(&mut self, name: &str, from: &str, shape: &[Axis<'_>]) {
        match self.float {
            Float::F32 => self.node_named("Identity", &[from], name, vec![]),
            Float::F16 => self.node_named("Cast", &[from], name, vec![integer("to", DataType::FLOAT as i64)]),
        }
        let info = value_info(name, DataType::FLOAT, shape);
        self.proto.output.push(info);
    }

    /// A constant float tensor of the graph's own precision, its values little-endian.
    pub fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) -> String {
        let raw = match self.float {
            Float::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            Float::F16 => values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()).collect(),
        };
        self.constant(name, dims, self.float.data_type(), raw)
    }

    /// A constant of 16-bit floats, whatever the graph computes in; `raw` is little-endian.
    pub fn halves(&mut self, name: &str, dims: &[usize], raw: Vec<u8>) -> String {
        self.constant(name, dims, DataType::FLOAT16, raw)
    }

    /// A constant of bytes.
    pub fn bytes(&mut self, name: &str, dims: &[usize], raw: Vec<u8>) -> String {
        self.constant(name, dims, DataType::UINT8, raw)
    }

    /// `x` as floats of the graph's own precision.
    pub fn cast(&mut self, x: &str) -> String {
        let to = integer("to", self.float.data_type() as i64);
        self.op_with("Cast", &[x], vec![to])
    }

    /// A constant list of `int64`.
    pub fn integers(&mut self, name: &str, values: &[i64]) -> String {
        let raw = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.constant(name, &[values.len()], DataType::INT64, raw)
    }

    /// A constant float without dimensions.
    pub fn scalar(&mut self, name: &str, value: f32) -> String {
        self.floats(name, &[], &[value])
    }

    /// An operator without attributes.
    pub fn op(&mut self, op: &str, inputs: &[&str]) -> String {
        self.op_with(op, inputs, vec![])
    }

    /// An operator with attributes.
    pub fn op_with(&mut self, op: &str, inputs: &[&str], attributes: Vec<AttributeProto>) -> String {
        self.counter += 1;
        let output = format!("{}_{}", op.to_lowercase(), self.counter);
        self.node_named(op, inputs, &output, attributes);
        output
    }

    /// The finished model, serialized.
    pub fn finish(mut self, name: &str) -> Result<Vec<u8>, Error> {
        self.proto.name = name.to_owned();
        let model = ModelProto {
            ir_version: IR_VERSION,
            producer_name: "heimdex".to_owned(),
            opset_import: vec![OperatorSetIdProto { version: OPSET, ..OperatorSetIdProto::default() }],
            graph: Some(self.proto).into(),
            ..ModelProto::default()
        };
        model.write_to_bytes().map_err(Error::model(name))
    }

    fn node_named(&mut self, op: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) {
        self.proto.node.push(NodeProto {
            op_type: op.to_owned(),
            name: format!("node_{output}"),
            input: inputs.iter().map(|input| (*input).to_owned()).collect(),
            output: vec![output.to_owned()],
            attribute,
            ..NodeProto::default()
        });
    }

    fn constant(&mut self, name: &str, dims: &[usize], kind: DataType, raw: Vec<u8>) -> String {
        self.proto.initializer.push(TensorProto {
            name: name.to_owned(),
            dims: dims.iter().map(|dim| *dim as i64).collect(),
            data_type: kind as i32,
            raw_data: raw,
            ..TensorProto::default()
        });
        name.to_owned()
    }
}

/// An integer attribute.
pub(super) fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), type_: AttributeType::INT.into(), i: value, ..AttributeProto::default() }
}

/// A float attribute.
pub(super) fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), type_: AttributeType::FLOAT.into(), f: value, ..AttributeProto::default() }
}

/// An attribute that is a list of integers.
pub(super) fn integer_list(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        type_: AttributeType::INTS.into(),
        ints: values.to_vec(),
        ..AttributeProto::default()
    }
}

fn value_info(name: &str, kind: DataType, shape: &[Axis<'_>]) -> ValueInfoProto {
    let shape = TensorShapeProto { dim: shape.iter().map(dimension).collect(), ..TensorShapeProto::default() };
    let tensor =
        type_proto::Tensor { elem_type: kind as i32, shape: Some(shape).into(), ..type_proto::Tensor::default() };
    let kind = TypeProto { value: Some(Value::TensorType(tensor)), ..TypeProto::default() };
    ValueInfoProto { name: name.to_owned(), type_: Some(kind).into(), ..ValueInfoProto::default() }
}

fn dimension(axis: &Axis<'_>) -> Dimension {
    let value = match axis {
        Axis::Named(name) => dimension::Value::DimParam((*name).to_owned()),
        Axis::Fixed(size) => dimension::Value::DimValue(*size as i64),
    };
    Dimension { value: Some(value), ..Dimension::default() }
}
