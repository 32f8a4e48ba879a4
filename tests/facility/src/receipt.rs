//! Owns: the judgement of a receipt: both signatures, the same words in both, counts that can be true.
//! Never: makes one.
//! Called by: [`crate::desk`].

use crate::visit::Visit;
use parloir_pass::receipt::Parcel;
use parloir_pass::{Receipt, Statement, rules};
use parloir_seal::{PublicKey, Refused, jws};

/// A receipt that came, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The box's word; its signature holds.
    pub receipt: Receipt,
    /// The visitor's word; its signature holds.
    pub statement: Option<Statement>,
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
    let visit = find(&receipt);
    if parcel.visitor != receipt.visitor_statement {
        errors.push("the visitor's statement beside the receipt is not the one in it".to_owned());
    }
    let statement = match (&receipt.visitor_statement, visit.and_then(Visit::admission)) {
        (None, _) => None,
        (Some(_), None) => {
            errors.push("a visitor's statement without a granted visit".to_owned());
            None
        }
        (Some(text), Some(admission)) => {
            let read: Result<Statement, Refused> = jws::statement(text.as_bytes(), &admission.party.statement_key, &receipt.call);
            read.map_err(|e| errors.push(e.to_string())).ok()
        }
    };
    match visit {
        None => errors.push("no such visit was asked".to_owned()),
        Some(visit) => compare(visit, &receipt, statement.as_ref(), &mut errors),
    }
    Ok(Judged { receipt, statement, errors })
}

fn compare(visit: &Visit, receipt: &Receipt, statement: Option<&Statement>, errors: &mut Vec<String>) {
    let ask = &visit.ask;
    let asked = (receipt.site, receipt.device, receipt.person, receipt.contact, receipt.class);
    if asked != (ask.site, ask.device, ask.person, ask.contact, ask.class) {
        errors.push("names another site, box, person, contact or class than the question".to_owned());
    }
    if let Some(grant) = receipt.grant
        && visit.admission().map(|a| a.grant) != Some(grant)
    {
        errors.push("names a grant that was not given for this visit".to_owned());
    }
    if let Err(broken) = rules::receipt_holds(receipt, statement.copied().as_slice()) {
        errors.push(broken.to_string());
    }
}

/// Seconds between the first media and the end that were not counted.
#[must_use]
pub fn seconds_lost(receipt: &Receipt) -> u64 {
    receipt.gaps.iter().map(|g| g.to_ms - g.from_ms).sum::<u64>() / 1000
}
