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
    /// The same for the image and its initrd together.
    pub taken: BTreeSet<String>,
    /// Directories, by absolute path.
    pub dirs: BTreeSet<String>,
    /// A recipe that could not be installed, with the words of its shell.
    pub broken: Vec<(String, String)>,
}

impl Manifest {
    /// Runs `do_install` of every recipe of the layer that has one, below `dir`.
    ///
    /// # Errors
    /// `dir` cannot be written.
    pub fn of(tree: &Tree, dir: &Path) -> io::Result<Self> {
        let mut manifest = Self::default();
        let source = dir.join("source");
        for start in ["systemd/", "LICENSE", "Cargo", "tests/image/", "yocto-layer/"] {
            tree.write(start, &source)?;
        }
        for (_, name) in FROM_OUTSIDE {
            fs::write(dir.join(name), format!("{name}\n"))?;
        }
        stand_ins(&dir.join("bin"))?;
        let mut needs = BTreeMap::new();
        // Those for boards of others come with the layers of the boards.
        let all = tree.layer_files(".bb").chain(tree.layer_files(".bbappend")).filter(|file| !file.contains("/dynamic-layers/"));
        for file in all {
            let recipe = prepare(tree, file, dir, &source)?;
            // For the build machine.
            if recipe.inherits.iter().any(|class| class == "native") {
                continue;
            }
            needs.extend(requirements(&recipe));
            if let Err(why) = manifest.install(tree, &recipe, &dir.join("bin")) {
                manifest.broken.push((file.to_owned(), why));
            }
        }
        manifest.wanted = closure("parloir-image", &needs);
        manifest.taken = closure("parloir-initramfs", &needs);
        manifest.taken.extend(manifest.wanted.iter().cloned());
        Ok(manifest)
    }

