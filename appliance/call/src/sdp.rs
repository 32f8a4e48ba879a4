//! Owns: our side of SDP: what is changed in an offer before it leaves, what an answer and a candidate must be to enter the pipeline.
//! Never: decides who the far end is (verify does, from the handshake); resolves names.
//! Called by: run.

use crate::plan::{PictureLimits, Rates};
use crate::verify::colons;
use parloir_wire::lease::Fingerprint;
use parloir_wire::signal::{MAX_CANDIDATE, MAX_SDP};
use std::net::IpAddr;

/// RTP payload type of H.264 in our offers.
pub const H264: u8 = 96;
/// RTP payload type of Opus in our offers.
pub const OPUS: u8 = 111;
/// `profile-level-id` in our offers: constrained baseline, level 3.1 (RFC 6184, section 8.1).
pub const PROFILE: &str = "42e01f";
/// Header extension number of transport-wide congestion control.
pub const TWCC: u8 = 3;

/// Most lines of an answer; Chromium's has about 70.
pub const MAX_LINES: usize = 600;
/// Most bytes of one of its lines.
pub const MAX_LINE: usize = 2000;
/// Most candidates inside an answer; those that trickle are counted by link.
pub const MAX_CANDIDATES: usize = 64;

/// What an answer says that the pipeline does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The far side will send pictures.
    pub far_sends_video: bool,
}

/// Why far signalling was refused; the text names the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("far {what}: {why} [org.parloir.Error.Signalling]")]
pub struct SdpRefused {
    what: &'static str,
    why: &'static str,
}

/// The offer as it leaves: with the fingerprint of this visit's certificate (`webrtcbin` 1.22 hashes certificate and key together), the
/// rate that Chromium's encoder starts with (`x-google-start-bitrate`; it starts at 300 kbit/s otherwise), and what the far side may send:
/// the largest picture (`imageattr`, RFC 6236), frames in a second (`framerate`, RFC 8866) and bit rate (`TIAS`, RFC 3890). A box that
/// cannot decode 720p would otherwise drown in it.
///
/// # Errors
/// An offer without a fingerprint line.
pub fn finish_offer(offer: &str, own: &Fingerprint, picture: PictureLimits, rates: Rates) -> Result<String, SdpRefused> {
    let fmtp = format!("a=fmtp:{H264} ");
    let mut out = String::with_capacity(offer.len() + 256);
    let mut fingerprints = 0;
    let mut lines = offer.lines().peekable();
    let mut in_video = false;
    while let Some(line) = lines.next() {
        if line.starts_with("m=") {
            in_video = line.starts_with("m=video ");
        }
        if line.starts_with("a=fingerprint:") {
            fingerprints += 1;
            out.push_str(&format!("a=fingerprint:sha-256 {}", colons(own)));
        } else if line.starts_with(&fmtp) {
            out.push_str(&format!("{line};x-google-start-bitrate={}\r\n", rates.start));
            let [width, height] = [picture.width, picture.height];
            out.push_str(&format!("a=imageattr:{H264} recv [x=[16:{width}],y=[16:{height}]]\r\na=framerate:{}", picture.fps));
        } else {
            out.push_str(line);
        }
        out.push_str("\r\n");
        // RFC 8866, section 5: after the section's own line and its connection, before its attributes.
        if in_video && line.starts_with("c=") && lines.peek().is_none_or(|next| !next.starts_with("b=")) {
            out.push_str(&format!("b=TIAS:{}\r\n", rates.max.saturating_mul(1000)));
        }
    }
    if fingerprints == 0 {
        return Err(SdpRefused { what: "offer of our own", why: "no fingerprint line" });
    }
    Ok(out)
}

