--- One conversation as the person sees it: a transcript, a prompt under it, and the session that they show.

local bar = require("cmt.bar")
local client = require("cmt.client")
local documents = require("cmt.documents")
local exchange = require("cmt.exchange")
local layout = require("cmt.layout")
local prompt = require("cmt.prompt")
local transcript = require("cmt.transcript")

local M = {}

---@alias cmt.SessionReady fun(session: cmt.wire.Session?, err: cmt.wire.RpcErrorBody?)

---@class (exact) cmt.Question
---@field text string
---@field context? cmt.wire.ContextItem[]
---@field images? cmt.wire.Image[]
---@field labels? string[] what is said of what goes along
---@field origins? cmt.Origin[] the code of buffers that it is about
---@field override? boolean whether the person lets it pass the budgets

---@class cmt.Chat
---@field number integer
---@field session cmt.wire.Session?
---@field wanted cmt.wire.SessionCreateParams of the session that the first question makes
---@field transcript cmt.Transcript
---@field prompt cmt.Prompt
---@field turn cmt.Turn? the turn under way
---@field last cmt.ShownTurn? the newest question
---@field earlier { before: string, loading: boolean }? the first turn that is shown, where others come before it
---@field made boolean whether the session was made for this chat, and nothing is in it yet
---@field package ticker cmt.Ticker?
---@field package waiting cmt.SessionReady[]? who waits for the session to be made
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

--- A new chat without a session: the first question makes one.
---@return cmt.Chat
function M.new()
  local number = free_number()
  local self = setmetatable({ number = number, wanted = {}, made = false }, Chat)
  self.transcript = transcript.new(("cmt://chat/%d"):format(number))
  self.prompt = prompt.new(("cmt://prompt/%d"):format(number))
  self.transcript:greet()
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
  self:leave_no_empty_session()
  for _, buf in ipairs({ self.transcript.buf, self.prompt.buf }) do
    if vim.api.nvim_buf_is_valid(buf) then
      vim.api.nvim_buf_delete(buf, { force = true })
    end
  end
  self:working(nil)
end

--- Delete the session of a chat whose every question failed: nothing is stored in it, and nobody wants to find it.
function Chat:leave_no_empty_session()
  local session = self.session
  if self.made and session and session.turns == 0 and not self.turn and client.get() then
    self.made = false
    client.request("cmt/session/delete", { sessionId = session.id }, function() end)
  end
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
  client.request("cmt/session/create", self.wanted, function(err, session)
    local waiting = self.waiting or {}
    self.waiting = nil
    self.made = session ~= nil
    self:show_session(session)
    for _, go in ipairs(waiting) do
      go(session, err)
    end
  end)
end

--- Take what the server says of the session.
---@param session cmt.wire.Session?
function Chat:show_session(session)
  self.session = session
  if session then
    self.made = self.made and session.turns == 0
    documents.follow(self:pinned())
  end
  self:bar()
end

--- What goes along with every question.
---@return (cmt.wire.PinnedItem|cmt.wire.ContextItem)[]
function Chat:pinned()
  return self.session and self.session.pinned or self.wanted.pinned or {}
end

--- Whether the chat shows nothing and waits for nothing, so that a session may be opened in it.
---@return boolean
function Chat:untouched()
  return not (self.turn or self.last or self.session) and self.transcript:empty()
end

--- Show that a turn is under way, or that none is.
---@param turn cmt.Turn?
function Chat:working(turn)
  self.turn = turn
  if self.ticker then
    self.ticker:stop()
    self.ticker = nil
  end
  if turn then
    self.ticker = bar.tick(self)
  end
end

--- Stop what runs here, in whatever state it is.
---@return boolean whether there was something to stop
function Chat:stop()
  return exchange.stop(self)
end

--- Draw the bar above the prompt.
function Chat:bar()
  bar.draw(self)
end

client.on("cmt/status", function(params)
  for _, chat in ipairs(chats) do
    if params.session and chat.session and chat.session.id == params.session.id then
      chat:show_session(params.session)
    else
      chat:bar()
    end
  end
end)

vim.api.nvim_create_autocmd("VimLeavePre", {
  group = vim.api.nvim_create_augroup("cmt.chat", {}),
  callback = function()
    for _, chat in ipairs(chats) do
      chat:leave_no_empty_session()
    end
  end,
})

return M
