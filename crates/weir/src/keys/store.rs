//! Keys in files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::{KeyError, KeyFault, SecretKey};

/// A key and some line breaks; a file that is longer holds something else.
const KEY_FILE_BYTES_MAX: u64 = 1024;

/// Why a file gives no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileFault {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It holds more than a key.
    #[error("it is longer than {KEY_FILE_BYTES_MAX} bytes")]
    TooLong,
    /// It is not text.
    #[error("it is not UTF-8 text")]
    NotText,
    /// Its text is no key.
    #[error(transparent)]
    Key(#[from] KeyFault),
}

/// The key in the file at `path`; line breaks at its end do not count.
///
/// # Errors
/// The file cannot be read or holds no key.
pub fn read_key_file(path: &Path) -> Result<SecretKey, KeyFileFault> {
    let mut bytes = Vec::new();
    File::open(path)?.take(KEY_FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > KEY_FILE_BYTES_MAX {
        return Err(KeyFileFault::TooLong);
    }
    let text = String::from_utf8(bytes).map_err(|_| KeyFileFault::NotText)?;
    Ok(SecretKey::parse(text.trim_end_matches(['\n', '\r']))?)
}

/// Says so where users other than the owner can read a key.
pub(super) fn warn_if_others_can_read(channel: &str, path: &Path) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(channel, file = %path.display(), mode = format!("{mode:o}"),
            "other users can read or change the file of this stream key; chmod 600 keeps it private");
    }
}

/// The key kept for `channel` from an earlier start.
pub(super) fn kept(data_dir: &Path, channel: &str) -> Result<Option<SecretKey>, KeyError> {
    let file = folder(data_dir).join(channel);
    match read_key_file(&file) {
        Ok(key) => {
            warn_if_others_can_read(channel, &file);
            Ok(Some(key))
        }
        Err(KeyFileFault::Unreadable(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(fault) => Err(KeyError::Kept { channel: channel.to_owned(), file, fault }),
    }
}

/// Keeps `key` for `channel`: whole or not at all, and durably, because its owner is told to rely on it.
pub(super) fn keep(data_dir: &Path, channel: &str, key: &SecretKey) -> Result<PathBuf, KeyError> {
    let folder = folder(data_dir);
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::Create { path, source }
    };
    fs::create_dir_all(data_dir).map_err(failed(data_dir))?;
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.map_err(failed(&folder))?,
    }
    // No channel's name begins with a dot.
    let (file, unfinished) = (folder.join(channel), folder.join(format!(".{channel}.new")));
    write_new(&unfinished, key).map_err(failed(&unfinished))?;
    fs::rename(&unfinished, &file).map_err(failed(&file))?;
    File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed(&folder))?;
    Ok(file)
}

fn write_new(path: &Path, key: &SecretKey) -> io::Result<()> {
    // Left by a start that was cut short: its mode is not to be trusted.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", key.expose())?;
    file.sync_all()
}

fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("keys")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_at_the_end_of_a_key_file_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "0123456789abcdef\r\n\n").unwrap();
        assert_eq!(read_key_file(&path).unwrap().expose(), "0123456789abcdef");
    }

    #[test]
    fn a_file_that_is_no_key_is_refused_by_name_of_the_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        for (content, wanted) in [
            (&b"0123456789\nabcdef"[..], "a line break"),
            (&[b'a'; 2000], "longer than 1024 bytes"),
            (b"\xff\xfe0123456789abcdef", "not UTF-8"),
            (b"", "too short"),
        ] {
            fs::write(&path, content).unwrap();
            let fault = read_key_file(&path).unwrap_err().to_string();
            assert!(fault.contains(wanted), "{fault}");
        }
    }

    #[test]
    fn what_a_start_that_was_cut_short_left_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("keys")).unwrap();
        let unfinished = folder.path().join("keys/.studio.new");
        fs::write(&unfinished, "half").unwrap();
        let key = SecretKey::parse("0123456789abcdef").unwrap();
        let file = keep(folder.path(), "studio", &key).unwrap();
        assert_eq!(read_key_file(&file).unwrap(), key);
        assert!(!unfinished.exists());
    }
}
