--- What other configuration may call: the state for a status line, and `setup` for who expects one.

local M = {}

--- Set the options. Not needed: `vim.g.cmt` does the same.
---@param options? cmt.UserConfig
function M.setup(options)
  vim.g.cmt = options or {}
end

--- Everything that is known of the window; reads memory only.
---@return cmt.StatusStruct
function M.status()
  return require("cmt.status").get()
end

--- A text for 'statusline' that fits into so many columns; without them those of the current window.
---@param columns? integer
---@return string
function M.statusline(columns)
  return require("cmt.status").line(columns)
end

--- Ask in the current chat, as `:Cmt ask` does.
---@param text string
function M.ask(text)
  require("cmt.asking").ask({ text = text })
end

--- Stop what runs.
function M.stop()
  require("cmt.service").stop()
end

return M
