--- `@` in a question: a file, the buffer at hand, its problems, the quickfix list or the changes since the last commit.

local documents = require("cmt.documents")

local M = {}

local MOST = 50 -- offered at once

---@class (exact) cmt.Mention
---@field word string as it is written, without the @
---@field item cmt.wire.ContextItem

--- The buffer of code that the person is in, or came from.
---@return integer?
local function code_buffer()
  local function is_code(win)
    return vim.bo[vim.api.nvim_win_get_buf(win)].buftype == ""
  end
  local previous = vim.fn.win_getid(vim.fn.winnr("#"))
  for _, win in ipairs({ vim.api.nvim_get_current_win(), previous, unpack(vim.api.nvim_tabpage_list_wins(0)) }) do
    if win ~= 0 and is_code(win) then
      return vim.api.nvim_win_get_buf(win)
    end
  end
end

---@param buf integer
---@return cmt.wire.ContextItem
local function whole(buf)
  local uri, name = vim.uri_from_bufnr(buf), vim.api.nvim_buf_get_name(buf)
  if name ~= "" then
    documents.attach(buf)
    return { kind = "file", uri = uri }
  end
  local text = table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, false), "\n")
  return { kind = "text", title = "buffer without a name", text = text }
end

--- What Neovim shows of a buffer, as the server takes it; its columns are bytes, and lines alone are told.
---@param buf integer
---@return cmt.wire.DiagnosticsItem?
function M.diagnostics(buf)
  local items = vim.tbl_map(function(found)
    local from, to = { line = found.lnum, character = 0 }, { line = found.end_lnum or found.lnum, character = 0 }
    return {
      message = found.message,
      severity = found.severity,
      source = found.source,
      code = found.code,
      range = { start = from, ["end"] = to },
    }
  end, vim.diagnostic.get(buf))
  return #items > 0 and { kind = "diagnostics", uri = vim.uri_from_bufnr(buf), items = items } or nil
end

---@return cmt.wire.TextItem?
local function quickfix()
  local lines = vim.tbl_map(function(entry)
    local name = entry.bufnr > 0 and vim.fn.fnamemodify(vim.api.nvim_buf_get_name(entry.bufnr), ":.") or ""
    return name ~= "" and ("%s:%d: %s"):format(name, entry.lnum, entry.text) or entry.text
  end, vim.fn.getqflist())
  return #lines > 0 and { kind = "text", title = "quickfix list", text = table.concat(lines, "\n") } or nil
end

---@return cmt.wire.TextItem?
local function changes()
  local started, process = pcall(vim.system, { "git", "diff", "HEAD", "--no-color", "--no-ext-diff" }, { text = true })
  local done = started and process:wait(2000)
  local text = done and done.code == 0 and done.stdout or ""
  return text ~= "" and { kind = "text", title = "git diff HEAD", text = text } or nil
end

---@type table<string, fun(): cmt.wire.ContextItem?>
local SPECIAL = {
  buffer = function()
    local buf = code_buffer()
    return buf and whole(buf)
  end,
  diagnostics = function()
    local buf = code_buffer()
    return buf and M.diagnostics(buf)
  end,
  quickfix = quickfix,
  diff = changes,
}

---@param path string
---@return cmt.wire.FileItem?
local function file(path)
  local absolute = vim.fn.fnamemodify(vim.fn.expand(path, true) --[[@as string]], ":p")
  local found = vim.uv.fs_stat(absolute)
  if found and found.type == "file" then
    local uri = vim.uri_from_fname(vim.fs.normalize(absolute))
    documents.attach_uri(uri)
    return { kind = "file", uri = uri }
  end
end

--- The words after an @ that begins a word, in their order, each once.
---@param text string
---@return string[]
function M.words(text)
  local found, seen = {}, {}
  for word in (" " .. text):gmatch("%s@([^%s@]+)") do
    word = word:gsub("[.,;:!?)]+$", "")
    if word ~= "" and not seen[word] then
      seen[word] = true
      found[#found + 1] = word
    end
  end
  return found
end

--- What goes along with a question by being named in it; a word that names nothing is a word.
---@param text string
---@return cmt.wire.ContextItem[]
function M.items(text)
  local found = {}
  for _, word in ipairs(M.words(text)) do
    local special = SPECIAL[word]
    found[#found + 1] = special and special() or file(word)
  end
  return found
end

--- The words of a question that name something; nothing is read for that.
---@param text string
---@return string[]
function M.labels(text)
  return vim.tbl_filter(function(word)
    if SPECIAL[word] then
      return true
    end
    local found = vim.uv.fs_stat(vim.fn.fnamemodify(word, ":p"))
    return found ~= nil and found.type == "file"
  end, M.words(text))
end

---@param base string what was typed after the @
---@return string[]
local function offers(base)
  local offered = vim.tbl_keys(SPECIAL)
  table.sort(offered)
  for _, info in ipairs(vim.fn.getbufinfo({ buflisted = 1 })) do
    if info.name ~= "" and vim.bo[info.bufnr].buftype == "" then
      offered[#offered + 1] = vim.fn.fnamemodify(info.name, ":.")
    end
  end
  vim.list_extend(offered, vim.fn.getcompletion(base, "file"))
  local seen = {}
  return vim.tbl_filter(function(word)
    local fits = not seen[word] and word:lower():find(base:lower(), 1, true) ~= nil
    seen[word] = true
    return fits
  end, offered)
end

--- For 'completefunc': the @ before the cursor, then what may follow it.
---@param find 0|1
---@param base string
---@return integer|vim.fn.complete.words
function M.complete(find, base)
  local before = vim.api.nvim_get_current_line():sub(1, vim.api.nvim_win_get_cursor(0)[2])
  if find == 1 then
    local at = before:match("^()@[^%s@]*$") or before:match(".*%s()@[^%s@]*$")
    return at and at - 1 or -3 -- -3: none, and no message
  end
  local words = vim.list_slice(offers(base:gsub("^@", "")), 1, MOST)
  return {
    words = vim.tbl_map(function(word)
      return "@" .. word
    end, words),
    refresh = "always",
  }
end

return M
