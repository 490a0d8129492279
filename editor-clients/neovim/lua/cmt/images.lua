--- Pictures from a file or the clipboard: told with size, tokens and price before anything is sent.

local chats = require("cmt.chat")
local client = require("cmt.client")

local M = {}

---@param picture cmt.wire.ImageInspection
---@return string
local function describe(picture)
  local parts = { picture.name, ("%d x %d"):format(picture.width, picture.height) }
  local model = picture.models[1]
  if model then
    parts[#parts + 1] = ("%d tokens, %s"):format(model.tokens, model.display)
  end
  return table.concat(vim.list_extend(parts, picture.sent.changes), " · ")
end

---@param image cmt.wire.Image
---@param picture cmt.wire.ImageInspection
---@param mods string
local function attach(image, picture, mods)
  local chat = chats.current() or chats.new()
  chat:open(mods)
  chat.prompt:attach(image, describe(picture))
end

--- `:Cmt image [path]`: with no path the clipboard's picture. The server reads it; only its name or a handle travels.
---@param call cmt.Call
function M.command(call)
  local chat = chats.current()
  local model = chat and chat.session and chat.session.model or nil
  if call.args == "" then
    return client.ask("cmt/image/clipboard", { model = model }, function(held)
      attach({ handle = held.handle, name = held.image.name }, held.image, call.mods)
    end)
  end
  local path = vim.fn.fnamemodify(vim.fn.expand(call.args), ":p")
  client.ask("cmt/image/inspect", { path = path, model = model }, function(picture)
    attach({ path = path, name = picture.name }, picture, call.mods)
  end)
end

return M
