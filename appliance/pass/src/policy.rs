//! Owns: the rules of a site.
//! Never: a person.
//! Called by: core, rules, lint, the issuer.

use serde::{Deserialize, Serialize};

use crate::words::{need, version};
use crate::{Broken, Class, Document, Id, Typ, words};

/// The rules of a site. Signed by a policy key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SitePolicy {
    /// Version, 1.
    pub v: u32,
    /// The site.
    pub site: Id,
    /// Grows with every policy of the site; a box never goes back.
    pub revision: u64,
    /// Shown name.
    pub site_name: String,
    /// Minutes east of UTC for display, -720 to 840.
    #[cfg_attr(feature = "schema", schemars(range(min = -720, max = 840)))]
    pub zone_minutes: i32,
    /// false: the cell's one person needs no sign-in.
    pub sign_in: bool,
    /// The rule of each class that may call at all; each class stands once.
    pub classes: Vec<ClassRule>,
    /// `turn:` URLs that a grant may name, at most 8.
    #[cfg_attr(feature = "schema", schemars(length(max = 8)))]
    pub relays: Vec<String>,
    /// BCP 47 tags that the screen offers; the first is the site's own.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 32)))]
    pub languages: Vec<String>,
}

/// The rule of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ClassRule {
    /// The class.
    pub class: Class,
    /// Longest slot, seconds of the fair clock.
    pub longest_s: u32,
    /// How often a live grant is renewed, seconds; usually 20.
    pub beat_every_s: u32,
    /// How long a visit goes on after a missing beat, seconds; told on the screen.
    pub beat_grace_s: u32,
    /// How much the lease may outlast the slot, seconds.
    pub make_good_s: u32,
    /// Whether a grant may say that somebody records.
    pub recording: bool,
    /// Whether a grant may say that somebody watches or listens.
    pub monitoring: bool,
    /// Price in words; empty: free.
    pub price: String,
    /// false: voice only.
    pub video: bool,
}

/// Most relays and languages of a policy.
pub const MAX_RELAYS: usize = 8;

impl SitePolicy {
    /// The rule of a class; none means that the class may not call here.
    #[must_use]
    pub fn rule(&self, class: Class) -> Option<&ClassRule> {
        self.classes.iter().find(|r| r.class == class)
    }
}

impl Document for SitePolicy {
    const TYP: Typ = Typ::Policy;

    fn check(&self) -> Result<(), Broken> {
        version(self.v)?;
        words::name("site_name", &self.site_name)?;
        let zone = (-720..=840).contains(&self.zone_minutes);
        need(zone, "MalformedDocument", "zone_minutes", "not within -720 to 840")?;
        need(self.relays.len() <= MAX_RELAYS, "MalformedDocument", "relays", "more than 8")?;
        self.relays.iter().try_for_each(|url| words::relay("relays", url))?;
        need((1..=32).contains(&self.languages.len()), "MalformedDocument", "languages", "not 1 to 32")?;
        self.languages.iter().try_for_each(|tag| words::language("languages", tag))?;
        for (i, rule) in self.classes.iter().enumerate() {
            let earlier = self.classes[..i].iter().any(|r| r.class == rule.class);
            need(!earlier, "MalformedDocument", "classes.class", "a class stands twice")?;
            need(rule.longest_s > 0, "MalformedDocument", "classes.longest_s", "0 s")?;
            need(rule.beat_every_s > 0, "MalformedDocument", "classes.beat_every_s", "0 s")?;
            let open = rule.recording || rule.monitoring;
            need(
                !(open && rule.class.is_private()),
                "PrivateClassRecorded",
                "classes.recording",
                "this class is never recorded or watched",
            )?;
            words::text("classes.price", &rule.price, words::MAX_NAME)?;
        }
        Ok(())
    }
}
