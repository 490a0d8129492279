--- The code that a question is about, found again after edits.

local selection = require("cmt.selection")

local M = {}

local SPACE = vim.api.nvim_create_namespace("cmt.origin")

---@class (exact) cmt.Origin
---@field buf integer
---@field kind "lines"|"characters"|"cursor"
---@field text string as it was
---@field title string
---@field mark integer

---@param buf integer
---@param item cmt.wire.SelectionItem
---@param span cmt.Span
---@return cmt.Origin
function M.of(buf, item, span)
  local mark = vim.api.nvim_buf_set_extmark(buf, SPACE, span.from[1], span.from[2], {
    end_row = span.to[1],
    end_col = span.to[2],
    strict = false,
  })
  return { buf = buf, kind = span.kind, text = item.text or "", title = selection.title(item), mark = mark }
end

---@param buf integer
---@param row integer
---@return integer bytes
local function width(buf, row)
  return #(vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or "")
end

--- A position as the buffer has it: a mark may stand behind the last line once lines have gone.
---@param buf integer
---@param at [integer, integer]
---@return [integer, integer]
local function within(buf, at)
  local last = vim.api.nvim_buf_line_count(buf) - 1
  if at[1] > last then
    return { last, width(buf, last) }
  end
  return { at[1], math.min(at[2], width(buf, at[1])) }
end

---@param origin cmt.Origin
---@return [integer, integer] from
---@return [integer, integer] to exclusive
local function tracked(origin)
  local at = vim.api.nvim_buf_get_extmark_by_id(origin.buf, SPACE, origin.mark, { details = true })
  local from, to = within(origin.buf, { at[1], at[2] }), within(origin.buf, { at[3].end_row, at[3].end_col })
  local forward = from[1] < to[1] or (from[1] == to[1] and from[2] <= to[2])
  return from, forward and to or from
end

--- The lines that hold a text now, the nearest to a row.
---@param buf integer
---@param text string
---@param near integer
---@return integer? first
---@return integer? last inclusive
local function search(buf, text, near)
  local wanted = vim.split(text, "\n", { plain = true })
  local lines = vim.api.nvim_buf_get_lines(buf, 0, -1, false)
  local best ---@type integer?
  for at = 1, #lines - #wanted + 1 do
    if lines[at] == wanted[1] and table.concat(lines, "\n", at, at + #wanted - 1) == text then
      if not best or math.abs(at - 1 - near) < math.abs(best - near) then
        best = at - 1
      end
    end
  end
  return best, best and best + #wanted - 1
end

--- Where it stands now: followed through edits, else looked for, as after a formatter or `:edit!` wrote the whole
--- buffer anew. Nil where it is gone.
---@param origin cmt.Origin
---@return cmt.Span?
function M.place(origin)
  if not vim.api.nvim_buf_is_loaded(origin.buf) then
    return nil
  end
  local from, to = tracked(origin)
  local same = table.concat(vim.api.nvim_buf_get_text(origin.buf, from[1], from[2], to[1], to[2], {}), "\n")
  if same == origin.text then
    return { kind = origin.kind, from = from, to = to }
  end
  local first, last = search(origin.buf, origin.text, from[1])
  if first and last then
    return { kind = origin.kind, from = { first, 0 }, to = { last, width(origin.buf, last) } }
  elseif same ~= "" then -- it was edited since
    return { kind = origin.kind, from = from, to = to }
  end
end

--- The cursor's line of a window, for code that is about nothing in a buffer.
---@param win integer
---@return integer buf
---@return cmt.Span
function M.cursor(win)
  local buf, row = vim.api.nvim_win_get_buf(win), vim.api.nvim_win_get_cursor(win)[1] - 1
  return buf, { kind = "cursor", from = { row, 0 }, to = { row, width(buf, row) } }
end

---@param line string
---@param code string
---@return boolean whether the code repeats what stands before the selection, so that it means whole lines
local function repeats(line, code)
  local before, start = vim.trim(line), vim.trim(code)
  if before == "" then
    return line ~= "" and vim.startswith(code, line)
  end
  return vim.startswith(start, before)
end

--- A buffer's lines with the code in its place. At a cursor one line replaces its line, and more go below it.
---@param lines string[] of the buffer
---@param span cmt.Span
---@param code string[]
---@return string[]
function M.with(lines, span, code)
  local first, last = span.from[1], span.to[1]
  local before = (lines[first + 1] or ""):sub(1, span.from[2])
  local after = (lines[last + 1] or ""):sub(span.to[2] + 1)
  local put = vim.list_slice(code)
  if span.kind == "cursor" and #code > 1 then
    first = last + 1
  elseif span.kind == "characters" and not repeats(before, code[1] or "") then
    put[1] = before .. (put[1] or "")
    put[#put] = put[#put] .. after
  end
  local made = vim.list_slice(lines, 1, first)
  vim.list_extend(made, put)
  return vim.list_extend(made, lines, last + 2)
end

return M
