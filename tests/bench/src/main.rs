//! Owns: the command line of the bench.
//! Never: does more than to read it and call the library.
//! Called by: the scripts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use parloir_bench::compare::{self, Comparison};
use parloir_bench::demo::Course;
use parloir_bench::guest::{self, Guest};
use parloir_bench::play::Halt;
use parloir_bench::resume::How;
use parloir_bench::stage::{Wanted, cache, clips};
use parloir_bench::{demo, faults, kiosk, moments, remote, restarts, resume, revoke, rogue, walls};

/// Parloir's bench: a whole box and its facility on this machine.
#[derive(Parser)]
#[command(version)]
struct Line {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Starts everything; with --visitor, runs a visit and reports it.
    Demo(Demo),
    /// As demo, within the namespaces (the demo starts this).
    #[command(hide = true)]
    Inside(Demo),
    /// The same visit by a kiosk browser, with its cost as the report.
    Kiosk(Demo),
    /// As kiosk, within the namespaces (the kiosk starts this).
    #[command(hide = true)]
    InsideKiosk(Demo),
    /// Our box, a kiosk and the bare codec, alternating: table and figures.
    Compare(Compare),
    /// A real Chromium as the visitor (the demo starts this as a user of its own).
    #[command(hide = true)]
    Visitor(Guest),
    /// Kills and stops every cell and part at the home screen and times when each is back.
    #[command(hide = true)]
    Restarts(Demo),
    /// A visit that is interrupted and goes on.
    #[command(hide = true)]
    Resume(Resume),
    /// As resume, within the namespaces.
    #[command(hide = true)]
    InsideResume(Resume),
    /// As restarts, within the namespaces.
    #[command(hide = true)]
    InsideRestarts(Demo),
    /// A screen that was taken over (the demo starts this).
    #[command(hide = true)]
    Rogue,
    /// The visit under fault: rows of the table, or the matrix of states, processes and signals.
    Faults(faults::Arguments),
    /// As faults, within the namespaces.
    #[command(hide = true)]
    InsideFaults(faults::Arguments),
    /// A stranger on the bus (the faults start this).
    #[command(hide = true)]
    FaultRogue,
    /// Arbiter, gate and link struck at random moments of a visit.
    Moments(moments::Arguments),
    /// As moments, within the namespaces.
    #[command(hide = true)]
    InsideMoments(moments::Arguments),
    /// How long a revocation takes, and what a lease costs on the bus.
    Revoke(revoke::Arguments),
    /// As revoke, within the namespaces.
    #[command(hide = true)]
    InsideRevoke(revoke::Arguments),
    /// Times leases beside the bare bus, as the updater's user (revoke starts this).
    #[command(hide = true)]
    Trips {
        /// How many of each.
        count: usize,
    },
    /// Presses keys of the remote, one after the other.
    Remote(Remote),
}

#[derive(Args, Clone)]
struct Demo {
    /// No window: the screen is saved as pictures.
    #[arg(long)]
    headless: bool,
    /// A window even if DISPLAY is not set (it will then fail with its own words).
    #[arg(long, conflicts_with = "headless")]
    window: bool,
    /// Who visits: chromium is a headless one with a clip as its camera. Without it the link is printed for a person.
    #[arg(long, value_parser = ["chromium"])]
    visitor: Option<String>,
    /// The visitor calls and the person answers.
    #[arg(long)]
    incoming: bool,
    /// Seconds that the visit lasts (30), or without --visitor the demo (until Ctrl-C).
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<u64>,
    /// Writes what happened as JSON.
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Where logs, pictures and the door for scripts/remote go.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// The visitor is of this class, such as lawyer: a private visit, with a short code on both screens.
    #[arg(long, value_name = "CLASS")]
    class: Option<String>,
    /// What the facility shall do wrong; then a refusal is the success.
    #[arg(long, value_name = "KIND")]
    tamper: Option<String>,
    /// Root of the source tree.
    #[arg(long, value_name = "DIR", default_value = ".")]
    tree: PathBuf,
    /// Apart: cell, site and visitor each in a network of its own, joined by lines that can be cut; else all are on loopback.
    #[arg(long, value_enum)]
    network: Option<Networks>,
}

