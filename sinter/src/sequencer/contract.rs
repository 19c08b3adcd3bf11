//! The network's registry on L1, as an operator's commands use it: whoever pays asks the contract first.

use crate::{
    chain,
    exit::{Exit, Failure, OrFail},
    l1::{self, connect_to},
    relayer::read_key,
};
use alloy::{
    consensus::BlockHeader,
    eips::BlockNumberOrTag,
    network::BlockResponse,
    primitives::{Address, U256},
    providers::{DynProvider, Provider},
    rpc::types::TransactionReceipt,
    signers::local::PrivateKeySigner,
    sol_types::SolCall,
};
use clap::Args;
use sinter_primitives::{Chain, committee::UNCOMPRESSED_KEY_BYTES, registry::Registry};
use sinter_settlement::{
    light_client,
    registry::{
        self, Parameters,
        contract::CommitteeRegistry as Calls,
        explain,
        leaving::{self, Progress, RetiredKey, Terms, Ticket},
    },
};
use std::path::PathBuf;

/// Where the registry is.
#[derive(Debug, Args)]
pub struct RegistryArguments {
    /// The network's chain.toml, with an `[l1.registry]`
    #[arg(long, value_name = "FILE")]
    pub chain: PathBuf,
    /// The L1's RPC
    #[arg(long, value_name = "URL")]
    pub l1: String,
}

/// Where the registry is, and who pays.
#[derive(Debug, Args)]
pub struct OwnerArguments {
    /// Where the registry is.
    #[command(flatten)]
    pub registry: RegistryArguments,
    /// File with the private key of the L1 account that registers, owns the stake and pays, mode 0600
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
}

/// Which of an owner's registrants is meant.
#[derive(Debug, Args)]
pub struct RegistrantArguments {
    /// The owner's account.
    #[command(flatten)]
    pub owner: OwnerArguments,
    /// The registrant's number, where the owner registered more than one
    #[arg(long, value_name = "N")]
    pub registrant: Option<u64>,
}

/// The registry of a network.
pub struct Contract {
    /// The network.
    pub chain: Chain,
    /// The L1.
    pub provider: DynProvider,
    /// Where the contract is.
    pub address: Address,
    /// Its first L1 block, or one before.
    pub from_block: u64,
    /// Its light client.
    pub light_client: Address,
    /// Seats of a committee, at most.
    pub seats: usize,
}

impl Contract {
    /// The registry that a chain file names, of the L1 that it names.
    ///
    /// # Errors
    /// When the file has none, or the L1 is another one or has something else there.
    pub async fn open(arguments: &RegistryArguments, signer: Option<&PrivateKeySigner>) -> Result<Self, Failure> {
        let chain = chain::load(&arguments.chain)?;
        let spec = chain.file.l1.registry.as_ref().ok_or_else(|| {
            let message = "expected `[l1.registry]`, got none: this network's committee stays as it is";
            Failure::new(Exit::Usage, format!("{}: {message}", arguments.chain.display()))
        })?;
        let (address, from_block, seats) = (Address::from(spec.address()), spec.from_block, spec.seats);
        let light_client: Address =
            chain.file.l1.light_client.parse().or_fail(Exit::Usage, "chain.toml: `l1.light_client`")?;
        let provider = connect_to(chain.file.l1.chain_id, &arguments.l1, signer).await?;
        let contract = Self { chain, provider, address, from_block, light_client, seats };
        let got = contract.ask(&Calls::lightClientCall {}).await?;
        if got != light_client {
            let message = format!("the registry at {address}: expected the light client {light_client}, got {got}");
            return Err(Failure::new(Exit::Usage, message));
        }
        Ok(contract)
    }

    /// The registry, and the account of its file of a key, which pays.
    ///
    /// # Errors
    /// As [`Contract::open`], and when the key file is none.
    pub async fn open_as_owner(arguments: &OwnerArguments) -> Result<(Self, Address), Failure> {
        let signer = read_key(&arguments.key_file)?;
        Ok((Self::open(&arguments.registry, Some(&signer)).await?, signer.address()))
    }

