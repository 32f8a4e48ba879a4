# The release's default is gnutls alone: without the GStreamer elements (nicesrc, nicesink) everything builds and webrtcbin fails at run
# time. With openssl there is one TLS library less.
PACKAGECONFIG:parloir-box = "gstreamer openssl"
