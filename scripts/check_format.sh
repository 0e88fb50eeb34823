#!/usr/bin/env bash
# Fails when a C++ source is not as .clang-format says. scripts/lint.sh --fix formats.
set -euo pipefail
cd "$(dirname "$0")/.."
find src test bench -name '*.[ch]pp' -print0 | xargs -0 clang-format --dry-run -Werror
