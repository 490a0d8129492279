--- One question on its way: what the server says of it, folded into a state, and told to whoever shows it.

local client = require("cmt.client")
local events = require("cmt.events")
local notice = require("cmt.notice")

local M = {}

---@alias cmt.Phase "sending"|"waiting"|"thinking"|"streaming"|"retrying"|"stopping"|"done"

---@alias cmt.Prepare fun(ready: fun(err: cmt.wire.RpcErrorBody?, params: (cmt.wire.ChatParams|cmt.wire.RetryParams)?))

---@class (exact) cmt.TurnView what a turn tells; all are called on the main loop
---@field started fun(turn: cmt.Turn)
---@field text fun(turn: cmt.Turn, text: string)
---@field thought fun(turn: cmt.Turn, text: string) the whole thinking, before the first text
---@field changed fun(turn: cmt.Turn) the phase or what is known has changed
---@field ended fun(turn: cmt.Turn, outcome: cmt.Outcome)

---@class (exact) cmt.Outcome
---@field result cmt.wire.TurnResult?
---@field error cmt.wire.RpcErrorBody?
---@field gone boolean? the server died

---@class cmt.Turn
---@field method "cmt/chat"|"cmt/retry"
---@field session_id string?
---@field turn_id string?
---@field model string?
---@field phase cmt.Phase
---@field since number ms of the loop's clock when it was sent
---@field heard number ms of the loop's clock when the server last said anything
---@field moved number ms of the loop's clock when the answer last grew
---@field wait string? what is waited for before the first word
---@field characters integer of the answer so far
---@field thought integer characters of the thinking so far
---@field thinking string[] pieces
---@field retry { reason: string, at: number, attempt: integer, most: integer }? the next attempt
---@field usage cmt.wire.Usage?
---@field stopped boolean whether the person stopped it
---@field package token string
---@field package request_id integer?
---@field package view cmt.TurnView
local Turn = {}
Turn.__index = Turn

---@type table<cmt.Turn, true> the turns under way
local running = {}

--- All turns under way.
---@return cmt.Turn[]
function M.running()
  return vim.tbl_keys(running)
end

--- The turn of an id, where it is under way.
---@param turn_id string
---@return cmt.Turn?
function M.of_id(turn_id)
  return vim.iter(pairs(running)):find(function(turn)
    return turn.turn_id == turn_id
  end)
end

--- The part of a piece that is not known yet.
---@param have integer characters
---@param value cmt.wire.StreamText|cmt.wire.StreamThinking
---@return string
local function beyond(have, value)
  return value.offset >= have and value.text or vim.fn.strcharpart(value.text, have - value.offset)
end

---@class (exact) cmt.TurnEars what each kind of value does; the others say nothing that is shown
---@field started fun(self: cmt.Turn, value: cmt.wire.StreamStarted)
---@field waiting fun(self: cmt.Turn, value: cmt.wire.StreamWaiting)
---@field thinking fun(self: cmt.Turn, value: cmt.wire.StreamThinking)
---@field text fun(self: cmt.Turn, value: cmt.wire.StreamText)
---@field retry fun(self: cmt.Turn, value: cmt.wire.StreamRetry)
---@field usage fun(self: cmt.Turn, value: cmt.wire.StreamUsage)

---@type cmt.TurnEars
local HEAR = {
  started = function(self, value)
    self.turn_id, self.session_id, self.model = value.turnId, value.sessionId, value.model
    self:move("waiting")
    self.view.started(self)
    events.fire("CmtTurnStarted", { turnId = value.turnId, sessionId = value.sessionId, model = value.model })
  end,
  waiting = function(self, value)
    self.wait = value.phase
    if value.phase == "warming_up" or value.phase == "sharing" then
      self.moved = vim.uv.now() -- what is waited for is known: that is no silence
    end
    if self.phase ~= "streaming" then
      self:move(value.phase == "thinking" and "thinking" or "waiting")
    end
  end,
  thinking = function(self, value)
    local text = beyond(self.thought, value)
    self.thought = self.thought + vim.fn.strchars(text)
    table.insert(self.thinking, text)
    self.moved = vim.uv.now()
    self:move("thinking")
  end,
  text = function(self, value)
    local text = beyond(self.characters, value)
    if text == "" then
      return
    end
    self:tell_thinking()
    self.characters = self.characters + vim.fn.strchars(text)
    self.retry = nil
    self.moved = vim.uv.now()
    self.view.text(self, text)
    if self.phase ~= "streaming" then
      self:move("streaming")
    end
  end,
  retry = function(self, value)
    self.moved = vim.uv.now() + value.delayMs
    self.retry = {
      reason = value.reason,
      at = self.moved,
      attempt = value.attempt,
      most = value.maxAttempts,
    }
    self:move("retrying")
  end,
  usage = function(self, value)
    self.usage = value.usage
    self.view.changed(self)
  end,
}

