//! What the sources of this crate say: part of the keys of jobs.

fn main() {
    frbench_fingerprint::emit();
}
