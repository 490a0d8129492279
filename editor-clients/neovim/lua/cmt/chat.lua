--- One conversation as the person sees it: a transcript, a prompt under it, what is attached, and the turn under way.

local client = require("cmt.client")
local config = require("cmt.config")
local figures = require("cmt.figures")
local layout = require("cmt.layout")
local notice = require("cmt.notice")
local prompt = require("cmt.prompt")
local question = require("cmt.question")
local status = require("cmt.status")
local transcript = require("cmt.transcript")
local turns = require("cmt.turn")

local M = {}

---@alias cmt.SessionReady fun(session: cmt.wire.Session?, err: cmt.wire.RpcErrorBody?)

---@class (exact) cmt.LastQuestion
---@field text string
---@field asked? cmt.Question as it was sent
---@field result? cmt.wire.TurnResult
---@field kept? boolean whether the session's history holds it

---@class cmt.Chat
---@field number integer
---@field session cmt.wire.Session?
---@field model string? chosen for a session that does not exist yet
---@field transcript cmt.Transcript
---@field prompt cmt.Prompt
---@field turn cmt.Turn? the turn under way
---@field last cmt.LastQuestion? the newest question
---@field origin { buf: integer, item: cmt.wire.SelectionItem }? the code that was asked about last
---@field private head integer? mark of the newest answer's head
---@field private ticker uv.uv_timer_t?
---@field private waiting cmt.SessionReady[]? who waits for the session to be made
local Chat = {}
Chat.__index = Chat

---@type cmt.Chat[]
local chats = {}

--- The lowest number that no buffer has: one of a restored editor session may bear the name of a chat already.
---@return integer
local function free_number()
  local number = 1
  while vim.fn.bufexists("cmt://chat/" .. number) == 1 or vim.fn.bufexists("cmt://prompt/" .. number) == 1 do
    number = number + 1
  end
  return number
end

---@param self cmt.Chat
local function watch_buffers(self)
  for _, buf in ipairs({ self.transcript.buf, self.prompt.buf }) do
    vim.api.nvim_create_autocmd("BufWipeout", {
      buffer = buf,
      once = true,
      callback = vim.schedule_wrap(function()
        self:forget()
      end),
    })
  end
end

--- A new chat without a session; nothing is asked of the server yet.
---@param session? cmt.wire.Session one that exists already
---@return cmt.Chat
function M.new(session)
  local number = free_number()
  local self = setmetatable({ number = number, session = session }, Chat)
  self.transcript = transcript.new(("cmt://chat/%d"):format(number))
  self.prompt = prompt.new(("cmt://prompt/%d"):format(number), self)
  require("cmt.keys").set(self)
  watch_buffers(self)
  table.insert(chats, self)
  -- Last, so that what a person does for this file type wins.
  vim.bo[self.transcript.buf].filetype = "cmtchat"
  vim.bo[self.prompt.buf].filetype = "cmtprompt"
  return self
end

---@return cmt.Chat[]
function M.all()
  return chats
end

--- The chat that a buffer belongs to.
---@param buf integer
---@return cmt.Chat?
function M.of_buffer(buf)
  for _, chat in ipairs(chats) do
    if chat.transcript.buf == buf or chat.prompt.buf == buf then
      return chat
    end
  end
end

