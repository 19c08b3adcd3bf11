//! The contracts of a version, which stand at the same addresses on every L1.
//!
//! Nothing in them is anybody's choice: the verifier follows from the seal's AIR, the hub from the verifier, the adapters from
//! the hub. So they are made through the deterministic deployment proxy that practically every chain has at [`FACTORY`], with
//! CREATE2 (EIP-1014) and the salt zero: an address is a hash of what stands there. Whoever needs them first deploys them;
//! whoever computes the addresses himself needs to trust nobody for that.

use crate::{
    hub::{Adapter, adapter_creation_code, hub_creation_code},
    seal::{BenchError, creation_code, verifier_creation_code},
};
use alloy::{
    primitives::{Address, B256, Bytes, TxHash, TxKind, address, hex},
    providers::Provider,
    rpc::types::TransactionRequest,
    transports::TransportError,
};
use std::time::Duration;

/// The deterministic deployment proxy: calldata is a salt of 32 bytes and creation code.
pub const FACTORY: Address = address!("4e59b44847b379578588920ca78fbf26c0b4956c");
/// Its code.
pub const FACTORY_CODE: [u8; 69] = hex!(
    "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe03601600081602082378035828234f58015156039578182fd5b"
    "8082525050506014600cf3"
);
/// How long a transaction has to be included.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(600);

/// Why a version's contracts do not stand.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The L1 does not answer, or refuses a transaction.
    #[error("the L1: {0}")]
    L1(#[from] TransportError),
    /// A transaction was not included in time.
    #[error("{name}: {source}")]
    Pending {
        /// The contract that it was for.
        name: &'static str,
        /// What the L1's client says.
        source: alloy::providers::PendingTransactionError,
    },
    /// There is no factory on this L1.
    #[error("expected the deterministic deployment proxy at {FACTORY}, got {got} bytes of code there")]
    NoFactory {
        /// Bytes of what stands there.
        got: usize,
    },
    /// A transaction was included, and the contract does not stand.
    #[error("expected {name} at {address} after transaction {transaction}, got no code there")]
    Missing {
        /// The contract.
        name: &'static str,
        /// Where it should be.
        address: Address,
        /// What should have made it.
        transaction: TxHash,
    },
}

/// A contract of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// What it is.
    pub name: &'static str,
    /// Where it stands.
    pub address: Address,
    /// What the factory is called with.
    pub call: Bytes,
}

impl Contract {
    fn new(name: &'static str, creation_code: &[u8]) -> Self {
        let address = FACTORY.create2_from_code(B256::ZERO, creation_code);
        Self { name, address, call: [B256::ZERO.as_slice(), creation_code].concat().into() }
    }
}

/// The contracts of a version, each after those that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    contracts: Vec<Contract>,
    hub: Address,
}

impl Deployment {
    /// Those for a seal's program: its data and its parts, the verifier, the hub, and adapters that are pinned to the hub.
    ///
    /// # Errors
    /// When the program does not fit contracts.
    pub fn new(data: &[u8], parts: &[Vec<u8>]) -> Result<Self, BenchError> {
        let data = Contract::new("program", &creation_code(data)?);
        let parts: Vec<Contract> = parts
            .iter()
            .map(|part| Ok(Contract::new("constraints", &creation_code(part)?)))
            .collect::<Result<_, BenchError>>()?;
        let addresses = parts.iter().map(|part| part.address).collect();
        let verifier = Contract::new("SealVerifier", &verifier_creation_code(data.address, addresses));
        let hub = Contract::new("AggregationHub", &hub_creation_code(verifier.address));
        let address = hub.address;
        let adapters =
            [("Sp1Adapter", Adapter::Sp1), ("OpAdapter", Adapter::Op), ("RiscZeroAdapter", Adapter::RiscZero)]
                .map(|(name, adapter)| Contract::new(name, &adapter_creation_code(adapter, address)));
        let mut contracts = vec![data];
        contracts.extend(parts);
        contracts.extend([verifier, hub]);
        contracts.extend(adapters);
        Ok(Self { contracts, hub: address })
    }

    /// All of them.
    #[must_use]
    pub fn contracts(&self) -> &[Contract] {
        &self.contracts
    }

    /// The `AggregationHub`'s address.
    #[must_use]
    pub const fn hub(&self) -> Address {
        self.hub
    }

    /// Which of them stand already.
    ///
    /// # Errors
    /// When the L1 does not answer.
    pub async fn standing(&self, provider: &impl Provider) -> Result<Vec<bool>, DeployError> {
        let mut standing = Vec::new();
        for contract in &self.contracts {
            standing.push(stands(provider, contract.address).await?);
        }
        Ok(standing)
    }

    /// Deploys those that do not stand yet; `tell` hears of each how it came to stand, none if it did already. Stopped at any
    /// point, another run goes on.
    ///
    /// # Errors
    /// [`DeployError`].
    pub async fn deploy(
        &self,
        provider: &impl Provider,
        from: Address,
        tell: &mut (dyn FnMut(&Contract, Option<TxHash>) + Send),
    ) -> Result<(), DeployError> {
        let factory = provider.get_code_at(FACTORY).await?;
        if factory[..] != FACTORY_CODE {
            return Err(DeployError::NoFactory { got: factory.len() });
        }
        for contract in &self.contracts {
            if stands(provider, contract.address).await? {
                tell(contract, None);
                continue;
            }
            let &Contract { name, address, ref call } = contract;
            let (from, to) = (Some(from), Some(TxKind::Call(FACTORY)));
            let request = TransactionRequest { from, to, input: call.clone().into(), ..Default::default() };
            let pending = provider.send_transaction(request).await?.with_timeout(Some(RECEIPT_TIMEOUT));
            let receipt = pending.get_receipt().await.map_err(|source| DeployError::Pending { name, source })?;
            let transaction = receipt.transaction_hash;
            if !stands(provider, address).await? {
                return Err(DeployError::Missing { name, address, transaction });
            }
            tell(contract, Some(transaction));
        }
        Ok(())
    }
}

async fn stands(provider: &impl Provider, address: Address) -> Result<bool, DeployError> {
    Ok(!provider.get_code_at(address).await?.is_empty())
}
