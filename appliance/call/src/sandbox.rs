//! Owns: what the kernel takes from this process before its first thread: files, programs, most sockets, most calls.
//! Never: runs late; whatever GStreamer starts inherits it.
//! Called by: main, as its first statement.
