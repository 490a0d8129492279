--- The windows of a chat: the transcript with its prompt under it, opened and closed together.

local config = require("cmt.config")

local M = {}

---@class (exact) cmt.Panes
---@field transcript integer
---@field prompt integer

---@param buf integer
---@return integer? win of the current tab
local function here(buf)
  for _, win in ipairs(vim.fn.win_findbuf(buf)) do
    if vim.api.nvim_win_get_tabpage(win) == vim.api.nvim_get_current_tabpage() then
      return win
    end
  end
end

--- The windows in this tab, where both are open.
---@param transcript integer buffer
---@param prompt integer buffer
---@return cmt.Panes?
function M.find(transcript, prompt)
  local upper, lower = here(transcript), here(prompt)
  return upper and lower and { transcript = upper, prompt = lower } or nil
end

---@param win integer
---@param options table<string, any>
local function dress(win, options)
  for name, value in pairs(options) do
    vim.api.nvim_set_option_value(name, value, { win = win, scope = "local" })
  end
end

local BOTH = {
  number = false,
  relativenumber = false,
  signcolumn = "no",
  foldcolumn = "0",
  colorcolumn = "",
  spell = false,
  list = false,
  fillchars = "fold: ,eob: ",
  wrap = true,
  linebreak = true,
  cursorline = false,
}

--- Open both windows; the cursor goes to the prompt.
---@param transcript integer buffer
---@param prompt integer buffer
---@param mods? string such as `vertical` or `tab`
---@return cmt.Panes
function M.open(transcript, prompt, mods)
  local options = config.get()
  local given = mods and vim.trim(mods) or ""
  vim.cmd((given ~= "" and given or "vertical botright") .. " sbuffer " .. transcript)
  local upper = vim.api.nvim_get_current_win()
  if given == "" then
    local width = options.width < 1 and math.floor(vim.o.columns * options.width) or options.width
    vim.api.nvim_win_set_width(upper, math.max(math.min(44, math.floor(vim.o.columns / 2)), math.floor(width)))
  end
  dress(upper, BOTH)
  dress(upper, { foldmethod = "manual", foldenable = true, foldtext = "", smoothscroll = true, winfixbuf = true })
  local lower = vim.api.nvim_open_win(prompt, true, { split = "below", win = upper, height = options.prompt_height })
  dress(lower, BOTH)
  dress(lower, { winfixheight = true, winfixbuf = true, winbar = " " })
  local panes = { transcript = upper, prompt = lower }
  M.tie(panes)
  return panes
end

--- Close the other window with either of them. Neovim's last window stays open: it gets an empty buffer.
---@param panes cmt.Panes
function M.tie(panes)
  for _, pair in ipairs({ { panes.transcript, panes.prompt }, { panes.prompt, panes.transcript } }) do
    vim.api.nvim_create_autocmd("WinClosed", {
      pattern = tostring(pair[1]),
      once = true,
      callback = vim.schedule_wrap(function()
        M.close_window(pair[2])
      end),
    })
  end
end

---@param win integer
function M.close_window(win)
  if not vim.api.nvim_win_is_valid(win) then
    return
  end
  local tabs, wins = vim.api.nvim_list_tabpages(), vim.api.nvim_tabpage_list_wins(vim.api.nvim_win_get_tabpage(win))
  local others = vim.tbl_filter(function(other)
    return other ~= win and vim.api.nvim_win_get_config(other).relative == ""
  end, wins)
  if #others == 0 and #tabs == 1 then
    vim.wo[win].winfixbuf = false
    vim.wo[win].winbar = ""
    vim.api.nvim_win_set_buf(win, vim.api.nvim_create_buf(true, false))
  else
    vim.api.nvim_win_close(win, true)
  end
end

---@param panes cmt.Panes
function M.close(panes)
  M.close_window(panes.transcript)
  M.close_window(panes.prompt)
end

return M
