//! What the L1 charges for a certificate of a large committee.

use crate::exit::{Exit, Failure, OrFail};
use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    providers::{Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
};
use blst::min_sig::{AggregateSignature, SecretKey};
use commonware_codec::Encode;
use commonware_cryptography::{Signer as _, ed25519};
use sinter_primitives::{
    Certificate, Committee, Digest, Header,
    certificate::{MESSAGE_DST, Signers},
    committee::{Seat, UNDRAWN_STAKE_WEI, sign_proof_of_possession},
    header::{L1Origin, PROTOCOL_FIRST},
};
use sinter_settlement::{
    dev_l1::{self, DevL1Config},
    light_client,
};

const CHAIN_HASH: Digest = Digest([0x5a; 32]);
const CHAIN_ID: u64 = 77;

/// Gas of a transaction that posts a header which as few of `seats` signed as may, after another was posted.
///
/// # Errors
/// When the embedded L1 or the contract refuses.
pub async fn post_gas(seats: u8) -> Result<u64, Failure> {
    let what = "the light client";
    let (committee, secrets) = committee(seats)?;
    let chain = dev_l1::spawn(DevL1Config::default()).await.or_fail(Exit::Failed, what)?;
    let account = dev_l1::dev_signer(0);
    let url = chain.url().parse().or_fail(Exit::Failed, what)?;
    let provider = ProviderBuilder::new().wallet(EthereumWallet::from(account.clone())).connect_http(url).erased();
    let contract = light_client::deploy(
        &provider,
        account.address(),
        &CHAIN_HASH,
        CHAIN_ID,
        &committee,
        light_client::TRUST_FOR_EVER_S,
    )
    .await
    .or_fail(Exit::Failed, what)?;
    let mut gas = 0;
    for height in [1_000, 1_001] {
        let header = header(height);
        let certificate = certify(&header, &committee, &secrets)?;
        let call = light_client::post_call(&header, &certificate).or_fail(Exit::Failed, what)?;
        let transaction = TransactionRequest::default().with_to(contract).with_input(call);
        let pending = provider.send_transaction(transaction).await.or_fail(Exit::Failed, what)?;
        let receipt = pending.get_receipt().await.or_fail(Exit::Failed, what)?;
        if !receipt.status() {
            return Err(Failure::new(Exit::Failed, format!("{what} refuses the header of height {height}")));
        }
        gas = receipt.gas_used;
    }
    Ok(gas)
}

/// A committee whose secrets everybody knows.
fn committee(seats: u8) -> Result<(Committee, Vec<SecretKey>), Failure> {
    let what = "a committee to measure with";
    let mut members = Vec::new();
    for member in 0..seats {
        let secret = SecretKey::key_gen(&[member; 32], &[])
            .map_err(|error| Failure::new(Exit::Failed, format!("{what}: {error:?}")))?;
        let node = ed25519::PrivateKey::from_seed(member.into());
        let seat = Seat {
            node_key: node.public_key().encode().as_ref().try_into().or_fail(Exit::Failed, what)?,
            bls_key: secret.sk_to_pk().compress(),
            proof_of_possession: sign_proof_of_possession(&secret.to_bytes()).or_fail(Exit::Failed, what)?,
            address: format!("127.0.0.1:{}", 4000 + u16::from(member)),
            stake_wei: UNDRAWN_STAKE_WEI,
        };
        members.push((seat, secret));
    }
    members.sort_by_key(|(seat, _)| seat.node_key);
    let (seats, secrets): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    Ok((Committee::new(seats).or_fail(Exit::Failed, what)?, secrets))
}

/// A certificate by a bare quorum.
fn certify(header: &Header, committee: &Committee, secrets: &[SecretKey]) -> Result<Certificate, Failure> {
    let none = || Failure::new(Exit::Failed, "a quorum of the committee does not sign");
    let signers = Signers::new(secrets.len(), 0..committee.quorum() as usize).ok_or_else(none)?;
    let mut certificate = Certificate {
        epoch: header.epoch,
        view: header.view,
        parent_view: header.parent_view,
        payload: header.digest(),
        signers,
        signature: [0; 48],
    };
    let message = certificate.signed_message(&CHAIN_HASH);
    let signatures: Vec<_> = signers.iter().map(|seat| secrets[seat].sign(&message, MESSAGE_DST, &[])).collect();
    let aggregate = AggregateSignature::aggregate(&signatures.iter().collect::<Vec<_>>(), false).map_err(|_| none())?;
    certificate.signature = aggregate.to_signature().compress();
    Ok(certificate)
}

fn header(height: u64) -> Header {
    Header {
        next_protocol: 0,
        protocol: PROTOCOL_FIRST,
        chain_id: CHAIN_ID,
        height,
        epoch: 0,
        view: height,
        parent_view: height - 1,
        parent: Digest([1; 32]),
        proposer_seat: 1,
        // Later than the L1's present, as which it then counts.
        timestamp_ms: 4_000_000_000_000 + height,
        l1_origin: L1Origin { number: 3, hash: Digest([2; 32]) },
        inbox_cursor: 0,
        body_root: Digest([3; 32]),
        namespaces_root: Digest([4; 32]),
        ledger_root: Digest([5; 32]),
        next_committee: Digest([0; 32]),
        randomness: Digest([0; 32]),
    }
}
