//! Owns: what the layer's own recipes put into the image: their `do_install` is run, and its files are dealt out to their packages.
//! Never: compiles: a program is an empty file here; what other layers' recipes install, only a real build knows.
//! Called by: the checks on units, users and facts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bitbake::Recipe;
use crate::tree::Tree;

/// One file of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// Recipe that installs it.
    pub recipe: String,
    /// Package that holds it; nothing when none takes it.
    pub package: Option<String>,
    /// Mode; 0 for a link.
    pub mode: u32,
    /// What a link leads to.
    pub link: Option<String>,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// What our recipes install, and which of their packages the image takes.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// By absolute path.
    pub files: BTreeMap<String, Installed>,
    /// Packages of this layer that the image takes, and what they and it name of others'.
    pub wanted: BTreeSet<String>,
    /// A recipe that could not be installed, with the words of its shell.
    pub broken: Vec<(String, String)>,
}

/// Directories as bitbake.conf and systemd.bbclass have them on a merged `/usr`.
const PLACES: &[(&str, &str)] = &[
    ("prefix", "/usr"),
    ("exec_prefix", "/usr"),
    ("bindir", "/usr/bin"),
    ("sbindir", "/usr/sbin"),
    ("base_bindir", "/usr/bin"),
    ("base_sbindir", "/usr/sbin"),
    ("libdir", "/usr/lib"),
    ("base_libdir", "/usr/lib"),
    ("nonarch_libdir", "/usr/lib"),
    ("nonarch_base_libdir", "/usr/lib"),
    ("libexecdir", "/usr/libexec"),
    ("datadir", "/usr/share"),
    ("sysconfdir", "/etc"),
    ("localstatedir", "/var"),
    ("systemd_unitdir", "/usr/lib/systemd"),
    ("systemd_system_unitdir", "/usr/lib/systemd/system"),
    ("tmpfilesdir", "/usr/lib/tmpfiles.d"),
    ("sysusersdir", "/usr/lib/sysusers.d"),
    ("MACHINE", "qemux86-64"),
    ("TARGET_SYS", "x86_64-parloir-linux"),
    ("RUST_TARGET_SYS", "x86_64-parloir-linux-gnu"),
    ("CARGO_TARGET_SUBDIR", "x86_64-parloir-linux-gnu/release"),
    ("BUILD_DIR", "release"),
];

/// Directories and names that recipes use; `dirs` are those of this run.
#[must_use]
pub fn defaults(dirs: &[(&str, &Path)]) -> BTreeMap<String, String> {
    let fixed = PLACES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    fixed.chain(dirs.iter().map(|(name, path)| ((*name).to_owned(), path.display().to_string()))).collect()
}

/// Overrides of a build for the reference machine.
pub const OVERRIDES: &[&str] = &["linux", "x86-64", "qemuall", "qemux86-64", "class-target", "parloir"];

impl Manifest {
    /// Runs `do_install` of every recipe of the layer that has one, below `dir`.
    ///
    /// # Errors
    /// `dir` cannot be written.
    pub fn of(tree: &Tree, dir: &Path) -> io::Result<Self> {
        let mut manifest = Self::default();
        let source = dir.join("source");
        for start in ["systemd/", "LICENSE", "Cargo", "tests/", "yocto-layer/"] {
            tree.write(start, &source)?;
        }
        let mut needs = BTreeMap::new();
        for file in tree.layer_files(".bb") {
            // Those for boards of others come with the layers of the boards.
            if file.contains("/dynamic-layers/") {
                continue;
            }
            let recipe = prepare(tree, file, &dir.join(file.replace('/', "-")), &source)?;
            needs.extend(requirements(&recipe));
            if let Err(why) = manifest.install(tree, &recipe) {
                manifest.broken.push((file.to_owned(), why));
            }
        }
        manifest.wanted = closure("parloir-image", &needs);
        Ok(manifest)
    }

