//! Python pickles as data.
//!
//! Unpickling can run any code, and these files come from strangers' drives. The machine here
//! knows numbers, text, bytes, lists, tuples, dictionaries and sets. What else a pickle may name
//! is said by a [`Host`]: which globals there are, and what calling one, setting its state or a
//! persistent id means. Everything else is refused by name, and no code is ever run.
//!
//! The machine never recurses. Values that a pickle shares are shared here, not copied. Each
//! instruction adds at most a constant plus what it takes off the stack, what calls copy is no more
//! than the file, and [`MOST`] bounds all of it.

mod decode;
mod heap;
mod machine;
mod reader;
mod value;

pub use heap::Heap;
pub use machine::{Pickle, read};
pub use value::{Id, Object, Payload, Value};

/// The most objects, items and memo entries that a pickle may make.
pub const MOST: usize = 1 << 24;

/// What a pickle may hold beyond Python's own values.
pub trait Host {
    /// A global, or what calling one has made.
    type Item;

    /// The global of that name.
    ///
    /// # Errors
    /// Why there is none. [`shown`] writes its name.
    fn global(&self, module: &str, name: &str) -> Result<Self::Item, String>;

    /// What calling `function` would yield.
    ///
    /// # Errors
    /// Why it cannot be called, or not with these arguments.
    fn call(
        &self,
        heap: &Heap<Self::Item>,
        function: &Self::Item,
        arguments: &[Value],
    ) -> Result<Made<Self::Item>, String>;

    /// What setting the state of `target` makes of it; nothing where the state says nothing.
    ///
    /// # Errors
    /// Why it has no state, or not this one.
    fn build(
        &self,
        heap: &Heap<Self::Item>,
        target: &Object<Self::Item>,
        state: &Value,
    ) -> Result<Option<Self::Item>, String>;

    /// What a persistent id stands for.
    ///
    /// # Errors
    /// Why this file can have none, or not this one.
    fn persistent(&self, heap: &Heap<Self::Item>, id: &Value) -> Result<Self::Item, String> {
        let _ = (heap, id);
        Err("a persistent id, which this kind of file has not".into())
    }
}

/// What a call yields.
pub enum Made<T> {
    Value(Value),
    Item(T),
    /// A dictionary, which the instructions that follow may fill further.
    Dict(Vec<(Value, Value)>),
    List(Vec<Value>),
    /// The text at that argument as bytes, in latin1: how Python 3 writes `bytes` in protocols 0
    /// to 2.
    Latin1(Value),
}

/// A failure and the byte at which its instruction starts.
#[derive(Debug, PartialEq)]
pub struct Fault {
    pub offset: usize,
    pub what: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "byte {}: {}", self.offset, self.what)
    }
}

/// The name of a global, for messages.
pub fn shown(module: &str, name: &str) -> String {
    let short = |text: &str| -> String {
        let printed = text.chars().map(|c| if c.is_control() { '?' } else { c });
        printed.take(60).collect()
    };
    format!("`{}.{}`", short(module), short(name))
}

/// The sources of this crate, each with the hash of what it says: parts of the keys of jobs.
pub static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));
