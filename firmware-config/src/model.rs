//! The vendor-neutral words: which settings there are, and what can be wanted of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// A setting, by the name that every profile and every vendor's map uses for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// Two threads a core.
    Smt,
    /// Devices reach only the memory that they were given.
    Iommu,
    /// One device shows itself as many, for virtual machines.
    SrIov,
    /// Devices may have their memory above 4 GiB, which a GPU with a large one needs.
    #[serde(rename = "above_4g_decoding")]
    Above4gDecoding,
    /// A GPU's whole memory can be reached at once.
    ResizableBar,
    /// Only signed code boots.
    SecureBoot,
    /// The system sees the TPM, to which the appliance seals its keys.
    Tpm,
    /// Hardware resets a machine that hangs.
    Watchdog,
    /// What the machine may draw.
    PowerCapWatts,
}

impl Key {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Smt,
        Self::Iommu,
        Self::SrIov,
        Self::Above4gDecoding,
        Self::ResizableBar,
        Self::SecureBoot,
        Self::Tpm,
        Self::Watchdog,
        Self::PowerCapWatts,
    ];

    /// Its name in files and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Smt => "smt",
            Self::Iommu => "iommu",
            Self::SrIov => "sr_iov",
            Self::Above4gDecoding => "above_4g_decoding",
            Self::ResizableBar => "resizable_bar",
            Self::SecureBoot => "secure_boot",
            Self::Tpm => "tpm",
            Self::Watchdog => "watchdog",
            Self::PowerCapWatts => "power_cap_watts",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wanted of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl fmt::Display for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On => "on",
            Self::Off => "off",
        })
    }
}

/// What is wanted of a setting: `on` or `off`, or watts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Want {
    /// For everything but the power cap.
    Switch(Switch),
    /// For the power cap.
    Watts(u32),
}

impl fmt::Display for Want {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Switch(switch) => switch.fmt(f),
            Self::Watts(watts) => write!(f, "{watts} W"),
        }
    }
}

/// A BIOS attribute's value, as the vendor spells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Raw {
    /// A switch of some vendors.
    Boolean(bool),
    /// A number.
    Integer(i64),
    /// One of the words in the attribute's registry.
    Text(String),
}

impl Raw {
    /// The value in a JSON document, if it is one that an attribute can have.
    #[must_use]
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(value) => Some(Self::Boolean(*value)),
            Value::Number(value) => value.as_i64().map(Self::Integer),
            Value::String(value) => Some(Self::Text(value.clone())),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

impl fmt::Display for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Text(value) => f.write_str(&printable(value)),
        }
    }
}

/// Text from a BMC, as it may stand on a terminal and in a log line: what could move a cursor is escaped, and what is
/// longer than anybody reads is cut.
#[must_use]
pub fn printable(text: &str) -> String {
    const CHARS_MAX: usize = 400;
    let mut shown = String::new();
    for (index, c) in text.chars().enumerate() {
        if index == CHARS_MAX {
            shown.push('…');
            break;
        }
        if c.is_control() { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_are_what_files_say() {
        for key in Key::ALL {
            assert_eq!(serde_json::to_value(key).unwrap(), Value::String(key.name().into()));
        }
    }

    #[test]
    fn a_bmc_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), 401);
    }
}
