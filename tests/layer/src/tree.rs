//! Owns: the files that the checks look at, in memory, so that a test can plant a fault in one without touching the tree.
//! Never: reads what version control does not know.
//! Called by: every check, and the tests.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

/// Files by their path below the root of the repository.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
    links: BTreeMap<String, String>,
}

/// What of the repository belongs to the layer or is held against it.
const LOOKED_AT: &[&str] = &["yocto-layer/", "kas/", "systemd/", "tests/image/recipe/", "tests/layer/", "docs/", "scripts/"];

impl Tree {
    /// The repository as version control has it, with what is new and not ignored.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn of_the_repository() -> io::Result<Self> {
        let mut files = BTreeMap::new();
        for path in parloir_house::files() {
            let name = path.to_string_lossy().into_owned();
            let manifest = name.ends_with("Cargo.toml") || name == "Cargo.lock" || name.starts_with("LICENSE");
            if manifest || LOOKED_AT.iter().any(|start| name.starts_with(start)) {
                files.insert(name, fs::read(parloir_house::root().join(&path))?);
            }
        }
        let mut links = BTreeMap::new();
        find_links(&parloir_house::root(), "systemd", &mut links)?;
        files.retain(|path, _| !links.contains_key(path));
        Ok(Self { files, links })
    }

    /// Links that begin so, with what they lead to.
    pub fn links<'a>(&'a self, start: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.links.iter().map(|(path, to)| (path.as_str(), to.as_str())).filter(move |(path, _)| path.starts_with(start))
    }

    /// Text of a file; nothing where there is none.
    #[must_use]
    pub fn text(&self, path: &str) -> &str {
        self.files.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }

    /// Whether there is such a file.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Bytes of a file.
    #[must_use]
    pub fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// Paths that begin so.
    pub fn below<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a str> {
        self.files.keys().map(String::as_str).filter(move |path| path.starts_with(start))
    }

    /// Paths below the layer that end so.
    pub fn layer_files<'a>(&'a self, end: &'a str) -> impl Iterator<Item = &'a str> {
        self.below("yocto-layer/").filter(move |path| path.ends_with(end))
    }

    /// Plants: a file with that text.
    pub fn put(&mut self, path: &str, text: &str) {
        self.files.insert(path.to_owned(), text.as_bytes().to_vec());
    }

    /// Plants: a file goes.
    ///
    /// # Panics
    /// It was not there.
    pub fn remove(&mut self, path: &str) {
        assert!(self.files.remove(path).is_some(), "{path} is not there");
    }

    /// Plants: the first `from` of a file becomes `to`.
    ///
    /// # Panics
    /// The file does not have it.
    pub fn edit(&mut self, path: &str, from: &str, to: &str) {
        let text = self.text(path);
        assert!(text.contains(from), "{path} has no {from:?}");
        let changed = text.replacen(from, to, 1);
        self.put(path, &changed);
    }

    /// Writes those files whose path begins so into a directory, with their paths.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn write(&self, start: &str, dir: &Path) -> io::Result<()> {
        for (path, bytes) in self.files.iter().filter(|(path, _)| path.starts_with(start)) {
            let to = dir.join(path);
            fs::create_dir_all(to.parent().unwrap_or(dir))?;
            fs::write(to, bytes)?;
        }
        for (path, target) in self.links(start) {
            let link = dir.join(path);
            fs::create_dir_all(link.parent().unwrap_or(dir))?;
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(target, link)?;
        }
        Ok(())
    }
}

/// Links below a directory of the repository, those too that lead nowhere in it.
fn find_links(root: &Path, dir: &str, found: &mut BTreeMap<String, String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(dir))? {
        let entry = entry?;
        let path = format!("{dir}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            found.insert(path, fs::read_link(entry.path())?.display().to_string());
        } else if kind.is_dir() {
            find_links(root, &path, found)?;
        }
    }
    Ok(())
}
