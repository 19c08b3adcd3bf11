//! Blob transactions at the door: EIP-4844 commitments, EIP-7594 cell proofs.

use super::{error::RpcError, evm::BlockTransaction};
use alloy::{
    consensus::{EthereumTxEnvelope, Transaction as _, TxEip4844WithSidecar},
    eips::eip7594::BlobTransactionSidecarEip7594,
};

/// A transaction as the network carries it: a blob transaction with its blobs.
pub(super) type NetworkTransaction = EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarEip7594>>;

/// Most blobs in one transaction (EIP-7594).
const BLOBS_MAX: usize = 6;
/// Cells of an extended blob.
const CELLS: usize = c_kzg::CELLS_PER_EXT_BLOB;

/// Checks the blobs against the hashes that the signer signed, and takes them off: blocks hold hashes only.
pub(super) fn strip(transaction: NetworkTransaction) -> Result<BlockTransaction, RpcError> {
    if let EthereumTxEnvelope::Eip4844(signed) = &transaction {
        check(&signed.tx().sidecar, signed.blob_versioned_hashes().unwrap_or_default())?;
    }
    Ok(transaction.into())
}

fn check(sidecar: &BlobTransactionSidecarEip7594, hashes: &[alloy::primitives::B256]) -> Result<(), RpcError> {
    let refuse = |reason: String| Err(RpcError::Decoding(format!("invalid blob sidecar: {reason}")));
    let count = sidecar.blobs.len();
    if count == 0 || count > BLOBS_MAX {
        return refuse(format!("expected 1 to {BLOBS_MAX} blobs, got {count}"));
    }
    if hashes.len() != count || sidecar.commitments.len() != count || sidecar.cell_proofs.len() != count * CELLS {
        return refuse(format!(
            "expected {count} hashes, {count} commitments and {} cell proofs, got {}, {} and {}",
            count * CELLS,
            hashes.len(),
            sidecar.commitments.len(),
            sidecar.cell_proofs.len()
        ));
    }
    if !sidecar.versioned_hashes().eq(hashes.iter().copied()) {
        return refuse("the commitments are not those of the signed hashes".into());
    }
    let settings = c_kzg::ethereum_kzg_settings(0);
    for (index, blob) in sidecar.blobs.iter().enumerate() {
        let commitment = c_kzg::Bytes48::new(sidecar.commitments[index].0);
        let proofs: Vec<_> = sidecar.cell_proofs[index * CELLS..(index + 1) * CELLS]
            .iter()
            .map(|proof| c_kzg::Bytes48::new(proof.0))
            .collect();
        let indices: Vec<u64> = (0..CELLS as u64).collect();
        let verified = c_kzg::Blob::from_bytes(blob.as_slice()).and_then(|blob| {
            let cells = settings.compute_cells(&blob)?;
            settings.verify_cell_kzg_proof_batch(&[commitment; CELLS], &indices, cells.as_slice(), &proofs)
        });
        match verified {
            Ok(true) => {}
            Ok(false) => return refuse(format!("blob {index}: the cell proofs do not verify")),
            Err(error) => return refuse(format!("blob {index}: {error}")),
        }
    }
    Ok(())
}
