--- Pieces of an answer on their way to the screen: the first is written at once, later ones together.

local config = require("cmt.config")

local M = {}

---@class cmt.Pieces
---@field package texts string[]
---@field package timer uv.uv_timer_t?
---@field package written number ms of the loop's clock when something was last written
---@field package write fun(text: string)
local Pieces = {}
Pieces.__index = Pieces

---@param write fun(text: string)
---@return cmt.Pieces
function M.new(write)
  return setmetatable({ texts = {}, written = 0, write = write }, Pieces)
end

---@param text string
function Pieces:add(text)
  table.insert(self.texts, text)
  if self.timer then
    return
  end
  local wait = self.written + config.get().batch_ms - vim.uv.now()
  if wait <= 0 then
    return self:flush()
  end
  self.timer = vim.defer_fn(function()
    self.timer = nil
    self:flush()
  end, wait)
end

--- Write what was gathered.
function Pieces:flush()
  local text = table.concat(self.texts)
  self:drop()
  if text ~= "" then
    vim.uv.update_time()
    self.written = vim.uv.now()
    self.write(text)
  end
end

--- Forget what was gathered.
function Pieces:drop()
  if self.timer then
    self.timer:stop()
    if not self.timer:is_closing() then
      self.timer:close()
    end
    self.timer = nil
  end
  self.texts = {}
end

return M
