//! Relation-aware distillation: a student's feature should stand to the features of other
//! identities as the teacher's does (CoupleFace, ECCV 2022).

use super::bank::Bank;
use super::relation::relation;
use super::{Distill, DistillEntry, DistillInput, Setup, Wants, same_shape};
use candle_core::Tensor;
use frbench_base::registry::{Args, Info, Kind, Param, Params, Proof};
use frbench_base::{Error, Result};

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "rad",
        summary: "gap between the student's and the teacher's cosines to other identities",
        source: "CoupleFace, ECCV 2022; its formula is not published, so three readings of \
                 it are offered: d = R_s - R_t, and the mean of max(d + q, 0) (`hinge`), \
                 max(|d| - q, 0) (`dead-zone`) or d^2 (`l2`)",
        params: &[FORM, Q],
    },
    proof: Proof::Golden,
    wants,
    build,
};

/// Shared with the methods that use this loss.
pub const FORM: Param = Param {
    name: "form",
    kind: Kind::Choice(&["hinge", "dead-zone", "l2"]),
    required: false,
    doc: "how a gap is penalised (default \"hinge\")",
};

/// Shared with the methods that use this loss.
pub const Q: Param = Param {
    name: "q",
    kind: Kind::Float { min: 0.0, max: 2.0 },
    required: true,
    doc: "margin (`hinge`) or tolerance (`dead-zone`) on the gap of cosines; 0.03 in the paper; \
          `l2` has no use for it",
};

enum Form {
    Hinge,
    DeadZone,
    L2,
}

struct Rad {
    form: Form,
    q: f64,
}

fn wants(_params: &Params) -> Wants {
    Wants {
        relations: true,
        ..Wants::default()
    }
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    Ok(Box::new(Rad {
        form: match args.text_or("form", "hinge")? {
            "dead-zone" => Form::DeadZone,
            "l2" => Form::L2,
            _ => Form::Hinge,
        },
        q: args.f64("q")?,
    }))
}

impl Distill for Rad {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        same_shape(input)?;
        let Some(relations) = &input.relations else {
            return Err(Error::Bug("the `rad` loss was given no relations".into()));
        };
        let rows = |bank: &Bank| bank.related(relations.neighbors, input.labels);
        let teacher_rows = rows(relations.teacher_bank)?;
        let student_rows = if std::ptr::eq(relations.student_bank, relations.teacher_bank) {
            teacher_rows.clone()
        } else {
            rows(relations.student_bank)?
        };
        let student = relation(input.student.embeddings, student_rows)?;
        let teacher = relation(&input.teacher.embeddings.detach(), teacher_rows)?.detach();
        let gap = (student - teacher)?;
        let penalty = match self.form {
            Form::Hinge => positive_part(&(gap + self.q)?)?,
            Form::DeadZone => positive_part(&(gap.abs()? - self.q)?)?,
            Form::L2 => gap.sqr()?,
        };
        Ok(penalty
            .mean_all()?
            .to_device(input.student.embeddings.device())?)
    }
}

/// `max(x, 0)` whose slope at 0 is 0 (candle's `relu` has 1 there): equal relations of student
/// and teacher give no gradient in the dead zone, however narrow it is.
fn positive_part(x: &Tensor) -> Result<Tensor> {
    let mask = x.gt(0.0)?.to_dtype(x.dtype())?;
    Ok((x * mask)?)
}
