//! From layers to steps: a chain of layers that one kernel can do is one step.

use super::graph::{Graph, Layer};

/// One kernel call: a layer, and the layers fused behind it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub main: usize,
    /// A batch norm, with running statistics.
    pub norm: Option<usize>,
    pub act: Option<usize>,
    /// The other summand of a fused addition.
    pub residual: Option<usize>,
    /// The node whose value the step makes.
    pub out: usize,
}

/// Steps in order, and after which step each node's value is no longer needed.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub steps: Vec<Step>,
    pub last_use: Vec<Option<usize>>,
}

/// What may be fused.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Mode {
    /// Batch norms take the batch's statistics, so they start a step of their own.
    Train,
    /// Batch norms are affine maps and end the convolution before them.
    Infer,
}

impl Plan {
    pub fn new(graph: &Graph, mode: Mode) -> Self {
        let nodes = graph.nodes();
        let mut consumers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
        for (id, node) in nodes.iter().enumerate() {
            node.inputs.iter().for_each(|i| consumers[i.0].push(id));
        }
        let mut output = vec![false; nodes.len()];
        output[graph.embedding.0] = true;
        graph.taps.values().for_each(|id| output[id.0] = true);

        let mut done = vec![false; nodes.len()];
        let mut steps = Vec::new();
        for main in 1..nodes.len() {
            if done[main] {
                continue;
            }
            let mut step = Step {
                main,
                norm: None,
                act: None,
                residual: None,
                out: main,
            };
            let layer = &nodes[main].layer;
            let dense = matches!(layer, Layer::Conv(_) | Layer::Linear { .. });
            let fuses = match mode {
                Mode::Train => matches!(layer, Layer::BatchNorm(_)),
                Mode::Infer => dense || matches!(layer, Layer::BatchNorm(_)),
            };
            while fuses && !output[step.out] && step.residual.is_none() {
                let &[next] = consumers[step.out].as_slice() else {
                    break;
                };
                match nodes[next].layer {
                    _ if done[next] => break,
                    Layer::BatchNorm(_) if dense && step.norm.is_none() && step.act.is_none() => {
                        step.norm = Some(next);
                    }
                    Layer::Prelu | Layer::Relu | Layer::Relu6 if step.act.is_none() => {
                        step.act = Some(next);
                    }
                    Layer::Add => {
                        let other = nodes[next].inputs.iter().find(|i| i.0 != step.out);
                        step.residual = other.map(|i| i.0);
                    }
                    _ => break,
                }
                step.out = next;
                done[next] = true;
            }
            steps.push(step);
        }
        // A fused addition waits for its other summand.
        steps.sort_by_key(|s| s.out);

        let mut last_use = vec![None; nodes.len()];
        for (i, step) in steps.iter().enumerate() {
            for input in nodes[step.main]
                .inputs
                .iter()
                .map(|i| i.0)
                .chain(step.residual)
            {
                last_use[input] = Some(i);
            }
        }
        for (id, is_output) in output.iter().enumerate() {
            if *is_output {
                last_use[id] = None;
            }
        }
        Plan { steps, last_use }
    }
}

#[cfg(test)]
mod tests {
    use super::super::graph::{Affine, Conv, GraphBuilder};
    use super::*;

    #[test]
    fn chains_are_fused_up_to_taps() {
        let mut b = GraphBuilder::new([4, 4, 2]);
        let x = b.input();
        let c = b.conv(x, "c", Conv::new(2, 3));
        let n = b.batch_norm(c, "n", Affine::Learned);
        let p = b.prelu(n, "p");
        let sum = b.add(p, x);
        let pool = b.global_avg_pool(sum);
        let mut tapped = GraphBuilder::new([4, 4, 2]);
        std::mem::swap(&mut b, &mut tapped);
        let graph = tapped.finish(pool).unwrap();

        let infer = Plan::new(&graph, Mode::Infer).steps;
        assert_eq!(infer.len(), 2);
        assert_eq!(
            (infer[0].norm, infer[0].act, infer[0].residual),
            (Some(n.0), Some(p.0), Some(0))
        );
        let train = Plan::new(&graph, Mode::Train).steps;
        assert_eq!(train.len(), 3);
        assert_eq!((train[1].main, train[1].out), (n.0, sum.0));

        let mut graph = graph;
        graph.taps.insert("t".into(), n);
        let train = Plan::new(&graph, Mode::Train).steps;
        assert_eq!(train[1].out, n.0);
        assert_eq!(train.len(), 5);
    }
}
