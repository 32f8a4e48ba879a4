//! Owns: that a box whose plug is pulled at any moment boots, holds its ledger, has its doors shut, and loses or doubles no receipt.
//! Never: an orderly end; QEMU is killed (SIGKILL), and what its disk had taken is what the next boot finds.
//! Called by: `scripts/test image` (3 cuts), `scripts/soak box` (30; PARLOIR_POWER_CUTS, _SEED, _MINUTES, _RECORD, _COMMIT).

#[path = "attacks/power.rs"]
mod power;

use power::Wanted;

/// How: one cut in a boot, one in a visit, one while rows are written, at moments that the seed chooses; a look after each.
#[test]
fn killed_in_boot_visit_and_ledger_it_boots_and_nothing_is_lost_or_doubled() {
    let wanted = Wanted::from_environment();
    parloir_image::inside("killed_in_boot_visit_and_ledger_it_boots_and_nothing_is_lost_or_doubled", || power::course(&wanted));
}
