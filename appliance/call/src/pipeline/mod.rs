//! Owns: the GStreamer pipelines of a visit: one for the sources, and one for each session with its gate and the negotiation of `webrtcbin`.
//! Never: reads a socket, judges a plan or a session description; lets a sample pass while the gate is shut.
//! Called by: run. Element names stand in this directory and nowhere else.

mod blank;
mod capture;
mod device;
mod gate;
mod playback;
mod sending;
mod session;
mod thinning;

pub use capture::{Camera, Capture, Microphone};
pub use gate::Gate;

use crate::events::{Event, Post};
use crate::plan::Settings;
use crate::quality::{Rung, Video};
use crate::{sdp, verify};
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_webrtc as webrtc;
use parloir_frames::FrameSender;
use parloir_wire::lease::{Fingerprint, Trouble};
use std::sync::{Arc, Mutex};

/// Every element that may be in a pipeline of this process. None of them writes to a disk or to a host other than ICE's. An element that is not here ends
/// the visit before it handles a sample.
pub const ALLOWED: &[&str] = &[
    "pipeline",
    "bin",
    "GstAppSrc",
    "GstAppSink",
    "TransportSendBin",
    "TransportReceiveBin",
    "appsrc",
    "appsink",
    "tee",
    "queue",
    "capsfilter",
    "capssetter",
    "identity",
    "fakesink",
    "funnel",
    "clocksync",
    "videoconvert",
    "videoscale",
    "jpegdec",
    "v4l2src",
    "openh264enc",
    "h264parse",
    "rtph264pay",
    "rtph264depay",
    "openh264dec",
    "audioconvert",
    "audioresample",
    "volume",
    "level",
    "alsasrc",
    "alsasink",
    "opusenc",
    "opusdec",
    "rtpopuspay",
    "rtpopusdepay",
    "webrtcbin",
    "rtpbin",
    "rtpsession",
    "rtpssrcdemux",
    "rtpptdemux",
    "rtpjitterbuffer",
    "rtpstorage",
    "rtprtxsend",
    "rtprtxreceive",
    "rtpulpfecdec",
    "rtpulpfecenc",
    "rtpreddec",
    "rtpredenc",
    "rtpfunnel",
    "rtpgccbwe",
    "dtlssrtpenc",
    "dtlssrtpdec",
    "dtlssrtpdemux",
    "dtlsenc",
    "dtlsdec",
    "srtpenc",
    "srtpdec",
    "nicesink",
    "nicesrc",
];

/// Those of [`ALLOWED`] that are types without a factory.
const TYPES: &[&str] = &["GstAppSrc", "GstAppSink", "TransportSendBin", "TransportReceiveBin"];

/// The certificate of this visit: PEM with its key, and its fingerprint.
#[derive(Clone)]
pub struct Identity {
    pem: Arc<str>,
    /// As the far side sees it.
    pub fingerprint: Fingerprint,
}

impl Identity {
    /// Reads a certificate followed by its PKCS#8 key.
    #[must_use]
    pub fn read(pem: &str) -> Option<Self> {
        let fingerprint = verify::fingerprint(pem)?;
        pem.contains("PRIVATE KEY-----").then(|| Self { pem: pem.into(), fingerprint })
    }
}

/// Why a pipeline could not be built or driven.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// Names the element or the property.
    #[error("pipeline: {0} [org.parloir.Error.Pipeline]")]
    Element(String),
}

impl From<glib::BoolError> for PipelineError {
    fn from(e: glib::BoolError) -> Self {
        Self::Element(e.to_string())
    }
}

/// Where pictures go; replaced when the screen comes back.
pub type Screen = Arc<Mutex<Option<FrameSender>>>;

/// A session, from the certificate or a re-call to the end of the visit or to the next re-call.
pub struct Pipeline {
    pipeline: gstreamer::Pipeline,
    webrtc: gstreamer::Element,
    sending: sending::Sending,
    gate: Arc<Gate>,
    granted: session::Granted,
    post: Post,
}

