--- One question to several models, side by side; the session goes on with the answer that is chosen.

local chats = require("cmt.chat")
local client = require("cmt.client")
local figures = require("cmt.figures")
local history = require("cmt.history")
local notice = require("cmt.notice")
local picker = require("cmt.picker")
local transcript = require("cmt.transcript")

local M = {}

---@param models string[]
---@return table<string, cmt.Transcript>
local function columns(models)
  local views = {}
  for i, model in ipairs(models) do
    local view = transcript.new(("cmt://compare/%d/%s"):format(vim.uv.hrtime(), model))
    vim.cmd(i == 1 and "tabnew" or "vertical rightbelow split")
    vim.api.nvim_win_set_buf(0, view.buf)
    vim.wo[0].wrap, vim.wo[0].linebreak, vim.wo[0].smoothscroll = true, true, true
    vim.bo[view.buf].filetype = "cmtchat"
    views[model] = view
  end
  vim.cmd.wincmd("=")
  return views
end

---@param found cmt.wire.CompareResult
---@param chat cmt.Chat
local function choose(found, chat)
  picker.pick(found.rows, {
    prompt = "Go on with",
    format_item = function(row)
      return ("%s · %s"):format(
        figures.model(row.model),
        row.error and notice.sentence(row.error) or figures.usage(row)
      )
    end,
  }, function(row)
    if row and not row.error then
      local params = { sessionId = found.sessionId, compareId = found.compareId, model = row.model }
      client.ask("cmt/compare/choose", params, function(session)
        chat:open()
        history.open(chat, session.id)
      end)
    end
  end)
end

--- `:Cmt compare {model} {model} ... -- {question}`
---@param call cmt.Call
function M.command(call)
  local names, text = call.args:match("^(.-)%s+%-%-%s+(.+)$")
  local models = names and vim.split(names, "%s+", { trimempty = true }) or {}
  if #models < 2 then
    return notice.fail("Write :Cmt compare {model} {model} -- {question}; :Cmt model lists the models.")
  end
  local chat = chats.current() or chats.new()
  chat:with_session(function(session, failure)
    if not session then
      return notice.fail(notice.sentence(failure or "There is no session."))
    end
    chat.made = false
    local views = columns(models)
    local by_turn = {} ---@type table<string, cmt.Transcript>
    local heads = {} ---@type table<string, integer>
    local token = client.listen(function(value)
      if value.kind == "started" then
        local view = views[value.model] or views[models[vim.tbl_count(by_turn) + 1]]
        by_turn[value.turnId] = view
        heads[value.turnId] = view:answer(figures.model(value.model))
      elseif value.kind == "text" and by_turn[value.turnId] and by_turn[value.turnId]:alive() then
        by_turn[value.turnId]:stream(value.text)
      end
    end)
    local params = { sessionId = session.id, text = text, models = models, partialResultToken = token }
    client.request("cmt/compare", params, function(err, found)
      client.unlisten(token)
      if err then
        return notice.fail(notice.sentence(err))
      end
      for _, row in ipairs(found.rows) do
        local view = by_turn[row.turnId]
        if view and view:alive() then
          view:finish(row.error and "[failed: " .. notice.sentence(row.error) .. "]" or nil, "CmtError")
          view:usage(heads[row.turnId], row)
        end
      end
      choose(found, chat)
    end)
  end)
end

return M
