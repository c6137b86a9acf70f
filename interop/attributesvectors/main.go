// Command attributesvectors writes vectors/attributes/attributes.json: block attributes as op-node makes them.
//
//	cd interop && go run ./attributesvectors > ../vectors/attributes/attributes.json
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/big"
	"os"

	"github.com/ethereum-optimism/optimism/op-node/rollup"
	"github.com/ethereum-optimism/optimism/op-node/rollup/derive"
	"github.com/ethereum-optimism/optimism/op-service/eth"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/params"
	"github.com/ethereum/go-ethereum/rlp"
)

const start = 1760000000

var (
	portal = common.HexToAddress("0xd1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1")
	system = common.HexToAddress("0x5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c")
)

type log struct {
	Address common.Address `json:"address"`
	Topics  []common.Hash  `json:"topics"`
	Data    hexutil.Bytes  `json:"data"`
}

type vector struct {
	Name         string           `json:"name"`
	JovianTime   uint64           `json:"jovianTime"`
	ParentTime   uint64           `json:"parentTime"`
	ParentOrigin eth.BlockID      `json:"parentOrigin"`
	ParentSeq    uint64           `json:"parentSequenceNumber"`
	ParentConfig eth.SystemConfig `json:"parentConfig"`
	Header       hexutil.Bytes    `json:"header"`
	Logs         []log            `json:"logs"`
	Attributes   map[string]any   `json:"attributes"`
	Transactions []hexutil.Bytes  `json:"transactions"`
}

type source struct {
	header   *types.Header
	receipts types.Receipts
	config   eth.SystemConfig
}

