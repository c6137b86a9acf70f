//! `rota operator`: an operator's life in the registry, and its part in the posting turns.

mod attest;
mod view;

pub(crate) use attest::ensure_ready;

use crate::contracts::{
    Account, KeyFile, Reader,
    abi::{OperatorRegistry, PostingTurns},
    account::Receipt,
    attestation::Statement,
    entry,
    refusal::status_name,
};
use alloy_primitives::{Address, Bytes};
use alloy_signer_local::PrivateKeySigner;
use clap::{Args, Subcommand};
use rota_node::keys::{OperatorKeys, load_account, read_password};
use rota_types::KeyDomain;
use std::{net::SocketAddr, path::PathBuf};

/// What operators do on L1.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Become a candidate, once the governor has admitted this account.
    Join {
        #[command(flatten)]
        own: Own,
        /// Where this operator's p2p can be reached.
        #[arg(long)]
        endpoint: SocketAddr,
        /// Who is paid; by default the operator's account.
        #[arg(long)]
        reward: Option<Address>,
    },
    /// As a member: sign that a candidate is ready, and print the signature.
    Attest(attest::Ready),
    /// Make a candidate a member, with the signatures of more than a third of the members.
    Activate {
        #[command(flatten)]
        own: Own,
        /// The candidate; by default this operator.
        #[arg(long)]
        operator: Option<Address>,
        /// What members printed with `attest`.
        #[arg(long, num_args = 1.., value_delimiter = ',', required = true)]
        signatures: Vec<Bytes>,
    },
    /// Give notice: keep running until no epoch's committee has this operator any more.
    Leave(Own),
    /// End the entry of an operator whose notice is over.
    Finish {
        #[command(flatten)]
        own: Own,
        /// Whose; by default this operator's.
        #[arg(long)]
        operator: Option<Address>,
    },
    /// Change to the identity and the voting key of another key directory; the posting key and the account stay.
    RotateKeys {
        #[command(flatten)]
        own: Own,
        /// Directory of the new keystores, under the same password.
        #[arg(long)]
        new_keys: PathBuf,
    },
    /// Change where this operator's p2p can be reached.
    SetEndpoint {
        #[command(flatten)]
        own: Own,
        /// The new endpoint.
        #[arg(long)]
        endpoint: SocketAddr,
    },
    /// Show everybody in the registry.
    List(view::List),
    /// Show who leads next.
    Schedule(view::Schedule),
    /// As a member: sign that the poster of the running turn is silent, and print the signature.
    AttestSkip(attest::Skip),
    /// Pass a silent poster's turn on, with the signatures of more than a third of the members.
    Skip {
        #[command(flatten)]
        posting: Posting,
        /// Number of the turn.
        #[arg(long)]
        turn: u64,
        /// What members printed with `attest-skip`.
        #[arg(long, num_args = 1.., value_delimiter = ',', required = true)]
        signatures: Vec<Bytes>,
    },
    /// Start the next posting turn, if the running one is over.
    Rotate(Posting),
}

/// Which registry.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// JSON-RPC endpoint of L1.
    #[arg(long)]
    l1: String,
    /// The OperatorRegistry on L1.
    #[arg(long)]
    registry: Address,
}

/// Which registry, and an operator's keys.
#[derive(Debug, Clone, Args)]
pub(crate) struct Own {
    #[command(flatten)]
    place: Place,
    /// Directory of the keystores.
    #[arg(long, default_value = "keys")]
    keys: PathBuf,
    /// File whose first line opens them.
    #[arg(long, default_value = "password")]
    password_file: PathBuf,
    /// Keystore of the operator's account on L1, under the same password; by default the posting key is the account.
    #[arg(long)]
    account_key: Option<PathBuf>,
}

/// Which posting turns, and who pays.
#[derive(Debug, Clone, Args)]
pub(crate) struct Posting {
    /// JSON-RPC endpoint of L1.
    #[arg(long)]
    l1: String,
    /// PostingTurns on L1.
    #[arg(long)]
    posting_turns: Address,
    #[command(flatten)]
    key: KeyFile,
}

impl Own {
    /// The keys, and the account on L1.
    fn load(&self) -> eyre::Result<(OperatorKeys, PrivateKeySigner)> {
        let password = read_password(&self.password_file)?;
        let keys = OperatorKeys::load(&self.keys, &password)?;
        let account = match &self.account_key {
            Some(keystore) => load_account(keystore, &password)?,
            None => keys.posting.clone(),
        };
        Ok((keys, account))
    }

    /// The keys, and the account on L1, connected.
    async fn connect(&self) -> eyre::Result<(OperatorKeys, Account)> {
        let (keys, signer) = self.load()?;
        Ok((keys, Account::connect(&self.place.l1, signer).await?))
    }
}

impl Place {
    async fn reader(&self) -> eyre::Result<Reader> {
        Reader::connect(&self.l1).await
    }

    fn domain(&self, l1: &Reader) -> KeyDomain {
        KeyDomain { l1_chain_id: l1.chain_id(), registry: self.registry }
    }
}

