//! AMF0 values of hostile bytes (AMF0 specification of 2007). Reads with a stack of its own, never recursing.

/// Objects and arrays within one another. Real commands have 2.
const DEPTH_MAX: usize = 16;
/// Values in one message, each property of an object counted. The `onMetaData` of a long keyframe index is
/// some hundreds.
const VALUES_MAX: usize = 4096;

/// One value. What RTMP commands have no use for is read over and appears as [`Other`](Self::Other).
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Boolean(bool),
    /// Text of any of the string types, XML too; what is not UTF-8 is replaced.
    String(String),
    /// Object, typed object or ECMA array: names and values in the order sent.
    Object(Vec<(String, Value)>),
    Array(Vec<Value>),
    /// Null, undefined, unsupported, a reference or a date.
    Other,
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum AmfError {
    #[error("AMF0 data ends at byte {0}, in the middle of a value")]
    Short(usize),
    #[error("AMF0 marker {marker:#04x} at byte {at} ({name}) cannot be read")]
    Marker { marker: u8, at: usize, name: &'static str },
    #[error("AMF0 data is nested more than {DEPTH_MAX} deep")]
    Depth,
    #[error("AMF0 data holds more than {VALUES_MAX} values")]
    Values,
}

impl Value {
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The property `name` of an object.
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Object(properties) => properties.iter().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }
}

/// All values of a message.
pub(super) fn read(data: &[u8]) -> Result<Vec<Value>, AmfError> {
    let mut reader = Reader { data, at: 0, values: 0 };
    let mut roots = Vec::new();
    while reader.at < data.len() {
        roots.push(reader.root()?);
    }
    Ok(roots)
}

struct Reader<'a> {
    data: &'a [u8],
    at: usize,
    values: usize,
}

/// A container that is being filled.
enum Open {
    /// With the name of the property whose value comes next. An ECMA array may end with the data.
    Object {
        properties: Vec<(String, Value)>,
        name: String,
        ecma: bool,
    },
    Array {
        items: Vec<Value>,
        left: u32,
    },
}

/// What a marker leads to.
enum Begun {
    Value(Value),
    Container(Open),
}

impl<'a> Reader<'a> {
    /// One value with everything in it.
    fn root(&mut self) -> Result<Value, AmfError> {
        let mut stack: Vec<Open> = Vec::new();
        loop {
            let mut done = match self.begin()? {
                Begun::Value(value) => Some(value),
                Begun::Container(_) if stack.len() == DEPTH_MAX => return Err(AmfError::Depth),
                Begun::Container(open) => {
                    stack.push(open);
                    None
                }
            };
            // Hand finished values to the container around them, as long as those are finished by it.
            loop {
                let Some(mut open) = stack.pop() else {
                    return Ok(done.unwrap_or(Value::Other));
                };
                if let Some(value) = done.take() {
                    open.add(value);
                }
                if self.wants_more(&mut open)? {
                    stack.push(open);
                    break;
                }
                done = Some(open.close());
            }
        }
    }

    /// Reads a marker, and the value if it is a simple one.
    fn begin(&mut self) -> Result<Begun, AmfError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(AmfError::Values);
        }
        let at = self.at;
        let marker = self.byte()?;
        let object = |ecma| Begun::Container(Open::Object { properties: Vec::new(), name: String::new(), ecma });
        let refused = |name| Err(AmfError::Marker { marker, at, name });
        Ok(match marker {
            0x00 => Begun::Value(Value::Number(f64::from_be_bytes(self.array()?))),
            0x01 => Begun::Value(Value::Boolean(self.byte()? != 0)),
            0x02 => Begun::Value(Value::String(self.short_text()?)),
            0x03 => object(false),
            0x04 => return refused("movie clip, reserved"),
            0x05 | 0x06 | 0x0d => Begun::Value(Value::Other),
            0x07 => {
                self.take(2)?;
                Begun::Value(Value::Other)
            }
            0x08 => {
                // The count is a hint that senders get wrong; the end marker counts.
                self.take(4)?;
                object(true)
            }
            0x09 => return refused("object end outside an object"),
            0x0a => {
                let left = u32::from_be_bytes(self.array()?);
                Begun::Container(Open::Array { items: Vec::new(), left })
            }
            0x0b => {
                self.take(10)?;
                Begun::Value(Value::Other)
            }
            0x0c | 0x0f => {
                let length = u32::from_be_bytes(self.array()?) as usize;
                Begun::Value(Value::String(self.text(length)?))
            }
            0x0e => return refused("record set, reserved"),
            0x10 => {
                self.short_text()?;
                object(false)
            }
            0x11 => return refused("switch to AMF3"),
            _ => return refused("unknown"),
        })
    }

    /// Whether another value follows in `open`; if so and it is an object, its name is read.
    fn wants_more(&mut self, open: &mut Open) -> Result<bool, AmfError> {
        match open {
            Open::Array { left, .. } => {
                let more = *left > 0;
                *left = left.saturating_sub(1);
                Ok(more)
            }
            Open::Object { ecma: true, .. } if self.at == self.data.len() => Ok(false),
            Open::Object { name, .. } => {
                *name = self.short_text()?;
                if name.is_empty() && self.data.get(self.at) == Some(&0x09) {
                    self.at += 1;
                    return Ok(false);
                }
                Ok(true)
            }
        }
    }

    fn short_text(&mut self) -> Result<String, AmfError> {
        let length = usize::from(u16::from_be_bytes(self.array()?));
        self.text(length)
    }

    fn text(&mut self, length: usize) -> Result<String, AmfError> {
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn byte(&mut self) -> Result<u8, AmfError> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], AmfError> {
        let short = AmfError::Short(self.data.len());
        self.take(N)?.first_chunk().copied().ok_or(short)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], AmfError> {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let (taken, _) = rest.split_at_checked(length).ok_or(AmfError::Short(self.data.len()))?;
        self.at += length;
        Ok(taken)
    }
}

impl Open {
    fn add(&mut self, value: Value) {
        match self {
            Self::Object { properties, name, .. } => properties.push((std::mem::take(name), value)),
            Self::Array { items, .. } => items.push(value),
        }
    }

    fn close(self) -> Value {
        match self {
            Self::Object { properties, .. } => Value::Object(properties),
            Self::Array { items, .. } => Value::Array(items),
        }
    }
}

#[cfg(test)]
#[path = "amf0_tests.rs"]
mod tests;
