//! What a block's environment is: forks, base fee, extra data, and the EVM's view of a header.

use crate::engine::{BlockAttributes, EngineError};
use alloy_consensus::Header;
use alloy_eips::{eip1559::BaseFeeParams, eip7685::EMPTY_REQUESTS_HASH};
use alloy_evm::EvmEnv;
use alloy_op_evm::evm_env_for_op_block;
use alloy_op_hardforks::{ForkCondition, OpChainHardforks, OpHardfork, OpHardforks};
use alloy_primitives::{B256, Bytes};
use op_alloy_consensus::{
    decode_holocene_extra_data, decode_jovian_extra_data, encode_holocene_extra_data, encode_jovian_extra_data,
};
use op_revm::OpSpecId;
use rota_types::ChainSpec;

/// The rules of one chain.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) chain_id: u64,
    pub(crate) forks: OpChainHardforks,
    /// EIP-1559 parameters that stand for zero in the attributes.
    default_fee_params: BaseFeeParams,
}

impl Rules {
    pub(crate) fn new(spec: &ChainSpec) -> Self {
        let rollup = &spec.rollup;
        let times = [
            (OpHardfork::Regolith, rollup.regolith_time),
            (OpHardfork::Canyon, rollup.canyon_time),
            (OpHardfork::Ecotone, rollup.ecotone_time),
            (OpHardfork::Fjord, rollup.fjord_time),
            (OpHardfork::Granite, rollup.granite_time),
            (OpHardfork::Holocene, rollup.holocene_time),
            (OpHardfork::Isthmus, rollup.isthmus_time),
            (OpHardfork::Jovian, rollup.jovian_time),
        ];
        let bedrock = (OpHardfork::Bedrock, ForkCondition::Block(0));
        let forks =
            times.into_iter().map(|(fork, time)| (fork, time.map_or(ForkCondition::Never, ForkCondition::Timestamp)));
        let config = rollup.chain_op_config;
        Self {
            chain_id: spec.chain_id(),
            forks: OpChainHardforks::new([bedrock].into_iter().chain(forks)),
            default_fee_params: BaseFeeParams::new(
                config.eip1559_denominator_canyon.into(),
                config.eip1559_elasticity.into(),
            ),
        }
    }

    pub(crate) fn is_jovian(&self, timestamp: u64) -> bool {
        self.forks.is_jovian_active_at_timestamp(timestamp)
    }

    /// The EVM's view of a block.
    pub(crate) fn environment(&self, header: &Header) -> EvmEnv<OpSpecId> {
        evm_env_for_op_block(header, &self.forks, self.chain_id)
    }

    /// The header of a block before anything is executed in it.
    pub(crate) fn opening_header(
        &self,
        parent: &Header,
        parent_hash: B256,
        attributes: &BlockAttributes,
    ) -> Result<Header, EngineError> {
        let timestamp = attributes.opening.timestamp;
        Ok(Header {
            parent_hash,
            beneficiary: attributes.fee_recipient,
            number: parent.number + 1,
            gas_limit: attributes.gas_limit,
            timestamp,
            extra_data: self.extra_data(attributes)?,
            mix_hash: attributes.prev_randao,
            base_fee_per_gas: Some(self.next_base_fee(parent)?),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(attributes.parent_beacon_block_root),
            requests_hash: Some(EMPTY_REQUESTS_HASH),
            ..Default::default()
        })
    }

    /// `0x00 ‖ denominator ‖ elasticity` (Holocene), `0x01 ‖ … ‖ minimum base fee` from Jovian on.
    fn extra_data(&self, attributes: &BlockAttributes) -> Result<Bytes, EngineError> {
        let params = attributes.eip1559_params;
        if self.is_jovian(attributes.opening.timestamp) {
            encode_jovian_extra_data(params, self.default_fee_params, attributes.min_base_fee)
        } else {
            encode_holocene_extra_data(params, self.default_fee_params)
        }
        .map_err(|_| EngineError::Misuse("EIP-1559 parameters do not fit into 32 bits"))
    }

    /// EIP-1559 with the parameters in the parent's extra data; from Jovian on the DA footprint counts as gas used if
    /// it is larger, and there is a minimum.
    fn next_base_fee(&self, parent: &Header) -> Result<u64, EngineError> {
        let corrupt = |error| EngineError::Corrupt(format!("extra data of block {}: {error}", parent.number));
        let (elasticity, denominator, minimum, gas_used) = if self.is_jovian(parent.timestamp) {
            let (elasticity, denominator, minimum) = decode_jovian_extra_data(&parent.extra_data).map_err(corrupt)?;
            (elasticity, denominator, minimum, parent.gas_used.max(parent.blob_gas_used.unwrap_or_default()))
        } else {
            let (elasticity, denominator) = decode_holocene_extra_data(&parent.extra_data).map_err(corrupt)?;
            (elasticity, denominator, 0, parent.gas_used)
        };
        let params = BaseFeeParams::new(denominator.into(), elasticity.into());
        if params.max_change_denominator == 0 || params.elasticity_multiplier == 0 {
            return Err(EngineError::Corrupt(format!("block {} has EIP-1559 parameters of zero", parent.number)));
        }
        let base_fee = parent.base_fee_per_gas.unwrap_or_default();
        let next = alloy_eips::calc_next_block_base_fee(gas_used, parent.gas_limit, base_fee, params);
        Ok(next.max(minimum))
    }
}

/// Base fee of a genesis that names none, wei.
pub(crate) const INITIAL_BASE_FEE: u64 = 1_000_000_000;
