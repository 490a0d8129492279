-- Sets up the chat plugin whose folders CMT_BENCH_RIVAL names, for an endpoint on this machine alone.

local url, key, model = ...
vim.opt.runtimepath:append(vim.split(vim.env.CMT_BENCH_RIVAL, ":"))
local adapter = {
  url = url .. "/v1/messages",
  env = { api_key = function() return key end },
  schema = {
    model = { default = model, choices = { [model] = { opts = { has_vision = false } } } },
    extended_thinking = { default = false },
  },
}
require("codecompanion").setup({
  adapters = {
    http = {
      anthropic = function()
        return require("codecompanion.adapters").extend("anthropic", adapter)
      end,
    },
  },
  interactions = { chat = { adapter = "anthropic" } },
})
vim.cmd("runtime plugin/codecompanion.lua")
vim.o.splitright = true
vim.cmd("CodeCompanionChat")
