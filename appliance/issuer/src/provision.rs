//! Owns: the files of a new site with one box, and the example person of the demo.
//! Never: overwrites a key.
//! Called by: parloirctl init, facility's tests.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use parloir_pass::{
    Authority, AuthorityKey, Booking, Bytes32, Class, ClassRule, Contact, Entitlement, Id, Media, Role, SitePolicy, VERSION,
    Window, lint,
};
use parloir_seal::{BoxKey, Roots, UnsealKey, random};
use parloir_wire::door_record::DoorRecord;

use crate::site::{Inhabitant, PEOPLE};
use crate::{Fault, Secret, Site, files, sign, tls};

/// Longest lease that the new grant and door keys may sign, seconds.
const LONGEST_S: u32 = 4 * 3600;
/// Validity of the new keys, seconds.
const KEY_LIFE_S: i64 = 2 * 365 * 86_400;
const DAY_S: i64 = 86_400;
/// Under `site/`: the key of [`Options::expired_key`].
pub const OLD_GRANT_KEY: &str = "grant-old.key";

/// What to provision.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The box; random if `None`.
    pub device: Option<Id>,
    /// The site; random if `None`.
    pub site: Option<Id>,
    /// `turn:` URLs for the policy, as the facility will give them; at least one.
    pub relays: Vec<String>,
    /// Further DNS names and addresses of broker and https; 127.0.0.1, ::1 and localhost are always there.
    pub names: Vec<String>,
    /// Unix seconds UTC that windows and key dates count from.
    pub now: i64,
    /// Minutes east of UTC.
    pub zone_minutes: i32,
    /// Figures of class family in the policy.
    pub family: Family,
    /// A contact of this class and name, first of all: keys and policy know the class then.
    pub first: Option<(Class, String)>,
    /// Two people share the box: the policy asks for a code, and `site/people.json` has both with theirs.
    pub shared: bool,
    /// For tests: the Authority names a second grant key too (`site/grant-old.key`), whose date is over.
    pub expired_key: bool,
    /// Where root secrets are that an image already trusts (`0.key`, `1.key`, `2.key`); new ones if `None`.
    pub roots: Option<PathBuf>,
}

/// What the policy of a new site says of class family.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Longest slot, seconds of the fair clock.
    pub longest_s: u32,
    /// How often a live grant is renewed, seconds.
    pub beat_every_s: u32,
    /// How long a visit goes on after a missing beat, seconds.
    pub beat_grace_s: u32,
}

impl Default for Family {
    /// Half an hour, renewed every 20 s, a minute of grace.
    fn default() -> Self {
        Self { longest_s: 1800, beat_every_s: 20, beat_grace_s: 60 }
    }
}

/// Makes the whole tree under `dir`: `roots/`, `site/`, `box/`, `tls/`, `updater/`, `roots.bin`. Secret files are 0600.
///
/// # Errors
/// `File` when a key is there already; a broken rule; a policy that the linter refuses.
pub fn provision(dir: &Path, options: &Options) -> Result<Site, Fault> {
    let site_id = options.site.map_or_else(random::id, Ok)?;
    let device = options.device.map_or_else(random::id, Ok)?;
    // Everything that can be refused is judged before the first file.
    let policy = policy(site_id, options);
    refuse_bad(&policy)?;
    let person = person(site_id, device, options)?;

    for (name, mode) in [("", 0o755), ("roots", 0o700), ("site", 0o755), ("box", 0o755), ("tls", 0o755), ("updater", 0o755)] {
        let path = dir.join(name);
        let made = DirBuilder::new().recursive(true).mode(mode).create(&path);
        made.map_err(|e| Fault::file(&path, e, "choose a directory that can be made"))?;
    }
    let roots = write_roots(dir, options.roots.as_deref())?;
    write_box(dir, site_id, device)?;
    write_site(dir, site_id, &roots, &policy, &person, options)?;
    tls::write_all(&dir.join("tls"), &device, &options.names, options.now)?;
    tls::write_updater(&dir.join("tls"), &dir.join("updater"), &device, options.now)?;
    Site::load(dir)
}

