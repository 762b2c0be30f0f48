//! One training: network, classifier, objective, optimiser, and the step that joins them.

mod saved;

use super::batch::{Batch, Images};
use super::labels::{Corrected, Looked, Watch};
use super::loader::{Input, Order, Source};
use super::pipeline::InputPipeline;
use super::probe::{Around, Probe};
use super::queue::Queue;
use super::teacher::{FrozenNetwork, Teacher};
use candle_core::{DType, Device, Tensor, Var};
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};
use frbench_data::cache::levels;
use frbench_data::sampler::{Batches, Draw};
use frbench_engine::clock::Clock;
use frbench_engine::device::ImageSet;
use frbench_engine::schedule::{lr_at, total_steps};
use frbench_engine::{self as engine, Network, OutputGrads, Sgd, TrainMode, Value};
use frbench_job::artefact::Artefact;
use frbench_job::result::LabelEpoch;
use frbench_job::{Color, KEPT_IMAGES, OptimizerSpec, TrainSpec};
use frbench_methods::distill::Taps;
use frbench_methods::head::{self, Head, WeightGrad};
use frbench_methods::method::{self, Classifier, InputGradients, Inputs, Objective, Step};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// What one step reports.
#[derive(Clone, Debug)]
pub struct StepReport {
    pub epoch: u64,
    pub lr: f64,
    pub loss: f64,
    pub parts: Vec<(&'static str, f64)>,
    /// How long the step waited for its input.
    pub waited: Duration,
}

struct ClassifierState {
    head: Box<dyn Head>,
    /// Rows of `weight`: classes, or a multiple of them.
    rows: usize,
    /// `[rows, D]`.
    weight: Vec<f32>,
    grad: WeightGrad,
    sgd: Sgd,
}

impl ClassifierState {
    /// The class weights as a leaf of autograd, `[rows, d]`; for those on a GPU, their shape.
    fn leaf(&self, d: usize) -> Result<Tensor> {
        if self.grad.device().is_some() {
            let shape = Tensor::zeros((1, 1), DType::F32, &Device::Cpu)?;
            return Ok(shape.broadcast_as((self.rows, d))?);
        }
        let leaf = Var::from_slice(&self.weight, (self.rows, d), &Device::Cpu)?;
        Ok(leaf.as_tensor().clone())
    }

    /// Brings weights and velocity in host memory up to date.
    fn pull(&mut self) -> Result<()> {
        if let Some(classes) = self.grad.device() {
            let [weight, velocity] = classes.pull()?;
            self.weight = weight;
            self.sgd.restore(&velocity)?;
        }
        Ok(())
    }
}

/// Everything that changes while a network trains.
pub struct Trainer<'a> {
    spec: &'a TrainSpec,
    labels: &'a [u32],
    teacher: Teacher<'a>,
    network: Network,
    sgd: Sgd,
    classifier: Option<ClassifierState>,
    objective: Box<dyn Objective>,
    device: engine::Device,
    /// For objectives that look at input gradients.
    probe: Option<Probe>,
    /// Where the true labels are known.
    watch: Option<Watch>,
    /// Steps taken.
    step: u64,
    steps_per_epoch: u64,
    steps: u64,
    images: Arc<dyn Images>,
    order: Order,
    /// Input from the next step on, once there has been a first step.
    feed: Option<Queue<Input>>,
    /// The images, where they lie on the device.
    resident: Option<Arc<dyn ImageSet>>,
}

