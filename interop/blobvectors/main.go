// Command blobvectors writes vectors/batch/blob.json: blobs as op-node writes and reads them, with their versioned hashes.
//
//	cd interop && go run ./blobvectors > ../vectors/batch/blob.json
package main

import (
	"encoding/binary"
	"encoding/json"
	"math/rand"
	"os"

	"github.com/ethereum-optimism/optimism/op-service/eth"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// data is the first length bytes of keccak256(seed, 0), keccak256(seed, 1), ... with 8-byte big-endian counters.
type encoded struct {
	Seed          byte        `json:"seed"`
	Length        int         `json:"length"`
	BlobKeccak    common.Hash `json:"blobKeccak"`
	VersionedHash common.Hash `json:"versionedHash"`
}

// changed is the blob of some data with bytes set; dataKeccak is null if it has no data.
type changed struct {
	Seed       byte         `json:"seed"`
	Length     int          `json:"length"`
	Set        []change     `json:"set"`
	DataKeccak *common.Hash `json:"dataKeccak"`
}

type change struct {
	At    int           `json:"at"`
	Bytes hexutil.Bytes `json:"bytes"`
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func data(seed byte, length int) []byte {
	var out []byte
	for counter := uint64(0); len(out) < length; counter++ {
		out = append(out, crypto.Keccak256([]byte{seed}, binary.BigEndian.AppendUint64(nil, counter))...)
	}
	return out[:length]
}

func blob(seed byte, length int) *eth.Blob {
	var b eth.Blob
	if err := b.FromData(data(seed, length)); err != nil {
		panic(err)
	}
	return &b
}

func encode(seed byte, length int) encoded {
	b := blob(seed, length)
	hash := eth.KZGToVersionedHash(must(b.ComputeKZGCommitment()))
	return encoded{seed, length, crypto.Keccak256Hash(b[:]), hash}
}

func decode(seed byte, length int, set ...change) changed {
	b := blob(seed, length)
	for _, c := range set {
		copy(b[c.At:], c.Bytes)
	}
	out := changed{seed, length, append([]change{}, set...), nil}
	if got, err := b.ToData(); err == nil {
		hash := crypto.Keccak256Hash(got)
		out.DataKeccak = &hash
	}
	return out
}

func main() {
	var out struct {
		Encoded []encoded `json:"encoded"`
		Changed []changed `json:"changed"`
	}
	for i, length := range []int{0, 1, 26, 27, 28, 31, 58, 59, 123, 124, 127, 250, 1000, 65536, eth.MaxBlobDataSize - 1, eth.MaxBlobDataSize} {
		out.Encoded = append(out.Encoded, encode(byte(i), length))
	}
	set := func(at int, bytes ...byte) change { return change{at, bytes} }
	full := eth.MaxBlobDataSize
	out.Changed = []changed{
		decode(1, 100),
		decode(1, 100, set(1, 1)),
		decode(1, 100, set(2, 0x01, 0xfb, 0xfc)),
		decode(1, 100, set(2, 0x01, 0xfb, 0xfd)),
		decode(1, 100, set(2, 0xff, 0xff, 0xff)),
		decode(1, 100, set(2, 0, 0, 99)),
		decode(1, 100, set(2, 0, 0, 101)),
		decode(1, 100, set(eth.BlobSize-1, 1)),
		decode(1, 100, set(128, 1)),
		decode(1, 100, set(128, 0x40)),
		decode(1, 0, set(0, 0x40)),
		decode(1, 0, set(0, 0x3f)),
		decode(1, 0, set(0, 0xc0)),
		decode(1, 0, set(5, 1)),
		decode(1, 0, set(32, 0x40)),
		decode(1, full, set(0, 0x7f)),
		decode(1, full, set(32, 0x80)),
		decode(1, full, set(eth.BlobSize-32, 0x40)),
		decode(1, full, set(eth.BlobSize-1, 0)),
		decode(1, full, set(2, 0x01, 0xfb, 0xfb)),
	}
	random := rand.New(rand.NewSource(4844))
	for i := 0; i < 100; i++ {
		length := random.Intn(400)
		var changes []change
		for n := random.Intn(3); n >= 0; n-- {
			at := random.Intn(600)
			if random.Intn(3) == 0 {
				at -= at % 32
			}
			changes = append(changes, set(at, byte(random.Intn(256))>>random.Intn(5)))
		}
		out.Changed = append(out.Changed, decode(byte(i), length, changes...))
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetIndent("", " ")
	if err := enc.Encode(out); err != nil {
		panic(err)
	}
}
