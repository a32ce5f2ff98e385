//! An issuer of signed tokens, as a CI system or a cloud has one: a key of its own, and tokens that Vault can check with
//! the public half of it alone.

use chrono::{TimeDelta, Utc};
use rcgen::{KeyPair, PKCS_ED25519, SigningKey};
use serde_json::{Value, json};
use uuid::Uuid;

use super::bao::Corner;

const NAME: &str = "https://issuer.example";
/// To whom the tokens are addressed.
const AUDIENCE: &str = "vault";
const SUBJECT: &str = "exceptionless-rotator";

pub struct Issuer(KeyPair);

impl Issuer {
    pub fn new() -> Self {
        Self(KeyPair::generate_for(&PKCS_ED25519).unwrap())
    }

    /// A token for the rotator.
    pub fn token(&self) -> String {
        self.issue(SUBJECT, TimeDelta::hours(1))
    }

    /// A token for anybody, from now on or until some time ago.
    pub fn issue(&self, subject: &str, lasts: TimeDelta) -> String {
        let now = Utc::now();
        let claims = json!({
            "iss": NAME, "aud": [AUDIENCE], "sub": subject, "jti": Uuid::now_v7().to_string(),
            "iat": (now - TimeDelta::hours(2)).timestamp(), "exp": (now + lasts).timestamp(),
        });
        let parts =
            [json!({"alg": "EdDSA", "typ": "JWT"}), claims].map(|part| url_safe(part.to_string().as_bytes()));
        let signed = parts.join(".");
        format!("{signed}.{}", url_safe(&self.0.sign(signed.as_bytes()).unwrap()))
    }

    /// Lets whoever has the rotator's token log in to a corner, with a role of the corner's name.
    pub async fn trusted_by(&self, corner: &Corner<'_>) -> String {
        let mount = format!("{}-jwt", corner.mount);
        corner.bao.root("POST", &format!("sys/auth/{mount}"), json!({"type": "jwt"})).await;
        let trust = json!({"jwt_validation_pubkeys": [self.0.public_key_pem()], "bound_issuer": NAME});
        corner.bao.root("POST", &format!("auth/{mount}/config"), trust).await;
        let role: Value = json!({
            "role_type": "jwt",
            "bound_audiences": [AUDIENCE],
            "bound_subject": SUBJECT,
            "user_claim": "sub",
            "token_policies": [corner.mount],
            "token_no_default_policy": true,
            "token_ttl": "1h",
        });
        corner.bao.root("POST", &format!("auth/{mount}/role/{}", corner.mount), role).await;
        mount
    }
}

/// Base64 as in a token: without padding, and fit for a URL.
pub fn url_safe(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for letter in 0..=chunk.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * letter)) as usize & 63]));
        }
    }
    text
}
