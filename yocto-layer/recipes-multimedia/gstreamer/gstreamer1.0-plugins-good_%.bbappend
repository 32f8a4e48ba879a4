# video4linux2 has the camera and the stateful codecs (v4l2h264enc, v4l2h264dec); jpeg is what USB cameras send.
PACKAGECONFIG:parloir-box = "${GSTREAMER_ORC} jpeg v4l2"
