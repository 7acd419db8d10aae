#!/usr/bin/env bash
# Builds the server of the comparison (Cargo.toml describes it) and prints its path.
# Usage: build.sh [TARGET_DIR]   default: build/reference-server in the source tree
set -euo pipefail

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
target_dir="${1:-$here/../../build/reference-server}"
if ! command -v cargo >/dev/null; then
  echo "build.sh: needs cargo, Rust's build tool, on the PATH" >&2
  exit 1
fi
cargo build --release --locked --manifest-path "$here/Cargo.toml" --target-dir "$target_dir" >&2
echo "$(cd "$target_dir" && pwd)/release/tcsync-reference-server"
