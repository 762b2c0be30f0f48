//! Stands in for a Python with PyTorch: answers as `benches/peer/contender.py` does. A step takes
//! a second and the memory is a million MiB; what is compiled has no memory.

use frbench::backbone;
use frbench::bench::case::Named;
use frbench::engine::Network;
use frbench::job::BackboneSpec;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A program that claims to compute this network, with an embedding of 16.
pub fn python(dir: &Path, network: &str) -> PathBuf {
    let named: Named = network.parse().unwrap();
    let spec = BackboneSpec {
        name: named.name,
        embedding: 16,
        params: named.params,
        conv: Default::default(),
    };
    let graph = backbone::build(&spec, named.size.unwrap()).unwrap();
    let parameters = Network::new(graph).parameter_count();
    let script = format!(
        r#"#!/bin/sh
if [ "$2" = probe ]; then echo '{{"torch": "0.0 of a test"}}'; exit; fi
while read -r command rest; do
  case $command in
    case)
      if [ "$2" = compiled ]; then echo 'error: CUDA out of memory'
      else echo '{{"parameters": {parameters}}}'; fi ;;
    step) echo 1000 ;;
    wait) echo 0 ;;
    operations) echo '{{}}' ;;
    rss) echo 1000000 ;;
    *) echo bye ;;
  esac
done
"#
    );
    let path = dir.join("python");
    std::fs::write(&path, script).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    path
}

/// A row of `frbench bench --json` beside it.
pub fn check(row: &Value) {
    let eager = &row["peers"]["eager"];
    let number = |value: &Value| value.as_f64().unwrap();
    assert_eq!(number(&eager["median_ms"]), 1000.0, "{row}");
    assert_eq!(
        number(&eager["images_per_second"]),
        number(&row["batch"]),
        "{row}"
    );
    let speed = 1000.0 / number(&row["median_ms"]);
    assert!((number(&eager["speed"]) / speed - 1.0).abs() < 1e-9);
    if let Some(peak) = row["peak_mib"].as_f64() {
        assert!((number(&eager["memory"]) * 1e6 / peak - 1.0).abs() < 1e-9);
    }
    assert_eq!(eager["in_turns"], true);
    assert_eq!(row["peers"]["compiled"]["error"], "CUDA out of memory");
}
