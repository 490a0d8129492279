--- `:Cmt`: its subcommands and their completion.

local notice = require("cmt.notice")

local M = {}

---@class (exact) cmt.Subcommand
---@field run fun(call: cmt.Call)
---@field complete? fun(): string[]
---@field range? boolean whether it takes one

---@param module string
---@param name string
---@return fun(call: cmt.Call)
local function of(module, name)
  return function(call)
    require(module)[name](call)
  end
end

---@type table<string, cmt.Subcommand>
M.subcommands = {
  ask = { run = of("cmt.asking", "command"), range = true },
  add = { run = of("cmt.asking", "add"), range = true },
  pin = { run = of("cmt.pins", "pin"), range = true },
  unpin = {
    run = of("cmt.pins", "unpin"),
    complete = function()
      return require("cmt.pins").titles()
    end,
  },
  new = { run = of("cmt.sessions", "new") },
  sessions = { run = of("cmt.sessions", "pick") },
  rename = { run = of("cmt.sessions", "rename") },
  fork = { run = of("cmt.sessions", "fork") },
  stop = {
    run = function(call)
      require("cmt.service").stop(call.bang)
    end,
  },
  retry = { run = of("cmt.revise", "retry") },
  edit = { run = of("cmt.revise", "edit") },
  model = {
    run = of("cmt.models", "command"),
    complete = function()
      return require("cmt.models").names()
    end,
  },
  image = { run = of("cmt.images", "command") },
  preview = { run = of("cmt.preview", "command") },
  cost = {
    run = of("cmt.costs", "command"),
    complete = function()
      return require("cmt.costs").SCOPES
    end,
  },
  budget = {
    run = of("cmt.costs", "budget"),
    complete = function()
      return require("cmt.costs").LIMITS
    end,
  },
  compare = {
    run = of("cmt.compare", "command"),
    complete = function()
      return require("cmt.models").names()
    end,
  },
  log = { run = of("cmt.service", "log") },
  restart = { run = of("cmt.service", "restart") },
  health = { run = of("cmt.service", "health") },
}

---@return string[]
local function names()
  local found = vim.tbl_keys(M.subcommands)
  table.sort(found)
  return found
end

---@param given vim.api.keyset.create_user_command.command_args
function M.run(given)
  require("cmt.service")
  local name, rest = given.args:match("^(%S+)%s*(.*)$")
  if not name then
    local chats = require("cmt.chat")
    return (chats.current() or chats.new()):toggle(given.mods)
  end
  local bang = name:sub(-1) == "!"
  name = bang and name:sub(1, -2) or name
  local sub = M.subcommands[name]
  if not sub then
    return notice.fail((":Cmt has no `%s`: it knows %s."):format(name, table.concat(names(), ", ")))
  end
  if given.range > 0 and not sub.range then
    return notice.fail((":Cmt %s takes no range: leave it out."):format(name))
  end
  sub.run({
    args = rest,
    range = given.range,
    line1 = given.line1,
    line2 = given.line2,
    bang = bang or given.bang,
    mods = given.mods,
  })
end

---@param lead string
---@param line string
---@return string[]
function M.complete(lead, line)
  local after = line:match("Cmt!?%s+(.*)$") or ""
  local name, rest = after:match("^(%S+)%s(.*)$")
  local candidates = names()
  if name == "image" then
    return vim.fn.getcompletion(rest, "file")
  elseif name then
    local sub = M.subcommands[name]
    candidates = sub and sub.complete and sub.complete() or {}
  end
  return vim.tbl_filter(function(candidate)
    return vim.startswith(candidate, lead)
  end, candidates)
end

return M
