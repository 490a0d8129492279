--- The read-only buffer of a conversation: turns are appended, a streaming one grows at its end.

local config = require("cmt.config")
local figures = require("cmt.figures")
local follow = require("cmt.follow")
local markdown = require("cmt.markdown")

local M = {}

local SPACE = vim.api.nvim_create_namespace("cmt.transcript")
local TURNS = vim.api.nvim_create_namespace("cmt.turns")

---@class cmt.Transcript
---@field buf integer
---@field package state cmt.MarkdownState
---@field package painted integer rows that have their colours
---@field package pieces string[] text that is not in the buffer yet
---@field package timer uv.uv_timer_t?
---@field package last_flush number ms, of the loop's clock
---@field package thoughts [integer, integer][] extmark of first line, number of lines
local Transcript = {}
Transcript.__index = Transcript

---@param name string the buffer's name
---@return cmt.Transcript
function M.new(name)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buf, name)
  local self = setmetatable({
    buf = buf,
    state = markdown.new(),
    painted = 0,
    pieces = {},
    last_flush = 0,
    thoughts = {},
  }, Transcript)
  vim.bo[buf].undolevels = -1
  vim.bo[buf].swapfile = false
  vim.bo[buf].modifiable = false
  vim.api.nvim_create_autocmd("BufWinEnter", {
    buffer = buf,
    callback = function()
      self:fold_all()
    end,
  })
  return self
end

---@return boolean
function Transcript:alive()
  return vim.api.nvim_buf_is_valid(self.buf)
end

--- Write at the end. All writing goes through here.
---@package
---@param lines string[] the first of them goes on the buffer's last line
---@param force? boolean go to the end in all windows
function Transcript:append(lines, force)
  local buf = self.buf
  local was_last = vim.api.nvim_buf_line_count(buf)
  local windows = force and vim.fn.win_findbuf(buf) or follow.windows(buf)
  vim.bo[buf].modifiable = true
  vim.api.nvim_buf_set_text(buf, was_last - 1, -1, was_last - 1, -1, lines)
  vim.bo[buf].modifiable = false
  vim.bo[buf].modified = false
  self:paint(false)
  follow.go(buf, windows, was_last, force)
end

--- Colour what is complete; the last line only where `all` is given.
---@package
---@param all boolean
function Transcript:paint(all)
  local complete = vim.api.nvim_buf_line_count(self.buf) - (all and 0 or 1)
  if complete > self.painted then
    local lines = vim.api.nvim_buf_get_lines(self.buf, self.painted, complete, true)
    markdown.paint(self.buf, self.state, self.painted, lines)
    self.painted = complete
  end
end

--- Take a piece of the answer. The first one is drawn at once, later ones together.
---@param text string
function Transcript:stream(text)
  table.insert(self.pieces, text)
  if self.timer then
    return
  end
  local wait = self.last_flush + config.get().batch_ms - vim.uv.now()
  if wait <= 0 then
    return self:flush()
  end
  self.timer = vim.defer_fn(function()
    self.timer = nil
    self:flush()
  end, wait)
end

--- Write what was gathered.
function Transcript:flush()
  if self.timer then
    self.timer:stop()
    if not self.timer:is_closing() then
      self.timer:close()
    end
    self.timer = nil
  end
  if #self.pieces == 0 then
    return
  end
  local text = table.concat(self.pieces)
  self.pieces = {}
  if self:alive() then
    vim.uv.update_time()
    self.last_flush = vim.uv.now()
    self:append(vim.split(text, "\n", { plain = true }))
  end
end

--- Row of the line after what there is; an empty buffer has one line, which is taken.
---@package
---@param lines string[] whole lines
---@param force? boolean
---@return integer row of the first of them, from 0
function Transcript:add_lines(lines, force)
  self:flush()
  local count = vim.api.nvim_buf_line_count(self.buf)
  local empty = count == 1 and vim.api.nvim_buf_get_lines(self.buf, 0, 1, true)[1] == ""
  self:append(empty and lines or vim.list_extend({ "" }, lines), force)
  return empty and 0 or count
end

---@param row integer
---@param group string
---@return integer id
function Transcript:mark(row, group)
  local line = vim.api.nvim_buf_get_lines(self.buf, row, row + 1, true)[1] or ""
  return vim.api.nvim_buf_set_extmark(self.buf, SPACE, row, 0, {
    end_col = #line,
    hl_group = group,
    priority = 120,
  })
end

--- Say that earlier turns are not shown.
---@param turns integer nothing is said of none
function Transcript:omit(turns)
  if turns > 0 then
    local words = turns == 1 and "turn is" or "turns are"
    self:append({ ("[%d earlier %s not shown; vim.g.cmt.history_turns sets how many are]"):format(turns, words) })
    self.painted = 1
    self:mark(0, "CmtUsage")
  end
end