impl<'a> Trainer<'a> {
    /// A freshly initialised training. `labels` are below `classes`, one per image. Where
    /// `derived` holds [`KEPT_IMAGES`], the other images are not drawn; a class that keeps none
    /// keeps its row of class weights.
    pub fn new(
        spec: &'a TrainSpec,
        images: Arc<dyn Images>,
        labels: &'a [u32],
        classes: usize,
        teacher: Teacher<'a>,
        derived: &BTreeMap<String, Artefact>,
    ) -> Result<Self> {
        if spec.batch == 0 || spec.bn_group == 0 || !spec.batch.is_multiple_of(spec.bn_group) {
            return Err(Error::Usage(format!(
                "bn_group {} must divide batch {}",
                spec.bn_group, spec.batch
            )));
        }
        let kept = match derived.get(KEPT_IMAGES) {
            Some(Artefact::U32(kept)) => Some(&kept.data[..]),
            Some(Artefact::F32(_)) => return Err(Error::Bug("kept images are numbers".into())),
            None => None,
        };
        let draw = Draw {
            labels,
            kept,
            balanced: spec.balanced.as_ref(),
            last: spec.keep_last.then_some(spec.batch / spec.bn_group),
        };
        let batches = Batches::of(spec.seed, spec.batch, &draw)?;
        let steps_per_epoch = batches.steps_per_epoch();
        let steps = total_steps(spec.schedule.length, steps_per_epoch);
        let graph = frbench_methods::backbone::build(&spec.backbone, spec.input.size)?;
        let mut network = Network::new(graph);
        network.init(spec.seed);
        let entry = method::find(&spec.method.name)?;
        let needs = (entry.needs)(&spec.method, spec.head.as_ref())?;
        let given = teacher.rows.is_some() || teacher.network.is_some();
        if (needs.teacher && !given)
            || (needs.teacher_network() && teacher.network.is_none())
            || (needs.teacher_classifier() && teacher.classifier.is_none())
        {
            return Err(Error::Bug(format!(
                "`{}` was not given all it needs of its teacher",
                spec.method.name
            )));
        }
        let own = |frozen: &FrozenNetwork| !frozen.input.is_compatible(&spec.input);
        if needs.input_gradients && teacher.network.as_ref().is_some_and(own) {
            return Err(Error::Usage(format!(
                "`{}` compares input gradients, but the teacher sees its images in another size, \
                 colour order or normalisation than the student",
                spec.method.name
            )));
        }
        let sgd = network.sgd(&spec.optimizer);
        let probe = match &spec.head {
            Some(head) if needs.input_gradients => {
                let mut head = head::build(head)?;
                head.seed(spec.seed);
                Some(Probe::new(head))
            }
            _ => None,
        };
        let classifier = match (&spec.head, needs.head) {
            (Some(head), true) => {
                let mut head = head::build(head)?;
                head.seed(spec.seed);
                let mut noise = Stream::derive(spec.seed, "init/head", &[]);
                let std = head.init_std();
                let rows = classes * head.rows_per_class();
                let weight: Vec<f32> = (0..rows * spec.backbone.embedding)
                    .map(|_| (noise.normal() * std) as f32)
                    .collect();
                Some(ClassifierState {
                    head,
                    rows,
                    grad: WeightGrad::default(),
                    // Clipping is the backbone's affair, as in the recipes it comes from.
                    sgd: Sgd::new(
                        &OptimizerSpec {
                            clip: None,
                            ..spec.optimizer.clone()
                        },
                        weight.len(),
                    ),
                    weight,
                })
            }
            _ => None,
        };
        let objective = (entry.build)(&Inputs {
            spec: &spec.method,
            seed: spec.seed,
            classes,
            embedding: spec.backbone.embedding,
            labels,
            optimizer: &spec.optimizer,
            total_steps: steps,
            derived,
        })?;
        Ok(Trainer {
            spec,
            labels,
            teacher,
            network,
            sgd,
            classifier,
            objective,
            device: engine::Device::CPU,
            probe,
            watch: None,
            step: 0,
            steps_per_epoch,
            steps,
            images,
            order: Order {
                batches,
                flip: spec.flip,
            },
            feed: None,
            resident: None,
        })
    }

    /// Starts from this network in place of random weights, before the first step.
    ///
    /// # Errors
    /// [`Error::Data`] for a network of another architecture.
    pub fn start_from(&mut self, state: &engine::StateDict) -> Result<()> {
        self.network.load_state_dict(state)
    }

    /// Computes the network on `device` from now on.
    ///
    /// # Errors
    /// [`Error::Usage`] for a precision that the device does not have, [`Error::Compute`] if the
    /// device fails.
    pub fn move_to(&mut self, device: &engine::Device) -> Result<()> {
        self.network.move_to(device, self.spec.precision)?;
        self.network.push(&self.sgd)?;
        self.objective.move_to(device)?;
        self.device = device.clone();
        self.resident = self.reside(device)?;
        // What was made for another device is of no use here.
        self.feed = None;
        // Probes use the class weights beside the step, on the host.
        if let (Some(c), None) = (&mut self.classifier, &self.probe) {
            let d = self.spec.backbone.embedding;
            if let Some(classes) = device.classes(&c.weight, d, self.spec.precision)? {
                c.grad = WeightGrad::on_device(classes);
            }
        }
        Ok(())
    }

    /// The images on the device, where they fit, and nothing but the network looks at them.
    fn reside(&self, device: &engine::Device) -> Result<Option<Arc<dyn ImageSet>>> {
        let (Some(all), None) = (self.images.pixels(), &self.probe) else {
            return Ok(None);
        };
        let input = &self.spec.input;
        if input.degrade.is_some() {
            return Ok(None);
        }
        let seen = (&levels(input), input.color == Color::Bgr);
        device.image_set(all.pixels(), all.size(), seen, self.spec.precision)
    }

