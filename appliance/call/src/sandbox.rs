//! Owns: what the kernel takes from this process before its first thread: files, programs, most sockets, most calls.
//! Never: runs late: Landlock binds the thread that asks, and every later thread inherits both.
//! Called by: main, as its first statement.
//!
//! Left are: reading the system's libraries and the plugin registry, a private directory for generated code, UDP (and TCP to relay ports), route
//! netlink (libnice asks for addresses), datagram sockets for the C library's interface names, and the devices of an open door. There is no program to start, no
//! file to write, no bus to reach: stream sockets of the UNIX family are refused.

use crate::devices::Devices;
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::libc;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Is, SeccompCondition as If, SeccompFilter, SeccompRule,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Read by the dynamic linker, GStreamer, OpenSSL, the resolver (a relay may have a name) and ALSA.
const READABLE: &[&str] = &[
    "/usr/lib",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/ssl/openssl.cnf",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/usr/share/alsa",
    "/etc/alsa",
    "/etc/asound.conf",
    "/dev/urandom",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/filesystems",
    "/proc/sys/crypto",
    "/sys/devices/system",
];
/// ALSA's nodes.
const SOUND: &str = "/dev/snd";
/// Ports of TURN over TCP and TLS (RFC 8656), and the one that firewalls leave open.
const RELAY_PORTS: &[u16] = &[443, 3478, 5349];
/// TTY requests that would put keys into another process's terminal (`ioctl_tty(2)`).
const TIOCSTI: u64 = 0x5412;
const TIOCLINUX: u64 = 0x541C;

/// Why a call may not begin.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The starter did not set it.
    #[error("sandbox: {0} is not set; the unit or the supervisor sets it [org.parloir.Error.Sandbox]")]
    Environment(&'static str),
    /// The kernel refused the rules.
    #[error("sandbox: {0} [org.parloir.Error.Sandbox]")]
    Kernel(String),
}

fn kernel(e: impl std::fmt::Display) -> SandboxError {
    SandboxError::Kernel(e.to_string())
}

/// How far the kernel goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Files {
    /// Every rule holds.
    Closed,
    /// An older kernel: files are closed, but not TCP ports or the signal scope.
    PartlyClosed,
    /// A kernel without Landlock: only the call filter holds. Not for the box.
    Open,
}

/// Enters the sandbox for good.
///
/// # Errors
/// A missing variable of the environment; rules that the kernel refuses. The caller must end the process then.
pub fn enter(devices: &Devices) -> Result<Files, SandboxError> {
    let registry = variable("GST_REGISTRY")?;
    if std::env::var_os("GST_REGISTRY_UPDATE").is_none_or(|v| v != "no") {
        return Err(SandboxError::Environment("GST_REGISTRY_UPDATE=no"));
    }
    let generated = variable("XDG_RUNTIME_DIR")?;
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0).map_err(kernel)?;
    let files = close_files(registry, generated, devices)?;
    for filter in [no_clone3()?, allow_list()?] {
        seccompiler::apply_filter_all_threads(&filter).map_err(kernel)?;
    }
    Ok(files)
}

fn variable(name: &'static str) -> Result<PathBuf, SandboxError> {
    std::env::var_os(name).map(PathBuf::from).ok_or(SandboxError::Environment(name))
}

fn close_files(registry: PathBuf, generated: PathBuf, devices: &Devices) -> Result<Files, SandboxError> {
    let abi = ABI::V6;
    let read = AccessFs::from_read(abi) & !AccessFs::Execute;
    let read_file = BitFlags::from(AccessFs::ReadFile);
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    // Nothing else is written: ORC makes a file here, unlinks it and maps it twice: once to write, once to run.
    let generate = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::MakeReg
        | AccessFs::RemoveFile
        | AccessFs::Truncate;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|r| r.handle_access(AccessNet::from_all(abi)))
        .and_then(|r| r.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .map_err(kernel)?;
    let mut paths: Vec<(PathBuf, BitFlags<AccessFs>)> = READABLE.iter().map(|p| (p.into(), read)).collect();
    paths.push((registry, read));
    paths.push((generated, generate));
    paths.push((SOUND.into(), device | AccessFs::ReadDir));
    paths.extend(nodes(devices).into_iter().map(|node| (node, device)));
    for (path, access) in paths {
        // What is not there needs no rule.
        let Ok(fd) = PathFd::new(&path) else { continue };
        let access = if path.is_dir() { access } else { access & (device | read_file | AccessFs::Truncate) };
        rules = rules.add_rule(PathBeneath::new(fd, access)).map_err(kernel)?;
    }
    for port in RELAY_PORTS {
        rules = rules.add_rule(NetPort::new(*port, AccessNet::ConnectTcp)).map_err(kernel)?;
    }
    match rules.restrict_self().map_err(kernel)?.ruleset {
        RulesetStatus::FullyEnforced => Ok(Files::Closed),
        RulesetStatus::PartiallyEnforced => Ok(Files::PartlyClosed),
        RulesetStatus::NotEnforced => Ok(Files::Open),
    }
}

