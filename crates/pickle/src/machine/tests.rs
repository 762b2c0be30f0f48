use super::*;
use crate::shown;

/// A host of one global, `host.answer`, whose call gives 42.
struct Answers;

impl Host for Answers {
    type Item = ();

    fn global(&self, module: &str, name: &str) -> Result<(), String> {
        match (module, name) {
            ("host", "answer") => Ok(()),
            _ => Err(format!("{} is not known", shown(module, name))),
        }
    }

    fn call(&self, _: &Heap<()>, (): &(), arguments: &[Value]) -> Result<Made<()>, String> {
        Ok(match arguments {
            [] => Made::Value(Value::Int(42)),
            [text] => Made::Latin1(text.clone()),
            _ => Made::Dict(Vec::new()),
        })
    }

    fn build(&self, _: &Heap<()>, target: &Object<()>, _: &Value) -> Result<Option<()>, String> {
        match target {
            Object::Dict(_) => Ok(None),
            _ => Err("no state".into()),
        }
    }
}

fn fails(file: &[u8]) -> String {
    match read(file, 0, &Answers) {
        Ok(found) => panic!("{:?}", found.value),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn numbers_of_every_form() {
    for (file, want) in [
        (
            &b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."[..],
            Value::Long(4..14),
        ),
        (b"\x8a\x01\xff.", Value::Int(-1)),
        (b"\x8a\x00.", Value::Int(0)),
        (b"\x8b\x02\x00\x00\x00\xe9\x03.", Value::Int(1001)),
        (b"J\xfe\xff\xff\xff.", Value::Int(-2)),
        (b"I01\n.", Value::Bool(true)),
        (b"I12\n.", Value::Int(12)),
        (b"L12L\n.", Value::Int(12)),
        (b"F-0.5\n.", Value::Float(-0.5)),
        (b"G\x3f\xf8\0\0\0\0\0\0.", Value::Float(1.5)),
        (b"chost\nanswer\n)R.", Value::Int(42)),
    ] {
        assert_eq!(read(file, 0, &Answers).unwrap().value, want);
    }
}

#[test]
fn dictionaries_are_filled_and_shared() {
    // {1: d} with d = {} that is put into the memo, filled later, and set a state.
    let file = b"}K\x01}q\x00s(K\x02h\x00u0h\x00K\x03K\x04s}b.";
    let found = read(file, 0, &Answers).unwrap();
    let [(key, value)] = found.heap.dict(&found.value).unwrap() else {
        panic!("one entry");
    };
    assert_eq!((key, value), (&Value::Int(3), &Value::Int(4)));
    assert_eq!(found.end, file.len());
    // Pickles that follow each other.
    let two = [&b"K\x07."[..], b"K\x08."].concat();
    assert_eq!(read(&two, 3, &Answers).unwrap().value, Value::Int(8));
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let error = fails(b"cposix\nsystem\n(S'true'\ntR.");
    assert_eq!(error, "byte 0: `posix.system` is not known");
    let error = fails(b"\x80\x04\x8c\x05posix\x8c\x06system\x93.");
    assert!(error.contains("`posix.system`"), "{error}");
    assert!(fails(b"ihost\nanswer\n.").contains("0x69"));
    assert!(fails(b"K\x01Q.").contains("persistent id"));
}

#[test]
fn attacks_cost_no_more_than_their_bytes() {
    // A list of two lists of two lists ...: 2^60 leaves that nobody writes out.
    let mut doubling = b"]q\x000".to_vec();
    for _ in 0..60 {
        doubling.extend(b"](h\x00h\x00eq\x000");
    }
    doubling.extend(b"h\x00.");
    let found = read(&doubling, 0, &Answers).unwrap();
    assert_eq!(found.heap.sequence(&found.value).unwrap().len(), 2);

    // A million lists in each other: built, and dropped, without recursion.
    let million = 1_000_000;
    let nested = [vec![b']'; million], vec![b'a'; million - 1], vec![b'.']].concat();
    let found = read(&nested, 0, &Answers).unwrap();
    assert_eq!(found.heap.sequence(&found.value).unwrap().len(), 1);
    drop(found);

    // The same text decoded again and again.
    let mut again = b"chost\nanswer\nq\x010X\x00\x10\x00\x00".to_vec();
    again.extend([b'x'; 4096]);
    again.extend(b"\x85q\x020");
    for _ in 0..100 {
        again.extend(b"h\x01h\x02R0");
    }
    again.extend(b"N.");
    assert!(fails(&again).contains("over and over"));
}

#[test]
fn whatever_the_bytes_are_it_ends() {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        (state >> 33) as usize
    };
    let whole = b"\x80\x02}q\x00(X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00b]q\x01(G\x3f\xf8\0\0\0\0\0\0h\x00eu.";
    for _ in 0..20_000 {
        let mut file = whole.to_vec();
        for _ in 0..=next() % 4 {
            let at = next() % file.len();
            match next() % 3 {
                0 => file[at] = next() as u8,
                1 => file.truncate(at.max(1)),
                _ => file.insert(at, next() as u8),
            }
        }
        let _ = read(&file, 0, &Answers);
    }
}
