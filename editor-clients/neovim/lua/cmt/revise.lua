--- The last question again: as it was, or back into the prompt.

local chats = require("cmt.chat")
local notice = require("cmt.notice")

local M = {}

--- `:Cmt retry`
function M.retry()
  local chat = chats.current()
  if not chat then
    return notice.warn("There is nothing to retry: ask something first.")
  end
  chat:retry()
end

--- `:Cmt edit`: the last question goes back into the prompt.
---@param call cmt.Call
function M.edit(call)
  local chat = chats.current()
  if not (chat and chat.last) then
    return notice.warn("There is no question to edit: ask something first.")
  end
  if vim.trim(chat.prompt:text()) ~= "" then
    return notice.warn("The prompt is not empty: send or delete what is in it first.")
  end
  chat:open(call.mods)
  chat.prompt:give_back(chat.last.asked or { text = chat.last.text })
end

return M
