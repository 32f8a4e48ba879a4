//! Owns: the rules that a grant must keep towards the Ask, the entitlement, the policy and the Authority.
//! Never: a signature (seal), a clock (core), the ticket's bytes (seal).
//! Called by: core, before a door may open.

use crate::words::need;
use crate::{Ask, Authority, Broken, Entitlement, Grant, Media, Receipt, Role, Route, SitePolicy, Statement};

/// What a grant is measured against: grant ⊆ Ask ∩ entitlement ∩ policy ∩ Authority.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// The pending question.
    pub ask: &'a Ask,
    /// Of the person who asked.
    pub entitlement: &'a Entitlement,
    /// Of the site.
    pub policy: &'a SitePolicy,
    /// Of the site.
    pub authority: &'a Authority,
    /// The arbiter's bench override: host candidates may be granted.
    pub bench_direct: bool,
}

/// Whether the grant keeps every rule. Windows are judged by core, which has the clock; the ticket by seal.
///
/// # Errors
/// The first rule that it breaks.
pub fn grant_within(grant: &Grant, bounds: &Bounds<'_>) -> Result<(), Broken> {
    answers(grant, bounds.ask)?;
    entitled(grant, bounds)?;
    by_policy(grant, bounds)?;
    by_authority(grant, bounds.authority)?;
    far_ends(grant, bounds)
}

fn answers(grant: &Grant, ask: &Ask) -> Result<(), Broken> {
    let same = |holds, field| need(holds, "GrantNotForThisAsk", field, "not what was asked");
    same(grant.nonce == ask.nonce, "nonce")?;
    same(grant.site == ask.site, "site")?;
    same(grant.device == ask.device, "device")?;
    same(grant.call == ask.call, "call")?;
    same(grant.person == ask.person, "person")?;
    same(grant.contact == ask.contact, "contact")?;
    same(grant.class == ask.class, "class")?;
    same(grant.media <= ask.media, "media")?;
    same(grant.box_certificate == ask.certificate, "box_certificate")
}

fn entitled(grant: &Grant, bounds: &Bounds<'_>) -> Result<(), Broken> {
    let entitlement = bounds.entitlement;
    let may = |holds, field, rule| need(holds, "GrantNotEntitled", field, rule);
    may(grant.site == entitlement.site, "site", "the entitlement is for another site")?;
    may(grant.device == entitlement.device, "device", "the entitlement is for another box")?;
    may(grant.person == entitlement.person, "person", "the entitlement is another person's")?;
    let contact =
        entitlement.contact(&grant.contact).ok_or(Broken::new("GrantNotEntitled", "contact", "is no contact of the person"))?;
    let direction = if bounds.ask.ring.is_some() { contact.incoming } else { contact.outgoing };
    may(direction, "contact", "may not be called by the person, or may not call in")?;
    may(grant.class == contact.class, "class", "not the contact's class")?;
    may(grant.media <= contact.media, "media", "more than the contact's media")
}

fn by_policy(grant: &Grant, bounds: &Bounds<'_>) -> Result<(), Broken> {
    let may = |holds, field, rule| need(holds, "GrantOutsidePolicy", field, rule);
    let policy = bounds.policy;
    may(grant.site == policy.site, "site", "the policy is for another site")?;
    let open = !grant.recorded_by.is_empty() || !grant.watched_by.is_empty();
    need(!(open && grant.class.is_private()), "PrivateClassRecorded", "recorded_by", "this class is never recorded or watched")?;
    private(grant)?;
    may(grant.class.is_supported(), "class", "this release makes no calls of this class")?;
    let rule =
        policy.rule(grant.class).ok_or(Broken::new("GrantOutsidePolicy", "class", "the policy has no rule for this class"))?;
    may(grant.media <= if rule.video { Media::Video } else { Media::Voice }, "media", "the policy allows voice only")?;
    may(grant.slot_s > 0 && grant.slot_s <= rule.longest_s, "slot_s", "zero, or longer than the policy's longest")?;
    let longest_lease = grant.slot_s.saturating_add(rule.make_good_s);
    may(
        grant.lease_s >= grant.slot_s && grant.lease_s <= longest_lease,
        "lease_s",
        "not between the slot and slot plus make-good",
    )?;
    may(grant.recorded_by.is_empty() || rule.recording, "recorded_by", "the policy allows no recording in this class")?;
    may(grant.watched_by.is_empty() || rule.monitoring, "watched_by", "the policy allows no monitoring in this class")?;
    may(grant.price == rule.price, "price", "not the policy's price")?;
    let listed = grant.relays.iter().all(|r| policy.relays.contains(&r.url));
    may(listed, "relays", "a relay that the policy does not name")
}