    fn install(&mut self, tree: &Tree, recipe: &Recipe) -> Result<(), String> {
        let Some(script) = script(recipe) else { return Ok(()) };
        let dir = |name: &str| PathBuf::from(recipe.defaults.get(name).cloned().unwrap_or_default());
        let told = Command::new("sh").args(["-euc", &script]).current_dir(dir("B")).output().map_err(|why| why.to_string())?;
        if !told.status.success() {
            return Err(String::from_utf8_lossy(&told.stderr).trim().to_owned());
        }
        let (mut found, root) = (Vec::new(), dir("D"));
        walk(&root, &mut found).map_err(|why| why.to_string())?;
        let packages = packages(tree, recipe);
        for path in found {
            let name = format!("/{}", path.strip_prefix(&root).unwrap_or(&path).display());
            let kind = path.symlink_metadata().map_err(|why| why.to_string())?;
            let link = fs::read_link(&path).ok().map(|to| to.display().to_string());
            let package = packages.iter().find(|(_, globs)| globs.iter().any(|glob| covers(glob, &name)));
            let one = Installed {
                recipe: recipe.file.clone(),
                package: package.map(|(name, _)| name.clone()),
                mode: if link.is_some() { 0 } else { kind.permissions().mode() & 0o7777 },
                bytes: if link.is_some() { Vec::new() } else { fs::read(&path).unwrap_or_default() },
                link,
            };
            self.files.insert(name, one);
        }
        Ok(())
    }

    /// Files of packages that the image takes.
    pub fn in_the_image(&self) -> impl Iterator<Item = (&str, &Installed)> {
        let taken = |one: &Installed| one.package.as_ref().is_some_and(|name| self.wanted.contains(name));
        self.files.iter().filter(move |(_, one)| taken(one)).map(|(path, one)| (path.as_str(), one))
    }
}

/// Reads a recipe with directories of its own below `dir`, and lays out what its `SRC_URI` unpacks.
fn prepare(tree: &Tree, file: &str, dir: &Path, source: &Path) -> io::Result<Recipe> {
    let (unpacked, built, image) = (dir.join("sources"), dir.join("build"), dir.join("image"));
    for dir in [&unpacked, &built, &image] {
        fs::create_dir_all(dir)?;
    }
    let read = |sources: &Path| {
        let dirs = [("UNPACKDIR", unpacked.as_path()), ("WORKDIR", dir), ("S", sources), ("B", &built), ("D", &image)];
        Recipe::read(tree, file, OVERRIDES, &defaults(&dirs))
    };
    let mut recipe = read(&unpacked);
    let uris = recipe.words("SRC_URI");
    if uris.iter().any(|uri| uri.starts_with("git://")) {
        recipe = read(source);
    }
    // A recipe may name another place for its sources; here they lie where they lie.
    recipe.assignments.retain(|a| !["S", "B", "D", "UNPACKDIR", "WORKDIR"].contains(&a.key.as_str()));
    for uri in uris.iter().filter_map(|uri| uri.strip_prefix("file://")) {
        let name = uri.split(';').next().unwrap_or(uri);
        if let Some(bytes) = local_file(tree, &recipe, name).and_then(|path| tree.bytes(&path)) {
            let to = unpacked.join(name);
            fs::create_dir_all(to.parent().unwrap_or(&unpacked))?;
            fs::write(to, bytes)?;
        }
    }
    let programs = built.join("target").join("x86_64-parloir-linux-gnu/release");
    fs::create_dir_all(&programs)?;
    for name in binaries(tree) {
        fs::write(programs.join(&name), format!("{name}\n"))?;
        fs::set_permissions(programs.join(&name), PermissionsExt::from_mode(0o755))?;
    }
    Ok(recipe)
}

