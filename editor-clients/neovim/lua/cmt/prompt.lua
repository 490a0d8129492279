--- The buffer in which questions are written, with what goes along with the next one shown below the text.

local mention = require("cmt.mention")

local M = {}

local SPACE = vim.api.nvim_create_namespace("cmt.prompt")

---@class cmt.Prompt
---@field buf integer
---@field context cmt.wire.ContextItem[]
---@field images cmt.wire.Image[]
---@field origins cmt.Origin[] the code of buffers among it
---@field package labels string[] what is said of each attachment
---@field package mark integer?
---@field package draft string? what was written before an earlier question was taken back
---@field package at integer? which of the earlier questions, 1 is the newest
local Prompt = {}
Prompt.__index = Prompt

---@param name string
---@return cmt.Prompt
function M.new(name)
  local buf = vim.api.nvim_create_buf(false, true)
  vim.api.nvim_buf_set_name(buf, name)
  vim.bo[buf].swapfile = false
  local self = setmetatable({ buf = buf, context = {}, images = {}, origins = {}, labels = {} }, Prompt)
  vim.bo[buf].completeopt = "menuone,noinsert,noselect"
  vim.bo[buf].completefunc = "v:lua.require'cmt.mention'.complete"
  -- The server starts while the person types, so that sending need not wait for it.
  vim.api.nvim_create_autocmd("InsertEnter", {
    buffer = buf,
    callback = function()
      require("cmt.client").start()
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
---@param origin? cmt.Origin the code of a buffer that it is
function Prompt:attach(item, label, origin)
  table.insert(item.kind and self.context or self.images, item)
  table.insert(self.labels, label)
  table.insert(self.origins, origin)
  self:show_labels()
end

--- Take everything out: the question and what goes with it.
---@return cmt.Question
function Prompt:take()
  local asked = self:question(self:text())
  self:detach()
  self:set_text("")
  return asked
end

--- A question with what goes along here.
---@param text string
---@return cmt.Question
function Prompt:question(text)
  return { text = text, context = self.context, images = self.images, origins = self.origins, labels = self.labels }
end

--- Put a question back that did not go out; what the person typed meanwhile stays.
---@param asked cmt.Question
function Prompt:give_back(asked)
  if not vim.api.nvim_buf_is_valid(self.buf) or vim.trim(self:text()) ~= "" then
    return
  end
  self.context, self.images = asked.context or {}, asked.images or {}
  self.origins, self.labels = asked.origins or {}, asked.labels or {}
  self:set_text(asked.text)
end

--- Drop what is attached.
function Prompt:detach()
  self.context, self.images, self.origins, self.labels = {}, {}, {}, {}
  self.draft, self.at = nil, nil
  self:show_labels()
end

--- Take back an earlier question, or a later one, and at last what was written before.
---@param step 1|-1 1 is towards the oldest
---@param asked string[] earlier questions, the newest first
---@return boolean whether there was one
function Prompt:recall(step, asked)
  local at = (self.at or 0) + step
  if at < 0 or at > #asked then
    return false
  end
  if not self.at then
    self.draft = self:text()
  end
  self:set_text(at == 0 and self.draft or asked[at])
  self.at = at > 0 and at or nil
  return true
end

---@package
function Prompt:show_labels()
  local last = vim.api.nvim_buf_line_count(self.buf) - 1
  local lines, named = {}, table.concat(mention.labels(self:text()), ", ")
  for _, label in ipairs(vim.list_extend(vim.list_slice(self.labels), { named ~= "" and named or nil })) do
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
