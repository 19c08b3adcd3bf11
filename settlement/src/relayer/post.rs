//! What a relayer's transaction brings to the contract, as the journal writes it.

use crate::submitter::Subject;
use alloy::primitives::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a transaction brings. The first journals knew headers alone, so the fields tell which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Brings {
    /// A certified header.
    Header {
        /// Its height.
        height: u64,
    },
    /// A page of the keys of an epoch's committee.
    Page {
        /// The epoch.
        epoch: u64,
        /// The page's number.
        page: u32,
    },
}

impl Brings {
    /// The header's height, if it is one.
    pub(super) const fn height(&self) -> Option<u64> {
        match self {
            Self::Header { height } => Some(*height),
            Self::Page { .. } => None,
        }
    }
}

impl fmt::Display for Brings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { height } => write!(f, "header of height {height}"),
            Self::Page { epoch, page } => write!(f, "page {page} of the committee of epoch {epoch}"),
        }
    }
}

/// A header that was signed for and is in no transaction any more: the highest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LostHeader {
    pub(super) height: u64,
    pub(super) call: Bytes,
}

impl Subject for Brings {
    /// Pages need not be remembered: which ones are missing follows from the contract and the hand-overs.
    type Lost = Option<LostHeader>;

    fn lose(self, call: Bytes, lost: &mut Self::Lost) {
        if let Self::Header { height } = self
            && lost.as_ref().is_none_or(|lost| lost.height < height)
        {
            *lost = Some(LostHeader { height, call });
        }
    }

    fn make_good(&self, lost: &mut Self::Lost) {
        if matches!(self, Self::Header { .. }) {
            *lost = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_tell_a_page_from_a_header() {
        let page = Brings::Page { epoch: 3, page: 1 };
        for (brings, json) in [(Brings::Header { height: 7 }, r#"{"height":7}"#), (page, r#"{"epoch":3,"page":1}"#)] {
            assert_eq!(serde_json::to_string(&brings).expect("plain numbers"), json);
            assert_eq!(serde_json::from_str::<Brings>(json).expect("as written"), brings);
        }
        serde_json::from_str::<Brings>(r#"{"epoch":3}"#).expect_err("neither");
    }

    #[test]
    fn a_lost_header_is_remembered_whatever_pages_do() {
        let (page, mut lost) = (Brings::Page { epoch: 3, page: 0 }, None);
        page.lose(Bytes::new(), &mut lost);
        assert_eq!(lost, None);
        Brings::Header { height: 7 }.lose(Bytes::new(), &mut lost);
        Brings::Header { height: 6 }.lose(Bytes::new(), &mut lost);
        page.make_good(&mut lost);
        assert_eq!(lost.as_ref().map(|lost| lost.height), Some(7));
        Brings::Header { height: 8 }.make_good(&mut lost);
        assert_eq!(lost, None);
    }
}
