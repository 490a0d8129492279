--- The read-only buffer of a conversation: a streaming turn grows at its end, earlier ones are put on top.

local config = require("cmt.config")
local figures = require("cmt.figures")
local folds = require("cmt.folds")
local follow = require("cmt.follow")
local markdown = require("cmt.markdown")
local page = require("cmt.page")
local pieces = require("cmt.pieces")

local M = {}

local SPACE = vim.api.nvim_create_namespace("cmt.transcript")
local TURNS = vim.api.nvim_create_namespace("cmt.turns")

---@class cmt.ShownTurn a question that stands in a transcript
---@field asked cmt.Question
---@field origin? cmt.Origin the code that it is about
---@field settled? cmt.wire.TurnResult|cmt.wire.TurnRecord its answer, once the history holds it
---@field head? integer mark of the answer's head

---@class cmt.Transcript
---@field buf integer
---@field package state cmt.MarkdownState
---@field package painted integer rows that have their colours
---@field package pieces cmt.Pieces text that is not in the buffer yet
---@field package greeting integer? mark of what an empty one says
---@field package notice boolean whether the first line tells of earlier turns
---@field package turns table<integer, cmt.ShownTurn> by the mark of the question's head
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
    notice = false,
    turns = {},
  }, Transcript)
  self.pieces = pieces.new(function(text)
    if self:alive() then
      self:append(page.lines_of(text))
    end
  end)
  vim.bo[buf].undolevels = -1
  vim.bo[buf].swapfile = false
  vim.bo[buf].modifiable = false
  folds.watch(buf)
  return self
end

---@return boolean
function Transcript:alive()
  return vim.api.nvim_buf_is_valid(self.buf)
end

---@return boolean
function Transcript:empty()
  local count = vim.api.nvim_buf_line_count(self.buf)
  return count == 1 and vim.api.nvim_buf_get_lines(self.buf, 0, 1, true)[1] == ""
end

---@package
---@param write fun(buf: integer)
function Transcript:write(write)
  if self.greeting then
    vim.api.nvim_buf_del_extmark(self.buf, SPACE, self.greeting)
    self.greeting = nil
  end
  vim.bo[self.buf].modifiable = true
  write(self.buf)
  vim.bo[self.buf].modifiable = false
  vim.bo[self.buf].modified = false
end

