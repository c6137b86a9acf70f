//! The contracts on L1, as commands see them: interfaces, what is deployed, and an account that sends.

pub(crate) mod abi;
pub(crate) mod account;
pub(crate) mod attestation;
pub(crate) mod deployment;
pub(crate) mod entry;
pub(crate) mod key;
pub(crate) mod refusal;

pub(crate) use account::{Account, Reader};
pub(crate) use key::KeyFile;
