--- `:Cmt ask` and what else begins with code: a question or an attachment from the buffer the person is in.

local chats = require("cmt.chat")
local client = require("cmt.client")
local documents = require("cmt.documents")
local exchange = require("cmt.exchange")
local notice = require("cmt.notice")
local origin = require("cmt.origin")
local selection = require("cmt.selection")

local M = {}

---@class (exact) cmt.Call: cmt.RangeCall a call of :Cmt
---@field args string what follows the subcommand
---@field bang boolean
---@field mods string

--- The chat to ask in: the current one, else a new one.
---@return cmt.Chat
local function chat_for()
  return chats.current() or chats.new()
end

---@return "utf-8"|"utf-16"|"utf-32"?
local function encoding()
  local running = client.start()
  return running and running.offset_encoding
end

--- The item of a call's range, and its place; without a range, in a buffer that has a name, the cursor's line. The
--- server follows the buffer from now on.
---@param call cmt.Call
---@return cmt.wire.SelectionItem?
---@return cmt.Origin?
local function item_of(call)
  local counted, buf = encoding(), vim.api.nvim_get_current_buf()
  if not counted or chats.of_buffer(buf) then
    return nil, nil
  end
  local item, span ---@type cmt.wire.SelectionItem?, cmt.Span?
  if call.range > 0 then
    item, span = selection.of(call, counted)
  elseif vim.bo[buf].buftype == "" and vim.api.nvim_buf_get_name(buf) ~= "" then
    item, span = selection.cursor(counted)
  end
  if not (item and span) then
    return nil, nil
  end
  documents.attach(buf)
  return item, origin.of(buf, item, span)
end

--- `:[range]Cmt ask[!] {text}`: ask about the range, or the cursor's line. With `!` no window opens.
---@param call cmt.Call
function M.command(call)
  local item, from = item_of(call)
  local chat = chat_for()
  if vim.trim(call.args) == "" then
    if item and call.range > 0 then
      chat.prompt:attach(item, M.label(item), from)
    end
    chat:open(call.mods)
    return vim.cmd.startinsert()
  end
  local back = vim.api.nvim_get_current_win()
  if not call.bang then
    chat:open(call.mods)
    vim.api.nvim_set_current_win(back)
  end
  local waiting = chat.prompt:question(call.args)
  local asked = vim.tbl_extend("force", waiting, {
    context = vim.list_extend(vim.list_slice(waiting.context), { item }),
    origins = vim.list_extend(vim.list_slice(waiting.origins), { from }),
  })
  if exchange.ask(chat, asked) then
    chat.prompt:detach()
  end
end

---@param item cmt.wire.SelectionItem
---@return string
function M.label(item)
  local lines = item.range["end"].line - item.range.start.line + 1
  return ("%s · %d line%s"):format(selection.title(item), lines, lines == 1 and "" or "s")
end

--- The item of a range, else of the whole buffer; says so where there is none.
---@param call cmt.Call
---@return cmt.wire.SelectionItem?
---@return cmt.Origin?
function M.item(call)
  if chats.of_buffer(vim.api.nvim_get_current_buf()) then
    notice.warn("This is the chat itself: go to the code that is to go along.")
    return nil, nil
  end
  if call.range == 0 then
    call = vim.tbl_extend("force", call, { range = 2, line1 = 1, line2 = vim.api.nvim_buf_line_count(0) })
  end
  return item_of(call)
end

--- `:[range]Cmt add`: put the range, else the whole buffer, into the prompt; nothing is sent.
---@param call cmt.Call
function M.add(call)
  local item, from = M.item(call)
  if not item then
    return
  end
  local chat = chat_for()
  chat.prompt:attach(item, M.label(item), from)
  local back = vim.api.nvim_get_current_win()
  chat:open(call.mods)
  if call.bang then
    vim.api.nvim_set_current_win(back)
  end
end

--- Ask in the current chat and show it.
---@param asked cmt.Question
function M.ask(asked)
  local chat = chat_for()
  if not chat:panes() then
    chat:open()
  end
  exchange.ask(chat, asked)
end

return M
