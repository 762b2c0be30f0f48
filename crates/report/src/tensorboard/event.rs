//! TensorBoard's messages, as far as they are written; the numbers are those of `event.proto` and
//! `summary.proto`.

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    #[prost(int64, tag = "2")]
    pub step: i64,
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    pub summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Value {
    #[prost(string, tag = "1")]
    pub tag: String,
    /// One of several kinds of value, so that 0 is written, too.
    #[prost(float, optional, tag = "2")]
    pub simple_value: Option<f32>,
}

impl Event {
    /// What a file begins with.
    pub fn version(wall_time: f64) -> Event {
        Event {
            wall_time,
            file_version: Some("brain.Event:2".into()),
            ..Event::default()
        }
    }

    /// Values at a step, by their tags.
    pub fn scalars<'a>(
        wall_time: f64,
        step: i64,
        values: impl Iterator<Item = (&'a str, f64)>,
    ) -> Event {
        let value = values.map(|(tag, value)| Value {
            tag: tag.to_string(),
            simple_value: Some(value as f32),
        });
        Event {
            wall_time,
            step,
            summary: Some(Summary {
                value: value.collect(),
            }),
            ..Event::default()
        }
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_the_format() {
        let zero = Event::scalars(1.5, 3, [("lr", 0.0)].into_iter());
        let mut want = vec![0x09];
        want.extend(1.5f64.to_le_bytes());
        want.extend([0x10, 3]);
        // Summary of 11 bytes, value of 9 bytes, tag, a float that is 0.
        want.extend([0x2a, 11, 0x0a, 9, 0x0a, 2, b'l', b'r', 0x15, 0, 0, 0, 0]);
        assert_eq!(zero.to_bytes(), want);
        let first = Event::version(0.0).to_bytes();
        assert_eq!(first, [&[0x1a, 13], &b"brain.Event:2"[..]].concat());
    }
}
