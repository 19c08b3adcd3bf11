//! Tables, and how values are laid out in them.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name | schema version, chain hash, earliest height, ledger; the epoch at whose end it begins, if not at genesis, and when it did |
//! | `headers` | height | header encoding |
//! | `heights` | header digest | height |
//! | `tables` | height | namespace table encoding; absent when empty |
//! | `transactions` | (height, namespace) | transaction ids in order, 32 bytes each |
//! | `locations` | transaction id | (height, namespace, index) |
//! | `ethereum_hashes` | (height, namespace) | Keccak-256 of each payload in order, 32 bytes each |
//! | `ethereum` | (namespace, Keccak-256 of the payload) | (height, index) of its first appearance |
//!
//! | `hand_overs` | epoch | key in `committees`, its last header's encoding, the certificate's |
//! | `committees` | SHA-256 of the value | seats, as JSON |
//! | `ledgers` | epoch | the ledger after its last block; only of epochs whose last header is kept |
//!
//! Those of Ethereum hold the namespaces with an EIP-155 chain id only. What is keyed by hash can be found
//! from what is keyed by height, so that pruning reads no block.

use redb::TableDefinition;

/// The layout that this code reads and writes.
pub const SCHEMA_VERSION: u64 = 3;

/// A 32-byte hash as a key.
pub type Hash = [u8; 32];

pub const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
pub const HEADERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("headers");
pub const HEIGHTS: TableDefinition<'_, Hash, u64> = TableDefinition::new("heights");
pub const TABLES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("tables");
pub const TRANSACTIONS: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("transactions");
pub const LOCATIONS: TableDefinition<'_, Hash, (u64, u64, u32)> = TableDefinition::new("locations");
pub const ETHEREUM_HASHES: TableDefinition<'_, (u64, u64), &[u8]> = TableDefinition::new("ethereum_hashes");
pub const HAND_OVERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("hand_overs");
pub const COMMITTEES: TableDefinition<'_, Hash, &[u8]> = TableDefinition::new("committees");
pub const LEDGERS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("ledgers");
pub const ETHEREUM: TableDefinition<'_, (u64, Hash), (u64, u32)> = TableDefinition::new("ethereum");

/// Keys of `meta`.
pub mod meta {
    /// [`super::SCHEMA_VERSION`], big-endian.
    pub const SCHEMA: &str = "schema_version";
    /// The 32 bytes of the chain's hash.
    pub const CHAIN: &str = "chain_hash";
    /// The lowest height of which all is kept, big-endian.
    pub const EARLIEST: &str = "earliest_height";
    /// The ledger after the tip.
    pub const LEDGER: &str = "ledger";
    /// The epoch at whose end the index begins, and when it was made (Unix milliseconds), both big-endian; absent where it
    /// begins at genesis.
    pub const CHECKPOINT: &str = "checkpoint";
}
