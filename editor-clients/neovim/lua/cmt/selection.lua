--- What the person selected, as an item of context: exactly that text, and where it stands.

local M = {}

---@class (exact) cmt.RangeCall what `:Cmt` was given
---@field range integer 0, 1 or 2: how many line numbers there were
---@field line1 integer
---@field line2 integer

---@class (exact) cmt.Span where an item stands, in bytes from 0; `to` is exclusive
---@field kind "lines"|"characters"|"cursor"
---@field from [integer, integer] row and byte
---@field to [integer, integer]

---@alias cmt.Region { kind: "v"|"V"|"\22", from: integer[], to: integer[] } positions as of getpos()

--- The last Visual area, if it is what the range means: `:'<,'>` gives line numbers alone.
---@param call cmt.RangeCall
---@return cmt.Region?
local function visual(call)
  local from, to = vim.fn.getpos("'<"), vim.fn.getpos("'>")
  if call.range == 2 and from[2] == call.line1 and to[2] == call.line2 then
    return { kind = vim.fn.visualmode(), from = from, to = to }
  end
end

--- LSP positions of an inclusive area of bytes, in the server's encoding.
---@param buf integer
---@param from_row integer from 0
---@param from_byte integer from 0
---@param to_row integer
---@param to_byte integer exclusive
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return cmt.wire.Range
local function range_of(buf, from_row, from_byte, to_row, to_byte, encoding)
  local function position(row, byte)
    local line = vim.api.nvim_buf_get_lines(buf, row, row + 1, false)[1] or ""
    return { line = row, character = vim.str_utfindex(line, encoding, math.min(byte, #line), false) }
  end
  return { start = position(from_row, from_byte), ["end"] = position(to_row, to_byte) }
end

---@param buf integer
---@param range cmt.wire.Range
---@param text string
---@return cmt.wire.SelectionItem
local function item(buf, range, text)
  return {
    kind = "selection",
    uri = vim.uri_from_bufnr(buf),
    range = range,
    text = text,
    languageId = vim.bo[buf].filetype ~= "" and vim.bo[buf].filetype or nil,
  }
end

---@param buf integer
---@param first integer from 1
---@param last integer
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return cmt.wire.SelectionItem
---@return cmt.Span
local function lines(buf, first, last, encoding)
  local texts = vim.api.nvim_buf_get_lines(buf, first - 1, last, false)
  local range = range_of(buf, first - 1, 0, last - 1, math.huge, encoding)
  local span = { kind = "lines", from = { first - 1, 0 }, to = { last - 1, #(texts[#texts] or "") } }
  return item(buf, range, table.concat(texts, "\n")), span
end

---@param buf integer
---@param region cmt.Region
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return cmt.wire.SelectionItem
---@return cmt.Span
local function marked(buf, region, encoding)
  local opts = { type = region.kind }
  local text = table.concat(vim.fn.getregion(region.from, region.to, opts), "\n")
  local spans = vim.fn.getregionpos(region.from, region.to, opts)
  local first, last = spans[1][1], spans[#spans][2]
  local from, to = { first[2] - 1, math.max(0, first[3] - 1) }, { last[2] - 1, last[3] }
  local range = range_of(buf, from[1], from[2], to[1], to[2], encoding)
  -- A block is many stretches: as a place for new code it means its lines.
  local span = { kind = region.kind == "v" and "characters" or "lines", from = from, to = to }
  return item(buf, range, text), span
end

--- The item for a call of `:Cmt`; nil where there was no range.
---@param call cmt.RangeCall
---@param encoding "utf-8"|"utf-16"|"utf-32" what the server counts positions in
---@return cmt.wire.SelectionItem?
---@return cmt.Span?
function M.of(call, encoding)
  if call.range == 0 then
    return nil, nil
  end
  local buf = vim.api.nvim_get_current_buf()
  local region = visual(call)
  if region and region.kind ~= "V" then
    return marked(buf, region, encoding)
  end
  return lines(buf, call.line1, call.line2, encoding)
end

--- The line of the cursor, for a question about "here".
---@param encoding "utf-8"|"utf-16"|"utf-32"
---@return cmt.wire.SelectionItem
---@return cmt.Span
function M.cursor(encoding)
  local row = vim.api.nvim_win_get_cursor(0)[1]
  local it, span = lines(vim.api.nvim_get_current_buf(), row, row, encoding)
  span.kind = "cursor"
  return it, span
end

--- A name of an item for people: `main.py:3-9`.
---@param it cmt.wire.ContextItem|cmt.wire.Image
---@return string
function M.title(it)
  if it.uri and it.range then
    local name = vim.fn.fnamemodify(vim.uri_to_fname(it.uri), ":t")
    local first, last = it.range.start.line + 1, it.range["end"].line + 1
    return first == last and ("%s:%d"):format(name, first) or ("%s:%d-%d"):format(name, first, last)
  end
  if it.uri then
    return vim.fn.fnamemodify(vim.uri_to_fname(it.uri), ":t")
  end
  return it.title or it.name or (it.path and vim.fn.fnamemodify(it.path, ":t")) or "picture"
end

return M