/// Starts GStreamer and the elements that are linked in.
///
/// # Errors
/// GStreamer cannot start; a plugin that the call needs is missing.
pub fn init() -> Result<(), PipelineError> {
    gstreamer::init().map_err(|e| PipelineError::Element(e.to_string()))?;
    gstrsrtp::plugin_register_static()?;
    Ok(())
}

impl Pipeline {
    /// Builds everything that needs no door and no grant, with the gate shut.
    ///
    /// # Errors
    /// An element is missing or refuses.
    pub fn build(identity: &Identity, capture: &Capture, screen: &Screen, post: &Post) -> Result<Self, PipelineError> {
        let pipeline = gstreamer::Pipeline::new();
        // The clock of capture, so that its time stamps mean the same here.
        pipeline.use_clock(Some(&gstreamer::SystemClock::obtain()));
        let gate = Arc::new(Gate::new(capture.lets().clone()));
        let granted = session::Granted::default();
        let webrtc = session::make(&pipeline, identity, &gate, &granted, post)?;
        watch_bus(&pipeline, post);
        let sending = sending::build(&pipeline, &webrtc, &gate, &identity.fingerprint)?;
        playback::build(&pipeline, &webrtc, &gate, screen, capture.devices(), post)?;
        // Sound is played this late, so that jitter within it is not heard; pictures are shown at once.
        pipeline.set_latency(gstreamer::ClockTime::from_mseconds(80));
        pipeline.set_state(gstreamer::State::Playing).map_err(|e| PipelineError::Element(e.to_string()))?;
        capture.pour(Some((&sending.camera, &sending.microphone)));
        Ok(Self { pipeline, webrtc, sending, gate, granted, post: post.clone() })
    }

    /// The grant holds: who the far side may be, the relays, the rates. The offer comes as [`Event::Offer`].
    ///
    /// # Errors
    /// A relay that the ICE agent does not take.
    pub fn connect(&self, settings: &Settings) -> Result<(), PipelineError> {
        self.granted.set(&settings.far, settings.rates);
        self.sending.set_sound(settings.rates.audio, settings.picture.of_a_weak_box());
        session::offer(&self.webrtc, settings, &self.post)
    }

    /// Makes the offer the local description: ICE begins to gather.
    pub fn gather(&self, offer: &webrtc::WebRTCSessionDescription) {
        session::gather(&self.webrtc, offer, &self.post);
    }

    /// Gives the far side's answer to `webrtcbin`. It was checked before.
    ///
    /// # Errors
    /// It cannot be parsed.
    pub fn answer(&self, text: &str) -> Result<(), PipelineError> {
        session::answer(&self.webrtc, text, &self.post)
    }

    /// Gives a far candidate to the ICE agent. It was checked before.
    pub fn candidate(&self, mline: u32, candidate: &str) {
        self.webrtc.emit_by_name::<()>("add-ice-candidate", &[&mline, &candidate]);
    }

    /// The next picture that leaves is a key picture: what left before is not there to build on.
    pub fn force_key(&self) {
        self.sending.force_key();
    }

    /// What the ladder says.
    pub fn set_video(&self, video: Video) {
        match video {
            Video::Pictures(Rung { width, height, fps, kbps }) => {
                self.sending.set_rung(width, height, fps, kbps);
                if self.gate.set_sound_only(false) {
                    self.sending.force_key();
                }
            }
            Video::SoundOnly => {
                self.gate.set_sound_only(true);
            }
        }
    }

    /// Counters that grow while the visit lasts.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Asks for round trip and loss; the answer comes as [`Event::Network`].
    pub fn ask_network(&self) {
        session::ask_network(&self.webrtc, &self.post);
    }

    /// Names of all elements, for the proof that none of them could record.
    #[must_use]
    pub fn elements(&self) -> Vec<String> {
        self.pipeline.iterate_recurse().into_iter().flatten().map(|e| kind(&e)).collect()
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.gate.refuse();
        if let Err(e) = self.pipeline.set_state(gstreamer::State::Null) {
            tracing::warn!("pipeline did not stop cleanly: {e}");
        }
    }
}

