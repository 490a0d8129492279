--- `User` events, so that a person's own configuration can follow what happens.

local M = {}

---@alias cmt.Event
---| "CmtTurnStarted"
---| "CmtTurnFinished"
---| "CmtTurnCancelled"
---| "CmtTurnFailed"
---| "CmtUsage"
---| "CmtBudget"
---| "CmtServerExit"

--- Fire `User` with `data`; events are told of after the fact and cannot stop anything.
---@param name cmt.Event
---@param data table<string, any>
function M.fire(name, data)
  vim.api.nvim_exec_autocmds("User", { pattern = name, data = data, modeline = false })
end

return M
