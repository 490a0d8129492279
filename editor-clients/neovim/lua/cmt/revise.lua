--- A question again: as it was, back into the prompt, or from its answer on in a new session.

local chats = require("cmt.chat")
local exchange = require("cmt.exchange")
local notice = require("cmt.notice")

local M = {}

--- `:Cmt retry`
function M.retry()
  local chat = chats.current()
  if not chat then
    return notice.warn("There is nothing to retry: ask something first.")
  end
  exchange.retry(chat)
end

---@param chat cmt.Chat
---@param asked cmt.Question
local function into_prompt(chat, asked)
  if vim.trim(chat.prompt:text()) ~= "" then
    return notice.warn("The prompt is not empty: send or delete what is in it first.")
  end
  chat:open()
  chat.prompt:give_back(asked)
end

--- `:Cmt edit`: the last question goes back into the prompt.
function M.edit()
  local chat = chats.current()
  if not (chat and chat.last) then
    return notice.warn("There is no question to edit: ask something first.")
  end
  into_prompt(chat, chat.last.asked)
end

--- What can be done with a question of a chat.
---@param chat cmt.Chat
---@param shown cmt.ShownTurn?
---@return cmt.ChatAction[]
function M.actions(chat, shown)
  if not shown then
    return {}
  end
  local offered = {} ---@type cmt.ChatAction[]
  if shown == chat.last and not chat.turn then
    offered[1] = {
      text = "ask this again",
      run = function()
        exchange.retry(chat)
      end,
    }
  end
  offered[#offered + 1] = {
    text = "take this question into the prompt",
    run = function()
      into_prompt(chat, shown.asked)
    end,
  }
  if shown.settled and chat.session then
    offered[#offered + 1] = {
      text = "go on from here in a new session",
      run = function()
        require("cmt.sessions").fork_at(chat.session, shown.settled.turnId)
      end,
    }
  end
  return offered
end

return M
