--- What the person is told: one sentence, with what to do next.

local M = {}

---@param message string
---@param level? integer a vim.log.levels value; INFO without it
function M.say(message, level)
  vim.notify(message, level or vim.log.levels.INFO, { title = "cmt" })
end

---@param message string
function M.warn(message)
  M.say(message, vim.log.levels.WARN)
end

---@param message string
function M.fail(message)
  M.say(message, vim.log.levels.ERROR)
end

--- A value of the wire, or nil where it is absent: Neovim 0.12 gives `vim.NIL`, which is true, for null.
---@generic T
---@param value T
---@return T?
function M.present(value)
  if value == vim.NIL then
    return nil
  end
  return value
end

--- An error of the server as one line: its message, and the hint where the message does not say it already.
---@param error { message?: string, data?: { hint?: string } }|string
---@return string
function M.sentence(error)
  if type(error) == "string" then
    return error
  end
  local message = M.present(error.message) or "The server gave no reason."
  local data = M.present(error.data)
  local hint = type(data) == "table" and M.present(data.hint)
  if hint and not message:find(hint, 1, true) then
    message = message .. " " .. hint
  end
  return (message:gsub("%s*\n%s*", " "))
end

return M
