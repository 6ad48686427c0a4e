//! The files of a journal, kept in memory as a daemon keeps them on disk.

use std::collections::BTreeMap;

use bytes::Bytes;
use weir_packager::{Config, JournalBatch, Packager, Position, RestoreError, Restored};

#[derive(Debug, Default, Clone)]
pub struct Files {
    pub by_msn: BTreeMap<u64, Vec<u8>>,
}

impl Files {
    /// Writes what the packager recorded.
    pub fn write(&mut self, packager: &mut Packager) {
        if let Some(batch) = packager.take_journal() {
            self.write_until(&batch, usize::MAX);
        }
    }

    /// Writes a batch, or its first `bytes` when it has more: then no file is removed either.
    pub fn write_until(&mut self, batch: &JournalBatch, mut bytes: usize) {
        for record in &batch.records {
            if bytes == 0 {
                return;
            }
            let file = self.by_msn.entry(record.msn).or_default();
            if record.begins {
                file.clear();
            }
            for chunk in &record.chunks {
                let some = chunk.len().min(bytes);
                file.extend_from_slice(&chunk[..some]);
                bytes -= some;
            }
        }
        if bytes > 0 {
            self.by_msn.retain(|msn, _| *msn >= batch.keep_from);
        }
    }

    /// What the files hold.
    pub fn read(&self, config: Config, session: &str, reached: Position) -> Result<Restored, RestoreError> {
        let newest = self.by_msn.keys().next_back().copied().unwrap_or(0);
        let file = |msn| self.by_msn.get(&msn).map(|file: &Vec<u8>| Bytes::copy_from_slice(file));
        Packager::restore(config, session, reached, newest, file)
    }

    /// Goes on with the files: what is not needed is removed, and half a record cut off.
    pub fn resume(&mut self, config: Config, session: &str, reached: Position) -> Result<Packager, RestoreError> {
        let Restored { packager, files, last_len } = self.read(config, session, reached)?;
        self.by_msn.retain(|msn, _| files.contains(msn));
        let last = self.by_msn.last_entry().expect("a file").into_mut();
        assert!(last.len() as u64 >= last_len);
        last.truncate(last_len as usize);
        Ok(packager)
    }

    /// The newest file.
    pub fn last(&mut self) -> &mut Vec<u8> {
        self.by_msn.last_entry().expect("a file").into_mut()
    }
}

/// Makes the checksums of a file right, as far as its lengths allow.
pub fn fix_checksums(file: &mut [u8]) {
    let mut at = 8;
    while let Some(head) = file.get(at..at + 20) {
        let length = u64::from_be_bytes(head[..8].try_into().expect("eight")) as usize;
        let Some(record) = file.get(at + 20..).and_then(|rest| rest.get(..length)) else { return };
        let mut checksum = flate2::Crc::new();
        checksum.update(record);
        let sum = checksum.sum().to_be_bytes();
        file[at + 16..at + 20].copy_from_slice(&sum);
        at += 20 + length;
    }
}
