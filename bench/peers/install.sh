#!/usr/bin/env bash
# Installs the peers, from package registries only, below bench/peers/.work: ./install.sh [etcd] [conductor] [wan] [alto]
# Without arguments all but alto, whose build takes a long time. What is there already stays.
set -euo pipefail
cd "$(dirname "$0")"
work=$PWD/.work
bin=$work/bin
mkdir -p "$bin" "$work/download"

# Debian's package, unpacked without being installed.
etcd_version=3.4.23-4+b4
etcd_sha256=3a9445d4560ad6de1c375756b2a17d97713df44cbd20a658c871fe108af7ef5d
etcd() {
  local package=etcd-server_${etcd_version}_amd64.deb
  if [ ! -x "$bin/etcd" ]; then
    # apt needs package lists; they may be missing or old.
    (cd "$work/download" && apt-get download -qq "etcd-server=$etcd_version" ||
      { apt-get update -qq && apt-get download -qq "etcd-server=$etcd_version"; })
    echo "$etcd_sha256  $work/download/$package" | sha256sum --check --quiet
    dpkg -x "$work/download/$package" "$work/etcd"
    ln -sf ../etcd/usr/bin/etcd "$bin/etcd"
  fi
  "$bin/etcd" --version | head -1
}

# op-node, op-geth and op-conductor: Go modules pinned, with their checksums, in interop/go.mod and go.sum.
conductor() {
  local module=../../interop name package
  while read -r name package; do
    if [ ! -x "$bin/$name" ] || [ "$module/go.mod" -nt "$bin/$name" ]; then
      (cd "$module" && go build -mod=readonly -o "$bin/$name" "$package")
    fi
  done <<'END'
op-node github.com/ethereum-optimism/optimism/op-node/cmd
op-conductor github.com/ethereum-optimism/optimism/op-conductor/cmd
geth github.com/ethereum/go-ethereum/cmd/geth
END
  (cd "$module" && go list -m -f '{{.Path}} {{with .Replace}}{{.Path}} {{.Version}}{{else}}{{.Version}}{{end}}' \
    github.com/ethereum-optimism/optimism github.com/ethereum/go-ethereum)
}

# Ours: the network between the regions of a map.
wan() {
  cargo build --quiet --release --locked --manifest-path ../wan/Cargo.toml
  ln -sf ../../../wan/target/release/rota-wan "$bin/rota-wan"
}

# alto, a chain on the same consensus library: its validator and the program that makes a set's configuration. The
# lock files are the packages' own.
alto_version=2026.9.1
alto() {
  local package
  for package in alto-validator alto-deploy; do
    cargo install --quiet --locked --root "$work/alto" --target-dir "$work/alto/target" "$package" --version "=$alto_version"
  done
  ln -sf ../alto/bin/validator "$bin/alto-validator"
  ln -sf ../alto/bin/deploy "$bin/alto-deploy"
}

[ $# -gt 0 ] || set -- etcd conductor wan
for peer in "$@"; do
  case $peer in
    etcd | conductor | wan | alto) "$peer" ;;
    *) echo "no peer is called $peer: etcd, conductor, wan, alto" >&2 && exit 2 ;;
  esac
done
