--- What goes along with every question of a session: files as they are at that moment, and code as it was.

local asking = require("cmt.asking")
local chats = require("cmt.chat")
local client = require("cmt.client")
local documents = require("cmt.documents")
local notice = require("cmt.notice")
local picker = require("cmt.picker")
local selection = require("cmt.selection")

local M = {}

---@param item cmt.wire.PinnedItem|cmt.wire.ContextItem
---@return string
local function title(item)
  return item.title or selection.title(item)
end

---@param chat cmt.Chat
---@param changes { pin?: cmt.wire.ContextItem[], unpin?: string[] }
---@param said string
local function update(chat, changes, said)
  local params = vim.tbl_extend("force", { sessionId = chat.session.id }, changes)
  client.ask("cmt/session/update", params, function(session)
    chat:show_session(session)
    notice.say(table.concat(vim.list_extend({ said }, notice.present(session.notices) or {}), " "))
  end)
end

--- The file of this buffer, or the code of a range.
---@param call cmt.Call
---@return cmt.wire.ContextItem?
local function item_of(call)
  local name = vim.api.nvim_buf_get_name(0)
  if call.range == 0 and vim.bo.buftype == "" and name ~= "" then
    documents.attach(vim.api.nvim_get_current_buf())
    return { kind = "file", uri = vim.uri_from_bufnr(0) }
  end
  return (asking.item(call))
end

--- `:[range]Cmt pin`: let the buffer's file, or the range, go along with every question of the chat.
---@param call cmt.Call
function M.pin(call)
  local item = item_of(call)
  if not item then
    return
  end
  local chat = chats.current() or chats.new()
  local said = ("%s goes along with every question of this chat."):format(selection.title(item))
  if chat.session then
    return update(chat, { pin = { item } }, said)
  end
  chat.wanted.pinned = vim.list_extend(chat.wanted.pinned or {}, { item })
  chat:bar()
  notice.say(said)
end

---@param chat cmt.Chat
---@param item cmt.wire.PinnedItem|cmt.wire.ContextItem
local function remove(chat, item)
  local said = ("%s goes along no more."):format(title(item))
  if chat.session then
    return update(chat, { unpin = { item.id } }, said)
  end
  chat.wanted.pinned = vim.tbl_filter(function(other)
    return other ~= item
  end, chat.wanted.pinned)
  chat:bar()
  notice.say(said)
end

---@param item cmt.wire.PinnedItem|cmt.wire.ContextItem
---@return string
local function line(item)
  local parts = { title(item) }
  parts[#parts + 1] = item.tokens and ("%d tokens"):format(item.tokens)
  parts[#parts + 1] = item.state ~= "fresh" and item.state or nil
  return table.concat(parts, " · ")
end

--- `:Cmt unpin [title]`: let it go along no more; without a title choose one.
---@param call cmt.Call
function M.unpin(call)
  local chat = chats.current()
  local pinned = chat and chat:pinned() or {}
  if not chat or #pinned == 0 then
    return notice.say("Nothing is pinned here: :Cmt pin in a buffer of code lets it go along with every question.")
  end
  if call.args == "" then
    return picker.pick(pinned, { prompt = "Unpin", format_item = line }, function(item)
      if item then
        remove(chat, item)
      end
    end)
  end
  for _, item in ipairs(pinned) do
    if title(item) == call.args then
      return remove(chat, item)
    end
  end
  notice.fail(("`%s` is not pinned: :Cmt unpin lists what is."):format(call.args))
end

--- The titles of what is pinned, for completion.
---@return string[]
function M.titles()
  local chat = chats.current()
  return chat and vim.tbl_map(title, chat:pinned()) or {}
end

return M
