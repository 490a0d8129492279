--- A stored session in a chat: its newest turns at first, earlier ones as the person goes up to them.

local chats = require("cmt.chat")
local client = require("cmt.client")
local config = require("cmt.config")
local exchange = require("cmt.exchange")
local notice = require("cmt.notice")

local M = {}

---@param chat cmt.Chat
---@param found cmt.wire.SessionGetResult
---@return cmt.ShownTurn? newest
local function put(chat, found)
  local first = found.turns[1]
  chat.earlier = found.earlier > 0 and first and { before = first.turnId, loading = false } or nil
  return chat.transcript:put_above(found.turns, found.earlier)
end

--- Write a session's newest turns into a chat, in place of all that it shows, and what is under way.
---@param chat cmt.Chat
---@param found cmt.wire.SessionGetResult
local function show(chat, found)
  chat.transcript:clear()
  chat.last = put(chat, found)
  chat.transcript:show_end()
  chat:show_session(found.session)
  for _, so_far in ipairs(notice.present(found.running) or {}) do
    exchange.join(chat, so_far)
  end
end

--- Open a session in a chat. Asks for the newest turns alone: a session of thousands is open at once.
---@param chat cmt.Chat
---@param session_id string
---@param done? fun()
function M.open(chat, session_id, done)
  client.ask("cmt/session/get", { sessionId = session_id, last = config.get().history_turns }, function(found)
    if chat.transcript:alive() then
      show(chat, found)
      if done then
        done()
      end
    end
  end)
end

--- Show as many earlier turns again; what is on the screen stays where it is.
---@param chat cmt.Chat
---@param done? fun()
function M.earlier(chat, done)
  local from, session = chat.earlier, chat.session
  if not (from and session) or from.loading then
    return
  end
  from.loading = true
  local params = { sessionId = session.id, before = from.before, last = config.get().history_turns }
  client.request("cmt/session/get", params, function(err, found)
    from.loading = false
    if err then
      return notice.fail(notice.sentence(err))
    end
    if chat.earlier == from and chat.transcript:alive() then
      put(chat, found)
      if done then
        done()
      end
    end
  end)
end

--- The person reached the top of a window by scrolling.
---@param win integer
---@param lines integer by which it was scrolled, negative upwards
local function scrolled(win, lines)
  if lines < 0 and vim.fn.line("w0", win) == 1 then
    local chat = chats.of_buffer(vim.api.nvim_win_get_buf(win))
    if chat then
      M.earlier(chat)
    end
  end
end

vim.api.nvim_create_autocmd("WinScrolled", {
  group = vim.api.nvim_create_augroup("cmt.history", {}),
  callback = function()
    for id, change in pairs(vim.v.event) do
      local win = tonumber(id)
      if win and vim.api.nvim_win_is_valid(win) then
        scrolled(win, change.topline)
      end
    end
  end,
})

return M
