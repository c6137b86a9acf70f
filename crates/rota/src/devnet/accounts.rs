//! The well-known accounts of a devnet: those of the mnemonic that every Ethereum development tool uses.

use alloy_signer_local::{MnemonicBuilder, PrivateKeySigner, coins_bip39::English};
use eyre::WrapErr;

const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// Accounts for users, with a million ether each on L1 and on L2; the first one is the governor.
pub(super) const USERS: u32 = 10;

/// Posting keys follow the users': operator k posts with account 10 + k.
pub(super) const FIRST_POSTING: u32 = USERS;

/// Account number `index` of the mnemonic.
pub(super) fn account(index: u32) -> eyre::Result<PrivateKeySigner> {
    MnemonicBuilder::<English>::try_from_phrase_nth(MNEMONIC, index).wrap_err("the devnet's mnemonic")
}
