//! Owns: the target of the frame channel: headers, and the receiver with real sockets and memfds behind them.
//! Never: an honest sender.
//! Called by: the fuzzer.
//!
//! Holds: an accepted header is written again as the same bytes; a picture that is handed out has all its planes.

use crate::bytes::Bytes;
use parloir_frames::{FrameReceiver, MAX_HEIGHT, MAX_WIDTH, MESSAGE_BYTES, Message};
use parloir_shell::{fds, memfd};
use std::os::fd::AsFd as _;

/// See the module.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    if bytes.u8() & 1 == 0 {
        if let Ok(message) = Message::decode(bytes.0) {
            assert_eq!(message.encode(), bytes.0);
            if let Message::Frame(n) = message {
                assert!((1..=MAX_WIDTH).contains(&n.width) && (1..=MAX_HEIGHT).contains(&n.height));
            }
        }
        return;
    }
    receiver(bytes);
}

fn receiver(mut bytes: Bytes<'_>) {
    let (ours, theirs) = fds::pair().expect("a socket pair");
    let mut receiver = FrameReceiver::new(theirs);
    let mut held = Vec::new();
    for _ in 0..24 {
        if bytes.is_empty() {
            break;
        }
        let how = bytes.u8();
        let size = usize::from(bytes.u16());
        let message: [u8; MESSAGE_BYTES] = bytes.array();
        // Sealed or not, of any size: what a call that was taken over may hand over.
        let file = match how & 3 {
            0 | 1 => None,
            2 => Some(memfd::sealed(c"fuzz", &vec![how; size * 16]).expect("a memfd")),
            _ => Some(fds::pair().expect("a socket pair").0),
        };
        let beside: Vec<_> = file.iter().map(|f| f.as_fd()).collect();
        let length = if how & 4 == 0 { MESSAGE_BYTES } else { size % (2 * MESSAGE_BYTES) };
        let long = [message, message].concat();
        if fds::send(&ours, &long[..length], &beside).is_err() {
            break;
        }
        match receiver.receive() {
            Ok(Some(frame)) => {
                let (w, h) = (usize::from(frame.width()), usize::from(frame.height()));
                assert_eq!((frame.y().len(), frame.u().len()), (w * h, w.div_ceil(2) * h.div_ceil(2)));
                assert_eq!(frame.v().len(), frame.u().len());
                if how & 8 == 0 {
                    held.push(frame);
                }
            }
            Ok(None) => {}
            // To be dropped, as its user does.
            Err(_) => break,
        }
    }
}
