//! Which model a body names, and what becomes of the request: ../../model/model.h in Rust.

use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Settings {
    forbidden: Vec<String>,
    require_model: bool,
}

impl Settings {
    /// Reads `{"forbidden": ["a", "b"], "requireModel": true}`; an empty text is `{}`.
    pub fn read(text: &[u8]) -> serde_json::Result<Settings> {
        if text.is_empty() {
            return Ok(Settings::default());
        }
        serde_json::from_slice(text)
    }

    /// Status and JSON body of the answer, if the request must not go on.
    pub fn refusal_of(&self, model: Option<&str>) -> Option<(u32, &'static [u8])> {
        match model {
            None if self.require_model => Some((400, br#"{"error": "the body names no model"}"#)),
            Some(model) if self.forbidden.iter().any(|forbidden| forbidden == model) => {
                Some((403, br#"{"error": "this model is forbidden"}"#))
            }
            _ => None,
        }
    }
}

/// The model that the body names. Of a field that is there twice the last counts.
pub fn model_of(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<Named>(body)
        .ok()?
        .model
        .filter(|model| (1..=256).contains(&model.len()) && model.bytes().all(|byte| byte.is_ascii_graphic()))
}

struct Named {
    model: Option<String>,
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NamedVisitor)
    }
}

struct NamedVisitor;

impl<'de> Visitor<'de> for NamedVisitor {
    type Value = Named;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Named, M::Error> {
        let mut model = None;
        while let Some(key) = map.next_key::<Key>()? {
            if key == Key::Model {
                // As a string only when all else is in order: a value that is none spoils nothing before it.
                model = serde_json::from_str(map.next_value::<&RawValue>()?.get()).ok();
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Named { model })
    }
}

/// A key of the body. As bytes, since half a surrogate in a key that nobody asks for is no reason to give up.
#[derive(PartialEq)]
enum Key {
    Model,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.write_str("a key")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Key, E> {
        Ok(if bytes == b"model" { Key::Model } else { Key::Other })
    }
}
