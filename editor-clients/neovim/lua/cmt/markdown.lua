--- Colours for the text of an answer, line by line and each line once.
---
--- Tree-sitter's markdown looks for injections in the whole buffer after every edit: 150 ms at 3,600 lines, so that a
--- long chat stands still while it streams. Here the work is that of the new lines alone; a code block is parsed by
--- itself when its fence closes.

local M = {}

local SPACE = vim.api.nvim_create_namespace("cmt.markdown")
local MOST_CODE = 2000 -- lines of one block that are still parsed

---@class (exact) cmt.Fence an open code block
---@field row integer of its opening line, from 0
---@field ticks string the fence itself
---@field language string

---@class (exact) cmt.MarkdownState
---@field fence cmt.Fence?

---@return cmt.MarkdownState
function M.new()
  return { fence = nil }
end

--- The fence that a line opens.
---@param line string
---@param row integer
---@return cmt.Fence?
function M.opening(line, row)
  local ticks, info = line:match("^%s*(```+)%s*([^`]*)$")
  if not ticks then
    ticks, info = line:match("^%s*(~~~+)%s*(.*)$")
  end
  return ticks and { row = row, ticks = ticks, language = (info:match("^[%w_+#.-]+") or ""):lower() } or nil
end

--- Whether a line closes a fence.
---@param line string
---@param fence cmt.Fence
function M.closes(line, fence)
  local ticks = line:match("^%s*([`~]+)%s*$")
  return ticks ~= nil and ticks:sub(1, 1) == fence.ticks:sub(1, 1) and #ticks >= #fence.ticks
end

---@param buf integer
---@param row integer
---@param from integer
---@param to integer
---@param group string
---@param priority? integer
local function paint(buf, row, from, to, group, priority)
  vim.api.nvim_buf_set_extmark(buf, SPACE, row, from, {
    end_col = to,
    hl_group = group,
    priority = priority or 100,
  })
end

local LINE_GROUPS = { { "^#+%s", "CmtHeading" }, { "^%s*>", "CmtQuote" } }
local SPAN_GROUPS = {
  { "()`[^`]+`()", "CmtCode" },
  { "()%*%*%S.-%*%*()", "CmtBold" },
  { "()%[[^%]]+%]%([^)]+%)()", "CmtLink" },
  { "()https?://[%w%-._~:/?#@!$&'()*+,;=%%]+()", "CmtLink" },
}

---@param buf integer
---@param row integer
---@param line string
local function paint_prose(buf, row, line)
  for _, rule in ipairs(LINE_GROUPS) do
    if line:find(rule[1]) then
      return paint(buf, row, 0, #line, rule[2])
    end
  end
  local bullet = select(2, line:find("^%s*[-*+]%s")) or select(2, line:find("^%s*%d+[.)]%s"))
  if bullet then
    paint(buf, row, 0, bullet, "CmtList")
  end
  for _, rule in ipairs(SPAN_GROUPS) do
    for from, to in line:gmatch(rule[1]) do
      paint(buf, row, from - 1, to - 1, rule[2])
    end
  end
end

--- The parser's name for what stands after the ticks, where Neovim has that parser.
---@param name string
---@return string?
local function parser_of(name)
  local language = name ~= "" and (vim.treesitter.language.get_lang(name) or name)
  if language and vim.treesitter.language.add(language) then
    return language
  end
end

---@param buf integer
---@param first integer the block's first line of code
---@param last integer the line after its last
---@param node TSNode
---@param group string
local function paint_node(buf, first, last, node, group)
  local from_row, from, to_row, to = node:range()
  local past = first + to_row >= last
  vim.api.nvim_buf_set_extmark(buf, SPACE, first + from_row, from, {
    end_row = past and last - 1 or first + to_row,
    end_col = past and -1 or to,
    hl_group = group,
    priority = 110,
    strict = false,
  })
end

---@param buf integer
---@param first integer the block's first line of code
---@param last integer the line after its last
---@param name string
local function paint_code(buf, first, last, name)
  local language = last - first <= MOST_CODE and parser_of(name)
  if not language then
    return
  end
  local text = table.concat(vim.api.nvim_buf_get_lines(buf, first, last, true), "\n")
  local parser = vim.treesitter.get_string_parser(text, language, { injections = { [language] = "" } })
  local query = vim.treesitter.query.get(language, "highlights")
  local tree = parser:parse()[1]
  if not (query and tree) then
    return
  end
  for id, node in query:iter_captures(tree:root(), text) do
    local capture = query.captures[id]
    if capture:sub(1, 1) ~= "_" and capture ~= "spell" and capture ~= "nospell" then
      paint_node(buf, first, last, node, ("@%s.%s"):format(capture, language))
    end
  end
end

--- Colour whole lines that are complete, and say what is open behind them.
---@param buf integer
---@param state cmt.MarkdownState changed in place
---@param first integer row of the first line, from 0
---@param lines string[]
function M.paint(buf, state, first, lines)
  for i, line in ipairs(lines) do
    local row = first + i - 1
    if state.fence and M.closes(line, state.fence) then
      local fence = state.fence --[[@as cmt.Fence]]
      state.fence = nil
      paint(buf, row, 0, #line, "CmtFence")
      paint_code(buf, fence.row + 1, row, fence.language)
    elseif state.fence then
      paint(buf, row, 0, #line, "CmtCode", 90)
    else
      state.fence = M.opening(line, row)
      if state.fence then
        paint(buf, row, 0, #line, "CmtFence")
      else
        paint_prose(buf, row, line)
      end
    end
  end
end

--- Lines came above all that was coloured.
---@param state cmt.MarkdownState changed in place
---@param rows integer
function M.shift(state, rows)
  if state.fence then
    state.fence.row = state.fence.row + rows
  end
end

---@class (exact) cmt.CodeBlock
---@field first integer its first line of code, from 0
---@field last integer its last one
---@field language string
---@field lines string[]

--- The code block around a row.
---@param buf integer
---@param at integer
---@return cmt.CodeBlock?
function M.block_at(buf, at)
  local fence ---@type cmt.Fence?
  local lines = vim.api.nvim_buf_get_lines(buf, 0, -1, true)
  for i, line in ipairs(lines) do
    local row = i - 1
    if fence and M.closes(line, fence) then
      if fence.row <= at and at <= row then
        local code = vim.list_slice(lines, fence.row + 2, row)
        return { first = fence.row + 1, last = row - 1, language = fence.language, lines = code }
      end
      fence = nil
    elseif not fence then
      fence = M.opening(line, row)
      if fence and fence.row > at then
        return nil
      end
    end
  end
end

return M
