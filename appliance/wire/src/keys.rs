//! Owns: the 24 keys that can enter, their evdev codes, and the message that routes a press to the screen.
//! Never: decides who gets a key (the arbiter's focus does).
//! Called by: gate (maps), arbiter (routes), ui (receives), the bench (presses).

use crate::codec::{Reader, Refused, Writer, refused};

macro_rules! keys {
    ($($name:ident = $wire:literal, $label:literal, [$($code:literal),+];)+) => {
        /// A key of the remote. There are no others: S6 of the requirements.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)]
        pub enum Key { $($name = $wire),+ }

        impl Key {
            /// All of them, in wire order.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// From a Linux input event code (`linux/input-event-codes.h`); `None` for every other key.
            #[must_use]
            pub const fn from_evdev(code: u16) -> Option<Self> {
                match code { $($($code)|+ => Some(Self::$name),)+ _ => None }
            }
            /// The evdev code that the bench sends for it.
            #[must_use]
            pub const fn evdev(self) -> u16 {
                match self { $(Self::$name => [$($code),+][0]),+ }
            }
            /// Its name on the command line of `scripts/remote`.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label),+ }
            }
            /// From a wire byte.
            ///
            /// # Errors
            /// An unknown byte.
            pub const fn from_wire(byte: u8) -> Result<Self, Refused> {
                match byte { $($wire => Ok(Self::$name),)+ _ => Err(refused("key", "unknown code")) }
            }
        }
    };
}

keys! {
    Up = 1, "up", [103];
    Down = 2, "down", [108];
    Left = 3, "left", [105];
    Right = 4, "right", [106];
    Ok = 5, "ok", [352, 28, 353];
    Back = 6, "back", [158, 1, 174];
    Home = 7, "home", [102, 172, 618];
    Help = 8, "help", [138, 214];
    VolumeUp = 9, "volume-up", [115];
    VolumeDown = 10, "volume-down", [114];
    Mute = 11, "mute", [113];
    ChannelUp = 12, "channel-up", [402];
    ChannelDown = 13, "channel-down", [403];
    Red = 14, "red", [398];
    Digit0 = 15, "0", [512, 11];
    Digit1 = 16, "1", [513, 2];
    Digit2 = 17, "2", [514, 3];
    Digit3 = 18, "3", [515, 4];
    Digit4 = 19, "4", [516, 5];
    Digit5 = 20, "5", [517, 6];
    Digit6 = 21, "6", [518, 7];
    Digit7 = 22, "7", [519, 8];
    Digit8 = 23, "8", [520, 9];
    Digit9 = 24, "9", [521, 10];
}

/// What a key did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// Released.
    Up,
    /// Pressed: the only motion that can be consent.
    Down,
    /// Held down (evdev autorepeat).
    Repeat,
}

impl Motion {
    pub(crate) const fn wire(self) -> u8 {
        match self {
            Self::Up => 0,
            Self::Down => 1,
            Self::Repeat => 2,
        }
    }
    pub(crate) const fn from_wire(byte: u8) -> Result<Self, Refused> {
        match byte {
            0 => Ok(Self::Up),
            1 => Ok(Self::Down),
            2 => Ok(Self::Repeat),
            _ => Err(refused("key motion", "unknown")),
        }
    }
}

/// Bytes of the kernel's `struct input_event` (`linux/input.h`): two longs of time, then type, code and value.
pub const EVENT: usize = 2 * size_of::<usize>() + 8;
/// The event type of keys.
pub const EV_KEY: u16 = 1;

/// The key motion that an input event reports; `None` for every other event, key and value.
#[must_use]
pub fn from_event(event: &[u8; EVENT]) -> Option<(Key, Motion)> {
    let [.., t0, t1, c0, c1, v0, v1, v2, v3] = *event;
    let value = u8::try_from(i32::from_ne_bytes([v0, v1, v2, v3])).ok()?;
    let key = Key::from_evdev(u16::from_ne_bytes([c0, c1]))?;
    (u16::from_ne_bytes([t0, t1]) == EV_KEY).then_some((key, Motion::from_wire(value).ok()?))
}

/// The input event of a key motion, its time zero: what the bench sends.
#[must_use]
pub fn to_event(key: Key, motion: Motion) -> [u8; EVENT] {
    let mut event = [0; EVENT];
    let [.., t0, t1, c0, c1, v0, v1, v2, v3] = &mut event;
    [*t0, *t1] = EV_KEY.to_ne_bytes();
    [*c0, *c1] = key.evdev().to_ne_bytes();
    [*v0, *v1, *v2, *v3] = i32::from(motion.wire()).to_ne_bytes();
    event
}

/// One key motion as gate stamped it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyPress {
    /// Grows by one with every motion since gate started; quoted as consent.
    pub serial: u64,
    /// Which key.
    pub key: Key,
    /// What it did.
    pub motion: Motion,
    /// When gate read it, `CLOCK_BOOTTIME` nanoseconds.
    pub at_ns: u64,
}

/// Bytes of a routed key message.
pub const SIZE: usize = 24;

impl KeyPress {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.u8(1).u8(self.key as u8).u8(self.motion.wire()).raw(&[0; 5]).u64(self.serial).u64(self.at_ns);
    }
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Refused> {
        if r.u8("key version")? != 1 {
            return Err(refused("key version", "unknown"));
        }
        let key = Key::from_wire(r.u8("key")?)?;
        let motion = Motion::from_wire(r.u8("key motion")?)?;
        if r.array::<5>("key padding")? != [0; 5] {
            return Err(refused("key padding", "not zero"));
        }
        Ok(Self { key, motion, serial: r.u64("key serial")?, at_ns: r.u64("key time")? })
    }
    /// As it travels to the holder of the focus.
    #[must_use]
    pub fn encode(&self) -> [u8; SIZE] {
        let mut w = Writer::new();
        self.write(&mut w);
        w.finish_fixed()
    }
    /// # Errors
    /// Wrong size, unknown version, key or motion.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refused> {
        let mut r = Reader::new(bytes);
        let press = Self::read(&mut r)?;
        r.end("key")?;
        Ok(press)
    }
}
