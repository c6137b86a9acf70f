//! The runtimes on which consensus runs. Both engines are instantiated here and nowhere else: a node stays generic over
//! [`Runtime`] without compiling them again.

use crate::{Config, ConsensusError, operator::Opened};
use commonware_runtime::{Clock, Metrics, Spawner, Storage};
use futures::future::BoxFuture;
use rand_core::CryptoRng;

/// A runtime with a network.
pub trait Runtime: Clock + CryptoRng + Spawner + Storage + Metrics + Sized {
    /// What the network needs to know besides [`Config`].
    type Transport: Send + 'static;

    /// Checks the configuration and brings up the network. Everything runs below `context` and ends with it.
    fn open(self, config: Config, transport: Self::Transport) -> BoxFuture<'static, Result<Opened, ConsensusError>>;
}
