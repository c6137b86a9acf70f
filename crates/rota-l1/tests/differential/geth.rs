//! A stock op-geth, driven by the Engine API over its own IPC socket.

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes};
use rota_execution::{BlockAttributes, SealedBlock};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const START: Duration = Duration::from_secs(60);

/// A running op-geth with a data directory of its own; ends with this value.
pub(crate) struct Geth {
    process: Child,
    socket: BufReader<UnixStream>,
    _directory: TempDir,
}

impl Geth {
    /// Starts op-geth from a genesis.
    ///
    /// # Panics
    ///
    /// If the binary is missing: `make clients` builds it.
    pub(crate) fn start(genesis: &Value) -> Self {
        let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/bin/geth");
        assert!(binary.exists(), "{} is missing: `make clients` builds the stock op-geth", binary.display());
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("genesis.json"), genesis.to_string()).expect("the directory is writable");
        let geth = |log: &str| {
            let log = std::fs::File::create(path(log)).expect("the directory is writable");
            let mut command = Command::new(&binary);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            command
        };
        let scheme = ["--state.scheme", "hash"];
        let mut init = geth("init.log");
        let status =
            init.arg("init").args(scheme).arg("--datadir").arg(path("data")).arg(path("genesis.json")).status();
        let log = |name: &str| std::fs::read_to_string(path(name)).unwrap_or_default();
        assert!(status.is_ok_and(|status| status.success()), "op-geth init: {}", log("init.log"));
        let process = geth("geth.log")
            .arg("--datadir")
            .arg(path("data"))
            .arg("--ipcpath")
            .arg(path("ipc"))
            .args(scheme)
            .args(["--gcmode", "archive", "--syncmode", "full"])
            .args(["--networkid", "901", "--nodiscover", "--maxpeers", "0", "--port", "0"])
            .args(["--authrpc.addr", "127.0.0.1", "--authrpc.port", "0", "--rollup.disabletxpoolgossip=true"])
            .spawn()
            .expect("op-geth starts");
        let began = Instant::now();
        let socket = loop {
            match UnixStream::connect(path("ipc")) {
                Ok(socket) => break BufReader::new(socket),
                Err(error) if began.elapsed() > START => {
                    panic!("op-geth does not answer: {error}\n{}", log("geth.log"))
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        Self { process, socket, _directory: directory }
    }

    /// One JSON-RPC call that must succeed.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Value {
        self.try_call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn try_call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        writeln!(self.socket.get_mut(), "{request}").expect("op-geth lives");
        let mut line = String::new();
        self.socket.read_line(&mut line).expect("op-geth lives");
        let mut answer: Value = serde_json::from_str(&line).expect("JSON");
        match answer.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(answer["result"].take()),
        }
    }

    /// Hash of the newest block.
    pub(crate) fn head(&mut self) -> Value {
        self.call("eth_getBlockByNumber", json!(["latest", false]))["hash"].take()
    }

    /// What op-geth builds on `parent` with these attributes and exactly our transactions: its payload.
    pub(crate) fn build(
        &mut self,
        parent: B256,
        attributes: &BlockAttributes,
        jovian: bool,
        block: &SealedBlock,
    ) -> Value {
        let answer = self.choose(parent, request(attributes, jovian, &transactions(block)));
        let mut envelope = self.call("engine_getPayloadV4", json!([answer.expect("it builds")["payloadId"]]));
        envelope["executionPayload"].take()
    }

    /// Whether op-geth refuses to build a block of exactly these transactions because of one of them.
    pub(crate) fn refuses(
        &mut self,
        parent: B256,
        attributes: &BlockAttributes,
        jovian: bool,
        transactions: &[Bytes],
    ) -> bool {
        match self.choose(parent, request(attributes, jovian, transactions)) {
            Ok(_) => false,
            Err(error) => {
                assert_eq!(error["code"], -38003, "{error}");
                true
            }
        }
    }

    /// Hands a block in and makes it the head; both answers must be VALID.
    pub(crate) fn insert(&mut self, block: &SealedBlock) {
        let header = &block.header;
        let params = json!([payload(block), [], header.parent_beacon_block_root, []]);
        let status = self.call("engine_newPayloadV4", params);
        assert_eq!(status["status"], "VALID", "block {}: {status}", header.number);
        let answer = self.choose(block.hash, Value::Null).expect("a known head");
        assert_eq!(answer["payloadStatus"]["latestValidHash"], json!(block.hash));
        assert_eq!(self.head(), json!(block.hash));
    }

    fn choose(&mut self, head: B256, attributes: Value) -> Result<Value, Value> {
        let state = json!({ "headBlockHash": head, "safeBlockHash": B256::ZERO, "finalizedBlockHash": B256::ZERO });
        let answer = self.try_call("engine_forkchoiceUpdatedV3", json!([state, attributes]))?;
        assert_eq!(answer["payloadStatus"]["status"], "VALID", "{answer}");
        Ok(answer)
    }
}

impl Drop for Geth {
    fn drop(&mut self) {
        // The data go with the directory: there is nothing to end gracefully for.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A sealed block as `ExecutionPayloadV4` (OP Isthmus).
pub(crate) fn payload(block: &SealedBlock) -> Value {
    let Header { parent_hash, beneficiary, state_root, receipts_root, logs_bloom, mix_hash, .. } = &block.header;
    let header = &block.header;
    json!({
        "parentHash": parent_hash,
        "feeRecipient": beneficiary,
        "stateRoot": state_root,
        "receiptsRoot": receipts_root,
        "logsBloom": logs_bloom,
        "prevRandao": mix_hash,
        "blockNumber": quantity(header.number),
        "gasLimit": quantity(header.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(header.timestamp),
        "extraData": header.extra_data,
        "baseFeePerGas": quantity(header.base_fee_per_gas.expect("since London")),
        "blockHash": block.hash,
        "transactions": transactions(block),
        "withdrawals": [],
        "blobGasUsed": quantity(header.blob_gas_used.expect("since Ecotone")),
        "excessBlobGas": quantity(header.excess_blob_gas.expect("since Ecotone")),
        "withdrawalsRoot": header.withdrawals_root,
    })
}

fn transactions(block: &SealedBlock) -> Vec<Bytes> {
    block.transactions.iter().map(|executed| executed.transaction.encoded().clone()).collect()
}

/// `PayloadAttributesV3` with OP's fields, for exactly these transactions.
fn request(attributes: &BlockAttributes, jovian: bool, transactions: &[Bytes]) -> Value {
    let mut request = json!({
        "timestamp": quantity(attributes.opening.timestamp),
        "prevRandao": attributes.prev_randao,
        "suggestedFeeRecipient": attributes.fee_recipient,
        "withdrawals": [],
        "parentBeaconBlockRoot": attributes.parent_beacon_block_root,
        "transactions": transactions,
        "noTxPool": true,
        "gasLimit": quantity(attributes.gas_limit),
        "eip1559Params": attributes.eip1559_params,
    });
    if jovian {
        request["minBaseFee"] = json!(attributes.min_base_fee);
    }
    request
}

fn quantity(value: u64) -> String {
    format!("{value:#x}")
}