/// What is private is end to end, and both screens show that it is; what is not has no half of a code.
fn private(grant: &Grant) -> Result<(), Broken> {
    if !grant.class.is_private() {
        let none = grant.parties.iter().all(|party| party.code_nonce.is_none());
        return need(none, "GrantBadParties", "parties", "half of a short code in a class that has none");
    }
    need(grant.route == Route::Direct, "PrivateClassRoute", "route", "a private class is end to end: on route direct only")?;
    need(grant.parties.len() == 1, "PrivateClassParties", "parties", "a private class has one far party in this release")?;
    let half = grant.parties.iter().all(|party| party.code_nonce.is_some());
    need(half, "PrivateClassCode", "parties", "the far party's half of the short code is missing")
}

fn by_authority(grant: &Grant, authority: &Authority) -> Result<(), Broken> {
    let may = |holds, field, rule| need(holds, "GrantOutsideAuthority", field, rule);
    may(grant.site == authority.site, "site", "the Authority is for another site")?;
    may(
        grant.lease_s <= authority.longest_s(Role::Grant, grant.class),
        "lease_s",
        "longer than any grant key may sign for this class",
    )?;
    may(
        grant.lease_s <= authority.longest_s(Role::Door, grant.class),
        "lease_s",
        "longer than any door key may sign for this class",
    )
}

fn far_ends(grant: &Grant, bounds: &Bounds<'_>) -> Result<(), Broken> {
    let may = |holds, field, rule| need(holds, "GrantBadParties", field, rule);
    may(grant.route == Route::Direct, "route", "this release knows the direct route only")?;
    may((1..=crate::grant::MAX_PARTIES).contains(&grant.parties.len()), "parties", "1 to 3 far parties")?;
    for (i, party) in grant.parties.iter().enumerate() {
        let twin =
            grant.parties[..i].iter().any(|p| p.certificate == party.certificate || p.statement_key == party.statement_key);
        may(!twin, "parties", "two parties share a certificate or a statement key")?;
        may(party.certificate != grant.box_certificate, "parties", "a far party has the box's own certificate")?;
    }
    need(
        !grant.direct_candidates || bounds.bench_direct,
        "DirectCandidatesRefused",
        "direct_candidates",
        "only on a bench started for it",
    )?;
    may(!grant.relays.is_empty() || grant.direct_candidates, "relays", "no relay: the relay is the only way out")
}

/// Seconds by which the two sides of a receipt may differ: each tells only once a second, and each stops 2 s after the last frame.
const SLACK_S: u64 = 3;

/// Whether a receipt can be true: counted no more than there was time for, and no more than the visitor saw under all grants together.
/// `statements` are the visitor's that the receipt holds, verified, in any order; none: only the box's own figures are judged.
///
/// # Errors
/// The first rule that it breaks.
pub fn receipt_holds(receipt: &Receipt, statements: &[Statement]) -> Result<(), Broken> {
    let may = |holds, field, rule| need(holds, "ReceiptDoesNotHold", field, rule);
    let counted = u64::from(receipt.seconds_counted);
    let slack = SLACK_S * (1 + receipt.gaps.len() as u64 + receipt.regrants.len() as u64);
    // The fair clock needs both ends: without the first picture of either there is nothing to count.
    let both = receipt.first_decoded_here_ms.zip(receipt.first_decoded_there_ms);
    let most_ms = both.map_or(0, |(here, there)| receipt.ended_ms.saturating_sub(here.max(there)));
    may(counted * 1000 <= most_ms + 1000, "seconds_counted", "more than the time between first media and end")?;
    if statements.is_empty() {
        return Ok(());
    }
    let same = statements.iter().all(|s| s.call == receipt.call);
    may(same, "visitor_statement", "the visitor's statement is about another call")?;
    let seen_ms = statements.iter().fold(0_u64, |sum, s| sum.saturating_add(s.decoded_ms));
    may(counted <= seen_ms / 1000 + slack, "seconds_counted", "more than the visitor says that the page decoded")
}