--- Write a question and the head of its answer.
---@param question string
---@param attachments string[]
---@param when string
function Transcript:ask(question, attachments, when)
  self.state = markdown.new()
  local lines = { "## You · " .. when, "" }
  vim.list_extend(lines, vim.split(question, "\n", { plain = true }))
  local count = vim.api.nvim_buf_line_count(self.buf)
  local more = count > 1 or vim.api.nvim_buf_get_lines(self.buf, 0, 1, true)[1] ~= ""
  if more then
    table.insert(lines, 1, "")
  end
  for _, name in ipairs(attachments) do
    lines[#lines + 1] = "+ " .. name
  end
  local row = self:add_lines(lines, true)
  row = more and row + 1 or row
  self:mark(row, "CmtYou")
  vim.api.nvim_buf_set_extmark(self.buf, TURNS, row, 0, {})
  for i = 1, #attachments do
    self:mark(vim.api.nvim_buf_line_count(self.buf) - i, "CmtAttachment")
  end
end

--- Write the head of an answer; text goes below it from now on.
---@param title string
---@return integer mark for `usage`
function Transcript:answer(title)
  self:flush()
  self:paint(true)
  self.state = markdown.new()
  local row = self:add_lines({ "", "## " .. title, "", "" }) + 1
  return self:mark(row, "CmtClaude")
end

--- Put the model's thinking above the answer's text, as a closed fold.
---@param text string
function Transcript:think(text)
  self:flush()
  local lines = vim.split(vim.trim(text), "\n", { plain = true })
  table.insert(lines, 1, ("▸ Thinking · %d words"):format(select(2, text:gsub("%S+", ""))))
  local row = vim.api.nvim_buf_line_count(self.buf) - 1
  self:append(vim.list_extend(vim.deepcopy(lines), { "", "" }))
  self.painted = math.max(self.painted, row + #lines)
  for i = row, row + #lines - 1 do
    self:mark(i, "CmtThinking")
  end
  local id = vim.api.nvim_buf_set_extmark(self.buf, SPACE, row, 0, {})
  table.insert(self.thoughts, { id, #lines })
  for _, win in ipairs(vim.fn.win_findbuf(self.buf)) do
    self:fold(win, row, #lines)
  end
end

---@package
---@param win integer
---@param row integer
---@param count integer
function Transcript:fold(win, row, count)
  vim.api.nvim_win_call(win, function()
    if vim.wo.foldmethod == "manual" then
      vim.cmd(("silent keepjumps %d,%dfold"):format(row + 1, row + count))
    end
  end)
end

--- Folds belong to windows: a window that shows the buffer anew makes its own.
---@package
function Transcript:fold_all()
  local win = vim.api.nvim_get_current_win()
  vim.api.nvim_win_call(win, function()
    vim.cmd("silent normal! zE")
  end)
  for _, thought in ipairs(self.thoughts) do
    local place = vim.api.nvim_buf_get_extmark_by_id(self.buf, SPACE, thought[1], {})
    if place[1] then
      self:fold(win, place[1], thought[2])
    end
  end
end

--- Say under an answer's head what it used. It is no text: yanks and saved transcripts stay clean.
---@param mark integer from `answer`
---@param used cmt.Used
function Transcript:usage(mark, used)
  local place = vim.api.nvim_buf_get_extmark_by_id(self.buf, SPACE, mark, {})
  if not place[1] then
    return
  end
  local columns = vim.o.columns
  for _, win in ipairs(vim.fn.win_findbuf(self.buf)) do
    columns = math.min(columns, vim.api.nvim_win_get_width(win))
  end
  local lines = vim.tbl_map(function(line)
    return { { line, "CmtUsage" } }
  end, figures.usage_lines(used, columns))
  local last = vim.api.nvim_buf_line_count(self.buf)
  local windows = follow.windows(self.buf)
  vim.api.nvim_buf_set_extmark(self.buf, SPACE, place[1], 0, { virt_lines = lines })
  follow.go(self.buf, windows, last) -- the lines push the end down
end

--- End the turn's text, with a line that says so where it is not the whole answer.
---@param note? string
---@param group? string
function Transcript:finish(note, group)
  self:flush()
  self:paint(true)
  self.state = markdown.new()
  if note then
    local last = vim.api.nvim_buf_line_count(self.buf)
    local blank = vim.api.nvim_buf_get_lines(self.buf, last - 1, last, true)[1] == ""
    self:append(blank and { note } or { "", "", note })
    self.painted = vim.api.nvim_buf_line_count(self.buf)
    self:mark(self.painted - 1, group or "CmtPartial")
  end
end

--- The rows at which questions begin, from 0.
---@return integer[]
function Transcript:turn_rows()
  local rows = {}
  for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(self.buf, TURNS, 0, -1, {})) do
    rows[#rows + 1] = mark[2]
  end
  return rows
end

--- Go to the end in all windows.
function Transcript:show_end()
  follow.go(self.buf, vim.fn.win_findbuf(self.buf), 0, true)
end

--- Take everything out, to be written anew.
function Transcript:clear()
  self.pieces, self.thoughts, self.painted, self.state = {}, {}, 0, markdown.new()
  for _, space in ipairs({ SPACE, TURNS, vim.api.nvim_create_namespace("cmt.markdown") }) do
    vim.api.nvim_buf_clear_namespace(self.buf, space, 0, -1)
  end
  vim.bo[self.buf].modifiable = true
  vim.api.nvim_buf_set_lines(self.buf, 0, -1, true, {})
  vim.bo[self.buf].modifiable = false
end

return M
