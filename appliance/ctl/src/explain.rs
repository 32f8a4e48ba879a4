//! Owns: `parloirctl explain`: why something was refused or ended, by which rule, since when, and what to do.
//! Never: guesses: what the export does not say is said to be unknown.
//! Called by: main.

use parloir_core::{Code, EndReason};
use parloir_pass::export::LedgerRow;
use parloir_pass::{Export, Id};
use serde_json::{Value, json};

use crate::Fault;
use crate::export::{Source, When, Whole, is_call};
use crate::words;

/// Say why something was refused or ended: rule, since when, how often, and what to do.
///
/// Without --call and --code it explains what was told last. What is older than the arbiter's start comes from the ledger's rows.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Everything about this call: 32 hex digits, or the first of them.
    #[arg(long, value_name = "HEX")]
    call: Option<String>,
    /// This code, such as OutsideWindow.
    #[arg(long, conflicts_with = "call")]
    code: Option<String>,
    /// Every code in the export.
    #[arg(long, conflicts_with_all = ["call", "code"])]
    all: bool,
    /// As one JSON value.
    #[arg(long)]
    json: bool,
}

/// One code, explained.
struct Explained {
    code: String,
    call: Option<Id>,
    times: u64,
    first: When,
    last: When,
    standing: Option<Standing>,
}

/// The fact that stands behind a code, as it is now.
struct Standing {
    fact: String,
    holds: bool,
    since: When,
}

/// Which fact of an export a code waits for.
fn fact_of(code: &str) -> Option<&'static str> {
    Some(match code {
        "Offline" => "online",
        "GateAbsent" | "GateLost" => "gate",
        "NotReady" => "documents",
        "NoScreen" | "NotScreen" | "ScreenGone" => "screen",
        "ClockUnknown" => "clock",
        _ => return None,
    })
}

/// Verifies and explains.
pub fn run(args: &Args) -> Result<(), Fault> {
    let whole = args.source.read()?;
    let found = find(&whole, args);
    if found.is_empty() {
        let next = "look at `parloirctl show`, or ask for an export with more of the ledger";
        return Err(Fault::new("explain", "nothing in the export is about that", next, "NothingFound"));
    }
    if args.json {
        println!("{:#}", Value::Array(found.iter().map(as_json).collect()));
    } else {
        let told: Vec<String> = found.iter().map(as_text).collect();
        println!("{}", told.join("\n\n"));
    }
    Ok(())
}

fn find(whole: &Whole, args: &Args) -> Vec<Explained> {
    let last = || whole.now.recent.last().map(|o| o.code.clone()).or_else(|| told(whole, |_| true).pop().map(|o| o.code));
    let all = match (&args.call, &args.code) {
        (Some(call), _) => of_call(whole, call),
        (None, Some(code)) => told(whole, |one| one == code),
        (None, None) if args.all => told(whole, |_| true),
        (None, None) => last().map_or_else(Vec::new, |code| told(whole, |one| one == code)),
    };
    let mut found: Vec<Explained> = Vec::new();
    for one in all {
        match found.iter_mut().find(|e| e.code == one.code) {
            Some(known) => {
                known.times = known.times.saturating_add(one.times);
                (known.last, known.call) = (one.last, one.call.or(known.call));
            }
            None => found.push(Explained { standing: standing(&whole.now, &one.code), ..one }),
        }
    }
    found
}

/// What was told, oldest first: by the ledger's rows before the arbiter's start, and since then by what it remembers, which counts also
/// what the ledger leaves out.
fn told(whole: &Whole, wanted: impl Fn(&str) -> bool) -> Vec<Explained> {
    let now = &whole.now;
    let before = |row: &LedgerRow| !of_boot(now, row) || row.at_ns / 1_000_000 < now.started_ms;
    let mut all: Vec<_> = whole.ledger.rows.iter().filter(|row| before(row)).filter_map(|row| read_row(now, row)).collect();
    let mut codes: Vec<_> = now.codes.iter().collect();
    codes.sort_by_key(|told| told.last_ms);
    all.extend(codes.into_iter().map(|told| {
        let call = now.recent.iter().rev().find(|o| o.code == told.code).and_then(|o| o.call);
        let (first, last) = (When::of_boot(now, told.first_ms), When::of_boot(now, told.last_ms));
        Explained { code: told.code.clone(), call, times: told.times, first, last, standing: None }
    }));
    all.retain(|one| wanted(&one.code));
    all
}

