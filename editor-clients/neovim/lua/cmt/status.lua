--- The state of the window as the server tells it, for a status line, and the line of a running turn.

local client = require("cmt.client")
local events = require("cmt.events")
local turns = require("cmt.turn")

local M = {}

local SPINNER = { "⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏" }
local SILENT_MS = 5000 -- nothing heard for so long is worth saying

---@type table<string, string>
local WAITS = { sharing = "waiting for the cache", warming_up = "starting", sending = "sent" }

---@class (exact) cmt.StatusStruct
---@field running boolean whether the server runs
---@field busy boolean
---@field turns cmt.wire.RunningTurn[]
---@field session cmt.wire.Session?
---@field cost { turn?: cmt.wire.Cost, session?: cmt.wire.Cost, window?: cmt.wire.Cost, today?: cmt.wire.Cost }
---@field cache cmt.wire.CacheVerdict?
---@field budgets cmt.wire.Budget[]
---@field context_fill number?
---@field text { short: string, medium: string, long: string }

---@type cmt.wire.Status?
local newest
---@type table<string, string> the state of each budget when it was last told
local budget_states = {}

--- Everything that is known, read from memory: costs nothing and asks nobody.
---@return cmt.StatusStruct
function M.get()
  local known = newest or {}
  return {
    running = client.get() ~= nil,
    busy = known.busy == true,
    turns = known.turns or {},
    session = known.session,
    cost = known.cost or {},
    cache = known.cache,
    budgets = known.budgets or {},
    context_fill = known.contextFill,
    text = known.text or { short = "", medium = "", long = "" },
  }
end

--- One of the server's ready texts, by the columns there are.
---@param columns? integer of the window, without it those of the current one
---@return string with every % doubled, as 'statusline' wants it
function M.line(columns)
  local text = M.get().text
  columns = columns or vim.api.nvim_win_get_width(0)
  local chosen = columns >= 120 and text.long or columns >= 60 and text.medium or text.short
  return (chosen:gsub("%%", "%%%%"))
end

---@type table<cmt.Phase, string> what silence means in a phase
local SILENCES = {
  waiting = "no word yet",
  thinking = "the model may be thinking",
  streaming = "the endpoint sends nothing",
}

---@param turn cmt.Turn
---@param now number ms
---@return number? since when nothing comes, if that is worth saying
---@return string? what that means
local function silence(turn, now)
  if now - turn.heard > SILENT_MS then
    return turn.heard, "the server says nothing"
  elseif SILENCES[turn.phase] and now - turn.moved > SILENT_MS then
    return turn.moved, SILENCES[turn.phase]
  end
end

---@param turn cmt.Turn
---@param now number ms
---@return string short what it does, for the narrowest window
---@return string? detail
local function phase_text(turn, now)
  local seconds = math.floor((now - turn.since) / 1000)
  if turn.phase == "retrying" and turn.retry then
    local left = math.max(0, math.ceil((turn.retry.at - now) / 1000))
    return ("again in %d s (%d of %d)"):format(left, turn.retry.attempt + 1, turn.retry.most), turn.retry.reason
  end
  if turn.phase == "stopping" then
    return "stopping"
  end
  local since, who = silence(turn, now)
  if since then
    return ("silent for %d s"):format(math.floor((now - since) / 1000)), who
  end
  if turn.phase == "streaming" then
    return ("answering · %d s"):format(seconds), ("%d characters"):format(turn.characters)
  end
  return ("%s · %d s"):format(WAITS[turn.phase == "waiting" and turn.wait or turn.phase] or turn.phase, seconds)
end

--- What a turn does now, for the bar between transcript and prompt; `stop_key` is told beside it.
---@param turn cmt.Turn
---@param stop_key string|false
---@return string
function M.activity(turn, stop_key)
  local now = vim.uv.now()
  local short, detail = phase_text(turn, now)
  local parts = { SPINNER[math.floor(now / 250) % #SPINNER + 1] .. " " .. short }
  if stop_key then
    parts[#parts + 1] = stop_key .. " stops"
  end
  parts[#parts + 1] = detail
  return table.concat(parts, " · ")
end

--- Every turn under way somewhere in this editor.
---@return boolean
function M.any_running()
  return #turns.running() > 0
end

---@param budgets cmt.wire.Budget[]
local function tell_budgets(budgets)
  for _, budget in ipairs(budgets) do
    local before = budget_states[budget.scope]
    budget_states[budget.scope] = budget.state
    if budget.state ~= "ok" and budget.state ~= before then
      events.fire("CmtBudget", { state = budget.state, budget = budget, message = budget.display })
    end
  end
end

client.on("cmt/status", function(params)
  newest = params
  vim.g.cmt_status = params.text.medium
  tell_budgets(params.budgets or {})
  vim.cmd.redrawstatus({ bang = true })
end)

client.on_exit(function()
  newest = nil
  vim.g.cmt_status = ""
end)

return M
