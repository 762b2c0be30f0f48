use super::*;
use crate::container::tests::{legacy_of, safetensors_of};
use frbench_base::rng::Stream;
use frbench_engine::Value;
use serde_json::json;

/// A narrow network with statistics of its own, and its state.
fn network(
    name: &str,
    params: serde_json::Value,
    size: impl Into<Size>,
    embedding: usize,
) -> Network {
    let spec = BackboneSpec {
        name: name.into(),
        embedding,
        params: serde_json::from_value(params).unwrap(),
        conv: Default::default(),
    };
    let mut network = Network::new(backbone::build(&spec, size).unwrap());
    network.init(3);
    let mut state = network.state_dict();
    let mut stream = Stream::derive(4, "state", &[]);
    for (name, (_, values)) in &mut state {
        if name.ends_with("running_var") || name.ends_with("running_mean") {
            values
                .iter_mut()
                .for_each(|v| *v += 0.2 * stream.uniform() as f32);
        }
    }
    network.load_state_dict(&state).unwrap();
    network
}

fn open(bytes: Vec<u8>) -> WeightsFile {
    WeightsFile::from_bytes(bytes, "net.safetensors").unwrap()
}

fn embedding(network: &Network) -> Vec<f32> {
    let [h, w, channels] = network.graph().input_shape();
    let mut stream = Stream::derive(5, "pixels", &[]);
    let pixels = (0..h * w * channels).map(|_| stream.normal() as f32);
    let x = Value::new([1, h, w, channels], pixels.collect()).unwrap();
    network.infer(&x).unwrap().embedding.data().to_vec()
}

#[test]
fn every_backbone_is_recognised_by_names_and_shapes() {
    for entry in BACKBONES {
        let mut params = json!({"width": 0.125});
        if entry.info.name == "mobilenetv2" {
            params["stem_stride"] = json!(1);
        }
        let made = network(entry.info.name, params, 48, 24);
        let found = fit(&open(safetensors_of(&made.state_dict(), "module."))).unwrap();
        assert_eq!(found.spec.name, entry.info.name);
        assert_eq!(
            (found.spec.embedding, found.size),
            (24, Size::square(48)),
            "{}",
            entry.info.name
        );
        assert_eq!(found.prefix, "module.");
        assert_eq!(found.state, made.state_dict());
        let again = found.network().unwrap();
        assert_eq!(embedding(&again), embedding(&made));
    }
}

#[test]
fn the_usual_network_has_the_usual_settings() {
    // Shapes alone: no numbers are read before they fit.
    for (name, params, size) in [
        ("mobilefacenet", json!({}), 112),
        ("mobilefacenet", json!({"width": 0.5}), 64),
        ("ir-18", json!({"width": 0.125, "input_channels": 189}), 32),
    ] {
        let made = network(name, params.clone(), size, 128);
        let found = fit(&open(safetensors_of(&made.state_dict(), ""))).unwrap();
        let params: BTreeMap<String, serde_json::Value> = serde_json::from_value(params).unwrap();
        let number = |v: &serde_json::Value| v.as_f64().unwrap();
        let same = found
            .spec
            .params
            .iter()
            .zip(&params)
            .all(|(a, b)| a.0 == b.0 && number(a.1) == number(b.1));
        assert!(
            same && found.spec.params.len() == params.len(),
            "{:?}",
            found.spec
        );
        assert_eq!(found.size, Size::square(size));
    }
}

#[test]
fn what_is_no_part_of_the_network_is_listed() {
    let made = network("iresnet18", json!({"width": 0.125}), 32, 16);
    let mut state = made.state_dict();
    state.insert("kernel".into(), (vec![16, 3], vec![0.0; 48]));
    state.insert("bn1.num_batches_tracked".into(), (vec![1], vec![4.0]));
    let found = fit(&open(legacy_of(&state, "state_dict"))).unwrap();
    assert_eq!(found.place, "state_dict");
    let aside: Vec<String> = found
        .aside
        .iter()
        .map(|a| format!("{}: {}", a.name, a.what))
        .collect();
    assert_eq!(
        aside,
        [
            "kernel: a tensor of [16, 3]",
            "num_batches_tracked: 1 counters of batches",
            "epoch: the number 3"
        ]
    );
    assert!(found.assumed.iter().any(|a| a.what.contains("epsilon")));
}

