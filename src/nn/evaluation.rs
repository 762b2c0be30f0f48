//! A network in evaluation mode that can be differentiated.

use super::graph::{Conv, Graph, Layer};
use super::network::{Network, StateDict};
use super::ops::norm;
use crate::{Error, Result};

impl Network {
    /// The same function as [`Network::infer`], as a network of its own with a backward pass:
    /// a batch norm over running statistics is a scale and a shift per channel, that is a
    /// 1 x 1 depthwise convolution with bias under the norm's name; dropout does nothing.
    pub fn in_evaluation(&self) -> Result<Network> {
        let mut graph: Graph = self.graph().clone();
        let mut state = self.state_dict();
        for node in &mut graph.nodes {
            let c = node.shape[2];
            match node.layer {
                Layer::BatchNorm(_) => {
                    fold(&mut state, &node.name, c)?;
                    node.layer = Layer::Conv(Conv::new(c, 1).groups(c).with_bias());
                }
                Layer::Dropout { .. } => node.layer = Layer::Dropout { p: 0.0 },
                _ => {}
            }
        }
        let mut network = Network::new(graph);
        network.load_state_dict(&state)?;
        Ok(network)
    }
}

/// Puts scale and shift in the place of a norm's tensors.
fn fold(state: &mut StateDict, name: &str, c: usize) -> Result<()> {
    let mut take = |what: &str| state.remove(&format!("{name}.{what}")).map(|(_, v)| v);
    let (weight, bias) = (take("weight"), take("bias"));
    let (Some(mean), Some(var)) = (take("running_mean"), take("running_var")) else {
        return Err(Error::Bug(format!("`{name}` has no running statistics")));
    };
    let params = norm::Params {
        weight: weight.as_deref(),
        bias: bias.as_deref(),
    };
    let (scale, shift) = params.affine(|i| f64::from(mean[i]), |i| f64::from(var[i]), c);
    state.insert(format!("{name}.weight"), (vec![c, 1, 1, 1], scale));
    state.insert(format!("{name}.bias"), (vec![c], shift));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Affine, Conv, GraphBuilder, TrainMode, Value};
    use super::*;
    use crate::rng::Stream;

    #[test]
    fn it_computes_what_inference_computes() {
        let mut b = GraphBuilder::new([6, 6, 3]);
        let x = b.batch_norm(b.input(), "n0", Affine::FrozenScale);
        let x = b.conv(x, "c", Conv::new(8, 3));
        let x = b.batch_norm(x, "n1", Affine::Learned);
        let x = b.prelu(x, "p");
        let x = b.dropout(x, 0.4);
        let x = b.linear(x, "l", 5, true);
        let x = b.batch_norm(x, "n2", Affine::None);
        let mut net = Network::new(b.finish(x).unwrap());
        net.init(3);
        let mut stream = Stream::derive(1, "x", &[]);
        let data = (0..8 * 108).map(|_| stream.normal() as f32).collect();
        let x = Value::new([8, 6, 6, 3], data).unwrap();
        let mode = TrainMode {
            bn_group: 4,
            seed: 0,
            step: 0,
        };
        net.forward_train(&x, mode).unwrap();
        let want = net.infer(&x).unwrap().embedding.to_vec();
        let mut frozen = net.in_evaluation().unwrap();
        let got = frozen.forward_train(&x, mode).unwrap().0.embedding.to_vec();
        for (got, want) in got.iter().zip(&want) {
            assert!((got - want).abs() < 1e-5, "{got} {want}");
        }
    }
}