func (s *source) InfoByHash(context.Context, common.Hash) (eth.BlockInfo, error) {
	return eth.HeaderBlockInfo(s.header), nil
}
func (s *source) FetchReceipts(context.Context, common.Hash) (eth.BlockInfo, types.Receipts, error) {
	return eth.HeaderBlockInfo(s.header), s.receipts, nil
}
func (s *source) SystemConfigByL2Hash(context.Context, common.Hash) (eth.SystemConfig, error) {
	return s.config, nil
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func word(n uint64) []byte { return common.BigToHash(new(big.Int).SetUint64(n)).Bytes() }

func update(kind uint64, words ...[]byte) log {
	data := append(word(32), word(uint64(32*len(words)))...)
	for _, w := range words {
		data = append(data, w...)
	}
	return log{system, []common.Hash{derive.ConfigUpdateEventABIHash, {}, common.BytesToHash(word(kind))}, data}
}

func deposit(dep *types.DepositTx) log {
	l := must(derive.MarshalDepositLogEvent(portal, dep))
	return log{l.Address, l.Topics, l.Data}
}

func make_(name string, jovian uint64, parentSeq uint64, advance bool, config eth.SystemConfig, logs []log) vector {
	zero := uint64(0)
	cfg := &rollup.Config{BlockTime: 1, L2ChainID: big.NewInt(901), L1ChainID: big.NewInt(900), RegolithTime: &zero, CanyonTime: &zero, DeltaTime: &zero, EcotoneTime: &zero, FjordTime: &zero, GraniteTime: &zero, HoloceneTime: &zero, IsthmusTime: &zero, JovianTime: &jovian, DepositContractAddress: portal, L1SystemConfigAddress: system}
	cfg.Genesis.L2Time = start
	l1 := &params.ChainConfig{ChainID: big.NewInt(900), LondonBlock: big.NewInt(0), CancunTime: &zero, PragueTime: &zero, BlobScheduleConfig: params.DefaultBlobSchedule}
	excess, root := uint64(90_000_000), crypto.Keccak256Hash([]byte("beacon"))
	header := &types.Header{ParentHash: crypto.Keccak256Hash([]byte("parent")), Number: big.NewInt(7), Time: start + 14, BaseFee: big.NewInt(1234567), MixDigest: crypto.Keccak256Hash([]byte("mix")), Difficulty: new(big.Int), ExcessBlobGas: &excess, BlobGasUsed: new(uint64), ParentBeaconRoot: &root, WithdrawalsHash: &types.EmptyWithdrawalsHash, RequestsHash: &types.EmptyRequestsHash}
	origin := eth.BlockID{Hash: header.Hash(), Number: 7}
	parent := eth.L2BlockRef{Hash: crypto.Keccak256Hash([]byte("l2")), Number: 14, Time: start + 14, L1Origin: origin, SequenceNumber: parentSeq}
	if advance {
		parent.L1Origin = eth.BlockID{Hash: header.ParentHash, Number: 6}
	}
	receipt := &types.Receipt{Status: 1}
	for i, l := range logs {
		receipt.Logs = append(receipt.Logs, &types.Log{Address: l.Address, Topics: l.Topics, Data: l.Data, Index: uint(i), BlockHash: header.Hash()})
	}
	src := &source{header, types.Receipts{receipt}, config}
	attrs := must(derive.NewFetchingAttributesBuilder(cfg, l1, nil, src, src).PreparePayloadAttributes(context.Background(), parent, origin))
	out := map[string]any{}
	if err := json.Unmarshal(must(json.Marshal(attrs)), &out); err != nil {
		panic(err)
	}
	txs := attrs.Transactions
	delete(out, "transactions")
	if logs == nil {
		logs = []log{}
	}
	return vector{name, jovian, parent.Time, parent.L1Origin, parentSeq, config, must(rlp.EncodeToBytes(header)), logs, out, txs}
}

func main() {
	scalar := eth.EncodeScalar(eth.EcotoneScalars{BaseFeeScalar: 1368, BlobBaseFeeScalar: 810949})
	config := eth.SystemConfig{BatcherAddr: common.HexToAddress("0xb1"), Scalar: scalar, GasLimit: 60_000_000, EIP1559Params: eth.Bytes8{0, 0, 0, 250, 0, 0, 0, 6}, OperatorFeeParams: eth.EncodeOperatorFeeParams(eth.OperatorFeeParams{Scalar: 100, Constant: 7}), MinBaseFee: 5, DAFootprintGasScalar: 300}
	old := config
	old.MinBaseFee, old.DAFootprintGasScalar = 0, 0
	dirty := config
	dirty.Scalar = eth.Bytes32{1: 1}
	bedrock := config
	bedrock.Scalar = eth.Bytes32{31: 9}
	to := common.HexToAddress("0xbeef")
	call := deposit(&types.DepositTx{From: common.HexToAddress("0xd00d"), To: &to, Mint: big.NewInt(1e18), Value: big.NewInt(5), Gas: 100_000, Data: bytes.Repeat([]byte{7}, 70)})
	create := deposit(&types.DepositTx{From: common.HexToAddress("0xd00d"), Value: new(big.Int), Gas: 1, Data: []byte{}})
	stranger := call
	stranger.Address = common.HexToAddress("0x01")
	ones := bytes.Repeat([]byte{0xff}, 32)
	cut := update(2, word(1))
	cut.Data = cut.Data[:95]
	long := update(2, word(1), word(2))
	version := update(2, word(1))
	version.Topics = []common.Hash{version.Topics[0], common.BytesToHash(word(1)), version.Topics[2]}
	updates := []log{
		update(0, common.LeftPadBytes(common.HexToAddress("0xb2").Bytes(), 32)),
		update(1, word(3), append([]byte{1}, common.LeftPadBytes([]byte{2, 0, 0, 0, 1}, 31)...)),
		update(2, word(30_000_000)), update(3, ones),
		update(4, word(50<<32|2)), update(5, word(9)), update(6, word(1_000)), update(7, word(65535)),
	}
	malformed := []log{
		update(0, ones), update(1, word(1), ones), update(1, word(1)), update(2, ones), cut, long, version,
		update(4, word(1)), update(4, word(1<<32)), update(5, word(1), word(1)), update(6, ones), update(7, word(65536)),
		update(8, word(1)), update(1<<40, word(1)),
	}
	vectors := []vector{
		make_("same origin", 0, 3, false, config, []log{call, updates[2]}),
		make_("next origin with deposits", 0, 3, true, config, []log{stranger, call, updates[3], create, call}),
		make_("updates of every type", 0, 1, true, config, updates),
		make_("malformed updates", 0, 1, true, config, malformed),
		make_("default DA footprint scalar", 0, 0, false, old, nil),
		make_("Jovian activation block", start+15, 0, false, old, nil),
		make_("Jovian activation block with deposits and updates", start+15, 1, true, old, append([]log{call}, updates...)),
		make_("first block after Jovian activation", start+14, 0, false, old, nil),
		make_("before Jovian", start+16, 0, true, old, append([]log{call}, updates...)),
		make_("dirty Bedrock scalar", 0, 0, false, dirty, nil),
		make_("Bedrock scalar", 0, 0, false, bedrock, nil),
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", " ")
	if err := enc.Encode(vectors); err != nil {
		panic(err)
	}
}
