//! A client of an L1.

use alloy::{
    network::EthereumWallet,
    providers::{DynProvider, Provider, ProviderBuilder},
    signers::local::PrivateKeySigner,
};

/// Not a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the URL of an L1, got {got:?}")]
pub struct UrlError {
    /// What was given.
    pub got: String,
}

/// A client of an L1, whose transactions an account signs if there is one. It asks for the account's nonce once: somebody who
/// uses the account elsewhere, too, connects anew.
///
/// # Errors
/// [`UrlError`].
pub fn connect(url: &str, signer: Option<&PrivateKeySigner>) -> Result<DynProvider, UrlError> {
    let address = url.parse().map_err(|_| UrlError { got: url.into() })?;
    Ok(match signer {
        Some(signer) => {
            ProviderBuilder::new().wallet(EthereumWallet::from(signer.clone())).connect_http(address).erased()
        }
        None => ProviderBuilder::new().connect_http(address).erased(),
    })
}
