//! The file with the one secret that all others hang on.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use tracing::warn;
use uuid::Uuid;

use crate::seal::hex;

/// Bytes of the key.
const KEY_BYTES: usize = 32;
/// What is read of a file at most. The key has 64 digits; whatever is longer is none.
const FILE_BYTES_MAX: u64 = 256;

/// 32 random bytes. Whoever has them and the database has everything.
#[derive(Clone)]
pub struct MasterKey([u8; KEY_BYTES]);

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// The file cannot be read or written.
    #[error("the master key cannot be read or made at {}", .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is something else in the file. It is left alone: what it sealed would be lost.
    #[error(
        "the master key in {} must be 64 hexadecimal digits: restore it from a backup, since nothing else reads the secrets in the database",
        .path.display()
    )]
    Malformed {
        /// Which file.
        path: PathBuf,
    },
    /// The system has no randomness to give.
    #[error("a master key cannot be made: the system gives no random bytes")]
    Random,
}

impl MasterKey {
    /// Reads the key from a file, or makes one where there is no file: 64 hexadecimal digits that only the owner can
    /// read, on the disk before this returns. Blocks for as long as that takes. Several processes may do this at once
    /// and get the same.
    ///
    /// # Errors
    /// See [`MasterKeyError`]. A file that is there is never changed.
    pub fn read_or_make(path: &Path) -> Result<Self, MasterKeyError> {
        let failed = |source| MasterKeyError::File { path: path.to_owned(), source };
        if let Some(key) = read(path)? {
            return Ok(key);
        }
        let mut bytes = [0; KEY_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| MasterKeyError::Random)?;
        make(path, &Self(bytes)).map_err(failed)?;
        // Not simply what was made: somebody else may have been quicker.
        read(path)?.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
    }

    /// A key that is kept elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let text = text.trim_ascii_end().as_bytes();
        let (pairs, rest) = text.as_chunks::<2>();
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let byte = |[high, low]: &[u8; 2]| u8::try_from(16 * digit(*high)? + digit(*low)?).ok();
        let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
        rest.is_empty().then(|| bytes.try_into().ok())?.map(Self)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

fn read(path: &Path) -> Result<Option<MasterKey>, MasterKeyError> {
    let read = || -> io::Result<_> {
        let file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode();
        let mut text = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut text)?;
        Ok((mode, text))
    };
    let (mode, text) = match read() {
        Ok(read) => read,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(MasterKeyError::File { path: path.to_owned(), source }),
    };
    // Not refused: what hands secrets to containers gives them wider modes and guards the folder instead.
    if mode & 0o077 != 0 {
        warn!(path = %path.display(), mode = format!("{:o}", mode & 0o777), "others than its owner may read the master key");
    }
    let key = std::str::from_utf8(&text).ok().and_then(MasterKey::parse);
    key.map(Some).ok_or_else(|| MasterKeyError::Malformed { path: path.to_owned() })
}

/// Puts the key there in one step, unless a file has come there meanwhile.
fn make(path: &Path, key: &MasterKey) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let part = path.with_extension(format!("{}.part", Uuid::now_v7()));
    let placed = write(&part, key).and_then(|()| fs::hard_link(&part, path));
    fs::remove_file(&part)?;
    match placed {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => File::open(folder)?.sync_all(),
    }
}

fn write(path: &Path, key: &MasterKey) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(format!("{}\n", hex(&key.0)).as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("secrets/master.key");
        let made = MasterKey::read_or_make(&path).expect("made");
        let mode = |path: &Path| fs::metadata(path).expect("is there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().expect("folder"))), (0o600, 0o700));
        assert_eq!(MasterKey::read_or_make(&path).expect("read").0, made.0);
        assert_eq!(
            fs::read_dir(path.parent().expect("folder")).expect("listed").count(),
            1,
            "nothing else is left there"
        );
    }

    #[test]
    fn two_who_make_it_at_once_get_the_same() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("master.key");
        let make = || MasterKey::read_or_make(&path).expect("made").0;
        let keys =
            std::thread::scope(|scope| [(); 8].map(|()| scope.spawn(make)).map(|made| made.join().expect("made")));
        assert!(keys.iter().all(|key| *key == keys[0]));
    }

    #[test]
    fn a_file_with_something_else_is_refused_by_name_and_left_alone() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("master.key");
        for text in ["", "abc", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"0".repeat(4000), &"ä".repeat(32)]
        {
            fs::write(&path, text).expect("written");
            let error = MasterKey::read_or_make(&path).expect_err("malformed");
            assert!(error.to_string().contains("master.key"), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("read"), text);
        }
    }

    #[test]
    fn a_key_with_a_line_break_or_in_capitals_is_one() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("master.key");
        fs::write(&path, format!("{}\r\n", "AB".repeat(32))).expect("written");
        assert_eq!(MasterKey::read_or_make(&path).expect("read").0, [0xab; 32]);
    }
}
