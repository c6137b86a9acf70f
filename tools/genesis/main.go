// Command genesis records Rota's L2 genesis at Jovian and the transactions that activate Jovian on a running chain.
//
// Nothing is assembled by hand: the accounts are those of a chain in the superchain registry (its copy inside op-geth)
// that was born with every fork up to Isthmus; chain-specific values are patched, and the Jovian upgrade deposits, as
// op-node makes them, are executed in op-geth's EVM. Every step stops unless it finds exactly what it expects.
//
//	go run . genesis      writes vectors/genesis-jovian.json and vectors/genesis-jovian.meta.json
//	go run . upgrades     writes vectors/upgrade-txs.json
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

const vectors = "../../vectors"

func main() {
	commands := map[string]func() error{"genesis": writeGenesis, "upgrades": writeUpgrades}
	if len(os.Args) != 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: genesis genesis|upgrades (in tools/genesis)")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// readJSON parses a file.
func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// writeJSON writes a vector and returns its bytes.
func writeJSON(name string, value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return out.Bytes(), os.WriteFile(filepath.Join(vectors, name), out.Bytes(), 0o644)
}
