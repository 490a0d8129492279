--- Questions that must be answered before money or a secret leaves. Silence and a closed window mean no.

local events = require("cmt.events")
local picker = require("cmt.picker")

local M = {}

---@type fun()? closes the server's question that is open
local close

--- Answer the server's open question with no: what it was about has been stopped.
function M.drop()
  if close then
    close()
    close = nil
  end
end

--- The server asks; to be called in the coroutine of its request.
---@param params lsp.ShowMessageRequestParams
---@return lsp.MessageActionItem|vim.NIL
function M.from_server(params)
  local co = coroutine.running()
  vim.schedule(function()
    close = picker.pick(params.actions or {}, {
      prompt = params.message,
      format_item = function(action)
        return action.title
      end,
    }, function(choice)
      close = nil
      vim.schedule(function()
        coroutine.resume(co, choice or vim.NIL)
      end)
    end)
  end)
  return coroutine.yield()
end

--- A budget stopped a question: ask whether this one goes out all the same.
---@param sentence string
---@param send fun()
---@param keep fun() what to do where it does not
function M.budget(sentence, send, keep)
  events.fire("CmtBudget", { state = "exceeded", message = sentence })
  local choices = { "Do not send", "Send this one all the same" }
  picker.pick(choices, {
    prompt = sentence,
    format_item = function(choice)
      return choice
    end,
  }, function(choice)
    if choice == choices[2] then
      send()
    else
      keep()
    end
  end)
end

return M
