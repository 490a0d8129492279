--- `:Cmt ask` and what else begins with code: a question or an attachment from the buffer the person is in.

local chats = require("cmt.chat")
local client = require("cmt.client")
local notice = require("cmt.notice")
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

--- The item of a call's range; without one, in a buffer that has a name, the cursor's line.
---@param call cmt.Call
---@return cmt.wire.SelectionItem?
local function item_of(call)
  local counted = encoding()
  if not counted or chats.of_buffer(vim.api.nvim_get_current_buf()) then
    return nil
  end
  if call.range > 0 then
    return selection.of(call, counted)
  end
  if vim.bo.buftype == "" and vim.api.nvim_buf_get_name(0) ~= "" then
    return selection.cursor(counted)
  end
end

--- `:[range]Cmt ask[!] {text}`: ask about the range, or the cursor's line. With `!` no window opens.
---@param call cmt.Call
function M.command(call)
  local item = item_of(call)
  local chat = chat_for()
  chat.origin = item and { buf = vim.api.nvim_get_current_buf(), item = item } or chat.origin
  if vim.trim(call.args) == "" then
    if item and call.range > 0 then
      chat.prompt:attach(item, M.label(item))
    end
    chat:open(call.mods)
    return vim.cmd.startinsert()
  end
  local back = vim.api.nvim_get_current_win()
  if not call.bang then
    chat:open(call.mods)
    vim.api.nvim_set_current_win(back)
  end
  local asked = chat.prompt.context
  local context = vim.list_extend(vim.deepcopy(asked), { item })
  local sent = chat:ask({ text = call.args, context = context, images = chat.prompt.images })
  if sent then
    chat.prompt:detach()
  end
end

---@param item cmt.wire.SelectionItem
---@return string
function M.label(item)
  local lines = item.range["end"].line - item.range.start.line + 1
  return ("%s · %d line%s"):format(selection.title(item), lines, lines == 1 and "" or "s")
end

--- `:[range]Cmt add`: put the range, else the whole buffer, into the prompt; nothing is sent.
---@param call cmt.Call
function M.add(call)
  if chats.of_buffer(vim.api.nvim_get_current_buf()) then
    return notice.warn("This is the chat itself: go to the code that is to go along.")
  end
  if call.range == 0 then
    call = vim.tbl_extend("force", call, { range = 2, line1 = 1, line2 = vim.api.nvim_buf_line_count(0) })
  end
  local item = item_of(call)
  if not item then
    return
  end
  local chat = chat_for()
  chat.origin = { buf = vim.api.nvim_get_current_buf(), item = item }
  chat.prompt:attach(item, M.label(item))
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
  chat:ask(asked)
end

return M
