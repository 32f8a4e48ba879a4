//! Owns: how a program of the probe becomes a user of the guest, in a unit's cgroup and namespaces if asked to.
//! Never: keeps a capability for anybody but root.
//! Called by: run, through `parloir-probe as`: a process of its own with one thread, as setns(2) wants it.

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;

use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Group, User, chdir, execv, fexecve, getgrouplist, setgid, setgroups, setuid};

use super::proc;

/// Stands for the probe's own file as a program.
pub const SELF: &str = "parloir-probe";
/// Stands for no user or unit.
pub const NONE: &str = "-";

/// `USER UNIT GROUPS PROGRAM ARGUMENTS...`; each of the first three may be [`NONE`]. Returns only when it cannot.
///
/// # Errors
/// No such user or unit, or the program cannot be executed.
pub fn become_and_execute(words: &[String]) -> io::Result<()> {
    let [user, unit, groups, program, ..] = words else {
        return Err(io::Error::other("as USER UNIT GROUPS PROGRAM..."));
    };
    let more: Vec<&str> = groups.split(',').filter(|name| !name.is_empty() && *name != NONE).collect();
    let role = if user == NONE { None } else { Some(Role::of(user, &more)?) };
    // Ours is opened before another mount namespace hides it.
    let ours = if program == SELF { Some(File::open("/proc/self/exe")?) } else { None };
    let users = if unit != NONE { enter(unit)? } else { None };
    nix::sys::stat::umask(Mode::from_bits_truncate(0o077));
    chdir("/")?;
    if let Some(role) = &role {
        setgroups(&role.groups)?;
    }
    // A user namespace of systemd's (PrivateUsers=) lets nobody change groups any more, and knows the unit's own user.
    if let Some(door) = users {
        setns(door, CloneFlags::CLONE_NEWUSER)?;
    }
    if let Some(role) = role {
        role.take()?;
    }
    let arguments: Vec<CString> = words[3..].iter().map(|word| CString::new(word.as_str())).collect::<Result<_, _>>()?;
    if let Some(ours) = ours {
        let environment: Vec<CString> = std::env::vars_os()
            .filter_map(|(name, value)| CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok())
            .collect();
        fexecve(&ours, &arguments, &environment)?;
    }
    execv(&CString::new(found(program))?, &arguments)?;
    Ok(())
}

/// As a shell would find it.
fn found(program: &str) -> String {
    let places = ["/usr/bin", "/usr/sbin", "/usr/libexec/parloir", "/usr/lib/systemd"];
    let paths = places.iter().map(|place| format!("{place}/{program}"));
    let there = if program.contains('/') { None } else { paths.into_iter().find(|path| fs::metadata(path).is_ok()) };
    there.unwrap_or_else(|| program.to_owned())
}

struct Role {
    user: User,
    groups: Vec<Gid>,
}

impl Role {
    fn of(name: &str, more: &[&str]) -> io::Result<Self> {
        let unknown = |what: &str, name: &str| io::Error::other(format!("the guest knows no {what} {name}"));
        let user = User::from_name(name)?.ok_or_else(|| unknown("user", name))?;
        let mut groups = getgrouplist(&CString::new(name)?, user.gid)?;
        for name in more {
            groups.push(Group::from_name(name)?.ok_or_else(|| unknown("group", name))?.gid);
        }
        Ok(Self { user, groups })
    }

    fn take(&self) -> io::Result<()> {
        setgid(self.user.gid)?;
        setuid(self.user.uid)?;
        if !self.user.uid.is_root() {
            nix::sys::prctl::set_no_new_privs()?;
        }
        Ok(())
    }
}

/// Into the cgroup and the namespaces of a unit's first process; its user namespace, if it has one, is for the caller to enter.
fn enter(unit: &str) -> io::Result<Option<File>> {
    let is_its = |pid: &u32| proc::cgroup(*pid).split('/').any(|part| part == unit);
    let pid = proc::pids().into_iter().find(is_its).ok_or_else(|| io::Error::other(format!("no process in {unit}")))?;
    fs::write(format!("/sys/fs/cgroup{}/cgroup.procs", proc::cgroup(pid)), std::process::id().to_string())?;
    let kinds = [
        ("ipc", CloneFlags::CLONE_NEWIPC),
        ("uts", CloneFlags::CLONE_NEWUTS),
        ("net", CloneFlags::CLONE_NEWNET),
        ("mnt", CloneFlags::CLONE_NEWNS),
    ];
    // All are opened before the first is entered; those that are ours already are refused by the kernel.
    let mut doors = Vec::new();
    for (name, kind) in kinds {
        let theirs = format!("/proc/{pid}/ns/{name}");
        if fs::read_link(&theirs)? != fs::read_link(format!("/proc/self/ns/{name}"))? {
            doors.push((File::open(theirs)?, kind));
        }
    }
    // A user namespace last: the others are entered with the rights of the one that they are seen from.
    let users = format!("/proc/{pid}/ns/user");
    let own = fs::read_link(&users)? != fs::read_link("/proc/self/ns/user")?;
    let users = own.then(|| File::open(users)).transpose()?;
    for (door, kind) in doors {
        setns(door, kind)?;
    }
    Ok(users)
}
