--- Code of an answer as a diff against what was asked about: accepted or rejected hunk by hunk, by the person.

local notice = require("cmt.notice")
local origin = require("cmt.origin")
local picker = require("cmt.picker")

local M = {}

---@param win integer
---@return boolean
local function shows_code(win)
  return vim.bo[vim.api.nvim_win_get_buf(win)].buftype == "" and vim.api.nvim_win_get_config(win).relative == ""
end

--- The window of code that the person came from, else the first of this tab.
---@return integer?
local function code_window()
  local previous = vim.fn.win_getid(vim.fn.winnr("#"))
  if previous ~= 0 and shows_code(previous) then
    return previous
  end
  return vim.iter(vim.api.nvim_tabpage_list_wins(0)):find(shows_code)
end

---@param win integer
---@param text string
local function head(win, text)
  vim.api.nvim_set_option_value("winbar", text, { win = win, scope = "local" })
end

--- The diff's keys; they go with the proposal, however it is closed.
---@param file integer buffer
---@param file_win integer
---@param scratch integer buffer
local function set_keys(file, file_win, scratch)
  local function close()
    vim.api.nvim_buf_delete(scratch, { force = true })
    if vim.api.nvim_win_is_valid(file_win) and #vim.api.nvim_list_tabpages() > 1 then
      vim.api.nvim_win_close(file_win, true)
    end
  end
  local function take_all()
    -- Hunk by hunk, so that marks in the file stay where they are; one `u` takes it back.
    vim.api.nvim_win_call(file_win, function()
      vim.cmd("silent %diffget " .. scratch)
    end)
    close()
  end
  for _, buf in ipairs({ file, scratch }) do
    vim.keymap.set("n", "q", close, { buffer = buf, desc = "Claude: close the diff", nowait = true })
    vim.keymap.set("n", "ga", take_all, { buffer = buf, desc = "Claude: accept all", nowait = true })
  end
  vim.api.nvim_create_autocmd("BufWipeout", {
    buffer = scratch,
    once = true,
    callback = function()
      for _, key in ipairs({ "ga", "q" }) do
        pcall(vim.keymap.del, "n", key, { buffer = file })
      end
      if vim.api.nvim_win_is_valid(file_win) then
        vim.api.nvim_win_call(file_win, vim.cmd.diffoff)
        head(file_win, "")
      end
    end,
  })
end

---@param buf integer
---@param span cmt.Span
---@param code string[]
local function show(buf, span, code)
  if not vim.bo[buf].modifiable then
    local name = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buf), ":t")
    return notice.warn(("%s cannot be changed: `:setlocal modifiable` in it allows that."):format(name))
  end
  local scratch = vim.api.nvim_create_buf(false, true)
  local lines = vim.api.nvim_buf_get_lines(buf, 0, -1, false)
  vim.api.nvim_buf_set_lines(scratch, 0, -1, true, origin.with(lines, span, code))
  vim.bo[scratch].filetype = vim.bo[buf].filetype
  vim.bo[scratch].bufhidden = "wipe"
  vim.cmd.tabnew()
  local empty = vim.api.nvim_get_current_buf()
  vim.api.nvim_win_set_buf(0, buf)
  vim.api.nvim_buf_delete(empty, { force = true })
  local file_win = vim.api.nvim_get_current_win()
  vim.cmd.diffthis()
  local right = vim.api.nvim_open_win(scratch, false, { split = "right", win = file_win })
  vim.api.nvim_win_call(right, vim.cmd.diffthis)
  local keys = "do takes a hunk · ga takes all · q closes"
  head(file_win, "%#CmtUsage# now · " .. keys)
  head(right, "%#CmtUsage# proposal")
  vim.api.nvim_win_set_cursor(file_win, { math.min(span.from[1] + 1, #lines), 0 })
  set_keys(buf, file_win, scratch)
end

---@param from cmt.Origin
---@param code string[]
local function against(from, code)
  local span = vim.api.nvim_buf_is_valid(from.buf) and origin.place(from)
  if not span then
    return notice.warn(("%s is gone: open the file, or yank the code."):format(from.title))
  end
  show(from.buf, span, code)
end

--- Show the diff in a tab of its own: the file left, the proposal right. `do` takes a hunk, `ga` takes all, `q` leaves
--- the rest as it is.
---@param origins cmt.Origin[] of the question; the person chooses where there are several
---@param code string[]
function M.open(origins, code)
  if #origins == 0 then
    local win = code_window()
    if not win then
      return notice.warn("No window shows code to put this into: open the file, or yank the code.")
    end
    local buf, span = origin.cursor(win)
    return show(buf, span, code)
  elseif #origins == 1 then
    return against(origins[1], code)
  end
  picker.pick(origins, {
    prompt = "Apply to",
    format_item = function(from)
      return from.title
    end,
  }, function(from)
    if from then
      against(from, code)
    end
  end)
end

return M
