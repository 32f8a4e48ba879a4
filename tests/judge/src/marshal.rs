//! Owns: D-Bus messages as bytes, after the specification's chapter "Message Protocol"; also ones that no library would make.
//! Never: a socket.
//! Called by: client (headers), hostile (bodies).

/// What writes values with their alignment.
#[derive(Debug, Default)]
pub struct Writer {
    /// So far; its first byte is at a multiple of eight in the message.
    pub bytes: Vec<u8>,
}

impl Writer {
    /// Zeros up to the next multiple.
    pub fn align(&mut self, to: usize) {
        self.bytes.resize(self.bytes.len().next_multiple_of(to), 0);
    }

    /// A number of that many bytes.
    pub fn number(&mut self, value: u64, size: usize) {
        self.align(size);
        self.bytes.extend(&value.to_le_bytes()[..size]);
    }

    /// `s` and `o`.
    pub fn text(&mut self, text: &str) {
        self.number(text.len() as u64, 4);
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    /// `g`.
    pub fn signature(&mut self, text: &str) {
        self.bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
        self.bytes.extend(text.as_bytes());
        self.bytes.push(0);
    }

    /// An array of elements with this alignment, which `fill` writes.
    pub fn array(&mut self, alignment: usize, fill: impl FnOnce(&mut Self)) {
        self.number(0, 4);
        let length = self.bytes.len() - 4;
        self.align(alignment);
        let start = self.bytes.len();
        fill(self);
        let size = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[length..length + 4].copy_from_slice(&size.to_le_bytes());
    }
}

/// Alignment of a type by its first letter.
#[must_use]
pub const fn alignment(kind: u8) -> usize {
    match kind {
        b'n' | b'q' => 2,
        b'b' | b'i' | b'u' | b'h' | b's' | b'o' | b'a' => 4,
        b'x' | b't' | b'd' | b'(' | b'{' => 8,
        _ => 1,
    }
}

/// The complete types of a signature, one after the other.
#[must_use]
pub fn types(signature: &str) -> Vec<&str> {
    let (mut all, mut rest) = (Vec::new(), signature);
    while !rest.is_empty() {
        let (one, more) = rest.split_at(first(rest));
        all.push(one);
        rest = more;
    }
    all
}

/// Length of the first complete type.
fn first(signature: &str) -> usize {
    let bytes = signature.as_bytes();
    match bytes.first() {
        Some(b'a') => 1 + first(&signature[1..]),
        Some(b'(' | b'{') => {
            let mut depth = 0_i32;
            let end = bytes.iter().position(|byte| {
                depth += i32::from(matches!(byte, b'(' | b'{')) - i32::from(matches!(byte, b')' | b'}'));
                depth == 0
            });
            end.map_or(bytes.len(), |end| end + 1)
        }
        Some(_) => 1,
        None => 0,
    }
}

/// Kinds of message.
pub const CALL: u8 = 1;
/// An answer that is good.
pub const RETURN: u8 = 2;
/// An answer that is none.
pub const ERROR: u8 = 3;
/// A signal.
pub const SIGNAL: u8 = 4;
/// Flag: no answer is wanted.
pub const NO_REPLY: u8 = 1;

/// A message before it is bytes.
#[derive(Clone, Debug)]
pub struct Message {
    /// One of the kinds above.
    pub kind: u8,
    /// Flags.
    pub flags: u8,
    /// Object.
    pub path: String,
    /// Interface, if it says one.
    pub interface: Option<String>,
    /// Method or signal.
    pub member: String,
    /// To whom.
    pub to: String,
    /// What it says that it answers.
    pub answers: Option<u32>,
    /// Types of the body.
    pub signature: String,
    /// Body.
    pub body: Vec<u8>,
    /// Descriptors that travel with it.
    pub fds: u32,
}

impl Message {
    /// A call without a body.
    #[must_use]
    pub fn call(to: &str, path: &str, interface: &str, member: &str) -> Self {
        Self {
            kind: CALL,
            flags: 0,
            path: path.to_owned(),
            interface: Some(interface.to_owned()),
            member: member.to_owned(),
            to: to.to_owned(),
            answers: None,
            signature: String::new(),
            body: Vec::new(),
            fds: 0,
        }
    }

