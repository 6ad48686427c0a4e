use proptest::prelude::*;

use super::*;

fn one(data: &[u8]) -> Result<Value, AmfError> {
    read(data).map(|mut values| {
        assert_eq!(values.len(), 1);
        values.remove(0)
    })
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn every_readable_marker_is_read() {
    assert_eq!(one(b"\x00\x3f\xf0\0\0\0\0\0\0"), Ok(Value::Number(1.0)));
    assert_eq!(one(b"\x01\x01"), Ok(Value::Boolean(true)));
    assert_eq!(one(b"\x02\0\x02hi"), Ok(text("hi")));
    assert_eq!(one(b"\x02\0\x02h\xff"), Ok(text("h\u{fffd}")));
    assert_eq!(one(b"\x03\0\x01a\x01\x00\0\0\x09"), Ok(Value::Object(vec![("a".to_owned(), Value::Boolean(false))])));
    for nothing in [&b"\x05"[..], b"\x06", b"\x0d", b"\x07\0\x01", b"\x0b\0\0\0\0\0\0\0\0\0\0"] {
        assert_eq!(one(nothing), Ok(Value::Other), "{nothing:?}");
    }
    assert_eq!(one(b"\x08\0\0\0\x09\0\x01a\x05\0\0\x09"), Ok(Value::Object(vec![("a".to_owned(), Value::Other)])));
    assert_eq!(one(b"\x0a\0\0\0\x02\x05\x01\x01"), Ok(Value::Array(vec![Value::Other, Value::Boolean(true)])));
    assert_eq!(one(b"\x0a\0\0\0\0"), Ok(Value::Array(vec![])));
    assert_eq!(one(b"\x0c\0\0\0\x02hi"), Ok(text("hi")));
    assert_eq!(one(b"\x0f\0\0\0\x04<a/>"), Ok(text("<a/>")));
    assert_eq!(one(b"\x10\0\x01T\0\x01a\x05\0\0\x09"), Ok(Value::Object(vec![("a".to_owned(), Value::Other)])));
}

#[test]
fn every_other_marker_is_refused_by_name() {
    for (marker, wanted) in [
        (0x04, "movie clip, reserved"),
        (0x09, "object end outside an object"),
        (0x0e, "record set, reserved"),
        (0x11, "switch to AMF3"),
        (0x12, "unknown"),
        (0xff, "unknown"),
    ] {
        assert_eq!(read(&[0x05, marker]), Err(AmfError::Marker { marker, at: 1, name: wanted }));
    }
}

#[test]
fn containers_hold_one_another() {
    let data = b"\x03\0\x01a\x0a\0\0\0\x01\x03\0\x01b\x05\0\0\x09\0\x01c\x02\0\x01d\0\0\x09\x05";
    let inner = Value::Object(vec![("b".to_owned(), Value::Other)]);
    let outer = vec![("a".to_owned(), Value::Array(vec![inner])), ("c".to_owned(), text("d"))];
    assert_eq!(read(data), Ok(vec![Value::Object(outer), Value::Other]));
}

#[test]
fn an_ecma_array_may_end_with_the_message() {
    let wanted = Ok(Value::Object(vec![("a".to_owned(), Value::Other)]));
    assert_eq!(one(b"\x08\0\0\0\x01\0\x01a\x05"), wanted);
    assert_eq!(one(b"\x03\0\x01a\x05"), Err(AmfError::Short(5)));
}

#[test]
fn an_empty_name_is_a_name_unless_the_end_follows() {
    assert_eq!(one(b"\x03\0\0\x05\0\0\x09"), Ok(Value::Object(vec![(String::new(), Value::Other)])));
}

#[test]
fn sixteen_levels_are_read_and_a_bomb_is_not() {
    let nested = |levels: usize| [b"\x0a\0\0\0\x01".repeat(levels), vec![0x05]].concat();
    assert!(one(&nested(DEPTH_MAX)).is_ok());
    assert_eq!(one(&nested(DEPTH_MAX + 1)), Err(AmfError::Depth));
    assert_eq!(one(&nested(12_000)), Err(AmfError::Depth));
    assert_eq!(one(&b"\x03\0\x01a".repeat(15_000)), Err(AmfError::Depth));
}

#[test]
fn values_are_counted_and_a_promised_length_costs_nothing() {
    assert_eq!(read(&[0x05; VALUES_MAX]).map(|values| values.len()), Ok(VALUES_MAX));
    assert_eq!(read(&[0x05; VALUES_MAX + 1]), Err(AmfError::Values));
    assert_eq!(one(b"\x0a\xff\xff\xff\xff"), Err(AmfError::Short(5)));
    assert_eq!(one(b"\x0c\xff\xff\xff\xff"), Err(AmfError::Short(5)));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(
        // Mostly markers and small lengths, so that containers really open.
        data in prop::collection::vec(prop_oneof![4 => 0_u8..0x13, 1 => any::<u8>()], 0..2000),
    ) {
        if let Ok(values) = read(&data) {
            prop_assert!(values.len() <= VALUES_MAX);
        }
    }

    #[test]
    fn what_rml_amf0_writes_is_read_back(numbers in prop::collection::vec(any::<u32>(), 0..20), name in "[a-zé]{1,9}") {
        use rml_rtmp::rml_amf0::{Amf0Value, serialize};
        let items = numbers.iter().map(|&number| Amf0Value::Number(f64::from(number))).collect();
        let object = [(name.clone(), Amf0Value::StrictArray(items))].into_iter().collect();
        let written = serialize(&vec![Amf0Value::Utf8String(name.clone()), Amf0Value::Object(object)]).expect("written");
        let items = numbers.iter().map(|&number| Value::Number(f64::from(number))).collect();
        let wanted = vec![text(&name), Value::Object(vec![(name, Value::Array(items))])];
        prop_assert_eq!(read(&written), Ok(wanted));
    }
}
