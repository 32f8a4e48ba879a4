//! Owns: one virtual machine: QEMU's command line, its process, its files, what can be done to it from outside.
//! Never: a privilege: QEMU runs as a user of its own, in the network that a cell has; what the box in it does.
//! Called by: scene.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use parloir_bench::network::Place;
use parloir_bench::outside::cpu_seconds;
use parloir_bench::supervisor::{Part, Supervisor, dead_within, pidfd, signal};
use serde_json::json;

use crate::qmp::Qmp;
use crate::talk::encode;
use crate::tools::{Built, command};

/// The user that QEMU runs as.
pub const USER: &str = "parloir-machine";
/// How often the guest's processor time is read.
const LOOK: Duration = Duration::from_millis(200);

/// What a machine is made of.
#[derive(Clone, Debug)]
pub struct Options {
    /// Names its files.
    pub name: String,
    /// Its disk, raw, as [`crate::scene::Scene::disk`] makes it. What the guest writes is in it, also after a kill.
    pub disk: PathBuf,
    /// The probe comes along.
    pub probe: bool,
    /// More credentials by the firmware (SMBIOS type 11, `io.systemd.credential.binary:NAME`).
    pub credentials: Vec<(String, Vec<u8>)>,
    /// More SMBIOS type 11 strings, as they are.
    pub strings: Vec<String>,
    /// More arguments for QEMU.
    pub arguments: Vec<String>,
    /// `-rtc base=`: `utc` or a date as `1970-01-01T00:00:00`.
    pub clock: String,
    /// A reset ends QEMU.
    pub ends_at_reset: bool,
    /// A TV is there from the start.
    pub screen: bool,
    /// MiB.
    pub memory: u32,
}

impl Options {
    /// The usual machine with that disk.
    #[must_use]
    pub fn new(name: &str, disk: &Path) -> Self {
        Self {
            name: name.to_owned(),
            disk: disk.to_path_buf(),
            probe: true,
            credentials: Vec::new(),
            strings: Vec::new(),
            arguments: Vec::new(),
            clock: "utc".to_owned(),
            ends_at_reset: false,
            screen: true,
            memory: 1024,
        }
    }
}

/// A machine that was started. It is killed when this is dropped.
pub struct Machine {
    /// QEMU's process.
    pub pid: u32,
    /// QEMU's control socket.
    pub qmp: Qmp,
    /// When it was started.
    pub started: Instant,
    life: OwnedFd,
    files: Files,
    costs: Arc<Mutex<Vec<(Instant, f64)>>>,
}

/// Where a machine's files are, within the namespaces.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    dir: PathBuf,
    name: String,
}

impl Files {
    fn at(&self, what: &str) -> PathBuf {
        self.dir.join(format!("{}{what}", self.name))
    }
}

impl Machine {
    /// Starts QEMU; `dir` is where its files go, writable for [`USER`]; `probe` the disk with the probe.
    ///
    /// # Errors
    /// QEMU does not start: its words are in the log `machine`.
    pub fn start(
        supervisor: &mut Supervisor,
        built: &Built,
        dir: &Path,
        probe: Option<&Path>,
        options: &Options,
    ) -> io::Result<Self> {
        let files = Files { dir: dir.to_path_buf(), name: options.name.clone() };
        for socket in [".qmp", ".probe"] {
            let _ = fs::remove_file(files.at(socket));
        }
        let mut words = command(&built.tool(""), "usr/bin/qemu-system-x86_64");
        words.extend(arguments(built, &files, probe, options)?);
        let environment = vec![("QEMU_MODULE_DIR".to_owned(), built.tool("usr/lib/x86_64-linux-gnu/qemu").display().to_string())];
        let started = Instant::now();
        let part = Part {
            name: "machine",
            user: USER,
            command: words,
            environment,
            kept: false,
            hears: false,
            place: Some(Place::Cell),
        };
        let pid = supervisor.part(part)?;
        let life = pidfd(pid)?;
        let qmp = Qmp::connect(&files.at(".qmp"))?;
        let costs = Arc::new(Mutex::new(Vec::new()));
        watch(pid, life.try_clone()?, costs.clone());
        Ok(Self { pid, qmp, started, life, files, costs })
    }

    /// Socket of the guest's second serial port.
    #[must_use]
    pub fn port(&self) -> PathBuf {
        self.files.at(".probe")
    }

    /// What came over the guest's console so far.
    #[must_use]
    pub fn serial(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.files.at("-console.log")).unwrap_or_default()).into_owned()
    }

    /// Every packet between the guest and its network, pcap.
    #[must_use]
    pub fn pcap(&self) -> PathBuf {
        self.files.at("-network.pcap")
    }

    /// Saves what the TV shows as PNG; `false` if there is no TV or nothing was ever drawn.
    ///
    /// # Errors
    /// QEMU has ended, or `to` cannot be written.
    pub fn screendump(&mut self, to: &Path) -> io::Result<()> {
        let from = self.files.at("-screen.png");
        self.qmp.execute("screendump", json!({ "filename": from.display().to_string(), "format": "png" }))?;
        fs::copy(from, to).map(drop)
    }

    /// The reset button.
    ///
    /// # Errors
    /// QEMU has ended.
    pub fn reset(&mut self) -> io::Result<()> {
        self.qmp.execute("system_reset", json!({})).map(drop)
    }

    /// The plug: SIGKILL. What the guest's disk was given is in the file, as on a disk without a cache of its own.
    pub fn kill(&mut self) {
        signal(self.pid, Signal::SIGKILL);
        let _ = dead_within(self.life.as_fd(), Duration::from_secs(10));
    }

    /// Ends QEMU at once, its files written.
    pub fn quit(&mut self) {
        let _ = self.qmp.execute("quit", json!({}));
        if !dead_within(self.life.as_fd(), Duration::from_secs(10)) {
            self.kill();
        }
    }

    /// Whether QEMU has ended.
    #[must_use]
    pub fn ended(&self) -> bool {
        dead_within(self.life.as_fd(), Duration::ZERO)
    }

    /// Processor time of QEMU so far, seconds: what the emulation of the guest cost.
    #[must_use]
    pub fn cpu_seconds(&self) -> f64 {
        self.cpu_seconds_at(Instant::now())
    }

    /// The same at an earlier moment, to a fifth of a second.
    #[must_use]
    pub fn cpu_seconds_at(&self, moment: Instant) -> f64 {
        let costs = self.costs.lock().unwrap_or_else(PoisonError::into_inner);
        costs.iter().rev().find(|(at, _)| *at <= moment).map_or(0.0, |(_, cost)| *cost)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.kill();
    }
}

