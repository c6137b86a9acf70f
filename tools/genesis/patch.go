package main

import (
	"bytes"
	"fmt"
	"math/big"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
)

var (
	permit2 = common.HexToAddress("0x000000000022D473030F116dDEE9F6B43aC78BA3")
	// ERC-1967 slots.
	implementationSlot = common.HexToHash("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc")
	adminSlot          = common.HexToHash("0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103")
)

// predeploy is the address 0x42...n.
func predeploy(n byte) common.Address {
	address := common.HexToAddress("0x4200000000000000000000000000000000000000")
	address[19] = n
	return address
}

// implementation is the address of the predeploy's code behind its proxy, 0xc0d3...n.
func implementation(n byte) common.Address {
	address := common.HexToAddress("0xc0d3c0d3c0d3c0d3c0d3c0d3c0d3c0d3c0d30000")
	address[19] = n
	return address
}

func addressWord(address common.Address) common.Hash { return common.BytesToHash(address[:]) }

func numberWord(n *big.Int) []byte { return common.BigToHash(n).Bytes() }

// permit2Domain is the EIP-712 domain separator that Permit2 caches for a chain.
func permit2Domain(chainID *big.Int) []byte {
	return crypto.Keccak256(
		crypto.Keccak256([]byte("EIP712Domain(string name,uint256 chainId,address verifyingContract)")),
		crypto.Keccak256([]byte("Permit2")), numberWord(chainID), addressWord(permit2).Bytes(),
	)
}

// patcher changes accounts; the first change that does not find what it expects is the error of all.
type patcher struct {
	alloc types.GenesisAlloc
	err   error
}

func (p *patcher) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// slot sets a storage slot that the base chain initialised.
func (p *patcher) slot(address common.Address, slot int64, value common.Hash) {
	key := common.BigToHash(big.NewInt(slot))
	if _, ok := p.alloc[address].Storage[key]; !ok {
		p.fail("%s has no slot %d", address, slot)
		return
	}
	p.alloc[address].Storage[key] = value
}

// code replaces bytes (an immutable) that occur exactly count times.
func (p *patcher) code(address common.Address, old, new []byte, count int) {
	account := p.alloc[address]
	if found := bytes.Count(account.Code, old); found != count || len(old) != len(new) {
		p.fail("%x occurs %d times in the code of %s, not %d", old, found, address, count)
		return
	}
	account.Code = bytes.ReplaceAll(account.Code, old, new)
	p.alloc[address] = account
}

// create adds an account that does not exist.
func (p *patcher) create(address common.Address, account types.Account) {
	if _, exists := p.alloc[address]; exists {
		p.fail("%s exists already", address)
		return
	}
	p.alloc[address] = account
}

// proxy adds a proxy with the code of the predeploys' proxies.
func (p *patcher) proxy(address, target, admin common.Address) {
	code := p.alloc[predeploy(0x07)].Code
	if len(code) == 0 || !bytes.Equal(code, p.alloc[predeploy(0x10)].Code) {
		p.fail("the predeploys have no common proxy code")
		return
	}
	p.create(address, types.Account{Code: code, Nonce: 1, Balance: new(big.Int), Storage: map[common.Hash]common.Hash{
		implementationSlot: addressWord(target), adminSlot: addressWord(admin),
	}})
}

// dropUnusedProxies removes the proxies 0x42...from to 0x42...to (exclusive), which are reserved and point nowhere.
func (p *patcher) dropUnusedProxies(from, to int64) {
	base := predeploy(0).Big()
	for n := from; n < to; n++ {
		address := common.BigToAddress(new(big.Int).Add(base, big.NewInt(n)))
		account, exists := p.alloc[address]
		if _, used := account.Storage[implementationSlot]; exists && !used {
			delete(p.alloc, address)
		}
	}
}
