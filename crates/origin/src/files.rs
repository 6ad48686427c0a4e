use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use rustix::fs::{MemfdFlags, memfd_create};
use weir_packager::MediaFile;

/// The shortest media that get a file: below this, copying costs less than the calls that avoid it.
const LENGTH_MIN: usize = 32 * 1024;
/// The longest: writing the file takes a thread of the runtime a millisecond, and no more.
const LENGTH_MAX: usize = 4 << 20;
/// Bytes of all files together, those that are sent from and have no other use any more included. Memory that is not in
/// the resident memory of the process. Of the newest media about half a minute of a ladder of 16 Mbps, parts and segments.
const BYTES_MAX: usize = 64 << 20;
/// All files together, each with a descriptor.
const FILES_MAX: usize = 128;
/// Media that were asked for and are remembered, with a file or without.
const REMEMBERED_MAX: usize = 256;

/// Files in memory (`memfd_create`) for media that are asked for again and again, from which the system sends without copying
/// (`sendfile`). What is asked for once, as by a cache in front of weir, gets none. The media that were asked for last for
/// the first time have their place here, for as long as there are connections that can send files.
#[derive(Default)]
pub(crate) struct Files {
    known: Mutex<Known>,
    in_use: Arc<Mutex<InUse>>,
    /// Connections that can send files.
    users: AtomicUsize,
}

#[derive(Default)]
struct Known {
    /// By the address of the media, which nothing else can have as long as there is a weak reference to it.
    by_address: HashMap<usize, Arc<Entry>>,
    /// In the order in which they came.
    addresses: VecDeque<usize>,
}

/// Media that were asked for.
struct Entry {
    media: Weak<MediaFile>,
    /// Whether somebody has begun to write the file.
    begun: AtomicBool,
    file: OnceLock<Arc<FileInMemory>>,
}

/// The bytes of media, in a file that never changes.
pub(crate) struct FileInMemory {
    file: File,
    _share: Share,
}

/// What the files that live take.
#[derive(Default)]
struct InUse {
    files: usize,
    bytes: usize,
}

/// What one file takes of that, as long as it lives.
struct Share {
    bytes: usize,
    in_use: Arc<Mutex<InUse>>,
}

impl Files {
    /// The file with the bytes of `media`, from the second time on that they are asked for. `None` also when they are short
    /// or long, while somebody else writes the file, and when all that files may take is taken: then they are copied.
    pub(crate) fn file(&self, media: &Arc<MediaFile>) -> Option<Arc<FileInMemory>> {
        let length = media.len();
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
            return None;
        }
        let entry = self.asked_before(media)?;
        if !entry.begun.swap(true, Ordering::Relaxed) {
            match self.take_room(length).and_then(|share| FileInMemory::write(media, share)) {
                Ok(file) => return Some(Arc::clone(entry.file.get_or_init(|| Arc::new(file)))),
                Err(error) => tracing::debug!(%error, "no file in memory for media, which are copied instead"),
            }
        }
        entry.file.get().cloned()
    }

    /// A connection is there that can send files. Each has to say when it [left](Self::left).
    pub(crate) fn entered(&self) {
        self.users.fetch_add(1, Ordering::Relaxed);
    }

    /// It is gone. With the last of them all files go.
    pub(crate) fn left(&self) {
        if self.users.fetch_sub(1, Ordering::Relaxed) == 1 {
            let forgotten = std::mem::take(&mut *lock(&self.known));
            // Not under the lock: their memory is given back.
            drop(forgotten);
        }
    }

    /// What is known of media that were asked for. Others are known from now on.
    fn asked_before(&self, media: &Arc<MediaFile>) -> Option<Arc<Entry>> {
        let address = Arc::as_ptr(media) as usize;
        let forgotten = {
            let mut known = lock(&self.known);
            if let Some(entry) = known.by_address.get(&address) {
                return Some(Arc::clone(entry));
            }
            let entry = Entry { media: Arc::downgrade(media), begun: AtomicBool::new(false), file: OnceLock::new() };
            known.by_address.insert(address, Arc::new(entry));
            known.addresses.push_back(address);
            known.forget_gone()
        };
        // Not under the lock: their memory is given back.
        drop(forgotten);
        None
    }

    /// Room for a file of so many bytes, for which the oldest are forgotten. An error when connections are still sending
    /// from too many of them.
    fn take_room(&self, bytes: usize) -> io::Result<Share> {
        loop {
            if let Some(share) = Share::take(&self.in_use, bytes) {
                return Ok(share);
            }
            let oldest = lock(&self.known).forget_oldest();
            oldest.ok_or(io::ErrorKind::QuotaExceeded)?;
        }
    }
}

impl Known {
    /// Forgets media that have left every snapshot, and the oldest of too many.
    fn forget_gone(&mut self) -> Vec<Arc<Entry>> {
        let Self { by_address, addresses } = self;
        let mut forgotten = Vec::new();
        addresses.retain(|address| {
            let gone = by_address.get(address).is_none_or(|entry| entry.media.strong_count() == 0);
            if gone {
                forgotten.extend(by_address.remove(address));
            }
            !gone
        });
        if self.addresses.len() > REMEMBERED_MAX {
            forgotten.extend(self.forget_oldest());
        }
        forgotten
    }