    /// Looks from now on at what is learned of right and wrong labels. `truth` is the class of
    /// the person on each image of the set, none for people of no class. A training without a
    /// head has nothing to look at.
    pub fn watch(&mut self, truth: Vec<Option<u32>>) {
        if let Some(c) = self
            .classifier
            .as_mut()
            .filter(|_| truth.len() == self.labels.len())
        {
            self.watch = Some(Watch::new(truth));
            // It looks at the class weights in every step.
            c.grad = WeightGrad::default();
        }
    }

    /// Whether its head may correct labels.
    pub fn rewrites_labels(&self) -> bool {
        let head = self.classifier.as_ref().map(|c| &c.head);
        head.is_some_and(|head| head.rewrites_labels())
    }

    /// What was seen, epoch by epoch; empty where nobody looked.
    pub fn label_epochs(&self) -> Vec<LabelEpoch> {
        self.watch.as_ref().map_or(Vec::new(), Watch::epochs)
    }

    /// The labels that the head rewrote in the last epoch, as far as anybody looked.
    pub fn corrected(&self) -> &[Corrected] {
        self.watch.as_ref().map_or(&[], Watch::corrected)
    }

    /// Steps taken so far.
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// Steps of the whole training.
    pub fn total_steps(&self) -> u64 {
        self.steps
    }

    /// Images of the whole training.
    pub fn total_images(&self) -> u64 {
        self.order.batches.images(self.steps)
    }

    pub fn steps_per_epoch(&self) -> u64 {
        self.steps_per_epoch
    }

    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Times the network's operations from now on; see [`Network::timed`].
    pub fn timed(&mut self) -> Clock {
        self.network.timed()
    }

    /// The samples of step `step`: a function of `(seed, step)` alone.
    pub fn batch(&mut self, step: u64) -> Batch {
        self.order.batch(step)
    }

    /// What makes the inputs of this training.
    fn source(&self) -> Result<Source> {
        let (images, input) = (self.images.clone(), &self.spec.input);
        let student = match &self.resident {
            Some(set) => InputPipeline::resident(images, input, set.clone()),
            // A probe looks at the numbers.
            None if self.probe.is_some() => InputPipeline::on_host(images, input),
            None => InputPipeline::of(images, input, &self.network)?,
        };
        let own = |frozen: &FrozenNetwork| {
            InputPipeline::of(frozen.images.clone(), frozen.input, frozen.network)
        };
        let teacher = self.teacher.network.as_ref();
        let teacher = teacher.filter(|frozen| !self.sees_the_same(frozen));
        Ok(Source {
            order: self.order.clone(),
            student,
            teacher: teacher.map(own).transpose()?,
        })
    }

    /// Whether the teacher takes the very input that is made for the student.
    fn sees_the_same(&self, frozen: &FrozenNetwork) -> bool {
        Arc::ptr_eq(&frozen.images, &self.images)
            && *frozen.input == self.spec.input
            && (self.probe.is_some() || self.network.inputs_serve(frozen.network))
    }

    /// The input of this step, made while the last one was computed, and how long it had to
    /// be waited for.
    fn input(&mut self) -> Result<(Input, Duration)> {
        let fits = |f: &Queue<Input>| f.at() == self.step;
        let mut feed = match self.feed.take().filter(fits) {
            Some(feed) => feed,
            None => {
                let end = self.steps.max(self.step + 1);
                self.source()?.start(self.step..end)?
            }
        };
        // A feed that has failed is gone, so that trying the step again tries the input again.
        let input = feed.take()?;
        self.feed = Some(feed);
        Ok(input)
    }

    /// Take one optimiser step.
    pub fn step(&mut self) -> Result<StepReport> {
        // While it is waited for, others sleep, and those who make it have the cores.
        let (input, waited) = self.input()?;
        let device = self.device.clone();
        device.run_step(|| self.take_step(input, waited))
    }