#[test]
fn what_fits_nothing_is_told_how_it_differs() {
    let made = network("iresnet18", json!({"width": 0.125}), 32, 16);
    let fails = |change: &dyn Fn(&mut StateDict)| {
        let mut state = made.state_dict();
        change(&mut state);
        let error = fit(&open(safetensors_of(&state, ""))).unwrap_err();
        assert_eq!(error.exit_code(), 5);
        error.to_string()
    };
    let error = fails(&|state| {
        state.remove("bn1.bias");
        state.insert("extra.weight".into(), (vec![1], vec![0.0]));
    });
    assert!(error.starts_with("net.safetensors: no backbone"), "{error}");
    assert!(
        error.contains(
            "nearest is `iresnet18`: 1 missing (`bn1.bias`); 1 unexpected (`extra.weight`)"
        ),
        "{error}"
    );
    let error = fails(&|state| {
        state.insert("bn1.bias".into(), (vec![9], vec![0.0; 9]));
    });
    assert!(
        error.contains("1 of another shape (`bn1.bias` is [9], want [8])"),
        "{error}"
    );
    let error = fails(&|state| state.get_mut("bn1.bias").unwrap().1[0] = f32::NAN);
    assert!(
        error.contains("`bn1.bias`: 1 of 8 numbers are not finite"),
        "{error}"
    );
    let error = fails(&|state| {
        *state = [("w".to_string(), (vec![1], vec![0.0]))].into();
    });
    assert!(error.ends_with("tensors of such names: `w`"), "{error}");
}

#[test]
fn other_names_of_the_same_network() {
    let made = network("mobilefacenet", json!({"width": 0.25}), 48, 16);
    let mut theirs = StateDict::new();
    for (name, tensor) in made.state_dict() {
        if name == "bn.weight" || name == "bn.bias" {
            continue;
        }
        let moved = ["conv_6_dw.", "linear.", "bn."]
            .iter()
            .any(|p| name.starts_with(p));
        let name = if moved {
            format!("output_layer.{name}")
        } else {
            name
        };
        theirs.insert(name, tensor);
    }
    let found = fit(&open(safetensors_of(&theirs, ""))).unwrap();
    assert_eq!(found.spec.name, "mobilefacenet");
    assert!(found.names_of.unwrap().contains("TFace"));
    assert_eq!(embedding(&found.network().unwrap()), embedding(&made));
}

/// Its names are those of stages in a row, its dictionary a nested one, its map no square.
#[test]
fn a_network_for_narrow_crops_by_other_names() {
    let made = network("mobilefacenet", json!({"width": 0.125}), [112, 96], 16);
    let alias = ALIASES
        .iter()
        .find(|a| a.name.ends_with("xiaoccer"))
        .unwrap();
    // Back from our names to theirs.
    let theirs = |ours: &str| {
        let whole = alias.rename.iter().find_map(|(from, to)| {
            let rest = ours.strip_prefix(to)?;
            let part = alias.inside.iter().find_map(|(part, name)| {
                let rest = rest.strip_prefix(name)?;
                Some(format!("{from}{part}{rest}"))
            });
            let block = from.starts_with("blocks");
            if block {
                part
            } else {
                Some(format!("{from}{rest}"))
            }
        });
        whole.unwrap_or_else(|| ours.to_string())
    };
    let mut state = StateDict::new();
    for (name, tensor) in made.state_dict() {
        let counter = name.replace("running_mean", "num_batches_tracked");
        if counter != name {
            state.insert(theirs(&counter), (vec![], vec![7.0]));
        }
        state.insert(theirs(&name), tensor);
    }
    assert_eq!(state.len(), 333);
    assert!(state.contains_key("blocks.14.conv.7.bias") && state.contains_key("linear7.bn.weight"));
    let found = fit(&open(legacy_of(&state, "net_state_dict"))).unwrap();
    assert_eq!(found.place, "net_state_dict");
    assert_eq!(found.size, Size::from([112, 96]));
    assert!(found.also.is_empty(), "{:?}", found.also);
    assert_eq!(embedding(&found.network().unwrap()), embedding(&made));
}

/// The last layer says how many pixels there are before it, not how they lie.
#[test]
fn every_backbone_for_narrow_crops() {
    for entry in BACKBONES {
        let mut params = json!({"width": 0.125});
        if entry.info.name == "mobilenetv2" {
            params["stem_stride"] = json!(1);
        }
        let made = network(entry.info.name, params, [112, 96], 8);
        let found = fit(&open(safetensors_of(&made.state_dict(), ""))).unwrap();
        let name = entry.info.name;
        assert_eq!(found.spec.name, name);
        assert_eq!(found.size, Size::from([112, 96]), "{name}");
        let linear = !name.starts_with("mobile");
        assert_eq!(
            found.also.len(),
            usize::from(linear),
            "{name}: {:?}",
            found.also
        );
    }
}
