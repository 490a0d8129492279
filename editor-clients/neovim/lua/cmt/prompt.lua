--- The buffer in which questions are written, with what goes along with the next one shown below the text.

local M = {}

local SPACE = vim.api.nvim_create_namespace("cmt.prompt")

---@class cmt.Prompt
---@field buf integer
---@field context cmt.wire.ContextItem[]
---@field images cmt.wire.Image[]
---@field package labels string[] what is said of each attachment
---@field package mark integer?
local Prompt = {}
Prompt.__index = Prompt

---@param name string
---@param chat cmt.Chat
---@return cmt.Prompt
function M.new(name, chat)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buf, name)
  vim.bo[buf].swapfile = false
  local self = setmetatable({ buf = buf, context = {}, images = {}, labels = {} }, Prompt)
  -- Server and session are made while the person types, so that sending need not wait for them.
  vim.api.nvim_create_autocmd("InsertEnter", {
    buffer = buf,
    callback = function()
      if not chat.session and require("cmt.client").start() then
        chat:with_session(function() end)
      end
    end,
  })
  vim.api.nvim_create_autocmd({ "TextChanged", "TextChangedI" }, {
    buffer = buf,
    callback = function()
      self:show_labels()
    end,
  })
  return self
end

---@return string
function Prompt:text()
  return table.concat(vim.api.nvim_buf_get_lines(self.buf, 0, -1, true), "\n")
end

---@param text string
function Prompt:set_text(text)
  local lines = vim.split(text, "\n", { plain = true })
  vim.api.nvim_buf_set_lines(self.buf, 0, -1, true, lines)
  for _, win in ipairs(vim.fn.win_findbuf(self.buf)) do
    vim.api.nvim_win_set_cursor(win, { #lines, #lines[#lines] })
  end
  self:show_labels()
end

--- Let something go along with the next question.
---@param item cmt.wire.ContextItem|cmt.wire.Image
---@param label string
function Prompt:attach(item, label)
  table.insert(item.kind and self.context or self.images, item)
  table.insert(self.labels, label)
  self:show_labels()
end

--- Take everything out: the question and what goes with it.
---@return cmt.Question
function Prompt:take()
  local asked = { text = self:text(), context = self.context, images = self.images, labels = self.labels }
  self.context, self.images, self.labels = {}, {}, {}
  self:set_text("")
  return asked
end

--- Put a question back that was not answered, unless the person has begun another one.
---@param asked cmt.Question
function Prompt:give_back(asked)
  if not vim.api.nvim_buf_is_valid(self.buf) or vim.trim(self:text()) ~= "" then
    return
  end
  self.context, self.images = asked.context or {}, asked.images or {}
  self.labels = asked.labels or {}
  self:set_text(asked.text)
end

--- Drop what is attached.
function Prompt:detach()
  self.context, self.images, self.labels = {}, {}, {}
  self:show_labels()
end

---@package
function Prompt:show_labels()
  local last = vim.api.nvim_buf_line_count(self.buf) - 1
  local lines = {}
  for _, label in ipairs(self.labels) do
    lines[#lines + 1] = { { "+ " .. label, "CmtAttachment" } }
  end
  if #lines == 0 then
    if self.mark then
      vim.api.nvim_buf_del_extmark(self.buf, SPACE, self.mark)
      self.mark = nil
    end
    return
  end
  self.mark = vim.api.nvim_buf_set_extmark(self.buf, SPACE, last, 0, { id = self.mark, virt_lines = lines })
end

return M
