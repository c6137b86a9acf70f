// Command preimages gives op-program the L1 transactions that anvil's headers commit to and no client can fetch.
//
// anvil computes the transactionsRoot of a block with blobs over transactions that still carry their blobs. op-program
// reads transactions by that root and, from the JSON of the RPC, only knows those without. This stores the others, as
// eth_getRawTransactionByHash has them, where op-program looks first: in its data directory. The root is checked.
//
//	preimages L1-URL DATA-DIR FIRST-BLOCK LAST-BLOCK
package main

import (
	"fmt"
	"os"
	"strconv"

	preimage "github.com/ethereum-optimism/optimism/op-preimage"
	"github.com/ethereum-optimism/optimism/op-program/client/mpt"
	"github.com/ethereum-optimism/optimism/op-program/host/kvstore"
	hosttypes "github.com/ethereum-optimism/optimism/op-program/host/types"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/core/types"
	"github.com/ethereum/go-ethereum/crypto"
	"github.com/ethereum/go-ethereum/log"
	"github.com/ethereum/go-ethereum/rpc"
)

type block struct {
	TransactionsRoot common.Hash `json:"transactionsRoot"`
	Transactions     []struct {
		Hash common.Hash    `json:"hash"`
		Type hexutil.Uint64 `json:"type"`
	} `json:"transactions"`
}

func (b *block) hasBlobs() bool {
	for _, tx := range b.Transactions {
		if tx.Type == types.BlobTxType {
			return true
		}
	}
	return false
}

// store puts the nodes of a block's transactions trie into kv.
func store(l1 *rpc.Client, kv kvstore.KV, b *block) error {
	values := make([]hexutil.Bytes, len(b.Transactions))
	for i, tx := range b.Transactions {
		if err := l1.Call(&values[i], "eth_getRawTransactionByHash", tx.Hash); err != nil {
			return err
		}
	}
	root, nodes := mpt.WriteTrie(values)
	if root != b.TransactionsRoot {
		return fmt.Errorf("transactions root is %s, the header's %s", root, b.TransactionsRoot)
	}
	for _, node := range nodes {
		if err := kv.Put(preimage.Keccak256Key(crypto.Keccak256Hash(node)).PreimageKey(), node); err != nil {
			return err
		}
	}
	return nil
}

func run(url, dir string, first, last uint64) (err error) {
	l1, err := rpc.Dial(url)
	if err != nil {
		return err
	}
	defer l1.Close()
	kv, err := kvstore.NewDiskKV(log.Root(), dir, hosttypes.DataFormatPebble)
	if err != nil {
		return err
	}
	defer func() {
		if closing := kv.Close(); err == nil {
			err = closing
		}
	}()
	stored := 0
	for number := first; number <= last; number++ {
		var b *block
		if err := l1.Call(&b, "eth_getBlockByNumber", hexutil.Uint64(number), true); err != nil {
			return err
		}
		if b == nil {
			return fmt.Errorf("L1 has no block %d", number)
		}
		if !b.hasBlobs() {
			continue
		}
		if err := store(l1, kv, b); err != nil {
			return fmt.Errorf("L1 block %d: %w", number, err)
		}
		stored++
	}
	fmt.Println(stored)
	return nil
}

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, "usage: preimages L1-URL DATA-DIR FIRST-BLOCK LAST-BLOCK")
		os.Exit(2)
	}
	first, wrong := strconv.ParseUint(os.Args[3], 10, 64)
	last, alsoWrong := strconv.ParseUint(os.Args[4], 10, 64)
	if wrong != nil || alsoWrong != nil {
		fmt.Fprintln(os.Stderr, "blocks must be numbers")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2], first, last); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
