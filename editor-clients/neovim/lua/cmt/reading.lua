--- What one does in a transcript: go from question to question, take code and answers, see the outline.

local history = require("cmt.history")
local markdown = require("cmt.markdown")
local notice = require("cmt.notice")
local picker = require("cmt.picker")

local M = {}

---@return integer row of the cursor, from 0
local function here()
  return vim.api.nvim_win_get_cursor(0)[1] - 1
end

---@param row integer from 0
local function go(row)
  vim.cmd("normal! m'")
  vim.api.nvim_win_set_cursor(0, { row + 1, 0 })
end

--- Go to the question after the cursor, or to the one before; above the first one that is shown come earlier ones.
---@param chat cmt.Chat
---@param step 1|-1
function M.turn(chat, step)
  local target ---@type integer?
  for _, at in ipairs(chat.transcript:shown()) do
    if step > 0 and at.row > here() then
      target = at.row
      break
    elseif step < 0 and at.row < here() then
      target = at.row
    end
  end
  if target then
    go(target)
  elseif step < 0 and chat.earlier then
    history.earlier(chat, function()
      if vim.api.nvim_get_current_buf() == chat.transcript.buf then
        M.turn(chat, -1)
      end
    end)
  end
end

--- Show earlier turns; says so where there are none.
---@param chat cmt.Chat
function M.earlier(chat)
  if not chat.earlier then
    return notice.say("This is the beginning of the session.")
  end
  history.earlier(chat)
end

--- The question that the cursor is at, and its answer.
---@param chat cmt.Chat
---@return cmt.ShownTurn?
function M.at_cursor(chat)
  if vim.api.nvim_get_current_buf() ~= chat.transcript.buf then
    return chat.last
  end
  return chat.transcript:turn_at(here()) or chat.last
end

---@param chat cmt.Chat
---@return cmt.CodeBlock?
local function block(chat)
  local found = markdown.block_at(chat.transcript.buf, here())
  if not found then
    notice.warn("There is no code block under the cursor: put it on one, ]] and [[ go through the chat.")
  end
  return found
end

---@param text string
---@param what string
local function yank(text, what)
  vim.fn.setreg(vim.v.register, text, "V")
  notice.say(what .. " yanked.")
end

--- Yank the code block under the cursor.
---@param chat cmt.Chat
function M.yank_code(chat)
  local found = block(chat)
  if found then
    yank(table.concat(found.lines, "\n") .. "\n", ("%d lines of code"):format(#found.lines))
  end
end

--- Yank the answer at the cursor as it came; from the prompt, the last one.
---@param chat cmt.Chat
function M.yank_answer(chat)
  local at = M.at_cursor(chat)
  if not (at and at.settled) then
    return notice.warn("There is no answer to yank yet: wait until it has come.")
  end
  yank(at.settled.text .. "\n", "Answer")
end

--- Show the code block under the cursor as a diff against what its question was about.
---@param chat cmt.Chat
function M.apply(chat)
  local found = block(chat)
  if found then
    local at = M.at_cursor(chat)
    require("cmt.apply").open(at and at.asked.origins or {}, found.lines)
  end
end

--- What the turn at the cursor cost.
---@param chat cmt.Chat
function M.detail(chat)
  require("cmt.costs").turn(M.at_cursor(chat))
end

---@param buf integer
---@param rows cmt.Outlined[]
---@return cmt.Outlined[]
local function with_headings(buf, rows)
  local fence ---@type cmt.Fence?
  for i, line in ipairs(vim.api.nvim_buf_get_lines(buf, 0, -1, true)) do
    if fence then
      fence = not markdown.closes(line, fence) and fence or nil
    else
      fence = markdown.opening(line, i - 1)
      local level, title = line:match("^(#+)%s+(.+)$")
      if level and not line:find("^## You ·") and not line:find("^## Claude ·") then
        rows[#rows + 1] = { row = i - 1, text = ("  "):rep(math.min(#level, 4)) .. title }
      end
    end
  end
  return rows
end

---@class (exact) cmt.Outlined
---@field row integer
---@field text string

--- The questions, and the headings of the answers; the one that is chosen is gone to.
---@param chat cmt.Chat
function M.outline(chat)
  local rows = vim.tbl_map(function(at)
    return { row = at.row, text = (at.turn.asked.text:gsub("%s+", " ")) }
  end, chat.transcript:shown())
  rows = with_headings(chat.transcript.buf, rows)
  if #rows == 0 then
    return notice.say("There is nothing in this chat yet: ask something.")
  end
  table.sort(rows, function(a, b)
    return a.row < b.row
  end)
  picker.pick(rows, {
    prompt = "Outline",
    format_item = function(row)
      return row.text
    end,
  }, function(row)
    local panes = chat:panes()
    if row and panes then
      vim.api.nvim_set_current_win(panes.transcript)
      go(row.row)
      vim.cmd("normal! zt")
    end
  end)
end

---@class (exact) cmt.ChatAction
---@field text string
---@field run fun()

--- What can be done here, to be chosen from.
---@param chat cmt.Chat
function M.actions(chat)
  local at, offered = M.at_cursor(chat), {} ---@type cmt.ShownTurn?, cmt.ChatAction[]
  local function offer(text, run)
    offered[#offered + 1] = { text = text, run = run }
  end
  local reads = vim.api.nvim_get_current_buf() == chat.transcript.buf
  if reads and markdown.block_at(chat.transcript.buf, here()) then
    offer("apply this code as a diff", function()
      M.apply(chat)
    end)
    offer("yank this code", function()
      M.yank_code(chat)
    end)
  end
  for _, action in ipairs(require("cmt.revise").actions(chat, at)) do
    table.insert(offered, action)
  end
  if at and at.settled then
    offer("yank this answer", function()
      M.yank_answer(chat)
    end)
    offer("what this turn cost", function()
      M.detail(chat)
    end)
  end
  picker.pick(offered, {
    prompt = "Here",
    format_item = function(action)
      return action.text
    end,
  }, function(action)
    if action then
      action.run()
    end
  end)
end

return M