/// Where the parts stand.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Networks {
    Apart,
    Loopback,
}

impl Demo {
    fn out(&self) -> PathBuf {
        out(self.out.as_ref(), &self.tree)
    }
}

#[derive(Args)]
struct Resume {
    /// What interrupts.
    #[arg(long, value_enum)]
    how: How,
    #[command(flatten)]
    demo: Demo,
}

#[derive(Args)]
struct Compare {
    /// How often each side runs.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Seconds of each visit.
    #[arg(long = "for", value_name = "SECONDS", default_value_t = 30)]
    seconds: u64,
    /// Writes the figures as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Puts the table between the marks of this page.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Root of the source tree.
    #[arg(long, value_name = "DIR", default_value = ".")]
    tree: PathBuf,
}

#[derive(Args)]
struct Remote {
    /// Directory of the running demo (its --out).
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Root of the source tree.
    #[arg(long, value_name = "DIR", default_value = ".")]
    tree: PathBuf,
    /// Names of keys, such as: down ok back 7.
    #[arg(required = true)]
    keys: Vec<String>,
}

fn main() -> ExitCode {
    match Line::parse().what {
        What::Demo(demo) => outside(&demo.out(), "inside"),
        What::Inside(demo) => inside(&demo),
        What::Kiosk(demo) => outside(&demo.out(), "inside-kiosk"),
        What::InsideKiosk(demo) => inside_kiosk(&demo),
        What::Resume(resume) => outside(&resume.demo.out(), "inside-resume"),
        What::InsideResume(resume) => inside_resume(&resume),
        What::Restarts(demo) => outside(&demo.out(), "inside-restarts"),
        What::InsideRestarts(demo) => inside_restarts(&demo),
        What::Compare(compare) => compared(&compare),
        What::Visitor(guest) => tried(guest::visit(&guest)),
        What::Rogue => tried(rogue::dial()),
        What::Faults(faults) if faults.printed() => ExitCode::SUCCESS,
        What::Faults(faults) => outside(&faults.place(), "inside-faults"),
        What::InsideFaults(faults) => inside_faults(&faults),
        What::FaultRogue => tried(faults::rogue::try_everything()),
        What::Moments(moments) => outside(&moments.place(), "inside-moments"),
        What::InsideMoments(arguments) => {
            let wanted = wanted(&arguments.tree, &arguments.place(), true);
            judged(wanted.map_err(Halt::from).and_then(|wanted| moments::run(&arguments, &wanted)))
        }
        What::Revoke(revoke) => outside(&revoke.place(), "inside-revoke"),
        What::InsideRevoke(arguments) => {
            let wanted = wanted(&arguments.tree, &arguments.place(), true);
            judged(wanted.map_err(Halt::from).and_then(|wanted| revoke::run(&arguments, &wanted)))
        }
        What::Trips { count } => tried(revoke::trips(count)),
        What::Remote(remote) => press(&remote),
    }
}

/// Prepares what the caller owns, then runs this program again within the namespaces, as `inside`.
fn outside(out: &Path, inside: &str) -> ExitCode {
    if let Some(why) = walls::obstacle() {
        eprintln!("bench: {why}");
        return ExitCode::from(3);
    }
    let prepared = cache().and_then(|cache| clips(&cache)).and_then(|()| std::fs::create_dir_all(out));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = prepared.and(runtime).and_then(|runtime| {
        let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
        if let Some(first) = arguments.first_mut() {
            *first = inside.into();
        }
        runtime.block_on(walls::run_inside(&arguments))
    });
    done.unwrap_or_else(|why| fail(&why.to_string()))
}

fn inside(demo: &Demo) -> ExitCode {
    judged(course(demo).map_err(Halt::from).and_then(|course| demo::run(&course)))
}

fn inside_resume(resume: &Resume) -> ExitCode {
    judged(course(&resume.demo).map_err(Halt::from).and_then(|course| resume::run(&course, resume.how)))
}

fn judged(done: Result<bool, Halt>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => fail("the visit was not as it must be; the lines above and the logs tell what was"),
        Err(Halt::Stopped) => ExitCode::from(130),
        Err(Halt::Failed(why)) => fail(&why),
    }
}

