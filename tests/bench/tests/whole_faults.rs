//! Owns: the rows of the fault table that fit into ten minutes, each as declared; and that a wrong declaration fails.
//! Never: the whole matrix (`scripts/soak faults`).
//! Called by: `scripts/test faults`.

mod whole;

use serde_json::Value;
use whole::cannot;

#[test]
fn every_row_is_as_declared() {
    if cannot() {
        return;
    }
    let (output, rows) = whole::course("faults", "faults", &[]);
    assert!(output.status.success(), "a row is not as declared; see above");
    let rows = rows.as_array().cloned().unwrap_or_default();
    assert!(rows.len() >= 50, "only {} rows were played", rows.len());
    let late: Vec<&Value> = rows.iter().filter(|row| row["left"] != serde_json::json!([])).collect();
    assert!(late.is_empty(), "left running: {late:?}");
}
