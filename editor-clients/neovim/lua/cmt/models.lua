--- Models: which there are, what they cost, and what a change in the middle of a session costs.

local chats = require("cmt.chat")
local client = require("cmt.client")
local figures = require("cmt.figures")
local notice = require("cmt.notice")
local picker = require("cmt.picker")

local M = {}

---@type string[] ids of the last list, for completion
local known = {}

---@param nano_per_token integer
---@return string
local function per_million(nano_per_token)
  return ("$%g"):format(nano_per_token / 1000)
end

---@param model cmt.wire.Model
---@return string
local function line(model)
  local price = model.prices[1]
  local parts = { model.displayName }
  parts[#parts + 1] = price
      and ("in %s, out %s per million"):format(per_million(price.input), per_million(price.output))
    or "price unknown"
  if model.lifecycle ~= "active" then
    parts[#parts + 1] = model.lifecycle
  end
  local change = notice.present(model.switch)
  if change and change.note ~= "" then
    parts[#parts + 1] = change.note
  end
  return table.concat(parts, " · ")
end

---@param chat cmt.Chat
---@param id string
local function choose(chat, id)
  if not chat.session then
    chat.wanted.model = id
    chat:bar()
    return notice.say(("The next question goes to %s."):format(figures.model(id)))
  end
  client.ask("cmt/session/update", { sessionId = chat.session.id, model = id }, function(session)
    chat:show_session(session)
    local told = notice.present(session.notices) or {}
    notice.say(table.concat(vim.list_extend({ ("The session goes on with %s."):format(figures.model(id)) }, told), " "))
  end)
end

--- `:Cmt model [name]`: pick one, each with its price and what changing to it costs here.
---@param call cmt.Call
function M.command(call)
  local chat = chats.current() or chats.new()
  if call.args ~= "" then
    return choose(chat, call.args)
  end
  local params = { sessionId = chat.session and chat.session.id or nil }
  client.ask("cmt/models", params, function(found)
    known = vim.tbl_map(function(model)
      return model.id
    end, found.models)
    local offered = vim.tbl_filter(function(model)
      return model.lifecycle ~= "retired"
    end, found.models)
    picker.pick(offered, { prompt = "Model", format_item = line }, function(model)
      if model then
        choose(chat, model.id)
      end
    end)
  end)
end

--- The ids for completion: those of the last list; the first time they are asked for, with a short wait.
---@return string[]
function M.names()
  if #known == 0 and client.get() then
    local running = client.get() --[[@as vim.lsp.Client]]
    local method = "cmt/models" ---@type any Neovim's types name LSP's own methods only
    local reply = running:request_sync(method, vim.empty_dict(), 300)
    if reply and reply.result then
      known = vim.tbl_map(function(model)
        return model.id
      end, reply.result.models)
    end
  end
  return known
end

return M
