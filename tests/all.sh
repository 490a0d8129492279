#!/usr/bin/env bash
# Every test there is, from a fresh checkout: the server and its terminal client, Neovim, Emacs and Helix by pytest, then
# VS Code in a browser. What it installs stays below this checkout; the README names what the system must have.
set -euo pipefail
cd "$(dirname "$0")/.."

python3 -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check -e '.[test]'
for folder in tests/mock editor-clients/tools editor-clients/vscode; do
  npm ci --no-audit --no-fund --loglevel=error --prefix "$folder"
done
tests/editors/install.sh

.venv/bin/pytest -n auto --dist loadfile
editor-clients/vscode/check.sh
