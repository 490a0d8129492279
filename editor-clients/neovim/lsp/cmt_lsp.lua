-- The server, for vim.lsp.config: override any of it with vim.lsp.config("cmt_lsp", { ... }).

-- An editor that leaves in the middle of an answer must not leave a server behind that goes on paying: it is
-- killed when it has not gone by itself after this time.
local EXIT_MS = 1500

---@type vim.lsp.Config
local config = {
  cmd = { "cmt-lsp", "--stdio" },
  root_dir = function(_, on_dir)
    on_dir(vim.fn.getcwd())
  end,
  -- One process for the editor, whatever is open: sessions and budgets are those of the window.
  reuse_client = function(client, wanted)
    return client.name == wanted.name and not client:is_stopped()
  end,
  capabilities = { experimental = { cmt = { status = true, turn = true } } },
  -- So that a server which vim.lsp.enable started serves the chat as well.
  on_init = function(client)
    require("cmt.client").adopt(client)
  end,
  on_exit = function(...)
    require("cmt.client").exited(...)
  end,
}

if vim.fn.has("nvim-0.12") == 1 then
  config.exit_timeout = EXIT_MS
else
  config.flags = { exit_timeout = EXIT_MS }
end

return config
