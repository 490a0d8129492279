--- What would be sent, block by block, with its price; nothing leaves.

local chats = require("cmt.chat")
local client = require("cmt.client")
local exchange = require("cmt.exchange")
local figures = require("cmt.figures")
local float = require("cmt.float")

local M = {}

---@param block cmt.wire.PreviewBlock
---@return string
local function line(block)
  local cache = block.cache == "none" and "" or block.cache == "read" and " · from the cache" or " · into the cache"
  local cut = block.cutLines and (" · %d lines left out"):format(block.cutLines) or ""
  return ("%-11s %7s  %s%s%s"):format(block.kind, figures.tokens(block.tokens), block.origin, cache, cut)
end

---@param found cmt.wire.PreviewResult
---@return string[]
local function lines(found)
  local cost = found.prediction.cost
  local shown = vim.tbl_map(line, found.blocks)
  vim.list_extend(shown, {
    "",
    ("%s%s tokens to %s, cache %s"):format(
      found.exact and "" or "about ",
      figures.tokens(found.tokens),
      figures.model(found.model),
      found.prediction.cacheState
    ),
    "expected cost " .. cost.display,
  })
  return vim.list_extend(shown, found.notices or {})
end

--- `:Cmt preview [question]`: for the question given, else the one in the prompt.
---@param call cmt.Call
function M.command(call)
  local chat = chats.current() or chats.new()
  local asked = chat.prompt:question(call.args ~= "" and call.args or chat.prompt:text())
  local params = exchange.params(asked, chat.session and chat.session.id)
  client.ask("cmt/preview", params, function(found)
    float.show("Preview: nothing was sent", lines(found))
  end)
end

return M
