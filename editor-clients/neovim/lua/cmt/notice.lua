--- What the person is told: one sentence, with what to do next, and never a prompt that waits for a key.

local M = {}

local SHOWN_MS = { good = 4000, bad = 8000 }
---@type integer? the window of the newest sentence
local shown

--- Neovim's own vim.notify asks for Enter when a sentence is longer than the line or a second one follows, and loses
--- it in insert mode.
--- It is known by where it comes from: a file of the runtime, in 0.12 code without any name.
---@return boolean
local function is_neovims_own()
  local source = debug.getinfo(vim.notify, "S").source
  return source == "@vim/_editor.lua" or source:sub(-1) == "?"
end

local function hide()
  if shown and vim.api.nvim_win_is_valid(shown) then
    vim.api.nvim_win_close(shown, true)
  end
  shown = nil
end

--- Show a sentence in the upper right corner for a while; keys and cursor stay where they are.
---@param message string
---@param group string
---@param shown_ms integer
local function float(message, group, shown_ms)
  hide()
  local width = math.max(10, math.min(60, vim.o.columns - 4, vim.fn.strdisplaywidth(message)))
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(buf, 0, -1, true, vim.split(message, "\n", { plain = true }))
  vim.bo[buf].bufhidden = "wipe"
  shown = vim.api.nvim_open_win(buf, false, {
    relative = "editor",
    anchor = "NE",
    row = 1,
    col = vim.o.columns - 1,
    width = width,
    height = 1,
    style = "minimal",
    border = "rounded",
    focusable = false,
    noautocmd = true,
    zindex = 200,
  })
  vim.wo[shown].wrap, vim.wo[shown].linebreak = true, true
  vim.wo[shown].winhighlight = "NormalFloat:" .. group
  vim.api.nvim_win_set_height(shown, math.min(vim.o.lines - 4, vim.api.nvim_win_text_height(shown, {}).all))
  local mine = shown
  vim.defer_fn(function()
    if shown == mine then
      hide()
    end
  end, shown_ms)
end

---@param message string
---@param level? integer a vim.log.levels value; INFO without it
function M.say(message, level)
  level = level or vim.log.levels.INFO
  if not is_neovims_own() then
    return vim.notify(message, level, { title = "cmt" })
  end
  local group = level >= vim.log.levels.ERROR and "CmtError" or "NormalFloat"
  float(message, group, level >= vim.log.levels.WARN and SHOWN_MS.bad or SHOWN_MS.good)
end

---@param message string
function M.warn(message)
  M.say(message, vim.log.levels.WARN)
end

---@param message string
function M.fail(message)
  M.say(message, vim.log.levels.ERROR)
end

--- A value of the wire, or nil where it is absent: Neovim 0.12 gives `vim.NIL`, which is true, for null.
---@generic T
---@param value T
---@return T?
function M.present(value)
  if value == vim.NIL then
    return nil
  end
  return value
end

--- An error of the server as one line: its message, and the hint where the message does not say it already.
---@param error { message?: string, data?: { hint?: string } }|string
---@return string
function M.sentence(error)
  if type(error) == "string" then
    return error
  end
  local message = M.present(error.message) or "The server gave no reason."
  local data = M.present(error.data)
  local hint = type(data) == "table" and M.present(data.hint)
  if hint and not message:find(hint, 1, true) then
    message = message .. (message:find("[.!?]$") and " " or ". ") .. hint
  end
  return (message:gsub("%s*\n%s*", " "))
end

return M