/// Where the layer has a file that `SRC_URI` names.
#[must_use]
pub fn local_file(tree: &Tree, recipe: &Recipe, name: &str) -> Option<String> {
    let dir = recipe.file.rsplit_once('/').map_or("", |(dir, _)| dir);
    let pn = recipe.defaults.get("PN").cloned().unwrap_or_default();
    let bp = recipe.defaults.get("BP").cloned().unwrap_or_default();
    let named = recipe.value("FILESEXTRAPATHS").unwrap_or_default();
    let more = named.split(':').map(|path| path.replace("${THISDIR}", dir)).filter(|path| !path.is_empty());
    let usual = ["files".to_owned(), pn, bp].into_iter().map(|sub| format!("{dir}/{sub}"));
    let places: Vec<String> = more.chain(usual).collect();
    let in_overrides = |place: &String| {
        let own = OVERRIDES.iter().map(|own| format!("{place}/{own}/{name}"));
        own.chain([format!("{place}/{name}")]).find(|path| tree.has(path) || tree.below(&format!("{path}/")).next().is_some())
    };
    places.iter().find_map(in_overrides)
}

/// Names of the programs of the workspace, as Cargo makes them.
fn binaries(tree: &Tree) -> BTreeSet<String> {
    let manifests = tree.below("").filter(|path| path.ends_with("/Cargo.toml"));
    let of = |path: &str| -> Vec<String> {
        let Ok(manifest) = toml::from_str::<toml::Table>(tree.text(path)) else { return Vec::new() };
        let package = manifest.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str).unwrap_or_default();
        let named = manifest.get("bin").and_then(toml::Value::as_array).into_iter().flatten();
        let named = named.filter_map(|bin| bin.get("name")?.as_str());
        named.chain([package]).map(str::to_owned).collect()
    };
    manifests.flat_map(of).collect()
}

