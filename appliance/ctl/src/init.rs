//! Owns: `parloirctl init`.
//! Never: overwrites a key.
//! Called by: main.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use parloir_issuer::{Family, Options, provision};
use parloir_pass::{Class, Id};

use crate::Fault;

/// Make the keys, documents and certificates of a new site with one box.
///
/// Under DIR: roots/ (root secrets; keep them offline), site/ (the facility's keys and documents), box/ (the box's keys, device.id, site.id),
/// tls/ (a private CA, and certificates for broker, https, box and facility; updates-ca: who signs the boxes' certificates for updates),
/// updater/ (what the box's updater has, as keys/updater on the box), roots.bin (public root keys for the image).
/// Secret files are 0600. A key is never overwritten.
#[derive(clap::Args)]
pub struct Args {
    /// Directory to make; it must not hold a site yet.
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Device id, 32 lower-case hex digits [default: random]
    #[arg(long, value_name = "HEX")]
    device: Option<Id>,
    /// Site id, 32 lower-case hex digits [default: random]
    #[arg(long, value_name = "HEX")]
    site: Option<Id>,
    /// Relay that the policy allows, exactly as the facility will give it; may be repeated.
    #[arg(long, value_name = "URL", default_value = "turn:127.0.0.1:3478?transport=udp")]
    relay: Vec<String>,
    /// Further DNS name or address of broker and https, beside 127.0.0.1, ::1 and localhost; may be repeated.
    #[arg(long, value_name = "HOST")]
    name: Vec<String>,
    /// Minutes east of UTC of the site.
    #[arg(long, value_name = "MINUTES", default_value_t = 60, allow_negative_numbers = true)]
    zone_minutes: i32,
    /// How often the facility renews a live visit, seconds.
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=3600))]
    beat_every: u32,
    /// How long a visit goes on when a renewal is missing, seconds.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    beat_grace: u32,
    /// Longest visit, seconds.
    #[arg(long, value_name = "S", default_value_t = 1800, value_parser = clap::value_parser!(u32).range(1..=14100))]
    longest: u32,
    /// Put a contact of this class and name first, such as `lawyer=Dr Silva`, and the class into the keys and the policy.
    #[arg(long, value_name = "CLASS=NAME", value_parser = first)]
    first: Option<(Class, String)>,
    /// Two people share the box: the policy asks for a code, and site/people.json (0600) has both with theirs.
    #[arg(long)]
    shared: bool,
    /// For tests: name a second grant key in the Authority (site/grant-old.key), whose date is over.
    #[arg(long)]
    expired_key: bool,
    /// Directory with the root secrets that an image trusts (roots/ of an earlier init); they are not copied [default: new ones]
    #[arg(long, value_name = "DIR")]
    roots: Option<PathBuf>,
    /// Instant that windows and key dates count from, Unix seconds UTC [default: now]
    #[arg(long, value_name = "UNIX")]
    now: Option<i64>,
    /// Say what was made as JSON.
    #[arg(long)]
    json: bool,
}

/// Unix seconds UTC by this machine's clock.
pub fn clock() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs().cast_signed())
}

fn first(text: &str) -> Result<(Class, String), String> {
    let (class, name) = text.split_once('=').ok_or("not CLASS=NAME")?;
    let class = Class::ALL.into_iter().find(|c| c.name() == class).filter(|c| c.is_supported());
    Ok((class.ok_or("no class of which this release makes calls")?, name.to_owned()))
}

/// Makes the site and says what it is.
pub fn run(args: &Args) -> Result<(), Fault> {
    let options = Options {
        device: args.device,
        site: args.site,
        relays: args.relay.clone(),
        names: args.name.clone(),
        now: args.now.unwrap_or_else(clock),
        zone_minutes: args.zone_minutes,
        family: Family { longest_s: args.longest, beat_every_s: args.beat_every, beat_grace_s: args.beat_grace },
        first: args.first.clone(),
        shared: args.shared,
        expired_key: args.expired_key,
        roots: args.roots.clone(),
    };
    let site = provision(&args.dir, &options)?;
    if args.json {
        println!("{}", serde_json::json!({ "site": site.site, "device": site.device, "dir": args.dir }));
    } else {
        println!("site {}\ndevice {}\ndir {}", site.site, site.device, args.dir.display());
    }
    Ok(())
}
