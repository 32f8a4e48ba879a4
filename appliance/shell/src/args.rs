//! Owns: the command line of the services: long flags, each with a value or none.
//! Never: short flags, abbreviations, positional words, the environment.
//! Called by: every service's main.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::PathBuf;

/// One flag that a service knows.
#[derive(Clone, Copy, Debug)]
pub struct Flag {
    name: &'static str,
    kind: Kind,
    says: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Required,
    Default(&'static str),
    Optional,
    Switch,
}

impl Flag {
    /// `--name VALUE`, which must be there.
    #[must_use]
    pub const fn required(name: &'static str, says: &'static str) -> Self {
        Self { name, kind: Kind::Required, says }
    }
    /// `--name VALUE`, else `default`.
    #[must_use]
    pub const fn or(name: &'static str, default: &'static str, says: &'static str) -> Self {
        Self { name, kind: Kind::Default(default), says }
    }
    /// `--name VALUE`, which may be absent.
    #[must_use]
    pub const fn optional(name: &'static str, says: &'static str) -> Self {
        Self { name, kind: Kind::Optional, says }
    }
    /// `--name`, without a value.
    #[must_use]
    pub const fn switch(name: &'static str, says: &'static str) -> Self {
        Self { name, kind: Kind::Switch, says }
    }
}

/// Why a command line was refused; prints as one sentence with the next step.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A word that is no known flag.
    #[error("unknown flag `{0}`: see --help")]
    Unknown(String),
    /// A flag twice.
    #[error("`{0}` is given twice: give it once")]
    Twice(&'static str),
    /// A flag without its value.
    #[error("`{0}` needs a value after it")]
    NoValue(&'static str),
    /// A required flag is absent.
    #[error("`{0}` is missing: see --help")]
    Missing(&'static str),
    /// A value of the wrong form.
    #[error("`{name}`: `{value}` is not {wanted}")]
    Form {
        /// The flag.
        name: &'static str,
        /// What was given.
        value: String,
        /// What is wanted, in words.
        wanted: &'static str,
    },
}

/// What a command line gave.
#[derive(Clone, Debug, Default)]
pub struct Args {
    values: BTreeMap<&'static str, String>,
}

impl Args {
    /// Reads the process's own command line. `--help` prints the flags and exits with 0; a refusal prints itself and exits with 2
    /// (`EX_USAGE` of old, and what systemd's `RestartPreventExitStatus=` names).
    #[must_use]
    pub fn from_command_line(program: &str, about: &str, known: &[Flag]) -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        if words.iter().any(|w| w == "--help") {
            println!("{}", help(program, about, known));
            std::process::exit(0);
        }
        Self::read(words, known).unwrap_or_else(|e| {
            eprintln!("{program}: {e}");
            std::process::exit(2)
        })
    }

    /// Reads the words after the program's name.
    ///
    /// # Errors
    /// The first rule that they break.
    pub fn read(words: impl IntoIterator<Item = String>, known: &[Flag]) -> Result<Self, Refused> {
        let mut values = BTreeMap::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let flag = known.iter().find(|f| f.name == word).ok_or(Refused::Unknown(word))?;
            let value = match flag.kind {
                Kind::Switch => String::new(),
                Kind::Required | Kind::Default(_) | Kind::Optional => {
                    words.next().filter(|v| !v.starts_with("--")).ok_or(Refused::NoValue(flag.name))?
                }
            };
            if values.insert(flag.name, value).is_some() {
                return Err(Refused::Twice(flag.name));
            }
        }
        for flag in known {
            match flag.kind {
                Kind::Required if !values.contains_key(flag.name) => return Err(Refused::Missing(flag.name)),
                Kind::Default(default) => {
                    values.entry(flag.name).or_insert_with(|| default.to_owned());
                }
                Kind::Required | Kind::Optional | Kind::Switch => {}
            }
        }
        Ok(Self { values })
    }

    /// Whether a flag was given (or has a default).
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The value of an optional flag.
    #[must_use]
    pub fn optional(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The value as text.
    ///
    /// # Errors
    /// Absent.
    pub fn text(&self, name: &'static str) -> Result<&str, Refused> {
        self.optional(name).ok_or(Refused::Missing(name))
    }

    /// The value as a path.
    ///
    /// # Errors
    /// Absent.
    pub fn path(&self, name: &'static str) -> Result<PathBuf, Refused> {
        self.text(name).map(PathBuf::from)
    }

    /// The value as anything that parses; `wanted` says in words what that is.
    ///
    /// # Errors
    /// Absent, or of the wrong form.
    pub fn parsed<T: std::str::FromStr>(&self, name: &'static str, wanted: &'static str) -> Result<T, Refused> {
        let value = self.text(name)?;
        value.parse().map_err(|_| Refused::Form { name, value: value.to_owned(), wanted })
    }

    /// The value as a 16-byte identifier: 32 lower-case hex digits.
    ///
    /// # Errors
    /// Absent, or of the wrong form.
    pub fn id(&self, name: &'static str) -> Result<[u8; 16], Refused> {
        let value = self.text(name)?;
        let digits = |s: &str| u8::from_str_radix(s, 16).ok();
        let lower = value.len() == 32 && value.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let bytes: Option<Vec<u8>> = lower.then(|| (0..16).map(|i| digits(&value[2 * i..2 * i + 2])).collect()).flatten();
        bytes.and_then(|b| b.try_into().ok()).ok_or_else(|| Refused::Form {
            name,
            value: value.to_owned(),
            wanted: "32 lower-case hex digits",
        })
    }
}

fn help(program: &str, about: &str, known: &[Flag]) -> String {
    let mut text = format!("{program}: {about}\n");
    for flag in known {
        let (value, note) = match flag.kind {
            Kind::Required => (" VALUE", String::new()),
            Kind::Default(d) => (" VALUE", format!(" [default: {d}]")),
            Kind::Optional => (" VALUE", " [optional]".to_owned()),
            Kind::Switch => ("", String::new()),
        };
        text.push_str(&format!("\n  {}{value}\n        {}{note}", flag.name, flag.says));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Args, Flag, Refused, help};

    const KNOWN: &[Flag] = &[
        Flag::required("--device", "the box"),
        Flag::or("--state", "/var/lib/x", "state directory"),
        Flag::optional("--pictures", "directory"),
        Flag::switch("--direct", "bench override"),
    ];

    fn read(line: &str) -> Result<Args, Refused> {
        Args::read(line.split_whitespace().map(str::to_owned), KNOWN)
    }

    #[test]
    fn values_defaults_and_switches() {
        let args = read("--direct --device 000102030405060708090a0b0c0d0e0f").unwrap();
        assert_eq!(args.id("--device").unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(args.text("--state").unwrap(), "/var/lib/x");
        assert!(args.has("--direct") && !args.has("--pictures"));
    }

    #[test]
    fn every_refusal_names_its_flag() {
        assert_eq!(read("").unwrap_err(), Refused::Missing("--device"));
        assert_eq!(read("--device").unwrap_err(), Refused::NoValue("--device"));
        assert_eq!(read("--device --direct").unwrap_err(), Refused::NoValue("--device"));
        assert_eq!(read("--device a --device b").unwrap_err(), Refused::Twice("--device"));
        assert_eq!(read("--device a word").unwrap_err(), Refused::Unknown("word".into()));
        assert!(read("--device 0G").unwrap().id("--device").unwrap_err().to_string().contains("32 lower-case hex digits"));
        assert!(read("--device é0000000000000000000000000000000").unwrap().id("--device").is_err());
        assert!(read("--device 7").unwrap().parsed::<u8>("--device", "a number").is_ok());
    }

    #[test]
    fn help_names_every_flag() {
        let text = help("x", "does y", KNOWN);
        assert!(KNOWN.iter().all(|f| text.contains(f.name) && text.contains(f.says)), "{text}");
    }
}
