//! What PyTorch's pickles may hold, for both of its containers.

use crate::tensor::{Dtype, MOST_DIMENSIONS, Tensor};
use crate::tree::{Budget, DEEPEST, Tree};
use frbench_pickle::{Heap, Host, Made, Object, Value, shown};
use std::ops::Range;

/// A global, or what calling one makes.
#[derive(Clone, Debug)]
pub enum Item {
    /// The type of a storage.
    Kind(Dtype),
    /// A function that makes a tensor of a storage.
    Rebuild,
    /// One that makes a parameter of a tensor.
    Parameter,
    /// A class whose objects are filled like dictionaries.
    Mapping,
    /// A class whose objects are filled like lists.
    Sequence,
    /// A class or a function whose objects say nothing here, such as settings of a training.
    Inert,
    Storage(Storage),
    Tensor(View),
}

/// Numbers of one type, under a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Storage {
    pub dtype: Dtype,
    pub key: String,
    /// Numbers of all of it.
    pub count: usize,
    /// The part of it that this one is: its first number and how many.
    pub part: Option<(usize, usize)>,
}

/// A tensor before its storage is found.
#[derive(Clone, Debug)]
pub struct View {
    storage: Storage,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

/// The most characters of the key of a storage.
const LONGEST_KEY: usize = 64;

/// The host of PyTorch's pickles.
pub struct Torch;

impl Host for Torch {
    type Item = Item;

    fn global(&self, module: &str, name: &str) -> Result<Item, String> {
        if let Some(dtype) = storage_type(module, name) {
            return Ok(Item::Kind(dtype));
        }
        Ok(match (module, name) {
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Item::Rebuild,
            ("torch._utils", "_rebuild_parameter") => Item::Parameter,
            ("collections", "OrderedDict" | "defaultdict" | "Counter")
            | ("easydict", "EasyDict")
            | ("builtins" | "__builtin__", "dict") => Item::Mapping,
            ("torch", "Size") | ("builtins" | "__builtin__", "list" | "tuple" | "set") => {
                Item::Sequence
            }
            ("torch", "device" | "dtype")
            | ("torch.serialization", "_get_layout")
            | ("builtins" | "__builtin__", "int" | "float" | "str" | "bool" | "object" | "slice")
            | ("argparse", "Namespace")
            | ("pathlib", "Path" | "PosixPath" | "WindowsPath" | "PurePosixPath")
            | ("datetime", "datetime" | "date" | "timedelta")
            | ("numpy" | "numpy._core" | "numpy.core", "dtype" | "ndarray")
            | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct")
            | ("_codecs", "encode") => Item::Inert,
            ("torch", dtype) if is_dtype(dtype) => Item::Inert,
            // Settings of Lightning are a dictionary, its callbacks are keys of one.
            (_, "AttributeDict") if is_of_lightning(module) => Item::Mapping,
            _ if is_of_lightning(module) && module.contains(".callbacks.") => Item::Inert,
            _ => return Err(refused(module, name)),
        })
    }

    fn call(
        &self,
        heap: &Heap<Item>,
        function: &Item,
        arguments: &[Value],
    ) -> Result<Made<Item>, String> {
        Ok(match function {
            Item::Rebuild => Made::Item(Item::Tensor(rebuild(heap, arguments)?)),
            Item::Parameter => match arguments.first().and_then(|tensor| heap.item(tensor)) {
                Some(tensor @ Item::Tensor(_)) => Made::Item(tensor.clone()),
                _ => return Err("a parameter that is made of no tensor".into()),
            },
            // Python 2 gives the items along, as pairs.
            Item::Mapping => {
                let items = arguments.iter().find_map(|a| heap.sequence(a));
                let pair = |item: &Value| match heap.sequence(item) {
                    Some([key, value]) => Ok((key.clone(), value.clone())),
                    _ => Err("a dictionary that is made of something else than pairs"),
                };
                let pairs = items.unwrap_or_default().iter().map(pair);
                Made::Dict(pairs.collect::<Result<_, _>>()?)
            }
            Item::Sequence => Made::List(Vec::new()),
            Item::Inert => Made::Item(Item::Inert),
            Item::Kind(_) | Item::Storage(_) | Item::Tensor(_) => {
                return Err("a call of what is no function".into());
            }
        })
    }

    /// Attributes, such as the versions that a state dictionary has beside its tensors.
    fn build(
        &self,
        _: &Heap<Item>,
        target: &Object<Item>,
        _: &Value,
    ) -> Result<Option<Item>, String> {
        match target {
            Object::Dict(_) | Object::List(_) | Object::Item(Item::Inert) => Ok(None),
            // Attributes of a tensor change none of its numbers.
            Object::Item(Item::Tensor(_)) => Ok(None),
            _ => Err("BUILD of something that has no state".into()),
        }
    }

