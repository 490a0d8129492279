--- A settled turn of a session's history, as lines and what is marked in them. Decides only; writes nowhere.

local figures = require("cmt.figures")
local notice = require("cmt.notice")

local M = {}

---@class (exact) cmt.Page rows count from 0, within the page
---@field lines string[]
---@field record cmt.wire.TurnRecord
---@field marks [integer, string][] row and highlight group of whole lines
---@field head integer row of the answer's head
---@field prose [integer, integer][] stretches of Markdown: first row, and the row after the last
---@field thinking [integer, integer]? first row and number of lines

---@param text string
---@return string[]
function M.lines_of(text)
  return vim.split(text, "\n", { plain = true })
end

--- The lines of a question, with its head and what went along.
---@param question string
---@param attachments string[]
---@param when string
---@return string[]
function M.question(question, attachments, when)
  local lines = { "## You · " .. when, "" }
  vim.list_extend(lines, M.lines_of(question))
  for _, name in ipairs(attachments) do
    lines[#lines + 1] = "+ " .. name
  end
  return lines
end

---@param model string
---@param when string
---@return string
function M.answer_title(model, when)
  return ("Claude · %s · %s"):format(figures.model(model), when)
end

--- The lines of a model's thinking; the first one is what a closed fold shows.
---@param text string
---@return string[]
function M.thinking(text)
  local words = select(2, text:gsub("%S+", ""))
  return vim.list_extend({ ("▸ Thinking · %d words"):format(words) }, M.lines_of(vim.trim(text)))
end

--- What stands under an answer that is not whole.
---@param settled cmt.wire.TurnResult|cmt.wire.TurnRecord
---@return string?
function M.partial_note(settled)
  if settled.stopReason == "cancelled" then
    return settled.text == "" and "[stopped by you before any text came]" or "[partial: stopped by you]"
  elseif settled.stopReason == "truncated" then
    return "[partial: the connection broke; :Cmt retry asks again]"
  elseif settled.stopReason == "max_tokens" then
    return "[partial: the longest answer allowed was reached]"
  end
end

---@param page cmt.Page
---@param lines string[]
local function add_prose(page, lines)
  local from = #page.lines
  vim.list_extend(page.lines, lines)
  table.insert(page.prose, { from, #page.lines })
end

---@param page cmt.Page
---@param thinking string
local function add_thinking(page, thinking)
  local lines = M.thinking(thinking)
  page.thinking = { #page.lines, #lines }
  for i = 0, #lines - 1 do
    table.insert(page.marks, { #page.lines + i, "CmtThinking" })
  end
  vim.list_extend(page.lines, lines)
  table.insert(page.lines, "")
end

--- What the history says of an attachment, as short as the name that it was sent with.
---@param told string such as `Selection from src/main.py, lines 3 to 9 in one (python)`
---@return string
local function short(told)
  local path, first, last = told:match("^Selection from (.-), lines (%d+) to (%d+)")
  if path then
    local name = vim.fs.basename(path)
    return first == last and ("%s:%s"):format(name, first) or ("%s:%s-%s"):format(name, first, last)
  end
  path, first = told:match("^Selection from (.-), line (%d+),")
  if path then
    return ("%s:%s"):format(vim.fs.basename(path), first)
  end
  path = told:match("^File (.-) %(") or told:match("^File (.+)$")
  return path or (told:find("^image/") and "picture") or told
end

---@param record cmt.wire.TurnRecord
---@return cmt.Page
function M.of(record)
  local when = figures.clock(record.startedAt)
  local attachments = vim.tbl_map(short, notice.present(record.attachments) or {})
  local page = { lines = {}, record = record, marks = { { 0, "CmtYou" } }, head = 0, prose = {} } ---@type cmt.Page
  add_prose(page, M.question(record.prompt, attachments, when))
  for i = 1, #attachments do
    table.insert(page.marks, { #page.lines - i, "CmtAttachment" })
  end
  page.head = #page.lines + 1
  table.insert(page.marks, { page.head, "CmtClaude" })
  vim.list_extend(page.lines, { "", "## " .. M.answer_title(record.model, when), "" })
  local thinking = notice.present(record.thinking)
  if thinking and thinking ~= "" then
    add_thinking(page, thinking)
  end
  add_prose(page, M.lines_of(record.text))
  local note = M.partial_note(record)
  if note then
    vim.list_extend(page.lines, page.lines[#page.lines] == "" and { note } or { "", note })
    table.insert(page.marks, { #page.lines - 1, "CmtPartial" })
  end
  return page
end

return M
