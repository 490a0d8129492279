--- The line between transcript and prompt: what runs, else money, model and name; and Neovim's own sign of work.

local config = require("cmt.config")
local figures = require("cmt.figures")
local status = require("cmt.status")

local M = {}

local TICK_MS = 250

---@param chat cmt.Chat
---@return string[]
local function told_of(chat)
  local session, known = chat.session, status.get()
  if not session then
    return { "new chat", chat.wanted.model and figures.model(chat.wanted.model) }
  end
  local parts = { figures.cost(session.cost) }
  parts[#parts + 1] = known.cost.today and "today " .. figures.cost(known.cost.today)
  parts[#parts + 1] = figures.model(session.model)
  if known.context_fill and known.session and known.session.id == session.id and session.turns > 0 then
    parts[#parts + 1] = ("context %d%%"):format(math.ceil(known.context_fill * 100))
  end
  return parts
end

--- Money, model, how full its context is, what is pinned and the name: the most important first.
---@param chat cmt.Chat
---@return string
local function summary(chat)
  local parts = told_of(chat)
  local pins, name = #chat:pinned(), (chat.session or chat.wanted).name
  parts[#parts + 1] = pins > 0 and ("%d pinned"):format(pins) or nil
  parts[#parts + 1] = name and name ~= "" and name or nil
  return table.concat(parts, " · ")
end

--- Draw it.
---@param chat cmt.Chat
function M.draw(chat)
  local panes = chat:panes()
  if not panes then
    return
  end
  local text = chat.turn and status.activity(chat.turn, config.get().keys.stop) or summary(chat)
  local group = chat.turn and "%#CmtActivity#" or "%#CmtUsage#"
  local line = group .. " " .. text:gsub("%%", "%%%%") .. "%<"
  vim.api.nvim_set_option_value("winbar", line, { win = panes.prompt, scope = "local" })
end

--- Neovim 0.12 shows in its own status line that a buffer is busy.
---@param chat cmt.Chat
---@param busy boolean
local function say_busy(chat, busy)
  if vim.fn.has("nvim-0.12") == 0 then
    return
  end
  for _, buf in ipairs({ chat.transcript.buf, chat.prompt.buf }) do
    if vim.api.nvim_buf_is_valid(buf) then
      vim.api.nvim_set_option_value("busy", busy and 1 or 0, { buf = buf })
    end
  end
end

---@class cmt.Ticker
---@field package timer uv.uv_timer_t
---@field package chat cmt.Chat
local Ticker = {}
Ticker.__index = Ticker

--- Draw it again and again while a turn runs, until `stop`.
---@param chat cmt.Chat
---@return cmt.Ticker
function M.tick(chat)
  local self = setmetatable({ timer = assert(vim.uv.new_timer()), chat = chat }, Ticker)
  self.timer:start(
    TICK_MS,
    TICK_MS,
    vim.schedule_wrap(function()
      if chat.turn then
        M.draw(chat)
      end
    end)
  )
  say_busy(chat, true)
  M.draw(chat)
  return self
end

function Ticker:stop()
  self.timer:stop()
  self.timer:close()
  say_busy(self.chat, false)
end

return M