--- The chat the person means: the one the cursor is in, else one of this tab, else the newest.
---@return cmt.Chat?
function M.current()
  local here = M.of_buffer(vim.api.nvim_get_current_buf())
  if here then
    return here
  end
  for i = #chats, 1, -1 do
    if chats[i]:panes() then
      return chats[i]
    end
  end
  return chats[#chats]
end

--- Buffers were wiped: the session stays with the server, and a turn under way goes on there.
function Chat:forget()
  for i, chat in ipairs(chats) do
    if chat == self then
      table.remove(chats, i)
    end
  end
  for _, buf in ipairs({ self.transcript.buf, self.prompt.buf }) do
    if vim.api.nvim_buf_is_valid(buf) then
      vim.api.nvim_buf_delete(buf, { force = true })
    end
  end
  self:stop_ticking()
end

---@return cmt.Panes?
function Chat:panes()
  return layout.find(self.transcript.buf, self.prompt.buf)
end

--- Show it; the cursor goes to the prompt.
---@param mods? string
function Chat:open(mods)
  local panes = self:panes()
  if not panes then
    panes = layout.open(self.transcript.buf, self.prompt.buf, mods)
    self.transcript:show_end()
  end
  vim.api.nvim_set_current_win(panes.prompt)
  self:bar()
end

---@param mods? string
function Chat:toggle(mods)
  local panes = self:panes()
  if panes then
    layout.close(panes)
  else
    self:open(mods)
  end
end

--- Have a session, then go on. Several callers meanwhile wait for the same one.
---@param go_on cmt.SessionReady
function Chat:with_session(go_on)
  if self.session then
    return go_on(self.session)
  end
  if self.waiting then
    table.insert(self.waiting, go_on)
    return
  end
  self.waiting = { go_on }
  client.request("cmt/session/create", { model = self.model }, function(err, session)
    local waiting = self.waiting or {}
    self.waiting = nil
    self.session = session
    for _, go in ipairs(waiting) do
      go(session, err)
    end
    self:bar()
  end)
end

--- What goes along with the next question, for people.
---@param items (cmt.wire.ContextItem|cmt.wire.Image)[]
---@return string[]
local function titles(items)
  return vim.tbl_map(require("cmt.selection").title, items)
end

---@class (exact) cmt.Question
---@field text string
---@field context? cmt.wire.ContextItem[]
---@field images? cmt.wire.Image[]
---@field labels? string[] what is said of what goes along
---@field override? boolean whether the person lets it pass the budgets

---@param asked cmt.Question
---@param session cmt.wire.Session
---@return cmt.wire.ChatParams
local function request_of(asked, session)
  local function filled(list)
    return list and #list > 0 and list or nil
  end
  return {
    sessionId = session.id,
    text = asked.text,
    context = filled(asked.context),
    images = filled(asked.images),
    budgetOverride = asked.override or nil,
  }
end

--- Ask. Returns whether it went out; where it does not, the person is told why and nothing is lost.
---@param asked cmt.Question
---@return boolean
function Chat:ask(asked)
  if self.turn then
    notice.warn("The answer before still comes: send when it has ended, or stop it with :Cmt stop.")
    return false
  end
  if vim.trim(asked.text) == "" then
    notice.warn("There is no question: write one in the prompt, or after :Cmt ask.")
    return false
  end
  if not client.start() then
    return false
  end
  local attached = vim.list_extend(titles(asked.context or {}), titles(asked.images or {}))
  self.last = { text = asked.text }
  self.transcript:ask(asked.text, attached, os.date("%H:%M") --[[@as string]])
  self:send("cmt/chat", asked, function(ready)
    self:with_session(function(session, err)
      ready(err, session and request_of(asked, session))
    end)
  end)
  return true
end

--- Ask the last question again; its answer leaves the history, and stays on the screen.
---@param override? boolean
function Chat:retry(override)
  if self.turn then
    return notice.warn("The answer before still comes: stop it with :Cmt stop, then retry.")
  end
  if not (self.session and self.last) then
    return notice.warn("There is nothing to retry in this chat: ask something first.")
  end
  if not (self.last.result or self.last.kept) then
    return self:ask(self.last.asked or { text = self.last.text })
  end
  self.transcript:ask(self.last.text, {}, os.date("%H:%M") .. " · again")
  local params = { sessionId = self.session.id, budgetOverride = override or nil }
  self:send("cmt/retry", self.last.asked, function(ready)
    ready(nil, params)
  end)
end

---@private
---@param method "cmt/chat"|"cmt/retry"
---@param asked cmt.Question
---@param prepare fun(ready: fun(err: cmt.wire.RpcErrorBody?, params: table<string, any>?))
function Chat:send(method, asked, prepare)
  local answered = false
  local function head(turn)
    if not answered and self.transcript:alive() then
      answered = true
      local title = ("Claude · %s · %s"):format(figures.model(turn.model or "?"), os.date("%H:%M"))
      self.head = self.transcript:answer(title)
    end
  end
  self.head = nil
  self.last.asked = asked
  self.turn = turns.send(method, {
    started = head,
    text = function(_, text)
      if self.transcript:alive() then
        self.transcript:stream(text)
      end
    end,
    thought = function(_, text)
      if self.transcript:alive() then
        self.transcript:think(text)
      end
    end,
    changed = function()
      self:bar()
    end,
    ended = function(turn, outcome)
      self:ended(turn, outcome, asked)
    end,
  }, prepare)
  if self.turn.phase == "done" then -- it failed before the call returned
    self.turn = nil
  else
    self:tick()
  end
end

---@param result cmt.wire.TurnResult|cmt.wire.TurnRecord
---@return string?
local function partial_note(result)
  if result.stopReason == "cancelled" then
    return result.text == "" and "[stopped by you before any text came]" or "[partial: stopped by you]"
  elseif result.stopReason == "truncated" then
    return "[partial: the connection broke; :Cmt retry asks again]"
  elseif result.stopReason == "max_tokens" then
    return "[partial: the longest answer allowed was reached]"
  end
end

---@private
---@param turn cmt.Turn
---@param outcome cmt.Outcome
---@param asked cmt.Question
function Chat:ended(turn, outcome, asked)
  self.turn = nil
  self:stop_ticking()
  if not self.transcript:alive() then
    return
  end
  local result, failure = outcome.result, outcome.error
  if result then
    self.last.result = result
    self.transcript:finish(partial_note(result))
    if self.head then
      self.transcript:usage(self.head, result)
    end
    if result.stopReason ~= "cancelled" then -- what stopped is written in the transcript already
      for _, sentence in ipairs(notice.present(result.notices) or {}) do
        notice.say(sentence)
      end
    end
  elseif not failure then
    self.transcript:finish("[stopped before anything was sent]")
    self.prompt:give_back(asked)
  else
    local sentence = notice.sentence(failure)
    self.transcript:finish("[failed: " .. sentence .. "]", "CmtError")
    if outcome.gone then -- who watches the server says so once for all chats
      self.prompt:give_back(asked)
    else
      self:refused(failure, sentence, turn, asked)
    end
  end
  self:bar()
end

---@private
---@param failure cmt.wire.RpcErrorBody
---@param sentence string
---@param turn cmt.Turn
---@param asked cmt.Question
function Chat:refused(failure, sentence, turn, asked)
  local kind = type(failure.data) == "table" and failure.data.kind
  if kind == "budget_exceeded" then
    return question.budget(sentence, function()
      if turn.method == "cmt/retry" then
        return self:retry(true)
      end
      self:ask(vim.tbl_extend("force", asked, { override = true }))
    end, function()
      self.prompt:give_back(asked)
    end)
  end
  notice.fail(sentence)
  if turn.characters == 0 then
    self.prompt:give_back(asked)
  end
end

--- Stop what runs here, in whatever state it is; a second time offers to restart the server.
---@return boolean whether there was something to stop
function Chat:stop()
  local turn = self.turn
  if not turn then
    return false
  end
  if turn.phase == "stopping" then
    require("cmt.service").offer_restart("The server has not stopped the answer yet.")
  else
    question.drop()
    turn:stop()
  end
  self:bar()
  return true
end

--- Money, model and name, the most important first.
---@private
---@return string
function Chat:summary()
  local session = self.session
  if not session then
    return "new chat" .. (self.model and " · " .. figures.model(self.model) or "")
  end
  local known = status.get()
  local parts = { figures.cost(session.cost) }
  if known.cost.today then
    parts[#parts + 1] = "today " .. figures.cost(known.cost.today)
  end
  parts[#parts + 1] = figures.model(session.model)
  parts[#parts + 1] = session.name
  return table.concat(parts, " · ")
end

--- Draw the bar above the prompt.
function Chat:bar()
  local panes = self:panes()
  if not panes then
    return
  end
  local text
  if self.turn then
    text = status.activity(self.turn, config.get().keys.stop)
  else
    text = self:summary()
  end
  local group = self.turn and "%#CmtActivity#" or "%#CmtUsage#"
  vim.wo[panes.prompt].winbar = group .. " " .. text:gsub("%%", "%%%%") .. "%<"
end

---@private
function Chat:tick()
  self:stop_ticking()
  self.ticker = assert(vim.uv.new_timer())
  self.ticker:start(
    250,
    250,
    vim.schedule_wrap(function()
      if self.turn then
        self:bar()
      end
    end)
  )
  self:bar()
end

---@private
function Chat:stop_ticking()
  if self.ticker then
    self.ticker:stop()
    self.ticker:close()
    self.ticker = nil
  end
end

--- Write a session's history into the transcript, the newest turns.
---@param found cmt.wire.SessionGetResult
function Chat:show_history(found)
  self.session = found.session
  self.transcript:clear()
  local shown = config.get().history_turns
  self.transcript:omit(#found.turns - shown)
  for i, record in ipairs(found.turns) do
    if i > #found.turns - shown then
      self:show_record(record)
    end
  end
  local newest = found.turns[#found.turns]
  if newest then
    self.last = { text = newest.prompt, kept = true, asked = { text = newest.prompt } }
  end
  self:bar()
end

---@private
---@param record cmt.wire.TurnRecord
function Chat:show_record(record)
  local view = self.transcript
  view:ask(record.prompt, record.attachments or {}, figures.clock(record.startedAt))
  local title = ("Claude · %s · %s"):format(figures.model(record.model), figures.clock(record.startedAt))
  local head = view:answer(title)
  local thinking = notice.present(record.thinking)
  if thinking and thinking ~= "" then
    view:think(thinking)
  end
  view:stream(record.text)
  view:finish(partial_note(record))
  view:usage(head, record)
end

client.on("cmt/status", function(params)
  for _, chat in ipairs(chats) do
    if params.session and chat.session and chat.session.id == params.session.id then
      chat.session = params.session
    end
    chat:bar()
  end
end)

return M
