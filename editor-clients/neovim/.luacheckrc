-- Neovim runs LuaJIT and gives one global, `vim`.
std = "luajit"
read_globals = { "vim" }
globals = { "vim.g", "vim.b", "vim.w", "vim.o", "vim.bo", "vim.wo", "vim.opt", "vim.opt_local", "vim.env", "vim.v" }
max_line_length = 120
files["lua/cmt/requests.lua"] = { max_line_length = false } -- generated, a request to a line
max_cyclomatic_complexity = 10
self = false -- a method need not use its object
cache = false
