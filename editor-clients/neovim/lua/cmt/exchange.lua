--- One question and its answer in a chat: sent, shown as it comes, and settled.

local client = require("cmt.client")
local mention = require("cmt.mention")
local notice = require("cmt.notice")
local page = require("cmt.page")
local question = require("cmt.question")
local selection = require("cmt.selection")
local turns = require("cmt.turn")

local M = {}

---@return string
local function now()
  return os.date("%H:%M") --[[@as string]]
end

---@generic T
---@param list T[]?
---@return T[]?
local function filled(list)
  return list and #list > 0 and list or nil
end

--- What a question sends, but for its tokens.
---@param asked cmt.Question
---@param session_id string?
---@return cmt.wire.ChatParams
function M.params(asked, session_id)
  local context = vim.list_extend(vim.list_slice(asked.context or {}), mention.items(asked.text))
  return {
    sessionId = session_id,
    text = asked.text,
    context = filled(context),
    images = filled(asked.images),
    budgetOverride = asked.override or nil,
  }
end

--- The names of what goes along with a question.
---@param params cmt.wire.ChatParams
---@return string[]
local function titles(params)
  local found = vim.tbl_map(selection.title, params.context or {})
  return vim.list_extend(found, vim.tbl_map(selection.title, params.images or {}))
end

---@param chat cmt.Chat
---@param shown cmt.ShownTurn
---@return cmt.TurnView
local function view_of(chat, shown)
  local written = chat.transcript
  ---@param write fun()
  local function if_alive(write)
    if written:alive() then
      write()
    end
  end
  return {
    started = function(turn)
      if_alive(function()
        shown.head = shown.head or written:answer(page.answer_title(turn.model or "?", now()))
      end)
    end,
    text = function(_, text)
      if_alive(function()
        written:stream(text)
      end)
    end,
    thought = function(_, text)
      if_alive(function()
        written:think(text)
      end)
    end,
    changed = function()
      chat:bar()
    end,
    ended = function(turn, outcome)
      M.ended(chat, shown, turn, outcome)
    end,
  }
end

---@param chat cmt.Chat
---@param shown cmt.ShownTurn
---@param method "cmt/chat"|"cmt/retry"
---@param prepare cmt.Prepare
local function send(chat, shown, method, prepare)
  chat.last = shown
  local turn = turns.send(method, view_of(chat, shown), prepare)
  if turn.phase ~= "done" then -- else it failed before the call returned
    chat:working(turn)
  end
end

---@param chat cmt.Chat
---@return boolean
local function is_free(chat)
  if chat.turn then
    notice.warn("The answer before still comes: send when it has ended, or stop it with :Cmt stop.")
  end
  return chat.turn == nil
end

--- Ask. Returns whether it went out; where it does not, the person is told why and nothing is lost.
---@param chat cmt.Chat
---@param asked cmt.Question
---@return boolean
function M.ask(chat, asked)
  if not is_free(chat) then
    return false
  end
  if vim.trim(asked.text) == "" then
    notice.warn("There is no question: write one in the prompt, or after :Cmt ask.")
    return false
  end
  if not client.start() then
    return false
  end
  local params = M.params(asked, nil)
  local shown = { asked = asked } ---@type cmt.ShownTurn
  chat.transcript:ask(shown, titles(params), now())
  send(chat, shown, "cmt/chat", function(ready)
    chat:with_session(function(session, err)
      params.sessionId = session and session.id
      ready(err, params)
    end)
  end)
  return true
end

--- Ask the last question again; its answer leaves the history, and stays on the screen.
---@param chat cmt.Chat
---@param override? boolean whether it may pass the budgets
function M.retry(chat, override)
  local last, session = chat.last, chat.session
  if not is_free(chat) then
    return
  end
  if not (session and last) then
    return notice.warn("There is nothing to retry in this chat: ask something first.")
  end
  if not last.settled then
    return M.ask(chat, last.asked)
  end
  local shown = { asked = last.asked, settled = last.settled } ---@type cmt.ShownTurn
  chat.transcript:ask(shown, {}, now() .. " · again")
  send(chat, shown, "cmt/retry", function(ready)
    ready(nil, { sessionId = session.id, budgetOverride = override or nil })
  end)
end

--- Show a turn of this window that the chat's session has under way, from what was told of it until now.
---@param chat cmt.Chat
---@param so_far cmt.wire.AnswerSoFar
function M.join(chat, so_far)
  local turn = turns.of_id(so_far.turnId)
  if not turn then
    return
  end
  local shown = { asked = { text = so_far.question } } ---@type cmt.ShownTurn
  chat.transcript:ask(shown, {}, now())
  local view = view_of(chat, shown)
  chat.last = shown
  view.started(turn)
  turn:show(view, so_far)
  chat:working(turn)
end

---@param chat cmt.Chat
---@param shown cmt.ShownTurn
---@param result cmt.wire.TurnResult
local function settle(chat, shown, result)
  shown.settled = result
  chat.transcript:finish(page.partial_note(result))
  if shown.head then
    chat.transcript:usage(shown.head, result)
  end
  if result.stopReason ~= "cancelled" then -- what stopped is written in the transcript already
    for _, sentence in ipairs(notice.present(result.notices) or {}) do
      notice.say(sentence)
    end
  end
end

---@param chat cmt.Chat
---@param shown cmt.ShownTurn
---@param turn cmt.Turn
---@param failure cmt.wire.RpcErrorBody
---@param sentence string
local function refused(chat, shown, turn, failure, sentence)
  local data = notice.present(failure.data)
  if data and data.kind == "budget_exceeded" then
    return question.budget(sentence, function()
      if turn.method == "cmt/retry" then
        return M.retry(chat, true)
      end
      M.ask(chat, vim.tbl_extend("force", shown.asked, { override = true }))
    end, function()
      chat.prompt:give_back(shown.asked)
    end)
  end
  notice.fail(sentence)
  if turn.characters == 0 then
    chat.prompt:give_back(shown.asked)
  end
end

--- Write how a turn ended, once.
---@param chat cmt.Chat
---@param shown cmt.ShownTurn
---@param turn cmt.Turn
---@param outcome cmt.Outcome
function M.ended(chat, shown, turn, outcome)
  chat:working(nil)
  if not chat.transcript:alive() then
    return
  end
  local result, failure = outcome.result, outcome.error
  if result then
    settle(chat, shown, result)
  elseif failure then
    local sentence = notice.sentence(failure)
    chat.transcript:finish("[failed: " .. sentence .. "]", "CmtError")
    if outcome.gone then -- who watches the server says so once for all chats
      chat.prompt:give_back(shown.asked)
    else
      refused(chat, shown, turn, failure, sentence)
    end
  else
    chat.transcript:finish("[stopped before anything was sent]")
    chat.prompt:give_back(shown.asked)
  end
  chat:bar()
end

--- Stop what runs, in whatever state it is; a second time offers to restart the server.
---@param chat cmt.Chat
---@return boolean whether there was something to stop
function M.stop(chat)
  local turn = chat.turn
  if not turn then
    return false
  end
  if turn.phase == "stopping" then
    require("cmt.service").offer_restart("The server has not stopped the answer yet.")
  else
    question.drop()
    turn:stop()
  end
  chat:bar()
  return true
end

return M