    fn take_step(&mut self, input: Input, waited: Duration) -> Result<StepReport> {
        let Input {
            batch,
            student: made,
            teacher: seen,
        } = input;
        let x = made.value(0)?;
        // What it came in serves another step.
        drop(made);
        let lr = lr_at(
            &self.spec.schedule,
            self.step,
            self.steps_per_epoch,
            self.steps,
        );
        let labels: Vec<u32> = batch
            .samples
            .iter()
            .map(|&s| self.labels[s as usize])
            .collect();
        let mode = TrainMode {
            // As many groups as in every batch, of fewer images in the last one of a pass.
            bn_group: x.batch() * self.spec.bn_group / self.spec.batch,
            seed: self.spec.seed,
            step: self.step,
        };
        let (output, tape) = self.network.forward_train(&x, mode)?;
        let student = Var::from_tensor(&output.embedding.to_tensor()?)?;
        let taps = Taps::of_student(output.taps);
        let seen = match seen {
            Some(made) => made.value(0)?,
            None => x.clone(),
        };
        let probes = self.probe.is_some();
        let lesson = self.teacher.lesson(&batch, &labels, Some(&seen), probes)?;
        drop(seen);
        let weight = match &self.classifier {
            Some(c) => Some(c.leaf(self.spec.backbone.embedding)?),
            None => None,
        };
        // All passes beside the step see the head as it is before the step.
        if let (Some(probe), Some(c)) = (&mut self.probe, &self.classifier) {
            probe.follow(c.head.as_ref());
        }
        let around = |network, weight| Around {
            network,
            mode,
            images: &x,
            weight,
            labels: &labels,
            epoch: batch.epoch,
        };
        let input_gradients = match (&mut self.probe, &weight) {
            (Some(probe), Some(w)) => Some(Var::from_tensor(
                &probe.input_gradients(&around(&self.network, w))?,
            )?),
            _ => None,
        };
        let loss = self.objective.step(Step {
            step: self.step,
            epoch: batch.epoch,
            steps_per_epoch: self.steps_per_epoch,
            samples: &batch.samples,
            labels: &labels,
            student: student.as_tensor(),
            taps: Some(&taps),
            classified: self.spec.classified(),
            teacher: lesson.as_ref().map(|l| &l.embeddings),
            teacher_taps: lesson.as_ref().and_then(|l| l.taps.as_ref()),
            teacher_logits: lesson.as_ref().and_then(|l| l.logits.as_ref()),
            teacher_classes: lesson.as_ref().and_then(|l| l.classes.as_ref()),
            input_gradients: match (&input_gradients, &lesson) {
                (Some(student), Some(lesson)) => {
                    let teacher = lesson.input_gradients.as_ref();
                    teacher.map(|teacher| InputGradients { student, teacher })
                }
                _ => None,
            },
            classifier: match (&mut self.classifier, &weight) {
                (Some(c), Some(w)) => Some(Classifier {
                    head: c.head.as_mut(),
                    weight: w,
                    weight_grad: Some(&c.grad),
                }),
                _ => None,
            },
            device: &self.device,
        })?;
        let value = f64::from(loss.loss.to_scalar::<f32>()?);
        if !value.is_finite() {
            return Err(Error::Compute(format!(
                "the loss is {value} at step {} (parts: {:?}, learning rate {lr})",
                self.step, loss.parts
            )));
        }
        if let (Some(watch), Some(c), Some(w)) = (&mut self.watch, &self.classifier, &weight) {
            watch.step(&Looked {
                batch: &batch,
                labels: &labels,
                rewritten: loss.labels.as_deref(),
                embeddings: student.as_tensor(),
                weight: w,
                rows_per_class: c.head.rows_per_class(),
            })?;
        }
        let grads = loss.loss.backward()?;
        let embedding = grads.get(student.as_tensor());
        let grads_in = OutputGrads {
            embedding: embedding.map(Value::from_tensor).transpose()?,
            taps: taps.gradients(&grads)?,
        };
        let mut some = grads_in.embedding.is_some() || !grads_in.taps.is_empty();
        let of_input_gradients = input_gradients.and_then(|g| grads.get(g.as_tensor()).cloned());
        let pulled = match (&mut self.probe, &weight, of_input_gradients) {
            (Some(probe), Some(w), Some(grad)) => {
                some = true;
                probe.pull_back(&around(&self.network, w), &grad)?
            }
            _ => None,
        };
        if !some {
            return Err(Error::Bug(format!(
                "`{}` has no gradient",
                self.spec.method.name
            )));
        }
        self.network.backward(tape, grads_in, false)?;
        if let Some(pulled) = &pulled {
            self.network.add_grads(&pulled.params)?;
        }
        self.network.step(&mut self.sgd, lr)?;
        if let (Some(c), Some(w)) = (&mut self.classifier, &weight) {
            // A term that is off leaves the class weights alone: no decay, no momentum.
            if let Some(g) = grads.get(w) {
                c.grad.add(&g.flatten_all()?.to_vec1::<f32>()?);
            }
            if let Some(pulled) = &pulled {
                c.grad.add(&pulled.weight);
            }
            c.grad.take(|grad| c.sgd.step(&mut c.weight, grad, lr));
            if let Some(mut classes) = c.grad.device() {
                classes.step(&c.sgd, lr)?;
            }
        }
        self.objective.learn(&grads, lr)?;
        self.step += 1;
        Ok(StepReport {
            epoch: batch.epoch,
            lr,
            loss: value,
            parts: loss.parts,
            waited,
        })
    }
}