    /// The bytes with this serial.
    #[must_use]
    pub fn encode(&self, serial: u32) -> Vec<u8> {
        let mut out = Writer::default();
        out.bytes.extend([b'l', self.kind, self.flags, 1]);
        out.number(self.body.len() as u64, 4);
        out.number(u64::from(serial), 4);
        let field = |out: &mut Writer, code: u8, kind: &str| {
            out.align(8);
            out.bytes.push(code);
            out.signature(kind);
        };
        out.array(8, |out| {
            let texts = [
                (1, "o", Some(&self.path)),
                (2, "s", self.interface.as_ref()),
                (3, "s", Some(&self.member)),
                (6, "s", Some(&self.to)),
            ];
            for (code, kind, text) in texts {
                // An answer has neither object nor member.
                if let Some(text) = text.filter(|text| !text.is_empty()) {
                    field(out, code, kind);
                    out.text(text);
                }
            }
            if self.kind == ERROR {
                field(out, 4, "s");
                out.text("org.parloir.Error.Forged");
            }
            if let Some(answers) = self.answers {
                field(out, 5, "u");
                out.number(u64::from(answers), 4);
            }
            if !self.signature.is_empty() {
                field(out, 8, "g");
                out.signature(&self.signature);
            }
            if self.fds > 0 {
                field(out, 9, "u");
                out.number(u64::from(self.fds), 4);
            }
        });
        out.align(8);
        out.bytes.extend(&self.body);
        out.bytes
    }
}

/// What is read of a message that came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Kind.
    pub kind: u8,
    /// The serial that it answers.
    pub answers: u32,
    /// Name of an error.
    pub error: String,
    /// Member of a signal.
    pub member: String,
    /// Body.
    pub body: Vec<u8>,
}

/// Size of the whole message of which these are the first 16 bytes.
#[must_use]
pub fn size(start: &[u8; 16]) -> usize {
    let number = |at: usize| u32::from_le_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]) as usize;
    (16 + number(12)).next_multiple_of(8) + number(4)
}

/// Reads the header of a whole message of the bus, which is sound and of our endianness.
#[must_use]
pub fn head(bytes: &[u8]) -> Head {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap_or_default());
    let mut head = Head { kind: bytes[1], ..Head::default() };
    let end = 16 + number(12) as usize;
    let mut at = 16;
    while at + 4 < end {
        at = at.next_multiple_of(8);
        let (code, kind) = (bytes[at], bytes[at + 2]);
        at += 4; // code, length 1, letter, zero
        match kind {
            b'u' => {
                if code == 5 {
                    head.answers = number(at);
                }
                at += 4;
            }
            b'g' => at += usize::from(bytes[at]) + 2,
            _ => {
                let length = number(at) as usize;
                let text = String::from_utf8_lossy(&bytes[at + 4..at + 4 + length]).into_owned();
                match code {
                    4 => head.error = text,
                    3 => head.member = text,
                    _ => {}
                }
                at += 4 + length + 1;
            }
        }
    }
    head.body = bytes.get(end.next_multiple_of(8)..).unwrap_or_default().to_vec();
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_falls_into_its_complete_types() {
        assert_eq!(types("sa{sv}(ii)ayu"), ["s", "a{sv}", "(ii)", "ay", "u"]);
        assert_eq!(types("aa(s(u))"), ["aa(s(u))"]);
        assert_eq!(types(""), Vec::<&str>::new());
    }

    #[test]
    fn a_header_that_was_written_is_read_back() {
        let mut message = Message::call("a.b", "/a", "a.b", "Member");
        (message.kind, message.answers, message.signature) = (ERROR, Some(7), "s".to_owned());
        message.body = vec![1, 0, 0, 0, b'x', 0];
        let bytes = message.encode(9);
        assert_eq!(size(bytes[..16].try_into().expect("16 bytes")), bytes.len());
        let read = head(&bytes);
        assert_eq!(
            (read.kind, read.answers, read.error.as_str(), read.member.as_str()),
            (ERROR, 7, "org.parloir.Error.Forged", "Member")
        );
    }
}
