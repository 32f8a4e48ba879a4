//! Owns: short-lived relay credentials by a secret shared with the relay (draft-uberti-behave-turn-rest-00, coturn's `use-auth-secret`).
//! Never: a credential without an end.
//! Called by: [`crate::desk`], one for the box and one for the page of each visit.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use parloir_pass::RelayCredentials;
use ring::hmac;

/// Relays of the site and their shared secret.
#[derive(Clone, Debug)]
pub struct Relays {
    /// `turn:` URLs (RFC 7065), as the policy names them.
    pub urls: Vec<String>,
    /// `static-auth-secret` of the relay.
    pub secret: Vec<u8>,
}

impl Relays {
    /// Credentials for one user until `expires` (Unix seconds).
    #[must_use]
    pub fn credentials(&self, user: &str, expires: i64) -> Vec<RelayCredentials> {
        let user = format!("{expires}:{user}");
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let password = STANDARD.encode(hmac::sign(&key, user.as_bytes()));
        self.urls
            .iter()
            .map(|url| RelayCredentials { url: url.clone(), user: user.clone(), password: password.clone() })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Relays;

    #[test]
    fn a_known_answer() {
        let relays = Relays { urls: vec!["turn:relay.example:3478?transport=udp".into()], secret: b"north".to_vec() };
        let given = &relays.credentials("ana", 1_800_000_000)[0];
        // printf '1800000000:ana' | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!((given.user.as_str(), given.password.as_str()), ("1800000000:ana", "nEBDy7Am3Z1a9cqUB7MnZOOw/Xk="));
    }
}
