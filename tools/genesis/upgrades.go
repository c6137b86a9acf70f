package main

import (
	"fmt"
	"math/big"

	"github.com/ethereum-optimism/optimism/op-node/rollup/derive"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
)

// upgradeTx is one deposit that a fork's activation block carries after the L1 info transaction.
type upgradeTx struct {
	SourceHash common.Hash     `json:"sourceHash"`
	From       common.Address  `json:"from"`
	To         *common.Address `json:"to"`
	Gas        hexutil.Uint64  `json:"gas"`
	Data       hexutil.Bytes   `json:"data"`
	Raw        hexutil.Bytes   `json:"raw"`
}

// writeUpgrades records Jovian's deposits in block order.
func writeUpgrades() error {
	raws, err := derive.JovianNetworkUpgradeTransactions()
	if err != nil {
		return err
	}
	var jovian []upgradeTx
	for _, raw := range raws {
		var tx types.Transaction
		if err := tx.UnmarshalBinary(raw); err != nil {
			return err
		}
		from, err := types.Sender(types.LatestSignerForChainID(big.NewInt(l2ChainID)), &tx)
		if err != nil {
			return err
		}
		if mint := tx.Mint(); tx.Value().Sign() != 0 || (mint != nil && mint.Sign() != 0) || tx.IsSystemTx() {
			return fmt.Errorf("%s carries value, mints or is a system transaction", tx.SourceHash())
		}
		jovian = append(jovian, upgradeTx{tx.SourceHash(), from, tx.To(), hexutil.Uint64(tx.Gas()), tx.Data(), raw})
	}
	_, err = writeJSON("upgrade-txs.json", map[string][]upgradeTx{"jovian": jovian})
	return err
}
