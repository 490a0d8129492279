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
---@return cmt.wire.UsageParams? params nil where there is nothing yet
local function params_of(scope)
  local chat = chats.current()
  if scope == "session" then
    return chat and chat.session and { scope = scope, id = chat.session.id }
  elseif scope == "turn" then
    return chat and chat.last and chat.last.settled and { scope = scope, id = chat.last.settled.turnId }
  elseif scope == "today" then
    local day = os.date("%Y-%m-%d") --[[@as string]]
    return { scope = "all", from = day, to = day }
  end
  return { scope = scope }
end

--- Turn, session and today, one after the other; the ledger is asked, so that they are true now.
---@param scopes string[]
---@param lines string[]
---@param done fun(lines: string[])
local function gather(scopes, lines, done)
  local scope = table.remove(scopes, 1)
  if not scope then
    return done(lines)
  end
  local params = params_of(scope)
  if not params then
    lines[#lines + 1] = ("%-9s nothing yet"):format(scope)
    return gather(scopes, lines, done)
  end
  client.ask("cmt/usage", params, function(report)
    lines[#lines + 1] = ("%-9s %s"):format(scope, figures.cost(report.totals.cost))
    gather(scopes, lines, done)
  end)
end

---@param scope string
local function show_scope(scope)
  if not vim.tbl_contains(M.SCOPES, scope) then
    return notice.fail(("`%s` is no scope: use one of %s."):format(scope, table.concat(M.SCOPES, ", ")))
  end
  local params = params_of(scope)
  if not params then
    return notice.say(("There is no %s yet: ask something first."):format(scope))
  end
  client.ask("cmt/usage", params, function(report)
    float.show("Cost · " .. scope, report_lines(report))
  end)
end

--- `:Cmt cost [scope]`: a table for one scope; without it turn, session and today, and the limits.
---@param call cmt.Call
function M.command(call)
  if call.args ~= "" then
    return show_scope(call.args)
  end
  gather({ "turn", "session", "today" }, {}, function(lines)
    client.ask("cmt/budget/get", {}, function(found)
      for _, budget in ipairs(found.budgets) do
        lines[#lines + 1] = ("limit     %s"):format(budget.display)
      end
      float.show("Cost", lines)
    end)
  end)
end

--- A turn in detail.
---@param shown cmt.ShownTurn?
function M.turn(shown)
  local result = shown and shown.settled
  if not result then
    return notice.say("No answer of this question has come yet.")
  end
  local lines = { figures.usage(result) }
  local timing, cache = result.timing, notice.present(result.cache) or {}
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
