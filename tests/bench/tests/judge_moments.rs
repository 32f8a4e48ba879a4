//! Owns: a few blows at random moments of a visit: doors, receipts and ledger as they must be; in a soak many of them, with a browser.
//! Never: a time of its own beside the promise that doors shut within three seconds.
//! Called by: `scripts/test judge`, `scripts/soak judge`.

#[path = "judge/private.rs"]
mod private;
mod whole;

use std::env::var;

use whole::cannot;

/// In the stage: each process is struck once at least. The seed is one whose four moments lie in the visit, where doors are open.
const FEW: usize = 4;
const SEED: &str = "4915";

#[test]
fn arbiter_gate_and_link_may_be_struck_at_any_moment_of_a_visit() {
    if cannot() {
        return;
    }
    let told = |name: &str| var(format!("PARLOIR_JUDGE_{name}")).ok();
    let seed = told("SEED").unwrap_or_else(|| SEED.to_owned());
    let mut arguments = vec!["--seed".to_owned(), seed, "--count".to_owned()];
    match told("RECORD") {
        None => arguments.push(FEW.to_string()),
        Some(record) => {
            let minutes: u64 = told("MINUTES").and_then(|n| n.parse().ok()).unwrap_or(60);
            arguments.push(told("COUNT").unwrap_or_else(|| "200".to_owned()));
            arguments.extend(["--browser", "--record", &record, "--budget"].map(str::to_owned));
            arguments.extend([(minutes * 60).to_string(), "--commit".to_owned(), told("COMMIT").unwrap_or_default()]);
        }
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (output, told) = whole::course("moments", "moments", &arguments);
    assert!(output.status.success(), "a moment is not as it must be; see above");
    let played = told["moments"].as_array().map_or(0, Vec::len);
    assert!(played >= FEW, "only {played} moments were played");
    // And what the box says of itself afterwards is whole: from the facility's console through the broker to the arbiter, and back to a file.
    let account = &told["account"];
    assert_eq!((&account["holds"], &account["same"]), (&true.into(), &true.into()), "{account}");
    assert!(account["rows"].as_u64() > Some(0) && account["steps"].as_u64() > Some(0), "{account}");
}
