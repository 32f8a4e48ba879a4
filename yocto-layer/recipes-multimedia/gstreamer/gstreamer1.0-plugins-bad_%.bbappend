# All of these are off in the release, and webrtcbin needs them at run time. v4l2codecs: stateless decoders; va: UEFI PCs.
PACKAGECONFIG:parloir-box = "${GSTREAMER_ORC} dtls openh264 openssl sctp srtp v4l2codecs webrtc"
PACKAGECONFIG:append:parloir-box = "${@bb.utils.contains('MACHINE_FEATURES', 'va', ' va', '', d)}"