impl Command {
    /// Does it.
    pub(crate) async fn run(self) -> eyre::Result<()> {
        match self {
            Self::Join { own, endpoint, reward } => join(&own, endpoint, reward).await,
            Self::Attest(ready) => ready.run().await,
            Self::Activate { own, operator, signatures } => activate(&own, operator, &signatures).await,
            Self::Leave(own) => leave(&own).await,
            Self::Finish { own, operator } => finish(&own, operator).await,
            Self::RotateKeys { own, new_keys } => rotate_keys(&own, &new_keys).await,
            Self::SetEndpoint { own, endpoint } => set_endpoint(&own, endpoint).await,
            Self::List(list) => list.run().await,
            Self::Schedule(schedule) => schedule.run().await,
            Self::AttestSkip(skip) => skip.run().await,
            Self::Skip { posting, turn, signatures } => skip(&posting, turn, &signatures).await,
            Self::Rotate(posting) => rotate(&posting).await,
        }
    }
}

async fn join(own: &Own, endpoint: SocketAddr, reward: Option<Address>) -> eyre::Result<()> {
    let (keys, account) = own.connect().await?;
    let me = account.address();
    let domain = own.place.domain(account.reader());
    let call = entry::join(&keys, &domain, me, reward.unwrap_or(me), endpoint.to_string())?;
    done(&format!("{me} is a candidate"), &account.call(own.place.registry, &call).await?);
    Ok(())
}

async fn activate(own: &Own, operator: Option<Address>, signatures: &[Bytes]) -> eyre::Result<()> {
    let (_, account) = own.connect().await?;
    let operator = operator.unwrap_or(account.address());
    make_member(&account, own.place.registry, operator, signatures).await
}

/// Hands in what members have attested of a candidate.
pub(crate) async fn make_member(
    account: &Account,
    registry: Address,
    operator: Address,
    signatures: &[Bytes],
) -> eyre::Result<()> {
    let l1 = account.reader();
    let identity = candidate(l1, registry, operator).await?.identity;
    let signatures = Statement::ready(l1.chain_id(), registry, operator, identity).in_order(signatures)?;
    let call = OperatorRegistry::activateCall { operator, signatures };
    done(&format!("{operator} is a member"), &account.call(registry, &call).await?);
    Ok(())
}

/// The entry of a candidate.
async fn candidate(l1: &Reader, registry: Address, operator: Address) -> eyre::Result<crate::contracts::abi::Operator> {
    let entry = l1.read(registry, &OperatorRegistry::operatorOfCall { operator }).await?;
    let status = status_name(entry.status);
    eyre::ensure!(status == "candidate", "{operator} is no candidate: its status is {status}");
    Ok(entry)
}

async fn leave(own: &Own) -> eyre::Result<()> {
    let (_, account) = own.connect().await?;
    give_notice(&account, own.place.registry).await
}

/// Says that an account's operator leaves.
pub(crate) async fn give_notice(account: &Account, registry: Address) -> eyre::Result<()> {
    let operator = account.address();
    let receipt = account.call(registry, &OperatorRegistry::leaveCall {}).await?;
    let entry = account.reader().read(registry, &OperatorRegistry::operatorOfCall { operator }).await?;
    done(&format!("{operator} leaves; a member until {} s since 1970", entry.leavesAt), &receipt);
    Ok(())
}

async fn finish(own: &Own, operator: Option<Address>) -> eyre::Result<()> {
    let (_, account) = own.connect().await?;
    free_place(&account, own.place.registry, operator.unwrap_or(account.address())).await
}

/// Ends the entry of an operator whose notice is over.
pub(crate) async fn free_place(account: &Account, registry: Address, operator: Address) -> eyre::Result<()> {
    let receipt = account.call(registry, &OperatorRegistry::finishCall { operator }).await?;
    done(&format!("{operator} has left"), &receipt);
    Ok(())
}

async fn rotate_keys(own: &Own, new_keys: &std::path::Path) -> eyre::Result<()> {
    let (_, account) = own.connect().await?;
    let new = OperatorKeys::load(new_keys, &read_password(&own.password_file)?)?;
    let call = entry::rotate_keys(&new, &own.place.domain(account.reader()), account.address())?;
    let receipt = account.call(own.place.registry, &call).await?;
    done(&format!("{} has the identity {}", account.address(), call.identity), &receipt);
    Ok(())
}

async fn set_endpoint(own: &Own, endpoint: SocketAddr) -> eyre::Result<()> {
    let (_, account) = own.connect().await?;
    let call = OperatorRegistry::setEndpointCall { endpoint: endpoint.to_string() };
    let receipt = account.call(own.place.registry, &call).await?;
    done(&format!("{} is at {endpoint}", account.address()), &receipt);
    Ok(())
}

async fn skip(posting: &Posting, turn: u64, signatures: &[Bytes]) -> eyre::Result<()> {
    let account = Account::connect(&posting.l1, posting.key.load()?).await?;
    let statement = Statement::skip(account.reader().chain_id(), posting.posting_turns, turn);
    let call = PostingTurns::skipCall { number: turn, signatures: statement.in_order(signatures)? };
    done(&format!("turn {turn} is skipped"), &account.call(posting.posting_turns, &call).await?);
    Ok(())
}

async fn rotate(posting: &Posting) -> eyre::Result<()> {
    let account = Account::connect(&posting.l1, posting.key.load()?).await?;
    let receipt = account.call(posting.posting_turns, &PostingTurns::rotateCall {}).await?;
    let turn = account.reader().read(posting.posting_turns, &PostingTurns::currentCall {}).await?;
    done(&format!("turn {}: {} posts with {}", turn.number, turn.operator, turn.posting), &receipt);
    Ok(())
}

fn done(what: &str, receipt: &Receipt) {
    println!("{what} (L1 block {})", receipt.block_number);
}