/// What was told about a call: by the ledger's rows, or by what is remembered where they are not in the export.
fn of_call(whole: &Whole, call: &str) -> Vec<Explained> {
    let now = &whole.now;
    let mut all: Vec<_> = whole.ledger.rows.iter().filter_map(|row| read_row(now, row)).collect();
    for one in &now.recent {
        if !all.iter().any(|known| known.code == one.code && known.call == one.call) {
            let when = When { ms: one.at_ms, wall: one.wall, earlier: false };
            all.push(Explained { code: one.code.clone(), call: one.call, times: 1, first: when, last: when, standing: None });
        }
    }
    all.retain(|one| is_call(&one.call, call));
    all
}

fn of_boot(now: &Export, row: &LedgerRow) -> bool {
    row.boot.replace('-', "") == now.boot.to_string()
}

/// A row that tells a code.
fn read_row(now: &Export, row: &LedgerRow) -> Option<Explained> {
    let field = |key: &str| row.detail.split(' ').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    let code = match row.event.as_str() {
        "refused" | "ring-over" => field("code"),
        "ended" => field("reason"),
        _ => None,
    }?;
    // Of those that are the same within a minute one is written; the number of the others stands in the next row.
    let times = 1 + field("left_out").and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
    let when = When { ms: row.at_ns / 1_000_000, wall: row.wall_s, earlier: !of_boot(now, row) };
    Some(Explained { code: code.to_owned(), call: row.call.parse().ok(), times, first: when, last: when, standing: None })
}

fn standing(now: &Export, code: &str) -> Option<Standing> {
    let name = fact_of(code)?;
    let fact = now.facts.iter().find(|fact| fact.name == name)?;
    Some(Standing { fact: fact.name.clone(), holds: fact.holds, since: When::of_boot(now, fact.since_ms) })
}

/// Rule and operator's hint.
fn rule(code: &str) -> Option<(&'static str, &'static str)> {
    let refusal = Code::from_name(code).map(|c| (c.rule(), c.hint()));
    refusal.or_else(|| EndReason::from_name(code).map(|c| (c.rule(), c.hint())))
}

const UNKNOWN: &str = "this release of parloirctl does not know the code";

fn as_text(one: &Explained) -> String {
    let (rule, hint) = rule(&one.code).unwrap_or(("unknown", UNKNOWN));
    let words = words::of(&one.code);
    let (what, next) = words.map_or((UNKNOWN, "Update parloirctl."), |w| (w.what, w.next));
    let mut lines =
        vec![format!("{} (rule {rule})", one.code), format!("  What happened  {what}"), format!("  What to do     {next}")];
    lines.push(match one.times {
        1 => format!("  When           {}", one.last),
        times => format!("  When           {times} times, first {}, last {}", one.first, one.last),
    });
    if let Some(call) = &one.call {
        lines.push(format!("  Call           {call}"));
    }
    if let Some(s) = &one.standing {
        let now = if s.holds { "it is over: " } else { "it is still so: " };
        let not = if s.holds { "" } else { "not " };
        lines.push(format!("  Now            {now}{not}{} since {}", s.fact, s.since));
    }
    lines.push(format!("  Operator       {hint}"));
    lines.join("\n")
}

fn as_json(one: &Explained) -> Value {
    let known = rule(&one.code);
    let words = words::of(&one.code);
    let when = |w: When| json!({ "ms": w.ms, "wall": w.wall, "utc": w.utc() });
    json!({
        "code": one.code, "rule": known.map(|r| r.0), "operator": known.map(|r| r.1), "what": words.as_ref().map(|w| w.what),
        "next": words.as_ref().map(|w| w.next), "times": one.times, "first": when(one.first), "last": when(one.last), "call": one.call,
        "now": one.standing.as_ref().map(|s| json!({ "fact": s.fact, "holds": s.holds, "since": when(s.since) })),
    })
}