fn course(demo: &Demo) -> std::io::Result<Course> {
    let headless = demo.headless || (!demo.window && std::env::var_os("DISPLAY").is_none());
    let wanted = Wanted {
        tamper: demo.tamper.clone(),
        apart: demo.network == Some(Networks::Apart),
        init: demo.class.iter().flat_map(|class| ["--first".to_owned(), format!("{class}=Dr Silva")]).collect(),
        ..wanted(&demo.tree, &demo.out(), headless)?
    };
    Ok(Course {
        wanted,
        visitor: demo.visitor.is_some(),
        seconds: demo.seconds,
        report: demo.report.clone(),
        expect_refusal: demo.tamper.is_some(),
        incoming: demo.incoming,
    })
}

/// A stage from this tree with this program's neighbours, all on loopback.
fn wanted(tree: &Path, out: &Path, headless: bool) -> std::io::Result<Wanted> {
    let exe = std::env::current_exe()?;
    Ok(Wanted {
        tree: tree.canonicalize()?,
        bin: exe.parent().map(PathBuf::from).unwrap_or_default(),
        cache: cache()?,
        out: out.canonicalize()?,
        headless,
        apart: false,
        tamper: None,
        facility: Vec::new(),
        init: Vec::new(),
    })
}

fn inside_faults(arguments: &faults::Arguments) -> ExitCode {
    let wanted = wanted(&arguments.tree, &arguments.place(), true);
    judged(wanted.map_err(Halt::from).and_then(|wanted| faults::run(arguments, &wanted)))
}

fn inside_kiosk(demo: &Demo) -> ExitCode {
    let done = course(demo).and_then(|course| {
        let report = course.report.unwrap_or_else(|| course.wanted.out.join("report.json"));
        kiosk::run(&course.wanted, course.seconds.unwrap_or(30), &report)
    });
    done.map_or_else(|why| fail(&why.to_string()), |()| ExitCode::SUCCESS)
}

fn inside_restarts(demo: &Demo) -> ExitCode {
    judged(course(demo).map_err(Halt::from).and_then(|course| {
        let text = serde_json::to_string_pretty(&restarts::run(&course.wanted)?).map_err(|why| Halt::Failed(why.to_string()))?;
        course.report.map_or(Ok(()), |report| std::fs::write(report, text + "\n"))?;
        Ok(true)
    }))
}

fn compared(wanted: &Compare) -> ExitCode {
    let done = cache().and_then(|cache| {
        clips(&cache)?;
        let out = wanted.tree.join("out/compare");
        let (tree, rounds, seconds) = (wanted.tree.clone(), wanted.rounds, wanted.seconds);
        let (figures, table) = compare::run(&Comparison { rounds, seconds, tree, out, clips: cache })?;
        println!("{table}");
        if let Some(path) = &wanted.json {
            std::fs::write(path, serde_json::to_string_pretty(&figures)? + "\n")?;
        }
        wanted.page.as_ref().map_or(Ok(()), |page| compare::insert(page, "visit", &table))
    });
    done.map_or_else(|why| fail(&why.to_string()), |()| ExitCode::SUCCESS)
}

/// Where a run writes: what was asked for, else out/demo in the tree.
fn out(asked: Option<&PathBuf>, tree: &Path) -> PathBuf {
    asked.cloned().unwrap_or_else(|| tree.join("out/demo"))
}

fn tried<E: std::fmt::Display>(what: impl Future<Output = Result<(), E>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(|why| why.to_string()).and_then(|r| r.block_on(what).map_err(|why| why.to_string()));
    done.map_or_else(|why| fail(&why), |()| ExitCode::SUCCESS)
}

fn press(wanted: &Remote) -> ExitCode {
    let door = out(wanted.out.as_ref(), &wanted.tree).join("remote");
    for name in &wanted.keys {
        let pressed = remote::named(name).and_then(|key| {
            remote::press(&door, key).map_err(|why| format!("{}: {why}; is the demo running with this --out?", door.display()))
        });
        if let Err(why) = pressed {
            return fail(&why);
        }
    }
    ExitCode::SUCCESS
}

fn fail(why: &str) -> ExitCode {
    eprintln!("bench: {why}");
    ExitCode::FAILURE
}