/// Checks the bounds and the shape of an answer to our offer: sound first, then picture, bundled ICE and DTLS-SRTP, our payload types.
///
/// # Errors
/// Names the broken rule.
pub fn check_answer(sdp: &str) -> Result<Answer, SdpRefused> {
    let refuse = |why| Err(SdpRefused { what: "answer", why });
    if sdp.len() > MAX_SDP || sdp.lines().count() > MAX_LINES || sdp.lines().any(|l| l.len() > MAX_LINE) {
        return refuse("longer than its bounds");
    }
    if !sdp.bytes().all(|b| matches!(b, b' '..=b'~' | b'\r' | b'\n')) || !sdp.starts_with("v=0") {
        return refuse("not plain SDP text");
    }
    // GStreamer's parser skips white space before a line and before its value, and stops at a carriage return inside it; the checks
    // here would see another line.
    let formed = |l: &str| matches!(l.as_bytes(), [b'a'..=b'z', b'=', first, ..] if *first != b' ') && !l.contains('\r');
    if !sdp.lines().all(formed) {
        return refuse("a line that is not a letter, an equals sign and a value right after it");
    }
    let mut sections = sdp.split("\nm=");
    let session = sections.next().unwrap_or_default();
    let (Some(audio), Some(video), None) = (sections.next(), sections.next(), sections.next()) else {
        return refuse("not exactly two media sections");
    };
    if !session.lines().any(|l| l.starts_with("a=group:BUNDLE ")) {
        return refuse("media are not bundled");
    }
    let far_sends_video = check_section(session, video, "video ", H264, "H264/90000")?;
    check_section(session, audio, "audio ", OPUS, "opus/48000")?;
    if sdp.lines().any(|l| l == "a=candidate") {
        return refuse("a candidate without a value");
    }
    for line in sdp.lines().filter_map(|l| l.strip_prefix("a=candidate:")) {
        check_candidate(&format!("candidate:{line}"))?;
    }
    if sdp.lines().filter(|l| l.starts_with("a=candidate:")).count() > MAX_CANDIDATES {
        return refuse("too many candidates");
    }
    Ok(Answer { far_sends_video })
}

/// The answer as it may enter the pipeline: without the candidates that [`check_candidate`] keeps outside, such as names, which the ICE
/// agent would look up for whoever wrote them.
#[must_use]
pub fn without_names(sdp: &str) -> String {
    let stays = |line: &&str| !line.starts_with("a=candidate:") || check_candidate(&line.trim_end()[2..]) == Ok(true);
    sdp.split_inclusive('\n').filter(stays).collect()
}

/// True when the far side will send on this section.
fn check_section(session: &str, section: &str, kind: &str, payload: u8, codec: &str) -> Result<bool, SdpRefused> {
    let refuse = |why| Err(SdpRefused { what: "answer", why });
    // The line feed of its last line went with the split.
    let section = section.strip_suffix('\r').unwrap_or(section);
    let mut words = section.lines().next().unwrap_or_default().split(' ');
    let (media, port, proto) = (words.next().unwrap_or_default(), words.next(), words.next());
    if media != kind.trim_end() {
        return refuse("media sections in another order than offered");
    }
    if proto != Some("UDP/TLS/RTP/SAVPF") {
        return refuse("not DTLS-SRTP");
    }
    match port.and_then(|p| p.parse::<u16>().ok()) {
        Some(0) => return refuse("a media section was rejected"),
        Some(_) => {}
        None => return refuse("a port that is no number"),
    }
    if !words.any(|p| p.parse() == Ok(payload)) {
        return refuse("our payload type is not accepted");
    }
    let has = |what: &str| section.lines().any(|l| l.starts_with(what)) || session.lines().any(|l| l.starts_with(what));
    let rtpmap = format!("a=rtpmap:{payload} {codec}");
    if !section.lines().any(|l| l.get(..rtpmap.len()).is_some_and(|l| l.eq_ignore_ascii_case(&rtpmap))) {
        return refuse("our payload type names another codec");
    }
    if !has("a=ice-ufrag:") || !has("a=ice-pwd:") {
        return refuse("no ICE credentials");
    }
    if !has("a=fingerprint:sha-256 ") {
        return refuse("no SHA-256 fingerprint");
    }
    if !has("a=setup:active") && !has("a=setup:passive") {
        return refuse("no DTLS role");
    }
    if !has("a=rtcp-mux") {
        return refuse("RTP and RTCP are not multiplexed");
    }
    // To GStreamer a direction with a value is the direction.
    let directions = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    if section.lines().any(|l| directions.iter().any(|d| l.starts_with(d) && l != *d)) {
        return refuse("a direction with a value");
    }
    Ok(section.lines().any(|l| matches!(l, "a=sendrecv" | "a=sendonly")))
}

