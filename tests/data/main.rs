//! Data sets: formats, identities, and the face world.

mod declarations;
mod packs;
mod record;
mod sets;
mod synth_instrument;
mod synth_write;
