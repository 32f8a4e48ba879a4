//! Owns: the D-Bus error names. The codes themselves are core's; this only puts the prefix before them.
//! Never: a list of codes of its own.
//! Called by: arbiter.

/// Prefix of every error name.
pub const PREFIX: &str = "org.parloir.Error.";

/// A refusal as a D-Bus error: the full name and the sentence for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BusError {
    /// Such as `org.parloir.Error.OutsideWindow`.
    pub name: String,
    /// Operator's hint.
    pub hint: String,
}

impl BusError {
    /// From the code part, such as `OutsideWindow`.
    #[must_use]
    pub fn new(code: &str, hint: impl Into<String>) -> Self {
        Self { name: format!("{PREFIX}{code}"), hint: hint.into() }
    }
}

impl std::fmt::Display for BusError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.hint)
    }
}

impl std::error::Error for BusError {}

impl zbus::DBusError for BusError {
    fn create_reply(&self, call: &zbus::message::Header<'_>) -> zbus::Result<zbus::Message> {
        zbus::Message::error(call, self.name.as_str()).build(&(self.hint.as_str(),))
    }
    fn name(&self) -> zbus::names::ErrorName<'_> {
        zbus::names::ErrorName::try_from(self.name.as_str())
            .unwrap_or_else(|_| zbus::names::ErrorName::from_static_str_unchecked("org.parloir.Error.Internal"))
    }
    fn description(&self) -> Option<&str> {
        Some(&self.hint)
    }
}