fn refuse_bad(policy: &SitePolicy) -> Result<(), Fault> {
    let errors: Vec<_> = lint::lint(policy).into_iter().filter(|f| f.error).map(|f| f.to_string()).collect();
    if errors.is_empty() { Ok(()) } else { Err(Fault::Policy(errors.join("; "))) }
}

fn new_secret(path: &Path) -> Result<Secret, Fault> {
    let secret = Secret::generate()?;
    files::write_secret(path, &secret.bytes())?;
    Ok(secret)
}

/// New root secrets under `dir`, or those of another site: then only their public halves are written.
fn write_roots(dir: &Path, there: Option<&Path>) -> Result<[Secret; 3], Fault> {
    let root = |i: u8| match there {
        Some(there) => files::read_secret(&there.join(format!("{i}.key"))),
        None => new_secret(&dir.join(format!("roots/{i}.key"))),
    };
    let roots = [root(0)?, root(1)?, root(2)?];
    let mut bytes = vec![2, 3];
    roots.iter().for_each(|r| bytes.extend_from_slice(&r.public().0));
    Roots::parse(&bytes)?;
    files::write(&dir.join("roots.bin"), &bytes)?;
    Ok(roots)
}

fn write_box(dir: &Path, site: Id, device: Id) -> Result<(), Fault> {
    let at = dir.join("box");
    let (ask, unseal) = (random::bytes()?, random::bytes()?);
    files::write_secret(&at.join("ask.key"), &ask)?;
    files::write_secret(&at.join("unseal.key"), &unseal)?;
    files::write(&at.join("ask.pub"), BoxKey::new(&ask).public().0)?;
    files::write(&at.join("unseal.pub"), UnsealKey::new(&unseal)?.public().0)?;
    files::write(&at.join("device.id"), format!("{device}\n"))?;
    files::write(&at.join("site.id"), format!("{site}\n"))?;
    let (from, to) = (dir.join("roots.bin"), at.join("roots.bin"));
    fs::copy(from, &to).map(drop).map_err(|e| Fault::file(&to, e, "check the directory and its rights"))
}

fn write_site(
    dir: &Path,
    id: Id,
    roots: &[Secret; 3],
    policy: &SitePolicy,
    person: &Entitlement,
    options: &Options,
) -> Result<(), Fault> {
    let at = dir.join("site");
    let mut keys = Vec::new();
    let mut key = |role: Role, file: &str, life_s: i64| -> Result<Secret, Fault> {
        let secret = new_secret(&at.join(file))?;
        let (classes, longest_s) = if role.is_bounded() { (classes(options), LONGEST_S) } else { (vec![], 0) };
        keys.push(AuthorityKey { role, key: secret.public(), classes, longest_s, not_after: options.now + life_s });
        Ok(secret)
    };
    let policy_key = key(Role::Policy, "policy.key", KEY_LIFE_S)?;
    key(Role::Entitlement, "entitlement.key", KEY_LIFE_S)?;
    key(Role::Grant, "grant.key", KEY_LIFE_S)?;
    let door = key(Role::Door, "door.key", KEY_LIFE_S)?;
    key(Role::Deny, "deny.key", KEY_LIFE_S)?;
    if options.expired_key {
        key(Role::Grant, OLD_GRANT_KEY, -DAY_S)?;
    }
    let seal = random::bytes()?;
    files::write_secret(&at.join("seal.key"), &seal)?;
    let facility_seal: Bytes32 = UnsealKey::new(&seal)?.public();

    let authority = Authority { v: VERSION, site: id, revision: 1, keys, facility_seal, always: vec![] };
    files::write(&at.join("authority.json"), sign::authority(&authority, &[&roots[0], &roots[1]])?)?;
    let record = DoorRecord { site: id.0, door_key: door.public().0, revision: 1 };
    files::write(&at.join("door-record.bin"), sign::door_record(&record, [Some(&roots[0]), Some(&roots[1]), None]))?;
    files::write(&at.join("policy.jws"), sign::sign(policy, &policy_key)?)?;
    files::write_json(&at.join("policy.json"), policy)?;
    if options.shared {
        let people = [inhabitant(1, person.clone())?, inhabitant(2, cellmate(person)?)?];
        let path = at.join(PEOPLE);
        let text =
            serde_json::to_vec_pretty(&people).map_err(|e| Fault::file(&path, e, "report this as a fault of parloirctl"))?;
        files::write_secret(&path, &text)?;
    }
    files::write_json(&at.join("entitlement.json"), person)
}

