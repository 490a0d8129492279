--- Numbers of the wire in words; money comes from the server ready to show.

local M = {}

---@param n integer
---@return string
function M.tokens(n)
  if n < 1000 then
    return tostring(n)
  end
  return n < 999950 and ("%.1fk"):format(n / 1000) or ("%.1fM"):format(n / 1e6)
end

---@param cost cmt.wire.Cost
---@return string
function M.cost(cost)
  return cost.estimated and "~" .. cost.display or cost.display
end

---@alias cmt.Used { usage: cmt.wire.Usage, cost: cmt.wire.Cost, cache?: cmt.wire.CacheVerdict }

---@param usage cmt.wire.Usage
---@param cache cmt.wire.CacheVerdict
---@return string? what the cache did, nil where there is none to speak of
local function cached(usage, cache)
  local read, all = usage.cacheReadInputTokens, usage.totalInputTokens
  local written = usage.cacheCreation5mInputTokens + usage.cacheCreation1hInputTokens
  if cache.state == "off" or all == 0 then
    return nil
  elseif cache.state == "below-minimum" and read + written == 0 then
    return "too short to cache"
  end
  local missed = cache.state == "miss" and " missed" or cache.state == "partial" and " partly missed" or ""
  return ("cache%s %d%%, wrote %s"):format(missed, math.floor(100 * read / all + 0.5), M.tokens(written))
end

---@param turn cmt.Used
---@return string[]
local function used(turn)
  local usage, cache = turn.usage, turn.cache
  local parts = { M.cost(turn.cost), "in " .. M.tokens(usage.totalInputTokens), "out " .. M.tokens(usage.outputTokens) }
  parts[#parts + 1] = cache and cached(usage, cache)
  return parts
end

--- What a turn used, the cost first: `$0.011 · in 11.0k · out 412 · cache 89%, wrote 0`.
---@param turn cmt.Used
---@return string
function M.usage(turn)
  return table.concat(used(turn), " · ")
end

--- The same in lines of at most so many columns, as far as its parts allow.
---@param turn cmt.Used
---@param columns integer
---@return string[]
function M.usage_lines(turn, columns)
  local lines = {}
  for _, part in ipairs(used(turn)) do
    local longer = #lines > 0 and lines[#lines] .. " · " .. part
    if longer and vim.fn.strdisplaywidth(longer) <= columns then
      lines[#lines] = longer
    else
      lines[#lines + 1] = part
    end
  end
  return lines
end

--- How long ago a moment of the wire was, in words.
---@param moment string such as 2026-11-22T23:36:23Z
---@return string
function M.age(moment)
  local y, mo, d, h, mi, s = moment:match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
  if not y then
    return moment
  end
  local utc = os.time({ year = y, month = mo, day = d, hour = h, min = mi, sec = s, isdst = false })
  local now = os.time()
  local offset = os.difftime(now, os.time(os.date("!*t", now) --[[@as osdateparam]]))
  local seconds = math.max(0, now - (utc + offset))
  for _, unit in ipairs({ { 86400, "d" }, { 3600, "h" }, { 60, "min" } }) do
    if seconds >= unit[1] then
      return ("%d %s ago"):format(math.floor(seconds / unit[1]), unit[2])
    end
  end
  return "just now"
end

--- The clock time of a moment of the wire, here; with its day where that is not today.
---@param moment string
---@return string
function M.clock(moment)
  local y, mo, d, h, mi, s = moment:match("^(%d+)-(%d+)-(%d+)T(%d+):(%d+):(%d+)")
  if not y then
    return ""
  end
  local utc = os.time({ year = y, month = mo, day = d, hour = h, min = mi, sec = s, isdst = false })
  local offset = os.difftime(utc, os.time(os.date("!*t", utc) --[[@as osdateparam]]))
  local at = utc + offset
  local today = os.date("%Y-%m-%d") == os.date("%Y-%m-%d", at)
  return os.date(today and "%H:%M" or "%Y-%m-%d %H:%M", at) --[[@as string]]
end

--- A model's name without what all have in common.
---@param id string
---@return string
function M.model(id)
  return (id:gsub("^claude%-", ""))
end

return M
