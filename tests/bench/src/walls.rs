//! Owns: the bench's namespaces: users of their own for every role, a private `/run`, and nothing left behind.
//! Never: needs root; changes the machine outside its namespaces.
//! Called by: main (outside), demo (inside).
//!
//! Outside starts `unshare` with a user, a mount and a PID namespace. The bench is the PID namespace's first process, so whatever
//! it started dies with it. The pipe on its standard input is its life: when the outside closes it, the inside stops tidily.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use nix::mount::{MsFlags, mount};

use crate::cells::Cells;

/// Where everything of a run lies inside the namespaces.
pub const RUN: &str = "/run/parloir";

/// First number of the private users. The user namespace maps it to a sub-id of whoever runs the bench.
const FIRST_ID: u32 = 5001;

/// Users of the parts that are not on the box.
const BENCH_USERS: [&str; 7] =
    ["parloir-facility", "parloir-broker", "parloir-relay", "parloir-bus", "parloir-visitor", "parloir-kiosk", "parloir-machine"];

/// Runs this program again inside the namespaces with `arguments`, and waits for it.
///
/// # Errors
/// `unshare` cannot be started.
pub async fn run_inside(arguments: &[OsString]) -> io::Result<ExitCode> {
    let mut command = Command::new("unshare");
    command
        .args(["--user", "--map-root-user", "--map-auto", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
        .arg(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .process_group(0);
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    let life = child.stdin.take();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let mut hangup = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup())?;
    tokio::select! {
        status = child.wait() => return Ok(exit_code(status?)),
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    drop(life);
    if let Ok(status) = tokio::time::timeout(Duration::from_secs(15), child.wait()).await {
        return Ok(exit_code(status?));
    }
    child.kill().await?;
    Ok(ExitCode::from(130))
}

fn exit_code(status: std::process::ExitStatus) -> ExitCode {
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Why the roles cannot be separated here, in words with the next step; `None` when they can.
#[must_use]
pub fn obstacle() -> Option<String> {
    let uid = nix::unistd::getuid();
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name);
    for file in ["/etc/subuid", "/etc/subgid"] {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let owner = |line: &str| line.split(':').next().is_some_and(|who| who == name || who == uid.to_string());
        if !text.lines().any(owner) {
            return Some(format!(
                "{file} gives {name} no sub-ids, so the roles cannot have users of their own. \
                 As root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}"
            ));
        }
    }
    // In two steps: where the kernel says no (in a chroot, say), `--map-auto` leaves a helper that waits for ever.
    let tried = |more: &[&str]| Command::new("unshare").arg("--user").args(more).arg("true").stdin(Stdio::null()).output();
    let whole = ["--map-root-user", "--map-auto", "--mount", "--pid", "--fork", "--mount-proc"];
    match tried(&[]).and_then(|done| if done.status.success() { tried(&whole) } else { Ok(done) }) {
        Ok(done) if done.status.success() => None,
        Ok(done) => Some(format!(
            "user namespaces do not work here ({}): the package uidmap must be there and the kernel must allow them",
            String::from_utf8_lossy(&done.stderr).trim()
        )),
        Err(why) => Some(format!("unshare cannot be started ({why}): install util-linux and uidmap")),
    }
}

/// The private users, in a fixed order.
#[derive(Clone, Debug)]
pub struct Users(Vec<String>);

impl Users {
    /// Those of the cells and of the bench's own parts.
    #[must_use]
    pub fn of(cells: &Cells) -> Self {
        Self(cells.cell.iter().map(|cell| cell.user.clone()).chain(BENCH_USERS.map(str::to_owned)).collect())
    }

    /// All names with their numbers.
    pub fn all(&self) -> impl Iterator<Item = (&str, u32)> {
        self.0.iter().map(String::as_str).zip(FIRST_ID..)
    }

    /// Number of that user, which is its group's too.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<u32> {
        self.all().find(|(user, _)| *user == name).map(|(_, id)| id)
    }
}

/// Inside: a private `/run`, and `/etc/passwd` and `/etc/group` with our users.
///
/// # Errors
/// A mount was refused.
pub fn furnish(users: &Users) -> io::Result<()> {
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=755"))?;
    let etc = Path::new(RUN).join("etc");
    std::fs::create_dir_all(&etc)?;
    for (file, rest) in [("passwd", "::/run/parloir:/usr/sbin/nologin"), ("group", "")] {
        let mut text = std::fs::read_to_string(Path::new("/etc").join(file))?;
        text = text.lines().filter(|line| !is_ours(line, users)).map(|line| format!("{line}\n")).collect();
        for (name, id) in users.all() {
            let tail = if file == "passwd" { format!("{id}:{id}{rest}") } else { format!("{id}:") };
            text.push_str(&format!("{name}:x:{tail}\n"));
        }
        let private = etc.join(file);
        std::fs::write(&private, text)?;
        bind(&private, &Path::new("/etc").join(file))?;
    }
    Ok(())
}

/// Whether a line of the machine's own file would shadow one of ours.
fn is_ours(line: &str, users: &Users) -> bool {
    let mut fields = line.split(':');
    let name = fields.next().unwrap_or_default();
    let id = fields.nth(1).and_then(|id| id.parse::<u32>().ok());
    users.all().any(|(ours, our_id)| ours == name || Some(our_id) == id)
}

/// Shows `from` at `to`, which must exist.
///
/// # Errors
/// The mount was refused.
pub fn bind(from: &Path, to: &Path) -> io::Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)
        .map_err(|why| io::Error::other(format!("showing {} at {}: {why}", from.display(), to.display())))
}

/// Shows a file of the caller's at `RUN/name`, where every role can reach it whatever the modes of the directories above it.
///
/// # Errors
/// As [`bind`].
pub fn show(from: &Path, name: &str) -> io::Result<PathBuf> {
    let to = Path::new(RUN).join(name);
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if from.is_dir() {
        std::fs::create_dir_all(&to)?;
    } else {
        std::fs::write(&to, "")?;
    }
    bind(from, &to)?;
    Ok(to)
}

/// A directory at `RUN/name` that belongs to `user`.
///
/// # Errors
/// It cannot be made or given away.
pub fn room(name: &str, user: Option<u32>, mode: u32) -> io::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let path = Path::new(RUN).join(name);
    std::fs::create_dir_all(&path)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    if user.is_some() {
        std::os::unix::fs::chown(&path, user, user)?;
    }
    Ok(path)
}

/// The call process's runtime directory: 1 MiB, executable mappings allowed (ORC writes code), new for each start.
///
/// # Errors
/// A mount was refused.
pub fn call_runtime(user: u32) -> io::Result<PathBuf> {
    let path = Path::new(RUN).join("call/run");
    std::fs::create_dir_all(&path)?;
    // Nothing is mounted there before the first call: that refusal says so and nothing more.
    let _ = nix::mount::umount2(&path, nix::mount::MntFlags::MNT_DETACH);
    let options = format!("size=1m,mode=700,uid={user},gid={user}");
    mount(Some("tmpfs"), &path, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some(options.as_str()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_machine_that_would_shadow_ours_go() {
        let cells = Cells::parse(include_str!("../../../systemd/cells.toml")).expect("our file");
        let users = Users::of(&cells);
        assert!(is_ours("parloir-gate:x:77:77::/:/bin/sh", &users));
        assert!(is_ours("someone:x:5001:5001::/:/bin/sh", &users));
        assert!(!is_ours("root:x:0:0:root:/root:/bin/bash", &users));
        assert_ne!(users.id("parloir-gate"), users.id("parloir-visitor"));
    }
}