fn watch(pid: u32, life: OwnedFd, costs: Arc<Mutex<Vec<(Instant, f64)>>>) {
    std::thread::spawn(move || {
        while !dead_within(life.as_fd(), LOOK) {
            costs.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), cpu_seconds(pid)));
        }
    });
}

/// Everything after QEMU's own name.
fn arguments(built: &Built, files: &Files, probe: Option<&Path>, options: &Options) -> io::Result<Vec<String>> {
    let vars = options.disk.with_extension("vars");
    if !vars.exists() {
        fs::copy(built.tool("usr/share/OVMF/OVMF_VARS_4M.fd"), &vars)?;
        fs::set_permissions(&vars, fs::Permissions::from_mode(0o666))?;
    }
    let accelerator = std::env::var("PARLOIR_ACCEL").unwrap_or_else(|_| "tcg,thread=multi".to_owned());
    let (firmware, share) = (built.tool("usr/share/OVMF/OVMF_CODE_4M.fd"), built.tool("usr/share/qemu"));
    let mut all: Vec<String> = Vec::new();
    let mut add = |text: String| all.extend(text.split(' ').map(str::to_owned));
    add(format!("-L {} -nodefaults -no-user-config -display none -sandbox on", share.display()));
    add(format!("-machine q35 -accel {accelerator} -cpu max -smp 2 -m {}", options.memory));
    add(format!("-drive if=pflash,unit=0,format=raw,readonly=on,file={}", firmware.display()));
    add(format!("-drive if=pflash,unit=1,format=raw,file={}", vars.display()));
    add(format!("-drive if=none,id=disk,format=raw,discard=unmap,file={}", options.disk.display()));
    add("-device virtio-blk-pci,drive=disk,serial=box,bootindex=0".to_owned());
    if options.screen {
        add("-device virtio-gpu-pci,id=tv,xres=1280,yres=720".to_owned());
    }
    add("-device virtio-rng-pci -device qemu-xhci,id=usb".to_owned());
    add("-device pcie-root-port,id=hot0,chassis=1 -device pcie-root-port,id=hot1,chassis=2".to_owned());
    add("-netdev user,id=net,ipv6=off -device virtio-net-pci,netdev=net,romfile=".to_owned());
    add(format!("-object filter-dump,id=dump,netdev=net,file={}", files.at("-network.pcap").display()));
    add(format!("-chardev file,id=console,append=on,path={} -serial chardev:console", files.at("-console.log").display()));
    add(format!("-chardev socket,id=probe,server=on,wait=off,path={} -serial chardev:probe", files.at(".probe").display()));
    add(format!("-qmp unix:{},server=on,wait=off -rtc base={}", files.at(".qmp").display(), options.clock));
    if options.ends_at_reset {
        add("-no-reboot".to_owned());
    }
    if let (true, Some(probe)) = (options.probe, probe) {
        add(format!("-drive if=none,id=probe,format=raw,readonly=on,file={}", probe.display()));
        add("-device virtio-blk-pci,drive=probe,serial=parloir-probe".to_owned());
    }
    let mut strings = options.strings.clone();
    let ours = if options.probe { probe_units() } else { Vec::new() };
    for (name, bytes) in ours.iter().chain(&options.credentials) {
        strings.push(format!("io.systemd.credential.binary:{name}={}", encode(bytes)));
    }
    for (at, text) in strings.iter().enumerate() {
        // By a file: on the command line, commas would have to be doubled.
        let file = files.at(&format!(".smbios-{at}"));
        fs::write(&file, text)?;
        add(format!("-smbios type=11,path={}", file.display()));
    }
    all.extend(options.arguments.iter().cloned());
    Ok(all)
}

/// The units that the guest's systemd takes from the firmware (systemd.system-credentials(7)).
fn probe_units() -> Vec<(String, Vec<u8>)> {
    let mount = "[Unit]\nDescription=The disk of the probe\nDefaultDependencies=no\n\
        [Mount]\nWhat=/dev/disk/by-id/virtio-parloir-probe\nWhere=/run/probe\nType=erofs\nOptions=ro\n";
    let service = "[Unit]\nDescription=The probe of a test\nDefaultDependencies=no\nRequires=run-probe.mount\n\
        After=run-probe.mount\n\
        [Service]\nExecStart=/run/probe/parloir-probe serve /dev/ttyS1\nRestart=on-failure\nRestartSec=1\n";
    let dropin = "[Unit]\nWants=probe.service\n";
    [
        ("systemd.extra-unit.run-probe.mount", mount),
        ("systemd.extra-unit.probe.service", service),
        ("systemd.unit-dropin.sysinit.target", dropin),
    ]
    .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    .to_vec()
}