    /// The registry, its owner's account, and the registrant that is meant: the only one whom the owner registered, or the one that
    /// is named. He may have left.
    ///
    /// # Errors
    /// As [`Contract::open_as_owner`], and when no registrant is meant, or more than one could be.
    pub async fn open_as_registrant(arguments: &RegistrantArguments) -> Result<(Self, Address, u64), Failure> {
        let (contract, owner) = Self::open_as_owner(&arguments.owner).await?;
        let registered = contract.registered_by(owner).await?;
        let numbers = || registered.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let refused = |message: String| Err(Failure::new(Exit::Refused, message));
        match (arguments.registrant, registered.as_slice()) {
            (_, []) => refused(format!("{owner} has registered nobody: `sinter sequencer register` does")),
            (Some(number), _) if registered.contains(&number) => Ok((contract, owner, number)),
            (Some(number), _) => refused(format!(
                "--registrant: expected one of those whom {owner} registered, {}; got {number}",
                numbers()
            )),
            (None, [number]) => Ok((contract, owner, *number)),
            (None, _) => refused(format!("{owner} registered {}: say which with --registrant", numbers())),
        }
    }

    /// What the contract answers now.
    ///
    /// # Errors
    /// When the L1 does not answer, or has something else there.
    pub async fn ask<C: SolCall>(&self, call: &C) -> Result<C::Return, Failure> {
        light_client::ask(&self.provider, self.address, call).await.or_fail(Exit::Failed, "asking the registry")
    }

    /// Its parameters.
    ///
    /// # Errors
    /// As [`Contract::ask`].
    pub async fn parameters(&self) -> Result<Parameters, Failure> {
        self.ask(&Calls::parametersCall {}).await
    }

    /// Whom an account registered, by number, also those who have left.
    ///
    /// # Errors
    /// As [`Contract::ask`].
    pub async fn registered_by(&self, owner: Address) -> Result<Vec<u64>, Failure> {
        leaving::registrations_of(&self.provider, self.address, owner, self.from_block)
            .await
            .or_fail(Exit::Failed, "asking the registry")
    }

    /// Who is registered at the end of the newest L1 block.
    ///
    /// # Errors
    /// When the L1 does not tell all records.
    pub async fn registry(&self) -> Result<Registry, Failure> {
        let mut registry = Registry::new(self.chain.file.l1.chain_id, &self.address.0.0);
        let newest = self.provider.get_block_number().await.or_fail(Exit::Failed, "--l1")?;
        registry::follow(&self.provider, self.address, &mut registry, self.from_block, newest)
            .await
            .or_fail(Exit::Failed, "following the registry")?;
        Ok(registry)
    }

    /// The time of the newest L1 block, in Unix seconds: the contract's clock.
    ///
    /// # Errors
    /// When the L1 does not answer.
    pub async fn now_s(&self) -> Result<u64, Failure> {
        let block = self.provider.get_block_by_number(BlockNumberOrTag::Latest).await.or_fail(Exit::Failed, "--l1")?;
        let block = block.ok_or_else(|| Failure::new(Exit::Failed, "--l1: expected a newest block, got none"))?;
        Ok(block.header().timestamp())
    }

    /// What something that leaves waits for, in words, and how far it is.
    ///
    /// # Errors
    /// As [`Contract::ask`].
    pub async fn waits_for(&self, terms: &Terms, now_s: u64) -> Result<(Progress, String), Failure> {
        let ends = match now_s >= terms.escapes_at_s {
            // Nothing else matters then, and there may be nobody to ask.
            true => leaving::Ends::default(),
            false => {
                let ends = leaving::ends(&self.provider, self.light_client, terms).await;
                ends.or_fail(Exit::Failed, "asking the light client")?
            }
        };
        let progress = terms.progress(&ends, now_s);
        Ok((progress, waits_for(terms, progress, now_s)))
    }

