//! Owns: the judgement of a receipt: every signature, the same words in both, grants that were given, counts that can be true.
//! Never: makes one.
//! Called by: [`crate::desk`].

use crate::visit::{Admission, Visit};
use parloir_pass::receipt::Parcel;
use parloir_pass::{Receipt, Statement, rules};
use parloir_seal::{PublicKey, jws};

/// A receipt that came, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The box's word; its signature holds.
    pub receipt: Receipt,
    /// The visitor's last words, one under each grant; their signatures hold.
    pub statements: Vec<Statement>,
    /// Empty: verified.
    pub errors: Vec<String>,
}

/// Reads a parcel. A receipt that the box did not sign is refused; anything else that does not fit is told beside it.
///
/// # Errors
/// Not a parcel; not signed by the box.
pub fn judge<'a>(
    plain: &[u8],
    box_key: &PublicKey,
    find: impl FnOnce(&Receipt) -> Option<&'a Visit>,
) -> Result<Judged, Box<dyn std::error::Error + Send + Sync>> {
    let parcel: Parcel = serde_json::from_slice(plain)?;
    let receipt: Receipt = jws::verify(parcel.receipt.as_bytes(), box_key)?;
    let mut errors = Vec::new();
    if parcel.visitor != receipt.visitor_statement || parcel.earlier != receipt.earlier_statements {
        errors.push("the visitor's statements beside the receipt are not the ones in it".to_owned());
    }
    let statements = match find(&receipt) {
        None => {
            errors.push("no such visit was asked".to_owned());
            Vec::new()
        }
        Some(visit) => {
            same(visit, &receipt, &mut errors);
            let under = named(visit, &receipt, &mut errors);
            statements(&receipt, &under, &mut errors)
        }
    };
    if let Err(broken) = rules::receipt_holds(&receipt, &statements) {
        errors.push(broken.to_string());
    }
    Ok(Judged { receipt, statements, errors })
}

fn same(visit: &Visit, receipt: &Receipt, errors: &mut Vec<String>) {
    let ask = &visit.ask;
    let asked = (receipt.site, receipt.device, receipt.person, receipt.contact, receipt.class);
    if asked != (ask.site, ask.device, ask.person, ask.contact, ask.class) {
        errors.push("names another site, box, person, contact or class than the question".to_owned());
    }
}

/// The admissions that the receipt names, in order. One that the box never took may be missing, none may be strange.
fn named<'a>(visit: &'a Visit, receipt: &Receipt, errors: &mut Vec<String>) -> Vec<&'a Admission> {
    let mut given = visit.admissions();
    let mut under = Vec::new();
    for id in receipt.grant.iter().chain(&receipt.regrants) {
        match given.find(|a| a.grant == *id) {
            Some(admission) => under.push(admission),
            None => errors.push("names a grant that was not given for this visit".to_owned()),
        }
    }
    if receipt.grant.is_some() && receipt.grant != visit.admissions().next().map(|a| a.grant) {
        errors.push("names another first grant than was given".to_owned());
    }
    under
}

/// The statements of the receipt, each by the key of its grant.
fn statements(receipt: &Receipt, under: &[&Admission], errors: &mut Vec<String>) -> Vec<Statement> {
    let mut found = Vec::new();
    let by =
        |admission: &Admission, text: &String| jws::statement(text.as_bytes(), &admission.party.statement_key, &receipt.call);
    let (last, before) = under.split_last().map_or((None, [].as_slice()), |(last, before)| (Some(*last), before));
    let mut keys = before.iter();
    for text in &receipt.earlier_statements {
        match keys.find_map(|a| by(a, text).ok()) {
            Some(statement) => found.push(statement),
            None => errors.push("an earlier statement by no key of an earlier grant".to_owned()),
        }
    }
    match (&receipt.visitor_statement, last) {
        (None, _) => {}
        (Some(_), None) => errors.push("a visitor's statement without a granted visit".to_owned()),
        (Some(text), Some(admission)) => match by(admission, text) {
            Ok(statement) => found.push(statement),
            Err(e) => errors.push(e.to_string()),
        },
    }
    found
}

/// Seconds between the first media and the end that were not counted.
#[must_use]
pub fn seconds_lost(receipt: &Receipt) -> u64 {
    receipt.gaps.iter().map(|g| g.to_ms - g.from_ms).sum::<u64>() / 1000
}
