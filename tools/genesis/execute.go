package main

import (
	"fmt"
	"math/big"

	"github.com/ethereum-optimism/optimism/op-chain-ops/foundry"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/rawdb"
	"github.com/ethereum/go-ethereum/core/state"
	"github.com/ethereum/go-ethereum/core/tracing"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/core/vm"
	"github.com/ethereum/go-ethereum/triedb"
	"github.com/holiman/uint256"
)

// execute runs deposit transactions on the genesis state with op-geth's EVM and returns the resulting accounts.
func execute(genesis *core.Genesis, transactions []hexutil.Bytes) (types.GenesisAlloc, error) {
	// The trie keeps preimages, so that the accounts can be listed again.
	db := state.NewDatabase(triedb.NewDatabase(rawdb.NewMemoryDatabase(), &triedb.Config{Preimages: true}), nil)
	statedb, err := state.New(types.EmptyRootHash, db)
	if err != nil {
		return nil, err
	}
	for address, account := range genesis.Alloc {
		statedb.SetBalance(address, uint256.MustFromBig(account.Balance), tracing.BalanceChangeUnspecified)
		statedb.SetCode(address, account.Code, tracing.CodeChangeUnspecified)
		statedb.SetNonce(address, account.Nonce, tracing.NonceChangeUnspecified)
		for slot, value := range account.Storage {
			statedb.SetState(address, slot, value)
		}
	}
	header := genesis.ToBlock().Header()
	evm := vm.NewEVM(blockContext(header), statedb, genesis.Config, vm.Config{})
	gas := new(core.GasPool).AddGas(genesis.GasLimit)
	for i, raw := range transactions {
		var transaction types.Transaction
		if err := transaction.UnmarshalBinary(raw); err != nil {
			return nil, err
		}
		message, err := core.TransactionToMessage(&transaction, types.LatestSigner(genesis.Config), header.BaseFee)
		if err != nil {
			return nil, err
		}
		result, err := core.ApplyMessage(evm, message, gas)
		if err == nil {
			err = result.Err
		}
		if err != nil {
			return nil, fmt.Errorf("upgrade transaction %d: %w", i, err)
		}
		statedb.Finalise(true)
	}
	root, err := statedb.Commit(0, false, false)
	if err != nil {
		return nil, err
	}
	committed, err := state.New(root, db)
	if err != nil {
		return nil, err
	}
	var out foundry.ForgeAllocs
	out.FromState(committed)
	return out.Accounts, nil
}

// blockContext is the genesis block as an EVM environment; deposits pay neither L1 nor operator fee.
func blockContext(header *types.Header) vm.BlockContext {
	return vm.BlockContext{
		CanTransfer: core.CanTransfer, Transfer: core.Transfer,
		GetHash:  func(uint64) common.Hash { return common.Hash{} },
		Coinbase: header.Coinbase, BlockNumber: header.Number, Time: header.Time, Difficulty: header.Difficulty,
		BaseFee: header.BaseFee, BlobBaseFee: big.NewInt(1), GasLimit: header.GasLimit, Random: &header.MixDigest,
		L1CostFunc:       func(types.RollupCostData, uint64) *big.Int { return new(big.Int) },
		OperatorCostFunc: func(uint64, uint64) *uint256.Int { return new(uint256.Int) },
	}
}