/// Somebody with a new code: every number of six digits is as likely as another.
fn inhabitant(tag: u8, entitlement: Entitlement) -> Result<Inhabitant, Fault> {
    loop {
        let n = u32::from_le_bytes(random::bytes()?) & 0xf_ffff;
        if n < 1_000_000 {
            return Ok(Inhabitant { tag, code: format!("{n:06}"), entitlement });
        }
    }
}

/// The other person of the example cell: one contact, no booking.
fn cellmate(person: &Entitlement) -> Result<Entitlement, Fault> {
    let windows = person.contacts.first().map(|c| c.windows.clone()).unwrap_or_default();
    let (name, class, media) = ("Irina".to_owned(), Class::Family, Media::Video);
    let contact = Contact { id: random::id()?, name, class, media, outgoing: true, incoming: true, windows };
    let (contacts, bookings) = (vec![contact], Vec::new());
    Ok(Entitlement { person: random::id()?, name: "Pavel".to_owned(), contacts, bookings, ..person.clone() })
}

fn classes(options: &Options) -> Vec<Class> {
    let first = options.first.as_ref().map(|(class, _)| *class);
    std::iter::once(Class::Family).chain(first.filter(|class| *class != Class::Family)).collect()
}

/// The policy of a new site: class family and the first contact's, free, nobody records or watches.
fn policy(site: Id, options: &Options) -> SitePolicy {
    let Family { longest_s, beat_every_s, beat_grace_s } = options.family;
    let rule = |class| ClassRule {
        class,
        longest_s,
        beat_every_s,
        beat_grace_s,
        // A make-good longer than the visit is refused by the linter.
        make_good_s: longest_s.min(300),
        recording: false,
        monitoring: false,
        price: String::new(),
        video: true,
    };
    SitePolicy {
        v: VERSION,
        site,
        revision: 1,
        site_name: "Demo site".to_owned(),
        zone_minutes: options.zone_minutes,
        sign_in: options.shared,
        classes: classes(options).into_iter().map(rule).collect(),
        relays: options.relays.clone(),
        languages: ["en", "fr", "pt"].map(str::to_owned).to_vec(),
    }
}

/// The example person: two who can be called now, and one whose hours are tomorrow evening, so that a refusal can be seen.
fn person(site: Id, device: Id, options: &Options) -> Result<Entitlement, Fault> {
    let zone = i64::from(options.zone_minutes) * 60;
    let midnight = (options.now + zone).div_euclid(DAY_S) * DAY_S - zone;
    let all_day: Vec<_> = (0..14).map(|d| Window { from: midnight + d * DAY_S, to: midnight + (d + 1) * DAY_S }).collect();
    let tomorrow = midnight + DAY_S;
    let evening = vec![Window { from: tomorrow + 19 * 3600, to: tomorrow + 21 * 3600 }];
    let contact = |name: &str, class, media, windows| -> Result<Contact, Fault> {
        Ok(Contact { id: random::id()?, name: name.to_owned(), class, media, outgoing: true, incoming: true, windows })
    };
    let mut contacts = vec![
        contact("Ana", Class::Family, Media::Video, all_day.clone())?,
        contact("Mother", Class::Family, Media::Voice, all_day.clone())?,
        contact("Rui", Class::Family, Media::Video, evening)?,
    ];
    if let Some((class, name)) = &options.first {
        contacts.insert(0, contact(name, *class, Media::Video, all_day)?);
    }
    let quarter = (options.now.div_euclid(900) + 1) * 900;
    Ok(Entitlement {
        v: VERSION,
        site,
        device,
        revision: 1,
        answers: None,
        person: random::id()?,
        name: "João".to_owned(),
        language: "en".to_owned(),
        bookings: vec![Booking { contact: contacts[0].id, from: quarter, to: quarter + 1800 }],
        contacts,
    })
}
