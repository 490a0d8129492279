--- Support: stop, restart, the log, health.

local chats = require("cmt.chat")
local client = require("cmt.client")
local notice = require("cmt.notice")
local picker = require("cmt.picker")

local M = {}

--- `:Cmt stop[!]`: stop the current chat's answer, else whatever runs; `!` stops everything.
---@param bang? boolean
function M.stop(bang)
  local current = chats.current()
  if current and current.turn and not bang then
    current:stop()
    return
  end
  local stopped = 0
  for _, chat in ipairs(chats.all()) do
    stopped = stopped + (chat:stop() and 1 or 0)
  end
  if stopped == 0 then
    notice.say("Nothing runs.")
  end
end

--- `:Cmt restart`
function M.restart()
  client.restart(function()
    notice.say("cmt-lsp runs again; the sessions are where they were.")
  end)
end

--- Ask whether to restart the server.
---@param why string
function M.offer_restart(why)
  local choices = { "Wait", "Restart the server" }
  picker.pick(choices, {
    prompt = why,
    format_item = function(choice)
      return choice
    end,
  }, function(choice)
    if choice == choices[2] then
      M.restart()
    end
  end)
end

---@return string
local function state_folder()
  local own, xdg = vim.env.CMT_STATE_DIR, vim.env.XDG_STATE_HOME
  return own or (xdg and xdg .. "/cmt-lsp") or vim.fs.normalize("~/.local/state/cmt-lsp")
end

--- `:Cmt log`: the server's log, and Neovim's own of the connection.
---@param call cmt.Call
function M.log(call)
  local found = vim.fn.globpath(state_folder(), "**/*.log", true, true)
  table.insert(found, vim.lsp.log.get_filename())
  vim.cmd((call.mods ~= "" and call.mods .. " " or "") .. "split " .. vim.fn.fnameescape(found[1]))
end

--- `:Cmt health`
function M.health()
  vim.cmd.checkhealth("cmt")
end

client.on_exit(function(expected, why)
  require("cmt.events").fire("CmtServerExit", { expected = expected })
  if not expected and vim.v.exiting == vim.NIL then
    notice.fail(why)
  end
  for _, chat in ipairs(chats.all()) do
    chat:bar()
  end
end)

return M
