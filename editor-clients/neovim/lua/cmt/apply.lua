--- Code of an answer as a diff against what was asked about: accepted or rejected hunk by hunk, by the person.

local notice = require("cmt.notice")

local M = {}

---@param buf integer
---@param item cmt.wire.SelectionItem
---@return integer first from 0
---@return integer last exclusive
local function place(buf, item)
  local count = vim.api.nvim_buf_line_count(buf)
  local wanted = vim.split(item.text or "", "\n", { plain = true })
  local first = math.min(item.range.start.line, count)
  local function fits(at)
    return table.concat(vim.api.nvim_buf_get_lines(buf, at, at + #wanted, false), "\n") == item.text
  end
  if not fits(first) then -- the code has moved since it was asked about: look for it
    for at = 0, count - #wanted do
      if fits(at) then
        first = at
        break
      end
    end
  end
  return first, math.min(count, first + #wanted)
end

--- Show the diff in a tab of its own: the file left, the proposal right. `do` and `dp` take hunks, `ga` takes all, `q`
--- leaves the rest as it is.
---@param chat cmt.Chat
---@param code string[]
function M.open(chat, code)
  local origin = chat.origin
  if not (origin and vim.api.nvim_buf_is_valid(origin.buf)) then
    return notice.warn("This answer is about no code of a buffer: ask with a range, such as :'<,'>Cmt ask.")
  end
  local first, last = place(origin.buf, origin.item)
  local proposal = vim.api.nvim_buf_get_lines(origin.buf, 0, -1, false)
  local changed = vim.list_slice(proposal, 1, first)
  vim.list_extend(changed, code)
  vim.list_extend(changed, proposal, last + 1)
  local scratch = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(scratch, 0, -1, true, changed)
  vim.bo[scratch].filetype = vim.bo[origin.buf].filetype
  vim.bo[scratch].bufhidden = "wipe"
  vim.cmd.tabnew()
  local empty = vim.api.nvim_get_current_buf()
  vim.api.nvim_win_set_buf(0, origin.buf)
  vim.api.nvim_buf_delete(empty, { force = true })
  vim.cmd.diffthis()
  local file_win = vim.api.nvim_get_current_win()
  local right = vim.api.nvim_open_win(scratch, false, { split = "right", win = file_win })
  vim.api.nvim_win_call(right, vim.cmd.diffthis)
  vim.api.nvim_win_set_cursor(file_win, { math.min(first + 1, vim.api.nvim_buf_line_count(origin.buf)), 0 })
  M.keys(origin.buf, scratch, changed)
end

--- The diff's keys, taken away again at its end.
---@param file integer
---@param scratch integer
---@param changed string[]
function M.keys(file, scratch, changed)
  local function done()
    for _, key in ipairs({ "ga", "q" }) do
      pcall(vim.keymap.del, "n", key, { buffer = file })
    end
    vim.cmd("diffoff! | tabclose")
  end
  for _, buf in ipairs({ file, scratch }) do
    vim.keymap.set("n", "q", done, { buffer = buf, desc = "Claude: close the diff", nowait = true })
    vim.keymap.set("n", "ga", function()
      vim.api.nvim_buf_set_lines(file, 0, -1, false, changed)
      done()
    end, { buffer = buf, desc = "Claude: accept all", nowait = true })
  end
end

return M
