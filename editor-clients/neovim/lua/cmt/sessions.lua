--- Sessions: new ones, earlier ones, their names and branches.

local chats = require("cmt.chat")
local client = require("cmt.client")
local figures = require("cmt.figures")
local history = require("cmt.history")
local layout = require("cmt.layout")
local notice = require("cmt.notice")
local picker = require("cmt.picker")

local M = {}

--- A chat to open a session in: the one that is shown, if nothing was done in it, else a new one in its place.
---@param mods string
---@return cmt.Chat
local function room(mods)
  local current = chats.current()
  local panes = current and current:panes()
  if current and panes and current:untouched() then
    return current
  elseif panes and mods == "" then
    layout.close(panes)
  end
  return chats.new()
end

--- Show a session: in its own chat where it has one, else in a chat of its own.
---@param session cmt.wire.Session
---@param mods? string
function M.open(session, mods)
  for _, chat in ipairs(chats.all()) do
    if chat.session and chat.session.id == session.id then
      return chat:open(mods)
    end
  end
  local chat = room(mods or "")
  chat.session = session
  chat:open(mods)
  history.open(chat, session.id)
end

--- `:Cmt new [name]`: a chat with nothing in it; the one before stays where it is stored.
---@param call cmt.Call
function M.new(call)
  local before = chats.current()
  local panes = before and before:panes()
  if panes and call.mods == "" then
    layout.close(panes)
  end
  local chat = chats.new()
  chat.wanted.name = call.args ~= "" and call.args or nil
  chat:open(call.mods)
end

---@param session cmt.wire.Session
---@return string
local function line(session)
  local parts = { session.name ~= "" and session.name or "(no name)", figures.age(session.updatedAt) }
  parts[#parts + 1] = ("%d turn%s"):format(session.turns, session.turns == 1 and "" or "s")
  parts[#parts + 1] = figures.cost(session.cost)
  parts[#parts + 1] = figures.model(session.model)
  if session.state ~= "idle" then
    parts[#parts + 1] = session.state == "elsewhere" and "busy in another window" or "busy"
  end
  return table.concat(parts, " · ")
end

--- `:Cmt sessions[!] [words]`: pick an earlier one; words search names and texts, `!` looks in all workspaces.
---@param call cmt.Call
function M.pick(call)
  local params = { scope = call.bang and "all" or "workspace" }
  if call.args ~= "" then
    params.query = call.args
  end
  client.ask("cmt/session/list", params, function(found)
    local used = vim.tbl_filter(function(session)
      return session.turns > 0 or session.state ~= "idle"
    end, found.sessions)
    if #used == 0 then
      return notice.say(
        call.args ~= "" and "No session holds these words: try fewer, or :Cmt sessions! for all folders."
          or "There are no sessions here yet: ask something, or look with :Cmt sessions! in all folders."
      )
    end
    picker.pick(used, { prompt = "Sessions", format_item = line }, function(session)
      if session then
        M.open(session, call.mods)
      end
    end)
  end)
end

--- The session of the current chat; says so where there is none.
---@return cmt.Chat?
---@return cmt.wire.Session?
function M.current()
  local chat = chats.current()
  if not (chat and chat.session) then
    notice.warn("There is no session yet: ask something first, or open one with :Cmt sessions.")
    return nil, nil
  end
  return chat, chat.session
end

--- `:Cmt rename {name}`
---@param call cmt.Call
function M.rename(call)
  local chat, session = M.current()
  if not (chat and session) then
    return
  end
  local function rename(name)
    if name and vim.trim(name) ~= "" then
      client.ask("cmt/session/update", { sessionId = session.id, name = name }, function(changed)
        chat:show_session(changed)
      end)
    end
  end
  if call.args ~= "" then
    rename(call.args)
  else
    vim.ui.input({ prompt = "Name: ", default = session.name }, rename)
  end
end

--- `:Cmt fork`: go on with the same history in a new session; the old one stays as it is.
---@param call cmt.Call
function M.fork(call)
  local _, session = M.current()
  if session then
    M.fork_at(session, nil, call.mods)
  end
end

--- A new session with the history up to a turn, or with all of it.
---@param session cmt.wire.Session
---@param turn_id? string
---@param mods? string
function M.fork_at(session, turn_id, mods)
  client.ask("cmt/session/fork", { sessionId = session.id, turnId = turn_id }, function(forked)
    M.open(forked, mods)
  end)
end

return M