    /// All BLS keys that a registrant ever had, and those of them that he does not use and is still liable for.
    ///
    /// # Errors
    /// As [`Contract::ask`].
    pub async fn keys_of(&self, id: u64) -> Result<(Vec<[u8; UNCOMPRESSED_KEY_BYTES]>, Vec<RetiredKey>), Failure> {
        let asking = "asking the registry";
        let keys = leaving::bls_keys_of(&self.provider, self.address, id, self.from_block).await;
        let keys = keys.or_fail(Exit::Failed, asking)?;
        let retired = match self.ask(&Calls::memberCall { id }).await?.released {
            true => Vec::new(),
            false => leaving::retired_keys(&self.provider, self.address, &keys).await.or_fail(Exit::Failed, asking)?,
        };
        Ok((keys, retired))
    }

    /// The tickets of a holder that were not paid.
    ///
    /// # Errors
    /// As [`Contract::ask`].
    pub async fn tickets_of(&self, holder: Address) -> Result<Vec<Ticket>, Failure> {
        leaving::tickets_of(&self.provider, self.address, holder, self.from_block)
            .await
            .or_fail(Exit::Failed, "asking the registry")
    }

    /// Carries a call out, with ether.
    ///
    /// # Errors
    /// As [`l1::send`].
    pub async fn send<C: SolCall>(
        &self,
        from: Address,
        what: &str,
        call: &C,
        value: U256,
    ) -> Result<TransactionReceipt, Failure> {
        let explain = |data: &[u8]| registry::refusal(data).map(|refusal| explain(&refusal));
        l1::send(&self.provider, (from, self.address), what, call, value, explain).await
    }
}

/// What something that leaves waits for, in words.
fn waits_for(terms: &Terms, progress: Progress, now_s: u64) -> String {
    let escape = format!("without that, {} ({})", after(terms.escapes_at_s, now_s), terms.escapes_at_s);
    let evidence = duration(terms.exit_delay_s);
    match progress {
        Progress::Ready { .. } => "now".into(),
        Progress::Locked { until_s } => format!("{} ({until_s}): evidence has that time", after(until_s, now_s)),
        Progress::Seen { epoch, last } => {
            format!("epoch {epoch} saw it leave; {evidence} after the end of epoch {last} is posted; {escape}")
        }
        Progress::Unseen => format!(
            "no epoch is over that saw L1 block {}; {evidence} after the end of the epoch {} after such a one is posted; {escape}",
            terms.since,
            terms.last(0)
        ),
    }
}

/// From now on to a time.
fn after(time_s: u64, now_s: u64) -> String {
    format!("in {}", duration(time_s.saturating_sub(now_s)))
}

/// Seconds as people say them, to two units.
pub fn duration(seconds: u64) -> String {
    let parts = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "min"), (seconds % 60, "s")];
    let first = parts.iter().position(|(number, _)| *number > 0).unwrap_or(parts.len() - 1);
    let said = parts.iter().skip(first).take(2).filter(|(number, _)| *number > 0);
    let said: Vec<String> = said.map(|(number, unit)| format!("{number} {unit}")).collect();
    if said.is_empty() { "0 s".into() } else { said.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_two_units() {
        for (seconds, expected) in
            [(0, "0 s"), (59, "59 s"), (3_600, "1 h"), (90_061, "1 d 1 h"), (1_209_599, "13 d 23 h")]
        {
            assert_eq!(duration(seconds), expected);
        }
    }

    #[test]
    fn what_leaves_says_what_it_waits_for() {
        let terms = Terms { since: 100, epochs_ahead: 3, exit_delay_s: 86_400, escapes_at_s: 1_000_000 };
        let says = |seen, over_at_s, now_s| {
            waits_for(&terms, terms.progress(&leaving::Ends { seen, over_at_s }, now_s), now_s)
        };
        let unseen = says(None, None, 0);
        assert!(
            unseen.starts_with("no epoch is over that saw L1 block 100; 1 d after the end of the epoch 2 after"),
            "{unseen}"
        );
        let seen = says(Some(5), None, 0);
        assert!(seen.starts_with("epoch 5 saw it leave; 1 d after the end of epoch 7 is posted"), "{seen}");
        assert_eq!(says(Some(5), Some(40), 100), "in 23 h 59 min (86440): evidence has that time");
        assert_eq!(says(Some(5), Some(40), 86_440), "now");
        assert_eq!(says(None, None, 1_000_000), "now", "it escapes");
    }
}