/// Reports errors and far sound levels from the threads that meet them; no main loop is needed.
fn watch_bus(pipeline: &gstreamer::Pipeline, post: &Post) {
    let Some(bus) = pipeline.bus() else { return };
    let post = post.clone();
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gstreamer::MessageView::Error(e) => {
                let source = e.src().map(|s| s.path_string().to_string()).unwrap_or_default();
                post.send(Event::Failed {
                    what: Trouble::Pipeline,
                    detail: format!("{source}: {} ({})", e.error(), e.debug().unwrap_or_default()),
                });
            }
            gstreamer::MessageView::Element(e) => {
                tracing::debug!("{:?}", e.structure());
                if let Some(level) = e.structure().and_then(playback::read_level) {
                    post.send(Event::Level(level));
                }
            }
            _ => {}
        }
        gstreamer::BusSyncReply::Drop
    });
}

/// Makes an element with a name; the error names the factory.
fn make(factory: &str, name: &str) -> Result<gstreamer::Element, PipelineError> {
    gstreamer::ElementFactory::make(factory).name(name).build().map_err(|e| PipelineError::Element(format!("{factory}: {e}")))
}

/// The factory's name; the type's for the two bins inside `webrtcbin` that have no factory.
fn kind(element: &gstreamer::Element) -> String {
    element.factory().map_or_else(|| element.type_().name().to_owned(), |f| f.name().to_string())
}

fn caps(text: &str) -> Result<gstreamer::Caps, PipelineError> {
    text.parse().map_err(|_| PipelineError::Element(format!("caps {text}")))
}

/// Starts and stops every element of [`ALLOWED`] once, and lets `webrtcbin` make a transport, which starts its own; answers those that failed and those that
/// are missing.
#[must_use]
pub fn probe() -> (Vec<String>, Vec<String>) {
    // Devices that may not be there, and parts that start only inside a transport.
    const ELSEWHERE: &[&str] =
        &["v4l2src", "alsasrc", "alsasink", "nicesrc", "nicesink", "dtlssrtpenc", "dtlssrtpdec", "dtlsenc", "dtlsdec", "srtpenc"];
    let (mut failed, mut missing) = (Vec::new(), Vec::new());
    for name in ALLOWED.iter().filter(|n| !ELSEWHERE.contains(n) && !TYPES.contains(n)) {
        let Ok(element) = gstreamer::ElementFactory::make(name).build() else {
            missing.push((*name).to_owned());
            continue;
        };
        if element.set_state(gstreamer::State::Ready).is_err() {
            failed.push((*name).to_owned());
        }
        let _ = element.set_state(gstreamer::State::Null);
    }
    match session::probe() {
        Ok(inside) if ELSEWHERE[3..].iter().all(|name| inside.iter().any(|i| i == name)) => {}
        Ok(inside) => failed.push(format!("a transport (only {})", inside.join(", "))),
        Err(e) => failed.push(e.to_string()),
    }
    failed.extend(session::probe_srtp().err().map(|e| e.to_string()));
    (failed, missing)
}

/// The codec preferences of a media section.
fn preferences(kind: &str, ssrc: u32) -> Result<gstreamer::Caps, PipelineError> {
    let common = format!(
        "rtcp-fb-nack=(boolean)true, rtcp-fb-transport-cc=(boolean)true, extmap-{}=(string)\"{}\", ssrc=(uint){ssrc}",
        sdp::TWCC,
        session::TWCC_URI
    );
    let own = match kind {
        "video" => format!(
            "encoding-name=(string)H264, payload=(int){}, clock-rate=(int)90000, packetization-mode=(string)1, \
             level-asymmetry-allowed=(string)1, profile-level-id=(string){}, rtcp-fb-nack-pli=(boolean)true, rtcp-fb-ccm-fir=(boolean)true",
            sdp::H264,
            sdp::PROFILE
        ),
        _ => format!(
            "encoding-name=(string)OPUS, payload=(int){}, clock-rate=(int)48000, encoding-params=(string)2, useinbandfec=(string)1, \
             minptime=(string)10, stereo=(string)0",
            sdp::OPUS
        ),
    };
    caps(&format!("application/x-rtp, media=(string){kind}, {own}, {common}"))
}
