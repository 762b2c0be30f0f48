//! What a model becomes, node by node: a graph of the engine, and its state.

use super::constant::{Constant, Data};
use frbench_engine::{Affine, GraphBuilder, NodeId, StateDict};
use std::sync::Arc;

/// What a name of a model stands for.
#[derive(Clone, Debug)]
pub enum Value {
    Constant(Arc<Constant>),
    /// `[N, C, H, W]`.
    Map(NodeId),
    /// The same with channels last, `[N, H, W, C]`.
    Last(NodeId),
    /// `[N, C H W]`.
    Flat(NodeId),
    /// The lengths of flat vectors.
    Length(NodeId),
    /// Flat vectors of unit length.
    Unit(NodeId),
}

impl Value {
    /// The node of a map or a vector.
    ///
    /// # Errors
    /// For a value that is neither.
    pub fn node(&self) -> Result<NodeId, String> {
        match self {
            Value::Map(x) | Value::Last(x) | Value::Flat(x) => Ok(*x),
            other => Err(format!("{} as its input", other.words())),
        }
    }

    /// A value of the same form, of another node.
    ///
    /// # Errors
    /// As [`Value::node`].
    pub fn with(&self, node: NodeId) -> Made {
        Ok(match self {
            Value::Map(_) => Value::Map(node),
            Value::Last(_) => Value::Last(node),
            Value::Flat(_) => Value::Flat(node),
            other => return Err(format!("{} as its input", other.words())),
        })
    }

    /// How a message calls it.
    pub fn words(&self) -> &'static str {
        match self {
            Value::Constant(_) => "a constant",
            Value::Map(_) => "a map",
            Value::Last(_) => "a map with channels last",
            Value::Flat(_) => "a vector",
            Value::Length(_) => "the lengths of vectors",
            Value::Unit(_) => "vectors of unit length",
        }
    }
}

/// What a model does to its input before anything else: `x * scale + shift`, by channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocessing {
    pub scale: Vec<f32>,
    pub shift: Vec<f32>,
}

/// A side of an input or a value, in pixels, and its channels.
pub const LARGEST: usize = 1 << 14;
/// Numbers of the value of one image.
const MOST: usize = 1 << 28;

/// A graph on its way.
pub struct Build {
    pub graph: GraphBuilder,
    pub state: StateDict,
    /// Bytes that constants and parameters may still take.
    budget: usize,
    layers: usize,
    /// The end of what is done to the input, and what that is.
    head: Option<(NodeId, Preprocessing)>,
}

/// What an operator takes; none where an optional input is left out.
pub type Inputs<'a> = &'a [Option<Value>];

/// What an operator gives: a value, or why it cannot be.
pub type Made = Result<Value, String>;

impl Build {
    /// For images of `[h, w, c]`, and so many bytes of parameters.
    pub fn new(input: [usize; 3], budget: usize) -> Self {
        Build {
            graph: GraphBuilder::new(input),
            state: StateDict::new(),
            budget,
            layers: 0,
            head: None,
        }
    }

    /// What is done to the input before anything else.
    pub fn preprocessing(&self) -> Option<Preprocessing> {
        self.head.as_ref().map(|(_, done)| done.clone())
    }

    /// Takes bytes of the budget.
    pub fn charge(&mut self, bytes: usize) -> Result<(), String> {
        let left = self.budget.checked_sub(bytes);
        self.budget = left.ok_or("the same numbers over and over: more than 8 times the file")?;
        Ok(())
    }

    /// Adds bytes to the budget.
    pub fn allow(&mut self, bytes: usize) {
        self.budget = self.budget.saturating_add(bytes);
    }

    /// A name for the parameters of a layer.
    pub fn layer(&mut self, what: &str) -> String {
        self.layers += 1;
        format!("{what}_{}", self.layers)
    }

    /// A parameter or a statistic.
    pub fn parameter(
        &mut self,
        name: String,
        shape: &[usize],
        values: Vec<f32>,
    ) -> Result<(), String> {
        self.charge(4 * values.len())?;
        if values.iter().any(|v| !v.is_finite()) {
            return Err("numbers that are not finite".into());
        }
        self.state.insert(name, (shape.to_vec(), values));
        Ok(())
    }

