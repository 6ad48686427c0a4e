use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use rustix::fs::{MemfdFlags, memfd_create};

/// The shortest piece that gets a file: below this, copying costs less than the calls that avoid it.
const PIECE_BYTES_MIN: usize = 32 * 1024;
/// Bytes of all files together, and of what was asked for once and may get one. Memory that the process has besides its
/// own; half a minute of a ladder of 16 Mbps.
const BYTES_MAX: usize = 64 << 20;
/// Pieces remembered, and so descriptors at most.
const PIECES_MAX: usize = 128;

/// Files in memory (`memfd_create`) with the same bytes as pieces of media that are asked for again and again, from which
/// the system sends without copying (`sendfile`). The newest pieces have their place here, as long as a snapshot has them;
/// those asked for once only, as by a cache in front of weir, get no file.
#[derive(Default)]
pub(crate) struct Files(Mutex<Pieces>);

#[derive(Default)]
struct Pieces {
    /// By the address of the first byte. A piece that is here lives, so nothing else can have its address.
    by_address: BTreeMap<usize, Arc<Piece>>,
    /// In the order in which they came.
    addresses: VecDeque<usize>,
    bytes: usize,
}

struct Piece {
    bytes: Bytes,
    /// `None` inside when the system gave no file.
    file: OnceLock<Option<Arc<File>>>,
}

/// Where bytes lie in a file that never changes.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
}

impl Files {
    /// Where `piece`, or what it is a slice of, lies in a file: from the second time on that it is asked for. `None` also
    /// when it is short or the system has no memory or descriptor for it; then it is sent from where it is.
    pub(crate) fn place(&self, piece: &Bytes) -> Option<Place> {
        if piece.len() < PIECE_BYTES_MIN {
            return None;
        }
        // The file is written outside of the lock: it holds up those alone who ask for the same.
        let (known, offset) = self.0.lock().unwrap_or_else(PoisonError::into_inner).find_or_insert(piece)?;
        let file = known.file.get_or_init(|| written(&known.bytes).map(Arc::new)).clone()?;
        Some(Place { file, offset })
    }
}

impl Pieces {
    /// A piece that has been asked for, and where in it `wanted` begins. What is new is remembered.
    fn find_or_insert(&mut self, wanted: &Bytes) -> Option<(Arc<Piece>, u64)> {
        let address = wanted.as_ptr() as usize;
        if let Some((begin, piece)) = self.by_address.range(..=address).next_back() {
            let offset = address - begin;
            if offset + wanted.len() <= piece.bytes.len() {
                return Some((Arc::clone(piece), offset as u64));
            }
        }
        // A shorter one at the same address has no other name here.
        self.forget(address);
        self.forget_unused();
        self.bytes += wanted.len();
        self.addresses.push_back(address);
        self.by_address.insert(address, Arc::new(Piece { bytes: wanted.clone(), file: OnceLock::new() }));
        while self.bytes > BYTES_MAX || self.by_address.len() > PIECES_MAX {
            let oldest = self.addresses.pop_front()?;
            self.forget(oldest);
        }
        None
    }

    /// Lets go of what nobody else has any more: it has left every window, and would be memory for nothing.
    fn forget_unused(&mut self) {
        let unused = self.by_address.iter().filter(|(_, piece)| piece.bytes.is_unique());
        for address in unused.map(|(&address, _)| address).collect::<Vec<_>>() {
            self.forget(address);
        }
    }

    fn forget(&mut self, address: usize) {
        if let Some(piece) = self.by_address.remove(&address) {
            self.bytes -= piece.bytes.len();
            self.addresses.retain(|&other| other != address);
        }
    }
}

/// A file in memory with these bytes.
fn written(bytes: &[u8]) -> Option<File> {
    let file = memfd_create("weir media", MemfdFlags::CLOEXEC).map(File::from);
    let written = file.map_err(Into::into).and_then(|mut file| file.write_all(bytes).map(|()| file));
    written.inspect_err(|error| tracing::debug!(%error, "no file in memory for media, which is copied instead")).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn piece(fill: u8) -> Bytes {
        (0..4 * PIECE_BYTES_MIN).map(|at| fill.wrapping_add(at as u8)).collect()
    }

    /// The bytes that `wanted` has in its file.
    fn in_file(files: &Files, wanted: &Bytes) -> Option<Vec<u8>> {
        let Place { file, offset } = files.place(wanted)?;
        let mut bytes = vec![0; wanted.len()];
        file.read_exact_at(&mut bytes, offset).expect("as many bytes");
        Some(bytes)
    }

    #[test]
    fn what_is_asked_for_again_has_a_file_and_so_have_its_slices() {
        let (files, piece) = (Files::default(), piece(1));
        assert_eq!(in_file(&files, &piece), None);
        assert_eq!(in_file(&files, &piece).as_deref(), Some(&piece[..]));
        let slice = piece.slice(1000..1000 + PIECE_BYTES_MIN);
        assert_eq!(in_file(&files, &slice).as_deref(), Some(&slice[..]));
        assert_eq!(files.0.lock().expect("not poisoned").by_address.len(), 1);
    }

    #[test]
    fn a_piece_may_begin_where_a_shorter_one_did() {
        let (files, piece) = (Files::default(), piece(1));
        assert_eq!(in_file(&files, &piece.slice(..PIECE_BYTES_MIN)), None);
        assert_eq!(in_file(&files, &piece), None);
        assert_eq!(in_file(&files, &piece).as_deref(), Some(&piece[..]));
        let pieces = files.0.lock().expect("not poisoned");
        assert_eq!((pieces.bytes, pieces.addresses.len()), (piece.len(), 1));
    }

    #[test]
    fn short_pieces_get_none_and_neither_do_those_longer_than_all_may_be() {
        let files = Files::default();
        for length in [PIECE_BYTES_MIN - 1, BYTES_MAX + 1] {
            let piece = Bytes::from(vec![1; length]);
            assert!(files.place(&piece).is_none() && files.place(&piece).is_none(), "{length}");
        }
        assert_eq!(files.0.lock().expect("not poisoned").bytes, 0);
    }

    #[test]
    fn what_has_left_every_window_is_let_go_of() {
        let (files, kept, left) = (Files::default(), piece(1), piece(2));
        for piece in [&kept, &kept, &left, &left] {
            files.place(piece);
        }
        let file = files.place(&left).map(|place| Arc::downgrade(&place.file)).expect("a file");
        drop(left);
        files.place(&piece(3));
        assert!(file.upgrade().is_none() && files.place(&kept).is_some());
    }

    #[test]
    fn the_oldest_pieces_make_room() {
        let files = Files::default();
        let all: Vec<Bytes> = (0..=PIECES_MAX).map(|at| piece(at as u8)).collect();
        for piece in &all {
            files.place(piece);
        }
        let in_use = {
            let pieces = files.0.lock().expect("not poisoned");
            assert_eq!((pieces.by_address.len(), pieces.addresses.len()), (PIECES_MAX, PIECES_MAX));
            assert!(!pieces.by_address.contains_key(&(all[0].as_ptr() as usize)));
            pieces.bytes
        };
        assert_eq!(in_use, PIECES_MAX * 4 * PIECE_BYTES_MIN);
        let large = Bytes::from(vec![1; BYTES_MAX]);
        files.place(&large);
        assert_eq!(files.0.lock().expect("not poisoned").by_address.len(), 1);
    }
}
