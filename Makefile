# Habits: make devnet | test | lint | bench | sim | mutations | fuzz | interop | docs. Needs Rust, Node and Go; everything else is installed here.

CARGO   := cargo
RELEASE := --release --locked
FORGE   := ../node_modules/@foundry-rs/forge-linux-amd64/bin/forge
STOCK   := op-node op-batcher op-program geth preimages

.PHONY: devnet test lint bench bench-sockets sim mutations fuzz docs rota wan tools interop clients contracts contracts-record genesis peers

# A running chain: four operators on an L1 with the OP contracts. Ctrl-C stops it.
devnet: tools rota
	target/release/rota devnet up

# Everything that must hold, in one profile: one build makes the binary and every test.
test: tools clients contracts
	$(CARGO) build $(RELEASE) --workspace --all-targets
	$(CARGO) test $(RELEASE) --workspace --no-fail-fast
	$(CARGO) test $(RELEASE) --manifest-path bench/wan/Cargo.toml
	node --test --test-reporter=tap tools/observer/*.test.mjs bench/peers/*.test.mjs bench/pictures/*.test.mjs tools/mutations/*.test.mjs
	node --test --test-concurrency=1 --test-reporter=tap e2e/*.test.mjs

lint: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) fmt --manifest-path bench/wan/Cargo.toml --check
	$(CARGO) clippy --locked --manifest-path bench/wan/Cargo.toml --all-targets -- -D warnings
	cd contracts && $(FORGE) fmt --check
	cd tools/genesis && test -z "$$(gofmt -l .)" && go vet .
	cd interop && test -z "$$(gofmt -l .)" && go vet ./...

bench: tools rota clients
	target/release/rota bench all --samples

# Real operators on maps of the world, beside the simulator. Needs root: a network namespace for each operator.
bench-sockets: tools rota wan
	target/release/rota bench floor --sockets
	target/release/rota bench takeover --sockets --samples

# The peers beside which the numbers are published (bench/README.md): installed, measured, published.
peers: tools rota
	bench/peers/install.sh
	for name in takeover badleader throughput floor; do node bench/peers/bench.mjs $$name && node bench/peers/bench.mjs $$name --publish || exit 1; done

# The whole node on a deterministic runtime.
sim:
	$(CARGO) test $(RELEASE) --workspace --test scenarios

# Every guard that scenarios and invariants watch, taken away once: they must notice. Built beside the rest, in
# target/mutations: ten minutes on two cores, and as long again for the runs.
mutations:
	node tools/mutations/run.mjs --publish

# Every decoder and the flashblock verifier under attack: FUZZ_SECONDS each, from another seed every time. Inputs of a
# new class are kept in fuzz/corpus.
FUZZ_SECONDS := 60
fuzz:
	$(CARGO) build $(RELEASE) --workspace --bin rota-fuzz
	target/release/rota-fuzz all $(FUZZ_SECONDS) $$(date +%s)

docs:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps

rota:
	$(CARGO) build $(RELEASE) --workspace --bin rota

# The network between the hosts of a map.
wan:
	$(CARGO) build $(RELEASE) --manifest-path bench/wan/Cargo.toml

# anvil, forge, cast, solc, the OP contracts, viem, ethers: pinned in package-lock.json. The Foundry packages there are
# linux-amd64's; on another platform `make devnet` takes anvil from the PATH.
tools: node_modules/.package-lock.json
node_modules/.package-lock.json: package.json package-lock.json
	npm ci
	@touch $@

# The stock clients judge a chain that changes hands. `make test` has it among its end-to-end tests.
interop: tools rota clients
	node --test --test-reporter=tap e2e/interop.test.mjs

# The stock clients that tests and benchmarks run beside a devnet: pinned in interop/go.mod.
clients: $(STOCK:%=interop/bin/%)
interop/bin/%: interop/go.mod interop/go.sum
	cd interop && go build -o bin/$* $(PACKAGE)
interop/bin/op-node:    PACKAGE := github.com/ethereum-optimism/optimism/op-node/cmd
interop/bin/op-batcher: PACKAGE := github.com/ethereum-optimism/optimism/op-batcher/cmd
interop/bin/op-program: PACKAGE := github.com/ethereum-optimism/optimism/op-program/host/cmd
interop/bin/geth:       PACKAGE := github.com/ethereum/go-ethereum/cmd/geth
interop/bin/preimages:  PACKAGE := ./preimages
interop/bin/preimages:  interop/preimages/main.go

contracts: tools
	cd contracts && $(FORGE) test --offline
	node tools/contracts/record.mjs --check

# Records the bytecode that `rota deploy` carries.
contracts-record: tools
	cd contracts && $(FORGE) build --offline
	node tools/contracts/record.mjs

# Regenerates the recorded genesis files (docs/adr/004-genesis-and-capacity.md); nothing else needs it.
genesis: tools
	cd contracts && $(FORGE) build --offline
	node tools/genesis/l1.mjs
	cd tools/genesis && go run . genesis && go run . upgrades
