//! Owns: the target of SDP and candidates: our checks beside GStreamer's own parser, which reads what we let through.
//! Never: a pipeline.
//! Called by: the fuzzer.
//!
//! Holds: what we let through is the same thing to GStreamer: two sections in our order, DTLS-SRTP, the same direction, and no candidate that is not
//! an IP address over UDP; cleaning is done once and for all; our offer leaves with our fingerprint and no other.

use crate::bytes::Bytes;
use gstreamer_sdp::{SDPMediaRef, SDPMessage};
use parloir_call::plan::{PictureLimits, Rates};
use parloir_call::sdp::{H264, OPUS, check_answer, check_candidate, finish_offer, without_names};
use parloir_call::verify::colons;
use std::net::IpAddr;

/// An answer as Chromium gives it, shortened.
pub const ANSWER: &str = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE audio0 video1\r\n\
    a=msid-semantic: WMS stream\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijklmn\r\na=ice-options:trickle\r\na=fingerprint:sha-256 AA:BB\r\na=setup:active\r\n\
    a=mid:audio0\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
    m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijklmn\r\n\
    a=fingerprint:sha-256 AA:BB\r\na=setup:active\r\na=mid:video1\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:96 H264/90000\r\n\
    a=rtcp-fb:96 nack pli\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f\r\n";

/// A candidate as Chromium gives it.
pub const CANDIDATE: &str =
    "candidate:842163049 1 udp 1677729535 192.0.2.7 46154 typ relay raddr 0.0.0.0 rport 0 generation 0 ufrag abcd";

/// See the module.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    match bytes.u8() % 4 {
        0 => answer(&String::from_utf8_lossy(bytes.0)),
        1 => answer(&bent(&mut bytes)),
        2 => candidate(&String::from_utf8_lossy(bytes.0)),
        _ => offer(bytes),
    }
}

/// The good answer with lines taken out, put in, moved, and changed.
fn bent(bytes: &mut Bytes<'_>) -> String {
    let mut lines: Vec<String> = ANSWER.split_inclusive('\n').map(str::to_owned).collect();
    for _ in 0..1 + bytes.u8() % 6 {
        let at = usize::from(bytes.u8()) % lines.len();
        match bytes.u8() % 6 {
            0 if lines.len() > 1 => drop(lines.remove(at)),
            1 => lines.insert(at, bytes.text(120) + "\r\n"),
            2 => lines.insert(at, format!("a={CANDIDATE}\r\n").replace("192.0.2.7", &bytes.text(60))),
            3 => {
                let line = lines[at].clone();
                lines.insert(at, line);
            }
            4 => {
                let to = usize::from(bytes.u8()) % lines.len();
                lines.swap(at, to);
            }
            _ => {
                let line = &mut lines[at];
                let column = usize::from(bytes.u8()) % line.len();
                if line.is_char_boundary(column) {
                    line.insert_str(column, &bytes.text(20));
                }
            }
        }
    }
    lines.concat()
}

fn answer(text: &str) {
    let Ok(checked) = check_answer(text) else { return };
    let clean = without_names(text);
    assert_eq!(without_names(&clean), clean);
    assert_eq!(check_answer(&clean), Ok(checked), "still an answer");
    gstreamer::init().expect("GStreamer");
    let Ok(message) = SDPMessage::parse_buffer(clean.as_bytes()) else { return };
    assert_eq!(message.medias_len(), 2, "two sections to GStreamer too");
    for attribute in message.attributes().filter(|a| a.key() == "candidate") {
        usable(attribute.value());
    }
    for (media, (kind, payload)) in message.medias().zip([("audio", OPUS), ("video", H264)]) {
        assert_eq!((media.media(), media.proto()), (Some(kind), Some("UDP/TLS/RTP/SAVPF")));
        assert!(media.formats().any(|f| f.parse() == Ok(payload)), "our payload type to GStreamer too");
        for attribute in media.attributes().filter(|a| a.key() == "candidate") {
            usable(attribute.value());
        }
        if kind == "video" {
            assert_eq!(sends(media), checked.far_sends_video, "the same direction to GStreamer");
        }
    }
}

fn sends(media: &SDPMediaRef) -> bool {
    media.attributes().any(|a| matches!(a.key(), "sendrecv" | "sendonly"))
}

fn usable(value: Option<&str>) {
    let value = value.unwrap_or_default();
    assert_eq!(check_candidate(&format!("candidate:{value}")), Ok(true), "{value}");
}

fn candidate(text: &str) {
    if check_candidate(text) == Ok(true) {
        assert!(text.len() <= parloir_wire::signal::MAX_CANDIDATE);
        let words: Vec<&str> = text.split(' ').collect();
        assert!(words[4].parse::<IpAddr>().is_ok() && words[5].parse::<u16>().is_ok() && words[2].eq_ignore_ascii_case("udp"));
    }
}

fn offer(mut bytes: Bytes<'_>) {
    let (own, start): ([u8; 32], u32) = (bytes.array(), bytes.u32());
    let text = String::from_utf8_lossy(bytes.0).into_owned();
    let rates = Rates { start, ..Rates::default() };
    if let Ok(out) = finish_offer(&text, &own, PictureLimits::default(), rates) {
        let ours = format!("a=fingerprint:sha-256 {}", colons(&own));
        let all = out.lines().filter(|l| l.starts_with("a=fingerprint:")).collect::<Vec<_>>();
        assert!(!all.is_empty() && all.iter().all(|l| *l == ours));
    }
}