--- Say in an empty transcript what to do, until something is written.
function Transcript:greet()
  local keys = config.get().keys
  local lines = { { { "Write a question below.", "CmtUsage" } } }
  local hints = { { keys.send, "sends it" }, { keys.mention, "names a file" }, { keys.help, "shows the keys" } }
  for _, hint in ipairs(hints) do
    if hint[1] then
      lines[#lines + 1] = { { ("%-6s %s"):format(hint[1], hint[2]), "CmtUsage" } }
    end
  end
  self.greeting = vim.api.nvim_buf_set_extmark(self.buf, SPACE, 0, 0, { virt_lines = lines })
end

--- Write at the end.
---@package
---@param lines string[] the first of them goes on the buffer's last line
---@param force? boolean go to the end in all windows
function Transcript:append(lines, force)
  local buf = self.buf
  local was_last = vim.api.nvim_buf_line_count(buf)
  local windows = force and vim.fn.win_findbuf(buf) or follow.windows(buf)
  self:write(function()
    vim.api.nvim_buf_set_text(buf, was_last - 1, -1, was_last - 1, -1, lines)
  end)
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

--- Take a piece of the answer.
---@param text string
function Transcript:stream(text)
  self.pieces:add(text)
end

--- Write below what there is; an empty buffer has one line, which is taken.
---@package
---@param lines string[] whole lines
---@param force? boolean
---@return integer row of the first of them, from 0
function Transcript:add_lines(lines, force)
  self.pieces:flush()
  local empty, count = self:empty(), vim.api.nvim_buf_line_count(self.buf)
  self:append(empty and lines or vim.list_extend({ "" }, lines), force)
  return empty and 0 or count
end

---@package
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

---@package
---@param row integer
---@param turn cmt.ShownTurn
function Transcript:note_turn(row, turn)
  self.turns[vim.api.nvim_buf_set_extmark(self.buf, TURNS, row, 0, {})] = turn
end

--- Write a question, at the end of all windows.
---@param turn cmt.ShownTurn
---@param attachments string[]
---@param when string
function Transcript:ask(turn, attachments, when)
  self.state = markdown.new()
  local lines = page.question(turn.asked.text, attachments, when)
  local more = not self:empty()
  if more then
    table.insert(lines, 1, "")
  end
  local row = self:add_lines(lines, true) + (more and 1 or 0)
  self:mark(row, "CmtYou")
  self:note_turn(row, turn)
  for i = 1, #attachments do
    self:mark(vim.api.nvim_buf_line_count(self.buf) - i, "CmtAttachment")
  end
end

--- Write the head of a turn's answer; text goes below it from now on.
---@param title string
---@return integer head mark for `usage`
function Transcript:answer(title)
  self.pieces:flush()
  self:paint(true)
  self.state = markdown.new()
  local row = self:add_lines({ "", "## " .. title, "", "" }) + 1
  return self:mark(row, "CmtClaude")
end

--- Put the model's thinking above the answer's text, as a closed fold.
---@param text string
function Transcript:think(text)
  self.pieces:flush()
  local lines = page.thinking(text)
  local row = vim.api.nvim_buf_line_count(self.buf) - 1
  self:append(vim.list_extend(vim.deepcopy(lines), { "", "" }))
  self.painted = math.max(self.painted, row + #lines)
  for i = row, row + #lines - 1 do
    self:mark(i, "CmtThinking")
  end
  folds.add(self.buf, row, #lines)
end

--- The columns of the narrowest window on the buffer.
---@package
---@return integer
function Transcript:columns()
  local columns = vim.o.columns
  for _, win in ipairs(vim.fn.win_findbuf(self.buf)) do
    columns = math.min(columns, vim.api.nvim_win_get_width(win))
  end
  return columns
end

---@package
---@param row integer of an answer's head
---@param used cmt.Used
---@param columns integer
function Transcript:write_usage(row, used, columns)
  local lines = vim.tbl_map(function(line)
    return { { line, "CmtUsage" } }
  end, figures.usage_lines(used, columns))
  vim.api.nvim_buf_set_extmark(self.buf, SPACE, row, 0, { virt_lines = lines })
end

--- Say under an answer's head what it used. It is no text: yanks and saved transcripts stay clean.
---@param head integer from `answer`
---@param used cmt.Used
function Transcript:usage(head, used)
  local place = vim.api.nvim_buf_get_extmark_by_id(self.buf, SPACE, head, {})
  if place[1] then
    local last = vim.api.nvim_buf_line_count(self.buf)
    local windows = follow.windows(self.buf)
    self:write_usage(place[1], used, self:columns())
    follow.go(self.buf, windows, last) -- the lines push the end down
  end
end

--- End the turn's text, with a line that says so where it is not the whole answer.
---@param note? string
---@param group? string
function Transcript:finish(note, group)
  self.pieces:flush()
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

---@param earlier integer
---@return string
local function earlier_line(earlier)
  local key = config.get().keys.earlier
  local what = earlier == 1 and "1 earlier turn is" or ("%d earlier turns are"):format(earlier)
  return ("[%s not shown: %sscroll up for more]"):format(what, key and key .. " or " or "")
end

---@param pages cmt.Page[]
---@param lines string[] what stands above them; they are put below it
---@return integer[] tops row of each page's first line
local function lay_out(pages, lines)
  return vim.tbl_map(function(written)
    local top = #lines
    vim.list_extend(lines, written.lines)
    table.insert(lines, "")
    return top
  end, pages)
end

---@package
---@param written cmt.Page
---@param top integer row of the page's first line
---@param columns integer
---@return cmt.ShownTurn
function Transcript:decorate(written, top, columns)
  local record = written.record
  for _, mark in ipairs(written.marks) do
    self:mark(top + mark[1], mark[2])
  end
  self:write_usage(top + written.head, record, columns)
  for _, stretch in ipairs(written.prose) do
    local lines = vim.list_slice(written.lines, stretch[1] + 1, stretch[2])
    markdown.paint(self.buf, markdown.new(), top + stretch[1], lines)
  end
  if written.thinking then
    folds.add(self.buf, top + written.thinking[1], written.thinking[2])
  end
  local turn = { asked = { text = record.prompt }, settled = record } ---@type cmt.ShownTurn
  self:note_turn(top, turn)
  return turn
end

--- Put lines above all that is shown, in place of the line that told of them.
---@package
---@param lines string[]
function Transcript:write_above(lines)
  local empty = self:empty()
  local replaced = (empty and 1) or (self.notice and 2) or 0
  local function put()
    self:write(function(buf)
      vim.api.nvim_buf_set_lines(buf, 0, replaced, true, lines)
    end)
  end
  if empty then
    table.remove(lines) -- none is left below the last one
    self.painted = #lines
    return put()
  end
  follow.keep(self.buf, #lines - replaced, put)
  self.painted = self.painted - replaced + #lines
  markdown.shift(self.state, #lines - replaced)
end

--- Put settled turns above all that is shown; what a window shows stays where it is.
---@param records cmt.wire.TurnRecord[]
---@param earlier integer how many turns come before these
---@return cmt.ShownTurn? newest of them
function Transcript:put_above(records, earlier)
  local lines = earlier > 0 and { earlier_line(earlier), "" } or {}
  local pages = vim.tbl_map(page.of, records)
  local tops, newest, columns = lay_out(pages, lines), nil, self:columns()
  self:write_above(lines)
  self.notice = earlier > 0
  if self.notice then
    self:mark(0, "CmtUsage")
  end
  for i, written in ipairs(pages) do
    newest = self:decorate(written, tops[i], columns)
  end
  return newest
end

--- The turns, the first one first.
---@return { row: integer, turn: cmt.ShownTurn }[] row of the question's head, from 0
function Transcript:shown()
  return vim.tbl_map(function(mark)
    return { row = mark[2], turn = self.turns[mark[1]] }
  end, vim.api.nvim_buf_get_extmarks(self.buf, TURNS, 0, -1, {}))
end

--- The turn that a row belongs to.
---@param row integer from 0
---@return cmt.ShownTurn?
function Transcript:turn_at(row)
  local found ---@type cmt.ShownTurn?
  for _, at in ipairs(self:shown()) do
    if at.row <= row then
      found = at.turn
    end
  end
  return found
end

--- Go to the end in all windows.
function Transcript:show_end()
  follow.go(self.buf, vim.fn.win_findbuf(self.buf), 0, true)
end

--- Take everything out, to be written anew.
function Transcript:clear()
  self.pieces:drop()
  self.turns, self.painted, self.state, self.notice = {}, 0, markdown.new(), false
  for _, space in ipairs({ SPACE, TURNS, vim.api.nvim_create_namespace("cmt.markdown") }) do
    vim.api.nvim_buf_clear_namespace(self.buf, space, 0, -1)
  end
  folds.clear(self.buf)
  self:write(function(buf)
    vim.api.nvim_buf_set_lines(buf, 0, -1, true, {})
  end)
end

return M
