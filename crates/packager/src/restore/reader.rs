//! Fields of a record, none of them out of its bounds.

use bytes::{Buf, Bytes};

use super::RestoreError;
use crate::config::Session;
use crate::epoch::WALL_MS_MAX;

/// The largest number in any field, so that counting on from it cannot overflow.
const NUMBER_MAX: u64 = 1 << 60;
/// The longest text in any field.
const TEXT_MAX: usize = 128;

pub(super) struct Reader {
    pub(super) rest: Bytes,
}

impl Reader {
    pub(super) fn take(&mut self, count: usize) -> Result<Bytes, RestoreError> {
        if count > self.rest.len() {
            return Err(RestoreError::Short);
        }
        Ok(self.rest.split_to(count))
    }

    pub(super) fn u8(&mut self) -> Result<u8, RestoreError> {
        self.rest.try_get_u8().map_err(|_| RestoreError::Short)
    }

    pub(super) fn u32(&mut self) -> Result<u32, RestoreError> {
        self.rest.try_get_u32().map_err(|_| RestoreError::Short)
    }

    pub(super) fn flag(&mut self) -> Result<bool, RestoreError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RestoreError::Field("flag")),
        }
    }

    /// A number from which one can count on.
    pub(super) fn number(&mut self) -> Result<u64, RestoreError> {
        let number = self.rest.try_get_u64().map_err(|_| RestoreError::Short)?;
        if number > NUMBER_MAX { Err(RestoreError::Field("number")) } else { Ok(number) }
    }

    /// A wall clock that can be written with four digits of year.
    pub(super) fn wall(&mut self) -> Result<i64, RestoreError> {
        let wall = self.number()? as i64;
        if wall > WALL_MS_MAX { Err(RestoreError::Field("date")) } else { Ok(wall) }
    }

    pub(super) fn count(&mut self, max: usize, what: &'static str) -> Result<usize, RestoreError> {
        let count = self.u32()? as usize;
        if count > max { Err(RestoreError::Field(what)) } else { Ok(count) }
    }

    pub(super) fn text(&mut self) -> Result<String, RestoreError> {
        let length = self.count(TEXT_MAX, "length of a text")?;
        String::from_utf8(self.take(length)?.to_vec()).map_err(|_| RestoreError::Field("text"))
    }

    /// A file's bytes, which are some: a slice of what is read.
    pub(super) fn body(&mut self) -> Result<Bytes, RestoreError> {
        let length = self.u32()? as usize;
        if length == 0 { Err(RestoreError::Field("length of a file")) } else { self.take(length) }
    }

    /// The name of a file, which is a session id, a dash and what `is_rest` wants.
    pub(super) fn file_name(
        &mut self,
        what: &'static str,
        is_rest: impl Fn(&str) -> bool,
    ) -> Result<String, RestoreError> {
        let name = self.text()?;
        let fits = name.split_once('-').is_some_and(|(session, rest)| Session::new(session).is_ok() && is_rest(rest));
        if fits { Ok(name) } else { Err(RestoreError::Field(what)) }
    }

    /// Says that there is nothing more.
    pub(super) fn end(&self) -> Result<(), RestoreError> {
        if self.rest.is_empty() { Ok(()) } else { Err(RestoreError::Field("rest")) }
    }
}
