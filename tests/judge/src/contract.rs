//! Owns: the bus contract as data: every method with its signature from `appliance/bus/dbus`, and who may call it from `systemd/cells.toml`.
//! Never: a list of methods of its own: what is in the XML is tried, also what is added later.
//! Called by: the fuzzer, the flood.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// A method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    /// Interface.
    pub interface: String,
    /// Name.
    pub name: String,
    /// What goes in: name and type of each argument.
    pub takes: Vec<(String, String)>,
}

impl Method {
    /// Types of what goes in.
    #[must_use]
    pub fn signature(&self) -> String {
        self.takes.iter().map(|(_, kind)| kind.as_str()).collect()
    }
}

/// Every method, in the order of the files' names.
///
/// # Errors
/// A file cannot be read.
pub fn methods(tree: &Path) -> io::Result<Vec<Method>> {
    let mut files: Vec<_> = std::fs::read_dir(tree.join("appliance/bus/dbus"))?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        all.extend(of_xml(&std::fs::read_to_string(file)?));
    }
    Ok(all)
}

/// The methods of one introspection document.
#[must_use]
pub fn of_xml(xml: &str) -> Vec<Method> {
    let (mut interface, mut within, mut all) = (String::new(), false, Vec::<Method>::new());
    for tag in without_comments(xml).split('<').skip(1) {
        let tag = tag.split('>').next().unwrap_or_default();
        let name = attribute(tag, "name").unwrap_or_default();
        match tag.split_whitespace().next().unwrap_or_default().trim_end_matches('/') {
            "interface" => interface = name,
            "method" => {
                all.push(Method { interface: interface.clone(), name, takes: Vec::new() });
                within = !tag.ends_with('/');
            }
            "/method" | "signal" | "property" => within = false,
            // An argument of a method goes in unless it says otherwise.
            "arg" if within && attribute(tag, "direction").is_none_or(|way| way == "in") => {
                if let (Some(method), Some(kind)) = (all.last_mut(), attribute(tag, "type")) {
                    method.takes.push((name, kind));
                }
            }
            _ => {}
        }
    }
    all
}

fn without_comments(xml: &str) -> String {
    xml.split("<!--").map(|part| part.split_once("-->").map_or(part, |(_, rest)| rest)).collect()
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value.to_owned())
}

/// The interfaces that each user may call.
///
/// # Errors
/// `cells.toml` cannot be read.
pub fn rights(tree: &Path) -> io::Result<BTreeMap<String, Vec<String>>> {
    let text = std::fs::read_to_string(tree.join("systemd/cells.toml"))?;
    let cells: toml::Table = text.parse().map_err(io::Error::other)?;
    let words =
        |value: &toml::Value| value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect();
    let cells = cells.get("cell").and_then(toml::Value::as_array).into_iter().flatten();
    let right = |cell: &toml::Value| Some((cell.get("user")?.as_str()?.to_owned(), words(cell.get("bus")?.get("calls")?)));
    Ok(cells.filter_map(right).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    #[test]
    fn every_method_of_the_files_is_read_with_its_signature() {
        let all = methods(&tree()).expect("the files");
        let of = |name: &str| all.iter().find(|m| m.name == name).map(Method::signature);
        for (name, signature) in [("Place", "sst"), ("Let", "bbt"), ("Deliver", "say"), ("End", ""), ("Focus", "")] {
            assert_eq!(of(name).as_deref(), Some(signature), "{name}");
        }
        assert!(all.iter().flat_map(|m| &m.takes).any(|arg| *arg == ("serial".to_owned(), "t".to_owned())));
        let mut written = 0;
        for file in std::fs::read_dir(tree().join("appliance/bus/dbus")).expect("the directory").flatten() {
            written += std::fs::read_to_string(file.path()).expect("a file").matches("<method name=").count();
        }
        assert_eq!(all.len(), written);
    }

    #[test]
    fn each_interface_has_somebody_who_may_call_it() {
        let rights = rights(&tree()).expect("cells.toml");
        for method in methods(&tree()).expect("the files") {
            assert!(rights.values().any(|may| may.contains(&method.interface)), "{}", method.interface);
        }
    }
}
