// Command batchvectors writes vectors/batch/span.json: span batches and channels as op-node makes them.
//
//	cd interop && go run ./batchvectors > ../vectors/batch/span.json
package main

import (
	"bytes"
	"encoding/json"
	"math/big"
	"os"

	"github.com/ethereum-optimism/optimism/op-node/rollup"
	"github.com/ethereum-optimism/optimism/op-node/rollup/derive"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/rlp"
	"github.com/holiman/uint256"
)

const genesisTime, blockTime, chainID = 1760000000, 1, 901

type block struct {
	Timestamp      uint64          `json:"timestamp"`
	OriginNumber   uint64          `json:"originNumber"`
	OriginHash     common.Hash     `json:"originHash"`
	SequenceNumber uint64          `json:"sequenceNumber"`
	ParentHash     common.Hash     `json:"parentHash"`
	Transactions   []hexutil.Bytes `json:"transactions"`
}

type vector struct {
	Name   string        `json:"name"`
	Blocks []block       `json:"blocks"`
	Batch  hexutil.Bytes `json:"batch"`
	Zlib   hexutil.Bytes `json:"zlib"`
	Brotli hexutil.Bytes `json:"brotli"`
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func hash(b ...byte) common.Hash { return crypto.Keccak256Hash(b) }

// transactions of every type that a batch may hold, some creating contracts, some with lists and large values.
func transactions() []hexutil.Bytes {
	key := must(crypto.ToECDSA(hash(1).Bytes()))
	id, to := big.NewInt(chainID), common.HexToAddress("0x00000000000000000000000000000000000000aa")
	list := types.AccessList{{Address: to, StorageKeys: []common.Hash{hash(2), {}}}, {Address: common.Address{}}}
	auth := must(types.SignSetCode(key, types.SetCodeAuthorization{ChainID: *uint256.NewInt(chainID), Address: to, Nonce: 7}))
	any := must(types.SignSetCode(key, types.SetCodeAuthorization{Address: to, Nonce: 0}))
	huge := new(big.Int).Lsh(big.NewInt(1), 255)
	signer := types.NewIsthmusSigner(id)
	inner := []types.TxData{
		&types.LegacyTx{Nonce: 0, GasPrice: big.NewInt(1e9), Gas: 21000, To: &to, Value: big.NewInt(1)},
		&types.LegacyTx{Nonce: 1, GasPrice: big.NewInt(0), Gas: 1 << 40, Value: huge, Data: []byte{0x60, 0x00}},
		&types.AccessListTx{ChainID: id, Nonce: 127, GasPrice: big.NewInt(5), Gas: 30000, To: &to, Data: []byte{0}, AccessList: list},
		&types.AccessListTx{ChainID: id, Nonce: 128, GasPrice: big.NewInt(5), Gas: 60000, Data: bytes.Repeat([]byte{7}, 60)},
		&types.DynamicFeeTx{ChainID: id, Nonce: 1 << 33, GasTipCap: big.NewInt(0), GasFeeCap: big.NewInt(1e12), Gas: 21000, To: &to, Value: big.NewInt(127)},
		&types.DynamicFeeTx{ChainID: id, Nonce: 2, GasTipCap: big.NewInt(1), GasFeeCap: big.NewInt(128), Gas: 90000, Data: bytes.Repeat([]byte{0xfe}, 1000), AccessList: list},
		&types.SetCodeTx{ChainID: uint256.MustFromBig(id), Nonce: 3, GasTipCap: uint256.NewInt(1), GasFeeCap: uint256.NewInt(2), Gas: 100000, To: to, Value: uint256.NewInt(0), Data: []byte{1, 2}, AccessList: list, AuthList: []types.SetCodeAuthorization{auth, any}},
		&types.SetCodeTx{ChainID: uint256.MustFromBig(id), Nonce: 4, GasTipCap: uint256.NewInt(0), GasFeeCap: uint256.NewInt(0), Gas: 0, To: to, Value: uint256.MustFromBig(huge)},
	}
	var out []hexutil.Bytes
	for _, tx := range inner {
		out = append(out, must(must(types.SignNewTx(key, signer, tx)).MarshalBinary()))
	}
	for nonce := uint64(5); nonce < 9; nonce++ {
		unprotected := &types.LegacyTx{Nonce: nonce, GasPrice: big.NewInt(3), Gas: 21000, To: &to, Value: big.NewInt(0)}
		out = append(out, must(must(types.SignNewTx(key, types.HomesteadSigner{}, unprotected)).MarshalBinary()))
	}
	return out
}

func channel(algo derive.CompressionAlgo, batches ...*derive.BatchData) hexutil.Bytes {
	c := must(derive.NewChannelCompressor(algo))
	for _, b := range batches {
		must(c.Write(must(rlp.EncodeToBytes(b))))
	}
	if err := c.Close(); err != nil {
		panic(err)
	}
	return c.GetCompressed().Bytes()
}

func make_(name string, blocks []block) vector {
	span := derive.NewSpanBatch(genesisTime, big.NewInt(chainID))
	for _, b := range blocks {
		single := &derive.SingularBatch{ParentHash: b.ParentHash, EpochNum: rollup.Epoch(b.OriginNumber), EpochHash: b.OriginHash, Timestamp: b.Timestamp, Transactions: b.Transactions}
		if err := span.AppendSingularBatch(single, b.SequenceNumber); err != nil {
			panic(err)
		}
	}
	data := derive.NewBatchData(must(span.ToRawSpanBatch()))
	return vector{name, blocks, must(data.MarshalBinary()), channel(derive.Zlib, data), channel(derive.Brotli10, data)}
}

func run(first, count, origin, seq uint64, originEvery uint64, txs func(i uint64) []hexutil.Bytes) []block {
	var out []block
	for i := uint64(0); i < count; i++ {
		if i > 0 {
			seq++
			if seq == originEvery {
				origin, seq = origin+1, 0
			}
		}
		list := txs(i)
		if list == nil {
			list = []hexutil.Bytes{}
		}
		out = append(out, block{genesisTime + blockTime*(first+i), origin, hash('o', byte(origin)), seq, hash('p', byte(first+i)), list})
	}
	return out
}

func main() {
	all := transactions()
	none := func(uint64) []hexutil.Bytes { return nil }
	vectors := []vector{
		make_("one empty block that opens an epoch", run(1, 1, 5, 0, 2, none)),
		make_("one empty block within an epoch", run(300, 1, 200, 1, 2, none)),
		make_("seventeen empty blocks over nine epochs", run(2, 17, 130, 1, 2, none)),
		make_("every transaction in one block", run(1000, 1, 500, 3, 12, func(uint64) []hexutil.Bytes { return all })),
		make_("one transaction per block", run(7, uint64(len(all)), 3, 0, 5, func(i uint64) []hexutil.Bytes { return all[i : i+1] })),
		make_("uneven blocks", run(9, 20, 60, 1, 6, func(i uint64) []hexutil.Bytes {
			return all[i%uint64(len(all)) : min(i%uint64(len(all))+i%4, uint64(len(all)))]
		})),
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", " ")
	if err := enc.Encode(vectors); err != nil {
		panic(err)
	}
}
