//! The load tool measures and says what it measured beside.

use super::millstream;

#[test]
fn figures_come_with_the_machines_own_limit() {
    let directory = tempfile::tempdir().unwrap();
    for what in ["produce", "consume"] {
        let arguments =
            ["bench", what, "--records", "2000", "--record-bytes", "100", "--data", "d", "--json"];
        let told = millstream(directory.path(), &arguments).succeeded();
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["records"], 2000.0, "{what}: {told}");
        for field in ["mb_per_second", "limit_mb_per_second", "ratio_to_limit", "broker_peak_mb"] {
            assert!(told[field].as_f64().is_some_and(|number| number > 0.0), "{field} in {told}");
        }
    }
    assert!(!directory.path().join("d/broker").exists(), "the started server's data is removed");
}