/// The shell of a recipe's `do_install`, with every variable that is known put in, as BitBake does.
fn script(recipe: &Recipe) -> Option<String> {
    let own = |name: &str| recipe.functions.iter().rev().find(|(other, _)| other == name).map(|(_, body)| body.clone());
    let cargo = recipe.inherits.iter().any(|class| class == "cargo" || class == "cargo_bin");
    let fallback = cargo.then(|| {
        "install -d ${D}${bindir}\nfor each in ${B}/target/${CARGO_TARGET_SUBDIR}/*; do install -m 0755 $each ${D}${bindir}; done".to_owned()
    });
    let base = own("do_install").or(fallback);
    let parts = |change: &str| {
        let active = move |name: &str| {
            let rest = name.strip_prefix(&format!("do_install:{change}"))?;
            rest.split(':').filter(|part| !part.is_empty()).all(|part| OVERRIDES.contains(&part)).then_some(())
        };
        recipe.functions.iter().filter(move |(name, _)| active(name).is_some()).map(|(_, body)| body.clone()).collect::<Vec<_>>()
    };
    let (before, behind) = (parts("prepend"), parts("append"));
    if base.is_none() && before.is_empty() && behind.is_empty() || recipe.flag("do_install", "noexec").as_deref() == Some("1") {
        return None;
    }
    let others = recipe.functions.iter().filter(|(name, _)| !name.starts_with("do_") && !name.contains(':') && !name.contains("python"));
    let others: String = others.map(|(name, body)| format!("{name}() {{\n{body}\n}}\n")).collect();
    let body: Vec<String> = before.into_iter().chain(base).chain(behind).collect();
    Some(recipe.expand(&format!("umask 022\n{others}{}", body.join("\n"))))
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.symlink_metadata()?.is_dir() {
            walk(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// What a recipe gets without saying so (bitbake.conf).
const USUAL: &[&str] = &[
    "/usr/bin/*",
    "/usr/sbin/*",
    "/usr/libexec/*",
    "/usr/lib/lib*.so.*",
    "/etc",
    "/com",
    "/var",
    "/usr/lib/${BPN}/*",
    "/usr/share/${BPN}",
    "/usr/lib/udev",
    "/usr/lib/udev/rules.d",
    "/usr/share/pixmaps",
    "/usr/share/applications",
    "/usr/lib/tmpfiles.d",
    "/usr/lib/sysusers.d",
];

/// Packages of a recipe in their order, with the paths that each takes.
#[must_use]
pub fn packages(tree: &Tree, recipe: &Recipe) -> Vec<(String, Vec<String>)> {
    let pn = recipe.defaults.get("PN").cloned().unwrap_or_default();
    let usual = ["src", "dbg", "staticdev", "dev", "doc", "locale"].iter().map(|end| format!("{pn}-{end}")).chain([pn.clone()]);
    let mut names = match recipe.assignments.iter().any(|a| a.key == "PACKAGES" && a.operator == "=") {
        true => recipe.words("PACKAGES"),
        false => {
            // `PACKAGES =+ "…"`: the named ones take first.
            let named = recipe.assignments.iter().filter(|a| a.key.starts_with("PACKAGES"));
            let named: Vec<String> = named.flat_map(|a| recipe.expand(&a.value).split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
            named.into_iter().chain(usual).collect()
        }
    };
    names.dedup();
    let of = |name: &String| {
        let mut globs = recipe.words(&format!("FILES:{name}"));
        let set = recipe.assignments.iter().any(|a| a.operator == "=" && recipe.expand(&a.key) == format!("FILES:{name}"));
        if *name == pn && !set {
            globs.extend(USUAL.iter().map(|glob| recipe.expand(glob)));
        }
        // systemd.bbclass adds the units that are named, templates and `Also=` too.
        for unit in recipe.words(&format!("SYSTEMD_SERVICE:{name}")) {
            globs.push(format!("/usr/lib/systemd/system/{unit}"));
            globs.extend(also(tree, &unit).into_iter().map(|unit| format!("/usr/lib/systemd/system/{unit}")));
            if let Some((base, end)) = unit.split_once('@').and_then(|(base, rest)| Some((base, rest.rsplit_once('.')?.1))) {
                globs.push(format!("/usr/lib/systemd/system/{base}@.{end}"));
            }
        }
        (name.clone(), globs)
    };
    names.iter().map(of).collect()
}

fn also(tree: &Tree, unit: &str) -> Vec<String> {
    let text = tree.text(&format!("systemd/units/{unit}"));
    text.lines().filter_map(|line| line.strip_prefix("Also=")).flat_map(|line| line.split_whitespace().map(str::to_owned)).collect()
}

/// Whether a path of `FILES` takes that file: itself, or a directory above it; `*` stays within a name.
#[must_use]
pub fn covers(glob: &str, path: &str) -> bool {
    let (glob, path): (Vec<&str>, Vec<&str>) = (glob.trim_end_matches('/').split('/').collect(), path.split('/').collect());
    glob.len() <= path.len() && glob.iter().zip(&path).all(|(glob, name)| crate::facts::matches(glob, name))
}

/// What each package of a recipe, and the image itself, needs at run time.
fn requirements(recipe: &Recipe) -> BTreeMap<String, BTreeSet<String>> {
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for name in recipe.assignments.iter().filter(|a| a.flag.is_none()).map(|a| recipe.expand(&a.key)) {
        let mut parts = name.split(':');
        match (parts.next(), parts.next()) {
            (Some("RDEPENDS"), Some(package)) => {
                let words = recipe.words(&format!("RDEPENDS:{package}"));
                // `name (>= 1)`: the version is not a name.
                let words = words.into_iter().filter(|word| !word.starts_with(['(', '=']) && !word.ends_with(')'));
                needs.entry(package.to_owned()).or_default().extend(words);
            }
            (Some("IMAGE_INSTALL"), _) => {
                let image = recipe.defaults.get("PN").cloned().unwrap_or_default();
                needs.entry(image).or_default().extend(recipe.words("IMAGE_INSTALL"));
            }
            _ => {}
        }
    }
    needs
}

fn closure(start: &str, needs: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let (mut found, mut next) = (BTreeSet::new(), vec![start.to_owned()]);
    while let Some(name) = next.pop() {
        for more in needs.get(&name).into_iter().flatten() {
            if found.insert(more.clone()) {
                next.push(more.clone());
            }
        }
    }
    found
}
