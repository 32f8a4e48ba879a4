//! Owns: what is around the box on a rig: its camera, the arbiter's disk, strangers on its bus.
//! Never: the box's processes.
//! Called by: the rig (puts things right), rows of the machine and of hostile input.

use std::fs;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount};

use super::rig::Rig;
use crate::play::{Halt, Play};
use crate::supervisor::Part;
use crate::walls::RUN;

/// Space of the arbiter's state directory in a rig: enough for a site's life on the bench, little enough to fill.
const STATE_BYTES: &str = "size=8m";

impl Rig {
    /// Starts a stranger on the bus as that user.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn rogue(&mut self, user: &'static str) -> Result<u32, Halt> {
        let environment = vec![("DBUS_SYSTEM_BUS_ADDRESS".to_owned(), format!("unix:path={RUN}/bus/socket"))];
        let command = vec![format!("{RUN}/bin/parloir-bench"), "fault-rogue".to_owned()];
        Ok(self.play.stage.supervisor.part(Part {
            name: "rogue",
            user,
            command,
            environment,
            kept: false,
            hears: false,
            place: None,
        })?)
    }

    /// What gate finds as its camera: a file of the clips' directory, or nothing.
    ///
    /// # Errors
    /// The link cannot be made.
    pub fn camera(&mut self, clip: &str) -> Result<(), Halt> {
        let link = Path::new(RUN).join("clip/camera");
        let _ = fs::remove_file(&link);
        if !clip.is_empty() {
            std::os::unix::fs::symlink(Path::new(RUN).join("clip").join(clip), link)?;
        }
        Ok(())
    }

    /// Fills the arbiter's disk to the last byte.
    ///
    /// # Errors
    /// Something else than "no space left" happened.
    pub fn fill_disk(&mut self) -> Result<(), Halt> {
        let filler = fs::File::options().create(true).append(true).open(filler())?;
        let chunk = vec![0; 64 * 1024];
        for size in [chunk.len(), 4096, 512, 1] {
            while std::io::Write::write_all(&mut &filler, &chunk[..size]).is_ok() {}
        }
        Ok(())
    }

    /// Makes room on the arbiter's disk again.
    pub fn free_disk(&mut self) {
        let _ = fs::remove_file(filler());
    }

    /// Whether the arbiter may write its directory and what is in it.
    ///
    /// # Errors
    /// The modes cannot be changed.
    pub fn writable(&mut self, may: bool) -> Result<(), Halt> {
        use std::os::unix::fs::PermissionsExt;
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
        let directory = state();
        set(&directory, if may { 0o700 } else { 0o500 })?;
        for entry in fs::read_dir(&directory)?.flatten().filter(|entry| entry.path() != filler()) {
            set(&entry.path(), if may { 0o600 } else { 0o400 })?;
        }
        Ok(())
    }
}

fn state() -> PathBuf {
    Path::new(RUN).join("state/arbiter")
}

fn filler() -> PathBuf {
    state().join("filler")
}

/// A disk of its own for the arbiter, so that it can be filled without harm to anybody else.
///
/// # Errors
/// It cannot be mounted.
pub fn small_disk(play: &Play) -> Result<(), Halt> {
    let user = play.stage.supervisor.user("parloir-arbiter")?;
    let options = format!("{STATE_BYTES},mode=700,uid={user},gid={user}");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), &state(), Some("tmpfs"), flags, Some(options.as_str())).map_err(std::io::Error::from)?;
    Ok(())
}
