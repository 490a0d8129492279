--- A choice of several things: the person's own vim.ui.select where there is one, else a float.
---
--- Neovim's own vim.ui.select stops the whole editor at a prompt: nothing streams and no key is answered meanwhile.

local M = {}

---@return boolean
local function is_neovims_own()
  return debug.getinfo(vim.ui.select, "S").source:find("vim/ui.lua", 1, true) ~= nil
end

--- What stands above the choices: nothing where the prompt fits into the frame, else all of it, in lines.
---@param prompt string
---@param width integer
---@return string[]
local function head(prompt, width)
  if vim.fn.strdisplaywidth(prompt) <= width - 4 and not prompt:find("\n") then
    return {}
  end
  local lines = { "" }
  for word in prompt:gmatch("%S+") do
    if vim.fn.strdisplaywidth(lines[#lines] .. " " .. word) > width then
      lines[#lines + 1] = ""
    end
    lines[#lines] = lines[#lines] .. " " .. word
  end
  lines[#lines + 1] = ""
  return lines
end

---@generic T
---@param items T[]
---@param opts { prompt: string, format_item: fun(item: T): string }
---@param on_choice fun(item: T?)
---@return fun() close the choice, as if it had been closed by hand
local function float(items, opts, on_choice)
  local widest = vim.o.columns - 4
  local lines, width = head(opts.prompt, math.min(widest, 76)), 0
  local above = #lines
  for i, item in ipairs(items) do
    lines[above + i] = ("%2d  %s "):format(i, (opts.format_item(item):gsub("\n", " ")))
  end
  for _, line in ipairs(above == 0 and { opts.prompt .. "    ", unpack(lines) } or lines) do
    width = math.max(width, vim.fn.strdisplaywidth(line))
  end
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_lines(buf, 0, -1, true, lines)
  vim.bo[buf].modifiable = false
  vim.bo[buf].bufhidden = "wipe"
  width = math.min(width, widest)
  local height = math.max(1, math.min(#lines, vim.o.lines - 6))
  local back = vim.api.nvim_get_current_win()
  if vim.api.nvim_get_mode().mode:sub(1, 1) == "i" then
    vim.cmd.stopinsert()
  end
  local win = vim.api.nvim_open_win(buf, true, {
    relative = "editor",
    width = width,
    height = height,
    row = math.floor((vim.o.lines - height) / 3),
    col = math.floor((vim.o.columns - width) / 2),
    style = "minimal",
    border = "rounded",
    title = above == 0 and " " .. opts.prompt .. " " or nil,
  })
  vim.wo[win].cursorline = true
  vim.api.nvim_win_set_cursor(win, { above + 1, 0 })
  local answered = false
  ---@param item any
  local function answer(item)
    if answered then
      return
    end
    answered = true
    if vim.api.nvim_win_is_valid(win) then
      vim.api.nvim_win_close(win, true)
    end
    if vim.api.nvim_win_is_valid(back) then
      vim.api.nvim_set_current_win(back)
    end
    on_choice(item)
  end
  local function map(key, choose)
    vim.keymap.set("n", key, choose, { buffer = buf, nowait = true })
  end
  map("<CR>", function()
    local item = items[vim.api.nvim_win_get_cursor(win)[1] - above]
    if item ~= nil then -- on the words above the choices nothing is chosen
      answer(item)
    end
  end)
  for _, key in ipairs({ "q", "<Esc>", "<C-c>" }) do
    map(key, function()
      answer(nil)
    end)
  end
  for i = 1, math.min(9, #items) do
    map(tostring(i), function()
      vim.api.nvim_win_set_cursor(win, { above + i, 0 })
    end)
  end
  vim.api.nvim_create_autocmd({ "WinLeave", "BufWipeout" }, {
    buffer = buf,
    once = true,
    callback = vim.schedule_wrap(function()
      answer(nil)
    end),
  })
  return function()
    answer(nil)
  end
end

--- Let the person choose; `on_choice` is called once, with nil where nothing was chosen.
---@generic T
---@param items T[]
---@param opts { prompt: string, format_item: fun(item: T): string }
---@param on_choice fun(item: T?)
---@return fun() close
function M.pick(items, opts, on_choice)
  if is_neovims_own() then
    return float(items, opts, on_choice)
  end
  vim.ui.select(items, opts, on_choice)
  return function() end
end

return M