    /// `x * scale + shift`, by channel: a batch norm that has seen nothing.
    pub fn affine(
        &mut self,
        x: NodeId,
        scale: Vec<f32>,
        shift: Vec<f32>,
    ) -> Result<NodeId, String> {
        let c = scale.len();
        self.norm(x, [scale, shift, vec![0.0; c], vec![1.0 - 1e-5; c]])
    }

    /// A batch norm of scale, shift, mean and variance; its epsilon is 1e-5.
    pub fn norm(&mut self, x: NodeId, all: [Vec<f32>; 4]) -> Result<NodeId, String> {
        let c = self.graph.shape(x)[2];
        if let Some(wrong) = all.iter().find(|v| v.len() != c) {
            return Err(format!("{} numbers for {c} channels", wrong.len()));
        }
        let name = self.layer("norm");
        let parts = ["weight", "bias", "running_mean", "running_var"];
        for (part, values) in parts.into_iter().zip(all) {
            self.parameter(format!("{name}.{part}"), &[c], values)?;
        }
        Ok(self.graph.batch_norm(x, &name, Affine::Learned))
    }

    /// `x * scale + shift`; remembered where it is done to the input.
    pub fn scale(&mut self, x: NodeId, scale: Vec<f32>, shift: Vec<f32>) -> Result<NodeId, String> {
        let before = match &self.head {
            None if x == self.graph.input() => Some(None),
            Some((node, done)) if *node == x => Some(Some(done.clone())),
            _ => None,
        };
        let made = self.affine(x, scale.clone(), shift.clone())?;
        if let Some(before) = before {
            let done = match before {
                None => Preprocessing { scale, shift },
                Some(before) => {
                    let scaled = before.shift.iter().zip(&scale).map(|(b, s)| b * s);
                    Preprocessing {
                        shift: scaled.zip(&shift).map(|(b, s)| b + s).collect(),
                        scale: before
                            .scale
                            .iter()
                            .zip(&scale)
                            .map(|(b, s)| b * s)
                            .collect(),
                    }
                }
            };
            self.head = Some((made, done));
        }
        Ok(made)
    }

    /// Refuses a value that takes too much memory.
    pub fn bounded(&self, value: &Value) -> Result<(), String> {
        let (Value::Map(x) | Value::Last(x) | Value::Flat(x)) = value else {
            return Ok(());
        };
        let [h, w, c] = self.graph.shape(*x);
        let count = h.checked_mul(w).and_then(|hw| hw.checked_mul(c));
        match count.is_some_and(|n| n <= MOST) {
            true => Ok(()),
            false => Err(format!(
                "it makes a value of {h} x {w} pixels and {c} channels"
            )),
        }
    }

    /// A constant that says one number for each channel of a value, or one for all.
    pub fn by_channel(&self, value: &Value, constant: &Constant) -> Result<Vec<f32>, String> {
        let (x, place) = match value {
            Value::Map(x) => (*x, 2),
            Value::Last(x) | Value::Flat(x) => (*x, 0),
            other => return Err(format!("{} with a constant", other.words())),
        };
        let [h, w, c] = self.graph.shape(x);
        let count: usize = constant.shape.iter().product();
        if count == 1 {
            return Ok(vec![constant.floats()[0]; c]);
        }
        let wrong = || {
            format!(
                "a constant of {:?} with {} of {h} x {w} pixels and {c} channels; one number, or \
                 one for each channel, is supported",
                constant.shape,
                value.words()
            )
        };
        // Shapes are aligned at their ends: behind the channels of a map there are two sides.
        let at = constant
            .shape
            .len()
            .checked_sub(1 + place)
            .ok_or_else(wrong)?;
        let flat = matches!(value, Value::Flat(_)) && (h, w) != (1, 1);
        if constant.shape[at] != c || count != c || flat {
            return Err(wrong());
        }
        Ok(constant.floats())
    }
}

/// The whole numbers of a constant, such as a shape.
pub fn ints(value: Option<&Value>, what: &str) -> Result<Vec<i64>, String> {
    match value {
        Some(Value::Constant(constant)) => match &constant.data {
            Data::Ints(all) if all.len() <= 16 => Ok(all.clone()),
            _ => Err(format!("{what} that is no short list of whole numbers")),
        },
        _ => Err(format!("{what} that is not constant")),
    }
}
