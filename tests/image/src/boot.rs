//! Owns: a machine for a person: its console on the terminal, keys and pictures on request from another terminal.
//! Never: a test.
//! Called by: `parloir-machine`.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use parloir_bench::play::Halt;
use serde::{Deserialize, Serialize};

use crate::inside::inside;
use crate::machine::{Machine, Options};
use crate::probe::Probe;
use crate::scene::Scene;
use crate::tools::{Uki, tree};

/// How often console and orders are looked at.
const TICK: Duration = Duration::from_millis(100);

/// What the person wants.
pub struct Wanted {
    /// The command line to boot with.
    pub uki: Uki,
    /// A browser that joins.
    pub visitor: bool,
    /// A socket for VNC.
    pub vnc: Option<PathBuf>,
}

/// What another terminal may order.
#[derive(Debug, Serialize, Deserialize)]
pub enum Order {
    /// Keys of the TV's remote.
    Keys(Vec<String>),
    /// A program as root, by the probe.
    Run(Vec<String>),
    /// A picture at `out/image/boot/screen.png`.
    Look,
}

/// Boots, and goes on until Ctrl-C, or until the machine ends by itself.
///
/// # Panics
/// It does not start: the message says why.
pub fn boot(wanted: &Wanted) {
    inside("boot", || {
        let mut scene = Scene::set("boot")?;
        let disk = scene.disk(wanted.uki)?;
        let mut options = Options { probe: wanted.uki == Uki::Probe, ..Options::new("boot", &disk) };
        if let Some(socket) = &wanted.vnc {
            options.arguments = vec!["-vnc".to_owned(), format!("unix:{}", socket.display())];
        }
        let mut machine = scene.start(&options)?;
        let probe = scene.listen(&machine)?;
        println!("the box starts; its console follows. Ctrl-C ends it. From another terminal:");
        println!("  parloir-machine key select     a key of the TV's remote (up down left right select back)");
        println!("  parloir-machine look FILE      what the TV shows, as PNG");
        println!("  parloir-machine run journalctl -b    a program of the image as root, by the probe");
        if wanted.visitor {
            scene.play.until("the visitor's link", crate::scene::HOME_LIMIT, |seen| seen.visitor_url.is_some())?;
            scene.play.visitor_to_page()?;
        }
        serve(&mut scene, &mut machine, &probe)
    });
}

fn serve(scene: &mut Scene, machine: &mut Machine, probe: &Probe) -> Result<(), Halt> {
    let orders = listen(&socket())?;
    let mut shown = 0;
    while !machine.ended() {
        scene.play.idle(TICK)?;
        let console = machine.serial();
        print!("{}", console.get(shown..).unwrap_or_default());
        io::stdout().flush()?;
        shown = console.len();
        if let Ok((order, mut from)) = orders.try_recv() {
            let done = obeyed(scene, machine, probe, &order).map_err(|why| why.to_string());
            // Whoever ordered may have gone.
            let _ = writeln!(from, "{}", serde_json::to_string(&done).unwrap_or_default());
        }
    }
    println!("the machine has ended");
    Ok(())
}

/// Done, and what it printed.
fn obeyed(scene: &Scene, machine: &mut Machine, probe: &Probe, order: &Order) -> io::Result<String> {
    if probe.hello().is_none() && !matches!(order, Order::Look) {
        return Err(io::Error::other("the probe is not there (yet)"));
    }
    match order {
        Order::Keys(keys) => keys.iter().try_for_each(|key| scene.tv_key(probe, key))?,
        Order::Run(argv) => {
            let ran = probe.run(&argv.iter().map(String::as_str).collect::<Vec<_>>())?;
            return Ok(ran.out() + &ran.err());
        }
        Order::Look => machine.screendump(&scene.out.join("screen.png"))?,
    }
    Ok(String::new())
}

fn socket() -> PathBuf {
    tree().join("out/image/boot/orders")
}

fn listen(path: &Path) -> io::Result<Receiver<(Order, UnixStream)>> {
    let listener = UnixListener::bind(path)?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut line = String::new();
            let read = BufReader::new(&stream).read_line(&mut line);
            if let (Ok(_), Ok(order)) = (read, serde_json::from_str(&line))
                && sender.send((order, stream)).is_err()
            {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Orders something of the machine that runs; what it printed.
///
/// # Errors
/// None runs, or it could not be done.
pub fn order(order: &Order) -> io::Result<String> {
    let none = |why| io::Error::other(format!("no machine answers ({why}); start one: scripts/image boot"));
    let mut stream = UnixStream::connect(socket()).map_err(none)?;
    writeln!(stream, "{}", serde_json::to_string(order)?)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    serde_json::from_str::<Result<String, String>>(&answer)?.map_err(io::Error::other)
}

/// Saves what the TV of the machine that runs shows.
///
/// # Errors
/// As [`order`], or the file cannot be written.
pub fn look(to: &Path) -> io::Result<()> {
    order(&Order::Look)?;
    fs::copy(tree().join("out/image/boot/screen.png"), to).map(drop)
}