    fn install(&mut self, tree: &Tree, recipe: &Recipe, programs: &Path) -> Result<(), String> {
        let Some(install) = script(recipe, "do_install") else { return Ok(()) };
        let cargo = recipe.inherits.iter().any(|class| class == "cargo");
        let compile = if cargo { None } else { script(recipe, "do_compile") };
        let dir = |name: &str| PathBuf::from(recipe.defaults.get(name).cloned().unwrap_or_default());
        let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
        for script in compile.into_iter().chain([install]) {
            let mut shell = Command::new("sh");
            let told = shell.args(["-euc", &script]).current_dir(dir("B")).env("PATH", &path).output();
            let told = told.map_err(|why| why.to_string())?;
            if !told.status.success() {
                return Err(String::from_utf8_lossy(&told.stderr).trim().to_owned());
            }
        }
        let (mut found, root) = (Vec::new(), dir("D"));
        walk(&root, &mut found).map_err(|why| why.to_string())?;
        let packages = packages(tree, recipe);
        for path in found {
            let name = format!("/{}", path.strip_prefix(&root).unwrap_or(&path).display());
            let kind = path.symlink_metadata().map_err(|why| why.to_string())?;
            if kind.is_dir() {
                self.dirs.insert(name);
                continue;
            }
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

/// Directories as bitbake.conf and systemd.bbclass have them on a merged `/usr`, and what the reference machine sets.
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
    ("MACHINE", "qemux86-64"),
    ("MACHINE_FEATURES", "alsa efi pci x86"),
    ("DISTRO_FEATURES", "parloir parloir-product rauc systemd efi"),
    ("CARGO_TARGET_SUBDIR", "x86_64-parloir-linux-gnu/release"),
];

/// Overrides of a build of the product for the reference machine.
pub const OVERRIDES: &[&str] = &["linux", "x86-64", "qemuall", "qemux86-64", "class-target", "parloir-box"];

/// What comes from outside of the tree: variable, and the name of the stand-in for its file.
const FROM_OUTSIDE: &[(&str, &str)] = &[("PARLOIR_ROOTS", "roots.bin"), ("PARLOIR_RAUC_KEYRING", "keyring")];

/// What recipes find set: directories, and the settings of the distro.
#[must_use]
pub fn defaults(tree: &Tree) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> =
        PLACES.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let distro = Recipe::read(tree, "yocto-layer/conf/distro/parloir.conf", OVERRIDES, &all);
    let set =
        distro.assignments.iter().filter(|a| a.flag.is_none() && (a.key.starts_with("PARLOIR_") || a.key.starts_with("DISTRO")));
    let plain = set.filter(|a| !a.key.contains(':'));
    let values: Vec<(String, String)> = plain.filter_map(|a| Some((a.key.clone(), distro.value(&a.key)?))).collect();
    all.extend(values);
    all.insert("PARLOIR_TREE".to_owned(), ".".to_owned());
    all
}

/// Programs of the build machine that recipes call, as ones that do nothing.
fn stand_ins(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    for (name, text) in
        [("parloirctl", "#!/bin/sh\necho \"# parloirctl $*\"\n"), ("bbfatal", "#!/bin/sh\necho \"$*\" >&2\nexit 1\n")]
    {
        fs::write(dir.join(name), text)?;
        fs::set_permissions(dir.join(name), PermissionsExt::from_mode(0o755))?;
    }
    Ok(())
}

/// Reads a recipe with directories of its own below `dir`, and lays out what its `SRC_URI` unpacks.
fn prepare(tree: &Tree, file: &str, dir: &Path, source: &Path) -> io::Result<Recipe> {
    let own = dir.join(file.replace(['/', '%'], "-"));
    let (unpacked, built, image) = (own.join("sources"), own.join("build"), own.join("image"));
    let _ = fs::remove_dir_all(&own);
    for dir in [&unpacked, &built, &image] {
        fs::create_dir_all(dir)?;
    }
    let mut recipe = Recipe::read(tree, file, OVERRIDES, &defaults(tree));
    let from_git = recipe.inherits.iter().any(|class| class == "externalsrc");
    let sources = if from_git { source } else { &unpacked };
    let dirs = [
        ("UNPACKDIR", unpacked.as_path()),
        ("WORKDIR", &own),
        ("S", sources),
        ("B", &built),
        ("D", &image),
        ("PARLOIR_TREE", source),
    ];
    // A recipe may name another place for its sources; here they lie where they lie.
    recipe.assignments.retain(|a| !dirs.iter().any(|(name, _)| a.key == *name));
    for (name, path) in dirs {
        recipe.defaults.insert(name.to_owned(), path.display().to_string());
    }
    for (name, file) in FROM_OUTSIDE {
        recipe.defaults.insert((*name).to_owned(), dir.join(file).display().to_string());
    }
    // What an append lays over another layer's file is named by that layer's recipe.
    let over = recipe.value("FILESEXTRAPATHS").unwrap_or_default();
    let over: Vec<&str> = over.split(':').filter(|place| file.ends_with(".bbappend") && !place.is_empty()).collect();
    for place in over.into_iter().map(|place| place.strip_prefix(&format!("{}/", source.display())).unwrap_or(place)) {
        for path in tree.below("").filter(|path| path.rsplit_once('/').is_some_and(|(dir, _)| dir == place)) {
            fs::write(unpacked.join(&path[place.len() + 1..]), tree.bytes(path).unwrap_or_default())?;
        }
    }
    for uri in recipe.words("SRC_URI").iter().filter_map(|uri| uri.strip_prefix("file://")) {
        let name = uri.split(';').next().unwrap_or(uri);
        if let Some(bytes) = local_file(tree, &recipe, name).and_then(|path| tree.bytes(&path)) {
            let to = unpacked.join(name);
            fs::create_dir_all(to.parent().unwrap_or(&unpacked))?;
            fs::write(to, bytes)?;
        }
    }
    let programs = built.join("target/x86_64-parloir-linux-gnu/release");
    fs::create_dir_all(&programs)?;
    for name in binaries(tree, &built_packages(&recipe)) {
        fs::write(programs.join(&name), format!("{name}\n"))?;
        fs::set_permissions(programs.join(&name), PermissionsExt::from_mode(0o755))?;
    }
    Ok(recipe)
}

/// Where the tree has a file that `SRC_URI` names.
#[must_use]
pub fn local_file(tree: &Tree, recipe: &Recipe, name: &str) -> Option<String> {
    let dir = recipe.file.rsplit_once('/').map_or("", |(dir, _)| dir);
    let known = |name: &str| recipe.defaults.get(name).cloned().unwrap_or_default();
    let root = format!("{}/", known("PARLOIR_TREE"));
    let named = recipe.value("FILESEXTRAPATHS").unwrap_or_default();
    let more = named.split(':').filter(|path| !path.is_empty()).map(|path| path.strip_prefix(&root).unwrap_or(path).to_owned());
    let pn = known("PN");
    let usual = ["files", &pn, &known("BP")].map(|sub| format!("{dir}/{sub}"));
    let places: Vec<String> = more.chain(usual).collect();
    let in_overrides = |place: &String| {
        let own = OVERRIDES.iter().map(|own| format!("{place}/{own}/{name}"));
        own.chain([format!("{place}/{name}")]).find(|path| tree.has(path) || tree.below(&format!("{path}/")).next().is_some())
    };
    places.iter().find_map(in_overrides)
}

/// Crates that a recipe has Cargo build.
fn built_packages(recipe: &Recipe) -> BTreeSet<String> {
    let flags = recipe.words("CARGO_BUILD_FLAGS");
    flags.windows(2).filter(|pair| pair[0] == "--package").map(|pair| pair[1].clone()).collect()
}

/// Names of the programs of those crates of the workspace, as Cargo makes them.
fn binaries(tree: &Tree, crates: &BTreeSet<String>) -> BTreeSet<String> {
    if crates.is_empty() {
        return BTreeSet::new();
    }
    let manifests = tree.below("").filter(|path| path.ends_with("/Cargo.toml"));
    let of = |path: &str| -> Vec<String> {
        let Ok(manifest) = toml::from_str::<toml::Table>(tree.text(path)) else { return Vec::new() };
        let package = manifest.get("package").and_then(|p| p.get("name")).and_then(toml::Value::as_str).unwrap_or_default();
        if !crates.contains(package) {
            return Vec::new();
        }
        let named = manifest.get("bin").and_then(toml::Value::as_array).into_iter().flatten();
        let named = named.filter_map(|bin| bin.get("name")?.as_str());
        named.chain([package]).map(str::to_owned).collect()
    };
    manifests.flat_map(of).collect()
}

/// The shell of a task, with every variable that is known put in, as BitBake does; nothing where this layer has none.
fn script(recipe: &Recipe, task: &str) -> Option<String> {
    if recipe.flag(task, "noexec").as_deref() == Some("1") {
        return None;
    }
    let active = |name: &str, change: &str| {
        let rest = name.strip_prefix(&format!("{task}{change}"))?;
        let conditions: Vec<&str> = rest.split(':').filter(|part| !part.is_empty()).collect();
        (rest.is_empty() || rest.starts_with(':')).then_some(())?;
        conditions.iter().all(|part| OVERRIDES.contains(part)).then_some(())
    };
    let bodies = |change: &str| {
        let own = recipe.functions.iter().filter(|(name, _)| active(name, change).is_some());
        own.map(|(_, body)| body.clone()).collect::<Vec<_>>()
    };
    let whole = bodies("").pop();
    // What is only added to another layer's task cannot be run without it.
    let base = whole
        .or_else(|| (task == "do_install" && recipe.inherits.iter().any(|class| class == "cargo")).then(|| CARGO.to_owned()))?;
    let others =
        recipe.functions.iter().filter(|(name, _)| !name.starts_with("do_") && !name.contains(':') && !name.starts_with("__"));
    let others: String = others.map(|(name, body)| format!("{name}() {{\n{body}\n}}\n")).collect();
    let body: Vec<String> = bodies(":prepend").into_iter().chain([base]).chain(bodies(":append")).collect();
    Some(recipe.expand(&format!("umask 022\n{others}{}", body.join("\n"))))
}

/// What cargo.bbclass installs.
const CARGO: &str =
    "install -d ${D}${bindir}\nfor each in ${B}/target/${CARGO_TARGET_SUBDIR}/*; do install -m 0755 $each ${D}${bindir}; done";

fn walk(dir: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.symlink_metadata()?.is_dir() {
            walk(&path, found)?;
        }
        found.push(path);
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
    if recipe.file.ends_with(".bbappend") {
        // Its packages are another layer's affair.
        return vec![(pn, vec!["/*".to_owned()])];
    }
    let mut names = match recipe.assignments.iter().any(|a| a.key == "PACKAGES" && a.operator == "=") {
        true => recipe.words("PACKAGES"),
        false => {
            // `PACKAGES =+ "…"`: the named ones take first.
            let named = recipe.assignments.iter().filter(|a| a.key.starts_with("PACKAGES"));
            let named: Vec<String> =
                named.flat_map(|a| recipe.expand(&a.value).split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
            named.into_iter().chain(usual).collect()
        }
    };
    names.dedup();
    let of = |name: &String| {
        let mut globs = recipe.words(&format!("FILES:{name}"));
        let set = recipe.assignments.iter().any(|a| a.operator == "=" && recipe.key(a) == format!("FILES:{name}"));
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
    text.lines()
        .filter_map(|line| line.strip_prefix("Also="))
        .flat_map(|line| line.split_whitespace().map(str::to_owned))
        .collect()
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
    for name in recipe.assignments.iter().filter(|a| a.flag.is_none()).map(|a| recipe.key(a)) {
        let mut parts = name.split(':');
        match (parts.next(), parts.next()) {
            (Some("RDEPENDS"), Some(package)) => {
                let words = recipe.words(&format!("RDEPENDS:{package}"));
                // `name (>= 1)`: the version is not a name.
                let words = words.into_iter().filter(|word| !word.starts_with(['(', '=']) && !word.ends_with(')'));
                needs.entry(package.to_owned()).or_default().extend(words);
            }
            (Some(list @ ("IMAGE_INSTALL" | "PACKAGE_INSTALL")), _) => {
                let image = recipe.defaults.get("PN").cloned().unwrap_or_default();
                needs.entry(image).or_default().extend(recipe.words(list));
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