/// Checks a candidate (RFC 8839) and says whether the pipeline may have it: `false` for mDNS names, which we do not resolve.
///
/// # Errors
/// Names the broken rule.
pub fn check_candidate(candidate: &str) -> Result<bool, SdpRefused> {
    let refuse = |why| Err(SdpRefused { what: "candidate", why });
    if candidate.len() > MAX_CANDIDATE || !candidate.bytes().all(|b| matches!(b, b' '..=b'~')) {
        return refuse("longer than its bound, or not plain text");
    }
    let Some(rest) = candidate.strip_prefix("candidate:") else { return refuse("does not begin with candidate:") };
    let words: Vec<&str> = rest.split(' ').collect();
    let [foundation, component, transport, priority, address, port, typ, kind, ..] = words[..] else {
        return refuse("too few fields");
    };
    if foundation.is_empty()
        || !matches!(component, "1" | "2")
        || priority.parse::<u32>().is_err()
        || port.parse::<u16>().is_err()
    {
        return refuse("a field that is not a number");
    }
    if !matches!(transport.to_ascii_lowercase().as_str(), "udp" | "tcp") || typ != "typ" {
        return refuse("unknown transport, or no type");
    }
    if !matches!(kind, "host" | "srflx" | "prflx" | "relay") {
        return refuse("unknown type");
    }
    Ok(address.parse::<IpAddr>().is_ok() && transport.eq_ignore_ascii_case("udp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:abcd\r\na=ice-pwd:efgh\r\na=fingerprint:sha-256 AA\r\na=setup:active\r\na=rtcp-mux\r\na=sendrecv\r\na=rtpmap:111 opus/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=ice-ufrag:abcd\r\na=ice-pwd:efgh\r\na=fingerprint:sha-256 AA\r\na=setup:active\r\na=rtcp-mux\r\na=sendrecv\r\na=rtpmap:96 H264/90000\r\n";

    #[test]
    fn a_good_answer_enters_and_tells_whether_pictures_come() {
        assert_eq!(check_answer(ANSWER), Ok(Answer { far_sends_video: true }));
        let last = ANSWER.replace("a=sendrecv\r\na=rtpmap:111 opus/48000/2", "a=rtpmap:111 opus/48000/2\r\na=sendrecv");
        assert!(last != ANSWER && check_answer(&last).is_ok(), "a direction as the last line of its section");
        let (head, video) = ANSWER.rsplit_once("a=sendrecv").unwrap();
        assert_eq!(check_answer(&format!("{head}a=recvonly{video}")), Ok(Answer { far_sends_video: false }));
    }

    #[test]
    fn every_broken_rule_is_refused() {
        for (from, to) in [
            ("v=0", "x=0"),
            ("s=-", "s=\u{7f}"),
            ("a=group:BUNDLE 0 1\r\n", ""),
            ("a=group:BUNDLE 0 1\r\n", "a=x:a=group:BUNDLE 0 1\r\n"),
            ("m=audio", "m=text"),
            ("m=video 9", "m=video 0"),
            ("m=video 9 UDP/TLS/RTP/SAVPF", "m=video 9 RTP/AVP"),
            ("SAVPF 96 97", "SAVPF 98"),
            ("96 H264", "96 VP8"),
            ("a=ice-ufrag:abcd\r\n", ""),
            ("a=fingerprint:sha-256 AA\r\n", "a=fingerprint:sha-1 AA\r\n"),
            ("a=setup:active\r\n", "a=setup:actpass\r\n"),
            ("a=rtcp-mux\r\n", ""),
            ("m=video", "m=application 9 UDP/DTLS/SCTP x\r\nm=video"),
            ("s=-", "a=candidate:1 1 udp 1 10.0.0.1 x typ host"),
            ("s=-", "s=-\r\n m=application 9 UDP/DTLS/SCTP x"),
            ("a=sendrecv", "a=sendrecv\r\n\ta=candidate:1 1 udp 1 looked-up.local 9 typ host"),
            ("a=sendrecv", "a=sendrecv\rx"),
            ("a=sendrecv", "a=sendrecv\r\na=candidate"),
            ("a=sendrecv", "a=sendrecv:"),
            ("a=sendrecv", "a=sendrecv\r\na= candidate:1 1 udp 1 looked-up.local 9 typ host"),
            // A tab parts words to GStreamer and not to us: it read RTP/AVP where we read DTLS-SRTP.
            ("m=audio 9 ", "m=audio 9\tRTP/AVP "),
            ("m=audio 9 ", "m=audio x "),
            ("s=-", "s=-\r\n\r\n"),
        ] {
            let bad = ANSWER.replace(from, to);
            assert_ne!(bad, ANSWER, "{from}");
            assert!(check_answer(&bad).is_err(), "{from} -> {to}");
        }
        assert!(check_answer(&format!("{ANSWER}a={}\r\n", "x".repeat(MAX_LINE))).is_err(), "a long line");
        assert!(check_answer(&(ANSWER.to_owned() + &"a=x\r\n".repeat(MAX_LINES))).is_err(), "many lines");
        let many = "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n".repeat(MAX_CANDIDATES + 1);
        assert!(check_answer(&(ANSWER.to_owned() + &many)).is_err(), "many candidates");
    }

    #[test]
    fn no_prefix_of_an_answer_panics() {
        for n in 0..ANSWER.len() {
            let _ = check_answer(&ANSWER[..n]);
        }
    }

    #[test]
    fn candidates_with_names_stay_outside_and_rubbish_is_refused() {
        assert_eq!(check_candidate("candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host generation 0"), Ok(true));
        assert_eq!(check_candidate("candidate:1 1 udp 2130706431 2001:db8::1 5000 typ relay raddr :: rport 9"), Ok(true));
        assert_eq!(check_candidate("candidate:1 1 udp 1 0123-4567.local 5000 typ host"), Ok(false));
        assert_eq!(check_candidate("candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype active"), Ok(false));
        for bad in [
            "",
            "candidate:",
            "candidate:1 3 udp 1 192.0.2.1 1 typ host",
            "candidate:1 1 udp x 192.0.2.1 1 typ host",
            "candidate:1 1 udp 1 192.0.2.1 99999 typ host",
            "candidate:1 1 sctp 1 192.0.2.1 1 typ host",
            "candidate:1 1 udp 1 192.0.2.1 1 typ moon",
        ] {
            assert!(check_candidate(bad).is_err(), "{bad}");
        }
    }

    // How it was broken: the far side, or whoever carries its answer, puts a candidate with a host's name into the answer itself instead of
    // trickling it; the name went to the ICE agent and was looked up from inside the prison.
    #[test]
    fn candidates_with_names_stay_outside_in_the_answer_too() {
        let usable = "a=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n";
        let named = "a=candidate:2 1 udp 1 looked-up.example.local 9 typ host\r\na=candidate:3 1 tcp 1 192.0.2.1 9 typ host tcptype active\r\n";
        let answer = format!("{ANSWER}{usable}{named}");
        assert!(check_answer(&answer).is_ok());
        assert_eq!(without_names(&answer), format!("{ANSWER}{usable}"));
        assert_eq!(without_names(&format!("{ANSWER}{}", named.trim_end())), ANSWER);
        assert_eq!(without_names(ANSWER), ANSWER);
    }

    #[test]
    fn an_offer_leaves_with_our_fingerprint_and_no_other() {
        let offer = "v=0\r\na=fingerprint:sha-256 00:11\r\nm=video 9 x 96\r\na=fmtp:96 packetization-mode=1\r\na=fingerprint:sha-256 00:11\r\n";
        let out = finish_offer(offer, &[0xAB; 32], PictureLimits::default(), Rates::default()).unwrap();
        assert_eq!(out.matches("a=fingerprint:sha-256 AB:AB").count(), 2);
        assert!(!out.contains("00:11"));
        assert!(out.contains("a=fmtp:96 packetization-mode=1;x-google-start-bitrate=1200\r\n"));
        assert!(finish_offer("v=0\r\n", &[1; 32], PictureLimits::default(), Rates::default()).is_err());
    }

    #[test]
    fn an_offer_says_what_the_far_side_may_send() {
        let section = "c=IN IP4 0.0.0.0\r\na=fingerprint:sha-256 00:11\r\na=fmtp:96 packetization-mode=1\r\n";
        let offer = format!("v=0\r\nm=audio 9 x 111\r\n{section}m=video 9 x 96\r\n{section}");
        let picture = PictureLimits { width: 320, height: 180, fps: 10 };
        let out = finish_offer(&offer, &[1; 32], picture, Rates { start: 160, max: 200, ..Rates::default() }).unwrap();
        let (audio, video) = out.split_once("m=video").unwrap();
        assert!(!audio.contains("b="), "the limit is the picture's: {audio}");
        let lines: Vec<_> = video.lines().skip(1).collect();
        assert_eq!(lines[..2], ["c=IN IP4 0.0.0.0", "b=TIAS:200000"]);
        assert_eq!(lines[4..], ["a=imageattr:96 recv [x=[16:320],y=[16:180]]", "a=framerate:10"]);
    }

    #[test]
    fn an_answer_may_say_it_too() {
        let says = "a=rtpmap:96 H264/90000\r\nb=TIAS:200000\r\na=imageattr:96 send [x=320,y=180] recv *\r\na=framerate:10\r\n";
        let answer = ANSWER.replace("a=rtpmap:96 H264/90000\r\n", says);
        assert_ne!(answer, ANSWER);
        assert_eq!(check_answer(&answer), Ok(Answer { far_sends_video: true }));
    }
}