/// The nodes that a door will give to our user, in place; a link stands for its target. One that appears with its door has no inode yet that a
/// rule could name: then all of `/dev`, where owners, modes and the unit's list of devices say which.
fn nodes(devices: &Devices) -> Vec<PathBuf> {
    let Some(camera) = devices.camera.clone() else { return Vec::new() };
    let there = camera.exists() && Path::new(SOUND).exists();
    if there { vec![camera] } else { vec!["/dev".into()] }
}

/// `clone3` hides its flags in memory, where a filter cannot look: the C library falls back to `clone` at `ENOSYS`.
fn no_clone3() -> Result<BpfProgram, SandboxError> {
    compile(BTreeMap::from([(libc::SYS_clone3, vec![])]), SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))
}

fn allow_list() -> Result<BpfProgram, SandboxError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = ALLOWED.iter().map(|call| (*call, vec![])).collect();
    let rule = |conditions: &[(u8, Is, u64)]| -> Result<SeccompRule, SandboxError> {
        let all = conditions.iter().map(|(at, is, value)| If::new(*at, Len::Dword, is.clone(), *value));
        SeccompRule::new(all.collect::<Result<_, _>>().map_err(kernel)?).map_err(kernel)
    };
    let (unix, inet, inet6, netlink) =
        (libc::AF_UNIX as u64, libc::AF_INET as u64, libc::AF_INET6 as u64, libc::AF_NETLINK as u64);
    let datagram = (1, Is::MaskedEq(0xF), libc::SOCK_DGRAM as u64);
    let stream = (1, Is::MaskedEq(0xF), libc::SOCK_STREAM as u64);
    rules.insert(
        libc::SYS_socket,
        vec![
            rule(&[(0, Is::Eq, unix), datagram.clone()])?,
            rule(&[(0, Is::Eq, inet), datagram.clone()])?,
            rule(&[(0, Is::Eq, inet6), datagram])?,
            rule(&[(0, Is::Eq, inet), stream.clone()])?,
            rule(&[(0, Is::Eq, inet6), stream])?,
            rule(&[(0, Is::Eq, netlink), (2, Is::Eq, libc::NETLINK_ROUTE as u64)])?,
        ],
    );
    rules.insert(libc::SYS_socketpair, vec![rule(&[(0, Is::Eq, unix)])?]);
    // Threads, not processes.
    let thread = libc::CLONE_THREAD as u64;
    rules.insert(libc::SYS_clone3, vec![]); // The filter before this one answers it.
    rules.insert(libc::SYS_clone, vec![rule(&[(0, Is::MaskedEq(thread), thread)])?]);
    // Never writable and executable at once.
    let both = (libc::PROT_WRITE | libc::PROT_EXEC) as u64;
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        let one = [0, libc::PROT_WRITE as u64, libc::PROT_EXEC as u64];
        rules.insert(call, one.into_iter().map(|prot| rule(&[(2, Is::MaskedEq(both), prot)])).collect::<Result<_, _>>()?);
    }
    rules.insert(libc::SYS_ioctl, vec![rule(&[(1, Is::Ne, TIOCSTI), (1, Is::Ne, TIOCLINUX)])?]);
    rules.insert(
        libc::SYS_prctl,
        vec![rule(&[(0, Is::Eq, libc::PR_SET_NAME as u64)])?, rule(&[(0, Is::Eq, libc::PR_GET_NAME as u64)])?],
    );
    compile(rules, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow)
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    then: SeccompAction,
) -> Result<BpfProgram, SandboxError> {
    let arch = std::env::consts::ARCH.try_into().map_err(kernel)?;
    SeccompFilter::new(rules, otherwise, then, arch).map_err(kernel)?.try_into().map_err(kernel)
}

/// Calls that take no argument worth a look. Not here, and so refused: starting programs, tracing, mounting, namespaces, keys, BPF, io_uring, listening.
const ALLOWED: &[i64] = &[
    // Memory and threads.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_mlock,
    libc::SYS_munlock,
    libc::SYS_msync,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getattr,
    libc::SYS_sched_setattr,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_getpriority,
    libc::SYS_setpriority,
    libc::SYS_get_mempolicy,
    libc::SYS_set_mempolicy,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_tgkill,
    libc::SYS_set_tid_address,
    libc::SYS_getcpu,
    // Signals and time.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    // Descriptors.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_lseek,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    // Files; Landlock says which.
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_unlinkat,
    libc::SYS_getcwd,
    // Network.
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    // Self-knowledge.
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrandom,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_prlimit64,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    // Older forms, which some architectures do not have.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_select,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_getrlimit,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
];
