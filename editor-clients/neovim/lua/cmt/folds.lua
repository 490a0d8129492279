--- The closed folds over a model's thinking. Folds belong to windows; what is to be folded belongs to the buffer.

local M = {}

local SPACE = vim.api.nvim_create_namespace("cmt.folds")

---@param buf integer
---@return [integer, integer][] first row and number of lines
local function all(buf)
  return vim.tbl_map(function(mark)
    return { mark[2], mark[4].end_row - mark[2] }
  end, vim.api.nvim_buf_get_extmarks(buf, SPACE, 0, -1, { details = true }))
end

---@param win integer
---@param row integer
---@param count integer
local function fold(win, row, count)
  vim.api.nvim_win_call(win, function()
    if vim.wo.foldmethod == "manual" then
      vim.cmd(("silent keepjumps %d,%dfold"):format(row + 1, row + count))
    end
  end)
end

--- Fold these lines in every window that shows the buffer, now and later.
---@param buf integer
---@param row integer
---@param count integer
function M.add(buf, row, count)
  vim.api.nvim_buf_set_extmark(buf, SPACE, row, 0, { end_row = row + count })
  for _, win in ipairs(vim.fn.win_findbuf(buf)) do
    fold(win, row, count)
  end
end

--- Make the folds of a window that shows the buffer anew.
---@param buf integer
---@param win integer
local function renew(buf, win)
  vim.api.nvim_win_call(win, function()
    vim.cmd("silent normal! zE")
  end)
  for _, place in ipairs(all(buf)) do
    fold(win, place[1], place[2])
  end
end

--- Fold in each window that comes to show the buffer.
---@param buf integer
function M.watch(buf)
  vim.api.nvim_create_autocmd("BufWinEnter", {
    buffer = buf,
    callback = function()
      renew(buf, vim.api.nvim_get_current_win())
    end,
  })
end

---@param buf integer
function M.clear(buf)
  vim.api.nvim_buf_clear_namespace(buf, SPACE, 0, -1)
end

return M
