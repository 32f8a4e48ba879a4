//! Owns: why a command did not do what was asked.
//! Never: a secret, or a sentence without a next step.
//! Called by: every command.

use core::fmt;

use parloir_issuer::Fault as IssuerFault;
use parloir_seal::Refused;
use serde_json::{Value, json};

/// A fault, as the line that is printed.
#[derive(Debug)]
pub struct Fault(String);

impl Fault {
    /// From its parts. `code` is the part after `org.parloir.Error.`.
    pub fn new(thing: impl fmt::Display, cause: impl fmt::Display, next: &str, code: &str) -> Self {
        Self(format!("{thing}: {cause}; {next} [org.parloir.Error.{code}]"))
    }

    /// A verification that needs an option which was not given.
    pub fn needs(thing: impl fmt::Display, option: &str) -> Self {
        Self::new(thing, "cannot be verified without its key", &format!("give {option}"), "UnknownKey")
    }
}

impl Fault {
    /// As JSON: the code by itself, and the whole line for a person.
    pub fn json(&self) -> Value {
        let code = self.0.rsplit_once('[').and_then(|(_, code)| code.strip_suffix(']'));
        json!({ "error": code, "message": self.0 })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        Self(refused.to_string())
    }
}

impl From<IssuerFault> for Fault {
    fn from(fault: IssuerFault) -> Self {
        Self(fault.to_string())
    }
}