    /// `('storage', type, key, device, numbers)`, before 1.6 with `None` or `(key, offset,
    /// numbers)` of the part behind it.
    fn persistent(&self, heap: &Heap<Item>, id: &Value) -> Result<Item, String> {
        let parts = heap.tuple(id).ok_or("a persistent id that is no tuple")?;
        let what = parts.first().and_then(|what| heap.text(what));
        if what == Some("module") {
            return Err(
                "the file holds a whole network with its source code, not its weights alone; load \
                 it where that code is and save the state dictionary: \
                 `torch.save(model.state_dict(), ...)`"
                    .into(),
            );
        }
        let (kind, key, count) = match parts {
            [_, kind, key, _, count, ..] if what == Some("storage") => (kind, key, count),
            _ => return Err("a persistent id that is no storage".into()),
        };
        let Some(Item::Kind(dtype)) = heap.item(kind) else {
            return Err("a storage of no type".into());
        };
        let text = match key {
            Value::Int(n) => n.to_string(),
            key => heap.text(key).ok_or("a storage without a key")?.to_string(),
        };
        if text.len() > LONGEST_KEY {
            return Err(format!(
                "the key of a storage has {} characters",
                text.len()
            ));
        }
        let part = match parts.get(5) {
            None | Some(Value::None) => None,
            Some(part) => match heap.tuple(part) {
                Some([_, offset, count]) => Some((whole(offset)?, whole(count)?)),
                _ => return Err("a part of a storage that is not three values".into()),
            },
        };
        Ok(Item::Storage(Storage {
            dtype: *dtype,
            key: text,
            count: whole(count)?,
            part,
        }))
    }
}

fn storage_type(module: &str, name: &str) -> Option<Dtype> {
    if !matches!(module, "torch" | "torch.cuda") {
        return None;
    }
    Some(match name {
        "DoubleStorage" => Dtype::F64,
        "FloatStorage" => Dtype::F32,
        "HalfStorage" => Dtype::F16,
        "BFloat16Storage" => Dtype::Bf16,
        "LongStorage" => Dtype::I64,
        "IntStorage" => Dtype::I32,
        "ShortStorage" => Dtype::I16,
        "CharStorage" => Dtype::I8,
        "ByteStorage" => Dtype::U8,
        "BoolStorage" => Dtype::Bool,
        _ => return None,
    })
}

fn is_dtype(name: &str) -> bool {
    const TYPES: [&str; 11] = [
        "float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
        "bool", "strided",
    ];
    TYPES.contains(&name)
}

fn is_of_lightning(module: &str) -> bool {
    const ROOTS: [&str; 4] = [
        "pytorch_lightning",
        "lightning",
        "lightning_fabric",
        "lightning_utilities",
    ];
    let root = module.split('.').next().unwrap_or_default();
    ROOTS.contains(&root)
}

/// Why a global is not loaded, and what to do.
fn refused(module: &str, name: &str) -> String {
    let asked = shown(module, name);
    if module.starts_with("__torch__") {
        return format!(
            "TorchScript, whose networks are code ({asked}): save the state dictionary of the \
             network, `torch.save(model.state_dict(), ...)`, or export it as ONNX"
        );
    }
    let runs = [
        "posix",
        "nt",
        "os",
        "subprocess",
        "sys",
        "runpy",
        "importlib",
        "webbrowser",
    ];
    let builtin = matches!(module, "builtins" | "__builtin__");
    if builtin || runs.contains(&module.split('.').next().unwrap_or_default()) {
        return format!(
            "the file asks for {asked}, which is no part of any weights; it may be meant to run \
             code, and it is not loaded"
        );
    }
    let class = name.chars().next().is_some_and(char::is_uppercase);
    match class {
        true => format!(
            "the file holds an object of the class {asked}, which would have to be imported, and \
             no code is run here; load it where that class is and save the state dictionary: \
             `torch.save(model.state_dict(), ...)`"
        ),
        false => format!(
            "the file asks for {asked}; tensors, numbers and texts in dictionaries are read, and \
             nothing else is loaded"
        ),
    }
}

fn whole(value: &Value) -> Result<usize, String> {
    match value {
        Value::Int(n) => usize::try_from(*n).map_err(|_| format!("a negative size, {n}")),
        Value::Long(_) => Err("a size of more than 64 bits".into()),
        _ => Err("a size that is no whole number".into()),
    }
}

fn sizes(heap: &Heap<Item>, value: &Value) -> Result<Vec<usize>, String> {
    let sizes = heap.sequence(value).ok_or("sizes that are no tuple")?;
    if sizes.len() > MOST_DIMENSIONS {
        return Err(format!(
            "a tensor of {} dimensions; {MOST_DIMENSIONS} are the most",
            sizes.len()
        ));
    }
    sizes.iter().map(whole).collect()
}

/// `(storage, offset, shape, strides, ...)`.
fn rebuild(heap: &Heap<Item>, arguments: &[Value]) -> Result<View, String> {
    let [storage, offset, shape, strides, ..] = arguments else {
        return Err("a tensor is made of at least four parts".into());
    };
    let Some(Item::Storage(storage)) = heap.item(storage) else {
        return Err("a tensor without a storage".into());
    };
    Ok(View {
        storage: storage.clone(),
        offset: whole(offset)?,
        shape: sizes(heap, shape)?,
        strides: sizes(heap, strides)?,
    })
}

/// Makes a tree of a value. `place` gives the bytes of a storage, all of them.
pub fn tree(
    heap: &Heap<Item>,
    value: &Value,
    file: usize,
    place: &dyn Fn(&Storage) -> Result<Range<usize>, String>,
) -> Result<Tree, String> {
    let mut walk = Walk {
        heap,
        place,
        budget: Budget::new(file),
    };
    walk.tree(value, "", 0)
}

struct Walk<'a, 'f> {
    heap: &'a Heap<'f, Item>,
    place: &'a dyn Fn(&Storage) -> Result<Range<usize>, String>,
    budget: Budget,
}

impl Walk<'_, '_> {
    fn tree(&mut self, value: &Value, path: &str, depth: usize) -> Result<Tree, String> {
        let heap = self.heap;
        match heap.of(value) {
            Some(Object::Item(Item::Tensor(view))) => {
                let tensor = self.tensor(view);
                let tensor = tensor.map_err(|what| format!("tensor `{path}`: {what}"))?;
                Ok(Tree::Tensor(tensor))
            }
            Some(Object::Dict(_)) if depth >= DEEPEST => Err(format!(
                "dictionaries lie more than {DEEPEST} deep in each other"
            )),
            Some(Object::Dict(entries)) => {
                let mut all = Vec::new();
                for (key, value) in entries {
                    let key = match key {
                        Value::Int(n) => n.to_string(),
                        key => heap.text(key).unwrap_or("?").to_string(),
                    };
                    self.budget.entry(&key)?;
                    let inner = self.tree(value, &crate::tree::join(path, &key), depth + 1)?;
                    all.push((key, inner));
                }
                Ok(Tree::Dict(all))
            }
            _ => Ok(Tree::Other(self.words(value))),
        }
    }

