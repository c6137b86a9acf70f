package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/ethereum-optimism/optimism/op-node/rollup/derive"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/consensus/misc/eip1559"
	"github.com/ethereum/go-ethereum/core"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/superchain"
)

// The chain. docs/adr/004-genesis-and-capacity.md has the arithmetic of the capacity.
const (
	baseChain = 420120009 // rehearsal-0-bn-0: every fork up to Isthmus at genesis, made by op-deployer
	l1ChainID = 900
	l2ChainID = 901

	gasLimit    = 200_000_000
	denominator = 250
	elasticity  = 2
	minBaseFee  = 1_000_000  // wei
	timestamp   = 1760000000 // a placeholder: a devnet puts its start time here
)

var (
	// governor owns the proxy admin and the fee recipient: account 0 of the mnemonic "test ... junk".
	governor = common.HexToAddress("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
	// feeRecipient is where the vaults pay to; it is immutable there, hence a proxy ("Rota" in ASCII, then 1).
	feeRecipient = common.HexToAddress("0x526f746100000000000000000000000000000001")
	// feeHolder is the proxy's implementation (contracts/src/FeeHolder.sol).
	feeHolder = common.HexToAddress("0x526f746100000000000000000000000000000002")

	// devAccounts are the 20 accounts of the mnemonic "test ... junk".
	devAccounts = []string{
		"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266", "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
		"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC", "0x90F79bf6EB2c4f870365E785982E1f101E93b906",
		"0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65", "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc",
		"0x976EA74026E726554dB657fA54763abd0C3a0aa9", "0x14dC79964da2C08b23698B3D3cc7Ca32193d9955",
		"0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f", "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720",
		"0xBcd4042DE499D14e55001CcbB24a551F3b954096", "0x71bE63f3384f5fb98995898A86B02Fb2426c5788",
		"0xFABB0ac9d68B0B445fB7357272Ff202C5651694a", "0x1CBd3b2770909D4e10f157cABC84C7264073C9Ec",
		"0xdF3e18d64BC6A983f673Ab319CCaE4f1a57C7097", "0xcd3B766CCDd6AE721141F452C550Ca635964ce71",
		"0x2546BcD3c84621e976D8185a91A922aE77ECEc30", "0xbDA5747bFD65F08deb54cb465eB87D40e51B197E",
		"0xdD2FD4581271e230360230F9337D5c0430Bf44C0", "0x8626f6940E2eb28930eFb4CeF49B2d1F2C9C1199",
	}
	devBalance = new(big.Int).Mul(big.NewInt(1_000_000), big.NewInt(1e18))
)

// l1Contracts are the contracts on L1 whose addresses the L2 state holds (vectors/l1-contracts.json).
type l1Contracts struct {
	L1CrossDomainMessenger common.Address
	L1StandardBridge       common.Address
	L1ERC721Bridge         common.Address
}

// meta pins the recorded file.
type meta struct {
	SHA256          hexutil.Bytes  `json:"sha256"`
	Hash            common.Hash    `json:"hash"`
	StateRoot       common.Hash    `json:"state_root"`
	WithdrawalsRoot common.Hash    `json:"withdrawals_root"`
	ExtraData       hexutil.Bytes  `json:"extra_data"`
	Accounts        int            `json:"accounts"`
	FeeRecipient    common.Address `json:"fee_recipient"`
}

func writeGenesis() error {
	genesis, err := loadBase()
	if err != nil {
		return err
	}
	if err := specialise(genesis); err != nil {
		return err
	}
	upgrades, err := derive.JovianNetworkUpgradeTransactions()
	if err != nil {
		return err
	}
	if genesis.Alloc, err = execute(genesis, upgrades); err != nil {
		return err
	}
	data, err := writeJSON("genesis-jovian.json", genesis)
	if err != nil {
		return err
	}
	sum, block := sha256.Sum256(data), genesis.ToBlock()
	_, err = writeJSON("genesis-jovian.meta.json", meta{
		SHA256: sum[:], Hash: block.Hash(), StateRoot: block.Root(), WithdrawalsRoot: *block.Header().WithdrawalsHash,
		ExtraData: block.Extra(), Accounts: len(genesis.Alloc), FeeRecipient: feeRecipient,
	})
	fmt.Println("genesis", block.Hash(), len(genesis.Alloc), "accounts", len(data), "bytes")
	return err
}

// loadBase returns the base chain's genesis, checked against its registered hash.
func loadBase() (*core.Genesis, error) {
	chain, err := superchain.GetChain(baseChain)
	if err != nil {
		return nil, err
	}
	config, err := chain.Config()
	if err != nil {
		return nil, err
	}
	data, err := chain.GenesisData()
	if err != nil {
		return nil, err
	}
	var genesis core.Genesis
	if err := json.Unmarshal(data, &genesis); err != nil {
		return nil, err
	}
	if hash := genesis.ToBlock().Hash(); hash != config.Genesis.L2.Hash {
		return nil, fmt.Errorf("base genesis hashes to %s, registered is %s", hash, config.Genesis.L2.Hash)
	}
	return &genesis, nil
}

// specialise turns the base chain's genesis into this chain's, still without the state changes of Jovian.
func specialise(genesis *core.Genesis) error {
	var l1 l1Contracts
	if err := readJSON(vectors+"/l1-contracts.json", &l1); err != nil {
		return err
	}
	holder, err := feeHolderCode()
	if err != nil {
		return err
	}
	baseID, id := genesis.Config.ChainID, big.NewInt(l2ChainID)

	patch := patcher{alloc: genesis.Alloc}
	patch.slot(predeploy(0x07), 0xcf, addressWord(l1.L1CrossDomainMessenger)) // L2CrossDomainMessenger.otherMessenger
	patch.slot(predeploy(0x10), 4, addressWord(l1.L1StandardBridge))          // L2StandardBridge.otherBridge
	patch.slot(predeploy(0x14), 2, addressWord(l1.L1ERC721Bridge))            // L2ERC721Bridge.otherBridge
	patch.slot(predeploy(0x18), 0, addressWord(governor))                     // ProxyAdmin.owner
	patch.slot(implementation(0x18), 0, addressWord(governor))
	// RECIPIENT of SequencerFeeVault, BaseFeeVault and L1FeeVault; OperatorFeeVault pays to BaseFeeVault.
	patch.code(implementation(0x11), common.FromHex("c08ab32d88205f5ee72de0629a41ca0282c7fb82"), feeRecipient[:], 6)
	patch.code(implementation(0x19), common.FromHex("9dd4901d2d82e9a6fdc4342c55f715362c08d8f4"), feeRecipient[:], 6)
	patch.code(implementation(0x1a), common.FromHex("d4ed1bb68d2a40673a12592fe97b6d52b53835a2"), feeRecipient[:], 6)
	// OptimismMintableERC721Factory.REMOTE_CHAIN_ID: the base chain's L1 is Sepolia.
	patch.code(implementation(0x17), numberWord(big.NewInt(11155111)), numberWord(big.NewInt(l1ChainID)), 3)
	// Permit2 caches chain id and EIP-712 domain.
	patch.code(permit2, numberWord(baseID), numberWord(id), 1)
	patch.code(permit2, permit2Domain(baseID), permit2Domain(id), 1)
	patch.dropUnusedProxies(0x40, 0x800)
	patch.proxy(feeRecipient, feeHolder, governor)
	patch.create(feeHolder, types.Account{Code: holder, Nonce: 1, Balance: new(big.Int)})
	for _, account := range devAccounts {
		patch.create(common.HexToAddress(account), types.Account{Balance: devBalance})
	}

	zero := uint64(0)
	genesis.Config.ChainID = id
	genesis.Config.JovianTime = &zero
	genesis.Config.Optimism.EIP1559Elasticity = elasticity
	genesis.Config.Optimism.EIP1559Denominator = denominator
	canyon := uint64(denominator)
	genesis.Config.Optimism.EIP1559DenominatorCanyon = &canyon
	genesis.Timestamp = timestamp
	genesis.GasLimit = gasLimit
	genesis.ExtraData = eip1559.EncodeJovianExtraData(denominator, elasticity, minBaseFee)
	return patch.err
}

// feeHolderCode is the runtime code that forge compiled.
func feeHolderCode() ([]byte, error) {
	var artifact struct {
		DeployedBytecode struct {
			Object hexutil.Bytes `json:"object"`
		} `json:"deployedBytecode"`
	}
	err := readJSON("../../contracts/out/FeeHolder.sol/FeeHolder.json", &artifact)
	return artifact.DeployedBytecode.Object, err
}
