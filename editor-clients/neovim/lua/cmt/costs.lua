--- Money: what was spent, and the limits.

local chats = require("cmt.chat")
local client = require("cmt.client")
local figures = require("cmt.figures")
local float = require("cmt.float")
local notice = require("cmt.notice")

local M = {}

M.SCOPES = { "turn", "session", "window", "workspace", "today", "all" }
M.LIMITS = { "turn", "session", "window", "workspace", "day", "month" }

---@param report cmt.wire.UsageReport
---@return string[]
local function report_lines(report)
  local usage, cost = report.totals.usage, report.totals.cost
  local written = usage.cacheCreation5mInputTokens + usage.cacheCreation1hInputTokens
  local saved = notice.present(report.savedNanoUsd) or 0
  local lines = {
    ("cost          %s"):format(figures.cost(cost)),
    ("requests      %d"):format(report.requests),
    ("input         %s"):format(figures.tokens(usage.inputTokens)),
    ("cache read    %s (%d%%)"):format(
      figures.tokens(usage.cacheReadInputTokens),
      math.floor(report.hitRatio * 100 + 0.5)
    ),
    ("cache written %s"):format(figures.tokens(written)),
    ("output        %s"):format(figures.tokens(usage.outputTokens)),
    ("cache saved   $%.4f"):format(saved / 1e9),
  }
  return vim.list_extend(lines, notice.present(report.notices) or {})
end

---@param scope string
---@param done fun(lines: string[])
local function ask(scope, done)
  local params = { scope = scope }
  local chat = chats.current()
  if scope == "session" and chat and chat.session then
    params.id = chat.session.id
  elseif scope == "turn" and chat and chat.last and chat.last.result then
    params.id = chat.last.result.turnId
  elseif scope == "today" then
    local day = os.date("%Y-%m-%d") --[[@as string]]
    params = { scope = "all", from = day, to = day }
  end
  client.ask("cmt/usage", params, function(report)
    done(report_lines(report))
  end)
end

--- `:Cmt cost [scope]`: a table for one scope; without it turn, session and today together.
---@param call cmt.Call
function M.command(call)
  local scope = call.args
  if scope ~= "" then
    if not vim.tbl_contains(M.SCOPES, scope) then
      return notice.fail(("`%s` is no scope: use one of %s."):format(scope, table.concat(M.SCOPES, ", ")))
    end
    return ask(scope, function(lines)
      float.show("Cost · " .. scope, lines)
    end)
  end
  local cost = require("cmt.status").get().cost
  local lines = {}
  for _, name in ipairs({ "turn", "session", "window", "today" }) do
    local known = notice.present(cost[name])
    lines[#lines + 1] = ("%-9s %s"):format(name, known and figures.cost(known) or "nothing yet")
  end
  client.ask("cmt/budget/get", {}, function(found)
    for _, budget in ipairs(found.budgets) do
      lines[#lines + 1] = ("limit     %s"):format(budget.display)
    end
    float.show("Cost", lines)
  end)
end

--- The newest turn of a chat in detail.
---@param chat cmt.Chat
function M.turn(chat)
  local result = chat.last and chat.last.result
  if not result then
    return notice.say("No answer has come in this chat yet.")
  end
  local lines = { figures.usage(result) }
  local timing, cache = result.timing, result.cache
  lines[#lines + 1] = ("first word after %s ms, %d ms in all, %d retries"):format(
    notice.present(timing.firstTokenMs) or "-",
    timing.totalMs,
    timing.retries
  )
  for _, text in ipairs({ notice.present(cache.cause) or false, notice.present(cache.reason) or false }) do
    if text then
      lines[#lines + 1] = "cache: " .. text
    end
  end
  float.show("Turn", lines)
end

--- `:Cmt budget [scope] [amount|off]`: show the limits, or set one; without a scope that of the session.
---@param call cmt.Call
function M.budget(call)
  local words = vim.split(vim.trim(call.args), "%s+", { trimempty = true })
  if #words == 0 then
    return client.ask("cmt/budget/get", {}, function(found)
      local lines = vim.tbl_map(function(budget)
        return budget.display
      end, found.budgets)
      float.show("Budgets", #lines > 0 and lines or { "No limit is set: :Cmt budget session 1 sets one of a dollar." })
    end)
  end
  local scope = #words == 2 and table.remove(words, 1) or "session"
  local amount = words[1] == "off" and vim.NIL or tonumber((words[1]:gsub("^%$", "")))
  if not vim.tbl_contains(M.LIMITS, scope) or not amount then
    return notice.fail(("Write :Cmt budget {%s} {dollars or off}."):format(table.concat(M.LIMITS, "|")))
  end
  client.ask("cmt/budget/set", { scope = scope, limitUsd = amount }, function(found)
    for _, budget in ipairs(found.budgets) do
      if budget.scope == scope then
        return notice.say("Limit: " .. budget.display)
      end
    end
    notice.say(("The limit of the %s is gone."):format(scope))
  end)
end

return M