---@package
---@param phase cmt.Phase
function Turn:move(phase)
  if self.phase ~= "stopping" and self.phase ~= "done" then
    self.phase = phase
  end
  self.view.changed(self)
end

---@package
function Turn:tell_thinking()
  local text = table.concat(self.thinking)
  self.thinking = {}
  if text ~= "" then
    self.view.thought(self, text)
  end
end

---@package
---@param value cmt.wire.StreamValue
function Turn:hear(value)
  self.heard = vim.uv.now()
  local act = HEAR[value.kind]
  if act and self.phase ~= "done" then
    act(self, value)
  end
end

--- End it, once: whichever of reply, notification and death of the server comes first.
---@param outcome cmt.Outcome
function Turn:finish(outcome)
  if self.phase == "done" then
    return
  end
  self:tell_thinking()
  self.phase = "done"
  running[self] = nil
  client.unlisten(self.token)
  local result = outcome.result
  self.view.ended(self, outcome)
  local data = { turnId = self.turn_id, sessionId = self.session_id, result = result, error = outcome.error }
  if result and result.stopReason == "cancelled" or (self.stopped and not result) then
    events.fire("CmtTurnCancelled", data)
  elseif result then
    events.fire("CmtTurnFinished", data)
  else
    events.fire("CmtTurnFailed", data)
  end
  if result then
    events.fire("CmtUsage", { turnId = self.turn_id, usage = result.usage, cost = result.cost, cache = result.cache })
  end
end

--- Go on in another view, which has what was told until now and gets the rest.
---@param view cmt.TurnView
---@param so_far cmt.wire.AnswerSoFar
function Turn:show(view, so_far)
  self.view = view
  self.thinking, self.thought = { so_far.thinking }, vim.fn.strchars(so_far.thinking)
  self.characters = vim.fn.strchars(so_far.text)
  if so_far.text ~= "" then
    self:tell_thinking()
    view.text(self, so_far.text)
  end
end

--- Stop it. The server answers with what had come; where it has no turn yet nothing was sent, and it ends here, since
--- Neovim drops the reply to a cancelled request.
function Turn:stop()
  self.stopped = true
  if self.request_id then
    client.withdraw(self.request_id)
  end
  if self.turn_id then
    self:move("stopping")
  else
    self:finish({})
  end
end

---@package
---@param params cmt.wire.ChatParams|cmt.wire.RetryParams
function Turn:go_out(params)
  local all = vim.tbl_extend("force", params, { partialResultToken = self.token })
  self.session_id = all.sessionId
  self.request_id = client.request(self.method, all, function(failure, result)
    self:finish({ error = failure, result = result, gone = failure ~= nil and failure.code == client.GONE })
  end)
end

--- Ask a question. What the request needs may take its time: the turn is there, and can be stopped, from the start.
---@param method "cmt/chat"|"cmt/retry"
---@param view cmt.TurnView
---@param prepare cmt.Prepare params without tokens
---@return cmt.Turn
function M.send(method, view, prepare)
  local now = vim.uv.now()
  local self = setmetatable({
    method = method,
    phase = "sending",
    since = now,
    heard = now,
    moved = now,
    characters = 0,
    thought = 0,
    thinking = {},
    stopped = false,
    view = view,
  }, Turn)
  running[self] = true
  self.token = client.listen(function(value)
    self:hear(value)
  end)
  prepare(function(err, params)
    if err then
      return self:finish({ error = err, gone = err.code == client.GONE })
    end
    client.when_ready(function()
      if self.phase ~= "done" then -- else it was stopped meanwhile: nothing is sent
        self:go_out(params or {})
      end
    end)
  end)
  return self
end

client.on("cmt/turn", function(params)
  if params.phase ~= "ended" and params.phase ~= "failed" then
    return
  end
  for turn in pairs(running) do
    if turn.turn_id == params.turnId then
      local outcome = { result = notice.present(params.result), error = notice.present(params.error) }
      return turn:finish(outcome)
    end
  end
end)

return M
