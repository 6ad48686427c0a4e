//! The console's password.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};

/// The shortest password: a sentence is easier to remember and harder to guess than eight letters.
const PASSWORD_CHARS_MIN: usize = 10;
/// Longer ones cost time and are no better.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;

/// The hash of a password, for storing (Argon2id). Takes some hundredth of a second and 19 MiB.
///
/// # Errors
/// A sentence for people: it is too short or too long, or the system has no random bytes.
pub fn hash_password(password: &str) -> Result<String, String> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(format!("the password must have at least {PASSWORD_CHARS_MIN} characters"));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(format!("the password must have at most {PASSWORD_BYTES_MAX} bytes"));
    }
    let hash: Result<PasswordHash, _> = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| format!("the password cannot be hashed: {error}"))
}

/// Whether `password` is the one that `hash` was made of; the comparison takes the same time either way.
pub(crate) fn is_right(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    password.len() <= PASSWORD_BYTES_MAX && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_itself_is_right() {
        let hash = hash_password("correct horse battery").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(is_right("correct horse battery", &hash));
        assert!(!is_right("correct horse batterz", &hash) && !is_right("", &hash) && !is_right("x", "no hash"));
    }

    #[test]
    fn short_and_endless_passwords_are_refused() {
        assert!(hash_password("123456789").is_err());
        assert!(hash_password(&"x".repeat(1025)).is_err());
    }
}
