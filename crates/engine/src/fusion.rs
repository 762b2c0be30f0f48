//! From layers to steps: a chain of layers that one kernel can do is one step.

use super::graph::{Graph, Layer};
use frbench_base::Size;

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
    /// A batch norm that writes nothing: its consumers, all convolutions, apply it (and the
    /// activation) as they read.
    pub deferred: bool,
    /// Whether the statistics of the value are gathered as it is made, for a batch norm.
    pub moments: bool,
    /// Steps that run inside this one: the expansion and the filter of an inverted residual
    /// whose projection this step is.
    pub inner: Vec<Step>,
}

impl Step {
    /// The nodes whose values it takes.
    pub fn inputs<'a>(&'a self, graph: &'a Graph) -> impl Iterator<Item = usize> + 'a {
        let first = self.inner.first().map_or(self.main, |step| step.main);
        let inputs = graph.nodes()[first].inputs.iter().map(|i| i.0);
        inputs.chain(self.residual)
    }
}

/// Steps in order, and which of them take a node's value first and last; `None` where none
/// does, and for the last use of an output.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub steps: Vec<Step>,
    pub first_use: Vec<Option<usize>>,
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
                deferred: false,
                moments: false,
                inner: Vec::new(),
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
            let conv = |id: &usize| matches!(nodes[*id].layer, Layer::Conv(_));
            step.deferred = matches!(layer, Layer::BatchNorm(_))
                && step.residual.is_none()
                && !output[step.out]
                && !consumers[step.out].is_empty()
                && consumers[step.out].iter().all(conv);
            // In evaluation no batch norm asks for statistics.
            step.moments = mode == Mode::Train
                && !step.deferred
                && matches!(layer, Layer::Conv(_) | Layer::BatchNorm(_))
                && consumers[step.out]
                    .iter()
                    .any(|id| matches!(nodes[*id].layer, Layer::BatchNorm(_)));
            steps.push(step);
        }
        // A fused addition waits for its other summand.
        steps.sort_by_key(|s| s.out);
        if mode == Mode::Infer {
            let only = |id: usize| consumers[id].len() == 1 && !output[id];
            join_chains(graph, &mut steps, &only);
        }

        let mut first_use = vec![None; nodes.len()];
        let mut last_use = vec![None; nodes.len()];
        for (i, step) in steps.iter().enumerate() {
            for input in step.inputs(graph) {
                first_use[input].get_or_insert(i);
                last_use[input] = Some(i);
            }
        }
        for (id, is_output) in output.iter().enumerate() {
            if *is_output {
                last_use[id] = None;
            }
        }
        Plan {
            steps,
            first_use,
            last_use,
        }
    }
}

/// Makes one step of each 1 x 1, depthwise, 1 x 1 whose values nobody else needs.
fn join_chains(graph: &Graph, steps: &mut Vec<Step>, only: &dyn Fn(usize) -> bool) {
    let nodes = graph.nodes();
    let conv = |step: &Step| match nodes[step.main].layer {
        Layer::Conv(c) => Some(c),
        _ => None,
    };
    let pointwise = |step: &Step| {
        conv(step)
            .is_some_and(|c| (c.kernel, c.stride, c.pad, c.groups) == (Size::square(1), 1, 0, 1))
    };
    let depthwise = |step: &Step| {
        let channels = nodes[nodes[step.main].inputs[0].0].shape[2];
        conv(step)
            .is_some_and(|c| c.groups == channels && c.out == channels && c.pad < c.kernel.least())
    };
    let deferred: Vec<usize> = steps.iter().filter(|s| s.deferred).map(|s| s.out).collect();
    let mut i = 0;
    while i + 2 < steps.len() {
        let [a, b, c] = &steps[i..i + 3] else { break };
        let follows = |later: &Step, first: &Step| {
            nodes[later.main].inputs[0].0 == first.out && only(first.out)
        };
        let joins = pointwise(a)
            && depthwise(b)
            && pointwise(c)
            && follows(b, a)
            && follows(c, b)
            && a.residual.is_none()
            && b.residual.is_none()
            && !deferred.contains(&nodes[a.main].inputs[0].0);
        if joins {
            let inner: Vec<Step> = steps.drain(i..i + 2).collect();
            steps[i].inner = inner;
        }
        i += 1;
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
