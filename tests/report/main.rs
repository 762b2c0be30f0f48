//! Reports.

mod collect;
mod condition_fixture;
mod conditions;
mod fixture;
mod published;
mod render;
mod skeleton;