    fn tensor(&mut self, view: &View) -> Result<Tensor, String> {
        let Storage { dtype, part, .. } = view.storage;
        let mut storage = (self.place)(&view.storage)?;
        if let Some((first, count)) = part {
            let bytes = |n: usize| n.checked_mul(dtype.size());
            let part = bytes(first).and_then(|from| Some((from, from.checked_add(bytes(count)?)?)));
            let part = part.filter(|(_, to)| *to <= storage.len());
            let (from, to) = part.ok_or_else(|| {
                format!(
                    "{count} numbers from number {first} on of storage `{}`, which has {}",
                    view.storage.key, view.storage.count
                )
            })?;
            storage = storage.start + from..storage.start + to;
        }
        let (shape, strides) = (view.shape.clone(), view.strides.clone());
        let tensor = Tensor::new(dtype, storage, view.offset, shape, strides)?;
        self.budget.tensor(&tensor)?;
        Ok(tensor)
    }

    fn words(&self, value: &Value) -> String {
        match (value, self.heap.of(value)) {
            (Value::None, _) => "nothing".into(),
            (Value::Bool(b), _) => if *b { "true" } else { "false" }.into(),
            (Value::Int(n), _) => format!("the number {n}"),
            (Value::Float(n), _) => format!("the number {n}"),
            (_, Some(Object::List(items))) => format!("a list of {}", items.len()),
            (_, Some(Object::Tuple(items))) => format!("a tuple of {}", items.len()),
            (_, Some(Object::Set(items))) => format!("a set of {}", items.len()),
            (_, Some(Object::Item(_))) => "an object".into(),
            _ => match self.heap.text(value) {
                Some(text) => format!("the text `{}`", text.chars().take(40).collect::<String>()),
                None => "a value".into(),
            },
        }
    }
}

/// The bytes that a storage of so many numbers has.
pub fn storage_bytes(storage: &Storage) -> Result<usize, String> {
    let bytes = storage.count.checked_mul(storage.dtype.size());
    bytes.ok_or_else(|| format!("a storage of {} numbers", storage.count))
}
