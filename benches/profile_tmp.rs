use frbench::backbone;
use frbench::nn::{Network, OutputGrads, Sgd, TrainMode, Value};
use frbench::plan::spec::{BackboneSpec, OptimizerSpec};
use frbench::rng::Stream;
fn main() {
    let a: Vec<String> = std::env::args().filter(|a| !a.starts_with("--")).collect();
    let (name, params, size, batch): (&str, &str, usize, usize) =
        (&a[1], &a[2], a[3].parse().unwrap(), a[4].parse().unwrap());
    let infer = a.get(5).is_some();
    let spec = BackboneSpec {
        name: name.into(),
        embedding: 512,
        params: serde_json::from_str(params).unwrap(),
        conv: Default::default(),
    };
    let mut s = Stream::derive(1, "b", &[]);
    let mut mk = |shape: [usize; 4]| {
        Value::new(
            shape,
            (0..shape.iter().product())
                .map(|_| s.normal() as f32)
                .collect(),
        )
        .unwrap()
    };
    let (x, dy) = (mk([batch, size, size, 3]), mk([batch, 1, 1, 512]));
    let mut net = Network::new(backbone::build(&spec, size).unwrap());
    net.init(1);
    let mut sgd = Sgd::new(
        &OptimizerSpec {
            momentum: 0.9,
            nesterov: false,
            weight_decay: 5e-4,
            clip: None,
        },
        net.params().values.len(),
    );
    let mode = TrainMode {
        bn_group: batch,
        seed: 1,
        step: 0,
    };
    let rounds = 8;
    let mut clock = None;
    let mut times = vec![];
    for i in 0..rounds + 2 {
        if i == 2 {
            clock = Some(net.timed());
        }
        let t = std::time::Instant::now();
        if infer {
            net.infer(&x).unwrap();
        } else {
            let (_, tape) = net.forward_train(&x, mode).unwrap();
            net.backward(
                tape,
                OutputGrads {
                    embedding: Some(dy.clone()),
                    ..Default::default()
                },
                false,
            )
            .unwrap();
            let p = net.params_mut();
            sgd.step(&mut p.values, &mut p.grads, 1e-5);
        }
        if i >= 2 {
            times.push(t.elapsed().as_secs_f64() * 1e3);
        }
    }
    times.sort_by(f64::total_cmp);
    let all = clock.unwrap().take();
    let mut v: Vec<_> = all.into_iter().collect();
    v.sort_by(|a, b| b.1.time.cmp(&a.1.time));
    println!(
        "{name} median {:.1} ms min {:.1}",
        times[times.len() / 2],
        times[0]
    );
    let sum: f64 = v.iter().map(|x| x.1.time.as_secs_f64()).sum::<f64>() * 1e3 / rounds as f64;
    println!("accounted {sum:.1} ms");
    for (k, t) in v.iter().take(45) {
        println!(
            "{:8.2} ms {:4} x  {k}",
            t.time.as_secs_f64() * 1e3 / rounds as f64,
            t.calls / rounds as u64
        );
    }
}
