#!/usr/bin/env bash
# Checks the extension: types, unit tests, the panel alone in a browser, then the package in a real workbench.
# Needs `npm ci` here, Chromium, and a Python that has the server: CMT_TEST_PYTHON, else the checkout's own .venv.
set -euo pipefail
cd "$(dirname "$0")"

test/bed/install.sh
npm run --silent types
npm test --silent
npm run --silent test:panel
npm run --silent e2e
echo "VS Code client: types, unit tests, panel and workbench are right"