    fn forget_oldest(&mut self) -> Option<Arc<Entry>> {
        let oldest = self.addresses.pop_front()?;
        self.by_address.remove(&oldest)
    }
}

impl Share {
    fn take(in_use: &Arc<Mutex<InUse>>, bytes: usize) -> Option<Self> {
        let mut taken = lock(in_use);
        if taken.files >= FILES_MAX || taken.bytes + bytes > BYTES_MAX {
            return None;
        }
        taken.files += 1;
        taken.bytes += bytes;
        Some(Self { bytes, in_use: Arc::clone(in_use) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = lock(&self.in_use);
        taken.files -= 1;
        taken.bytes -= self.bytes;
    }
}

impl FileInMemory {
    fn write(media: &MediaFile, share: Share) -> io::Result<Self> {
        let mut file = File::from(memfd_create("weir media", MemfdFlags::CLOEXEC)?);
        media.pieces.iter().try_for_each(|piece| file.write_all(piece))?;
        Ok(Self { file, _share: share })
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::FileExt;

    use bytes::Bytes;

    use super::*;

    /// Media of so many bytes, in two pieces.
    pub(crate) fn media(length: usize) -> Arc<MediaFile> {
        let bytes: Bytes = (0..251).cycle().take(length).collect();
        let pieces = vec![bytes.slice(..1000), bytes.slice(1000..)];
        Arc::new(MediaFile { pieces, etag: "\"a\"".to_owned(), content_type: "video/iso.segment" })
    }

    fn in_use(files: &Files) -> (usize, usize) {
        let in_use = lock(&files.in_use);
        (in_use.files, in_use.bytes)
    }

    #[test]
    fn what_is_asked_for_again_has_a_file_with_all_of_its_bytes() {
        let (files, media) = (Files::default(), media(LENGTH_MIN));
        assert!(files.file(&media).is_none());
        let file = files.file(&media).expect("a file");
        let mut bytes = vec![0; media.len() + 1];
        assert_eq!(file.file().read_at(&mut bytes, 0).expect("read"), media.len());
        assert!(bytes[..media.len()] == media.pieces.concat());
        assert!(Arc::ptr_eq(&file, &files.file(&media).expect("a file")));
        assert_eq!(in_use(&files), (1, media.len()));
    }

    #[test]
    fn short_and_long_media_have_none() {
        let files = Files::default();
        for length in [LENGTH_MIN - 1, LENGTH_MAX + 1] {
            let media = media(length);
            assert!(files.file(&media).is_none() && files.file(&media).is_none(), "{length}");
        }
        assert!(lock(&files.known).addresses.is_empty());
    }

    #[test]
    fn files_go_with_their_media_and_with_the_last_who_can_send_them() {
        let (files, kept, gone) = (Files::default(), media(LENGTH_MIN), media(LENGTH_MIN));
        files.entered();
        for media in [&kept, &kept, &gone, &gone] {
            files.file(media);
        }
        assert_eq!(in_use(&files).0, 2);
        drop(gone);
        files.file(&media(LENGTH_MIN));
        assert_eq!(in_use(&files), (1, kept.len()));
        files.left();
        assert_eq!((in_use(&files), lock(&files.known).by_address.len()), ((0, 0), 0));
    }

    #[test]
    fn the_oldest_make_room_but_what_is_sent_from_counts_as_long_as_it_is() {
        let files = Files::default();
        let all: Vec<_> = (0..=FILES_MAX).map(|_| media(LENGTH_MIN)).collect();
        let file_of = |media| [files.file(media), files.file(media)].into_iter().flatten().next();
        let sending: Vec<_> = all.iter().filter_map(file_of).collect();
        assert_eq!((sending.len(), in_use(&files).0), (FILES_MAX, FILES_MAX));
        // Nobody remembers them, and they still are there.
        assert!(lock(&files.known).addresses.is_empty());
        drop(sending);
        assert_eq!(in_use(&files), (0, 0));

        let large: Vec<_> = (0..=BYTES_MAX / LENGTH_MAX).map(|_| media(LENGTH_MAX)).collect();
        assert!(large.iter().all(|media| file_of(media).is_some()));
        assert_eq!(in_use(&files).1, BYTES_MAX);
        assert!(!lock(&files.known).by_address.contains_key(&(Arc::as_ptr(&large[0]) as usize)));
    }

    #[test]
    fn no_more_than_so_many_are_remembered() {
        let files = Files::default();
        let all: Vec<_> = (0..=REMEMBERED_MAX).map(|_| media(LENGTH_MIN)).collect();
        assert!(all.iter().all(|media| files.file(media).is_none()));
        let known = lock(&files.known);
        assert_eq!((known.addresses.len(), known.by_address.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }
}
