//! Owns: the TLS certificates of a site: a private CA and one certificate for each end.
//! Never: a certificate of a visit (the arbiter makes those).
//! Called by: provision.
