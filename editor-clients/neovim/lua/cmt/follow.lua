--- Which windows follow the end of a transcript. A window follows while its end is in sight; where the person has
--- scrolled away or moved the cursor, it is left alone.

local M = {}

--- The windows on a buffer that show its end; to be asked before the buffer grows.
---@param buf integer
---@return integer[]
function M.windows(buf)
  local last = vim.api.nvim_buf_line_count(buf)
  return vim.tbl_filter(function(win)
    return vim.fn.line("w$", win) >= last
  end, vim.fn.win_findbuf(buf))
end

--- Screen lines of a window that show text.
---@param win integer
---@return integer
local function height_of(win)
  return vim.api.nvim_win_get_height(win) - vim.fn.getwininfo(win)[1].winbar
end

--- Screen lines that the buffer's lines from `top` to its end take, virtual and wrapped ones included.
---@param win integer
---@param top integer
---@param last integer
---@return integer
local function rows_from(win, top, last)
  return vim.api.nvim_win_text_height(win, { start_row = top - 1, end_row = last - 1 }).all
end

--- The highest line that still lets the end of the buffer fit into a window below it.
---@param win integer
---@param last integer
---@return integer
local function top_for_end(win, last)
  local height = height_of(win)
  local top = math.max(1, last - height + 1, vim.fn.line("w0", win))
  while top < last do
    local rows = rows_from(win, top, last)
    if rows <= height then
      break
    end
    top = math.min(last, top + math.max(1, math.floor((rows - height) / 4)))
  end
  return top
end

---@param win integer
---@param top integer
local function scroll(win, top)
  vim.api.nvim_win_call(win, function()
    vim.fn.winrestview({ topline = top })
  end)
end

---@param win integer
---@param last integer
---@param column integer of the last character
local function show_end(win, last, column)
  -- Neovim puts the end in the middle after a long step, and does not count virtual lines that have just come.
  local top = top_for_end(win, last)
  if top > vim.fn.line("w0", win) then
    scroll(win, top)
  end
  vim.api.nvim_win_set_cursor(win, { last, column })
end

--- The person's cursor stands in this window above the end: scroll as far as it stays in sight.
---@param win integer
---@param last integer
local function creep(win, last)
  local cursor = vim.api.nvim_win_get_cursor(win)[1]
  local top = math.min(top_for_end(win, last), cursor)
  if top > vim.fn.line("w0", win) then
    scroll(win, top)
  end
end

--- Show the new end in windows that followed. Without `force` the cursor of the window the person is in moves only
--- where it stood at the end.
---@param buf integer
---@param windows integer[] what `windows` gave before the buffer grew
---@param was_last integer the last line before it grew
---@param force? boolean
function M.go(buf, windows, was_last, force)
  local last = vim.api.nvim_buf_line_count(buf)
  local text = vim.api.nvim_buf_get_lines(buf, last - 1, last, true)[1]
  local column = math.max(0, #text - 1)
  local here = vim.api.nvim_get_current_win()
  for _, win in ipairs(windows) do
    if vim.api.nvim_win_is_valid(win) and vim.api.nvim_win_get_buf(win) == buf then
      local cursor = vim.api.nvim_win_get_cursor(win)[1]
      if win == here and cursor < was_last and not force then
        creep(win, last)
      else
        show_end(win, last, column)
      end
    end
  end
end

--- Show the same text at the same height after lines came above it all.
---@param buf integer
---@param shift integer how many lines
---@param write fun() brings them
function M.keep(buf, shift, write)
  local views = {} ---@type table<integer, vim.fn.winsaveview.ret>
  for _, win in ipairs(vim.fn.win_findbuf(buf)) do
    views[win] = vim.api.nvim_win_call(win, vim.fn.winsaveview)
  end
  write()
  for win, view in pairs(views) do
    view.lnum, view.topline = view.lnum + shift, view.topline + shift
    vim.api.nvim_win_call(win, function()
      vim.fn.winrestview(view)
    end)
  end
end

return M
