--- The buffers that the server knows: those asked about and those pinned, as they are on the screen, saved or not.
--- No other buffer is ever opened to it.

local client = require("cmt.client")

local M = {}

---@type table<integer, true> buffers to be known
local wanted = {}
---@type table<string, true> URIs of what is pinned, some of it in no buffer yet
local pinned = {}

---@param buf integer
---@return boolean
local function is_file(buf)
  return vim.api.nvim_buf_is_loaded(buf) and vim.bo[buf].buftype == "" and vim.api.nvim_buf_get_name(buf) ~= ""
end

--- Let the server follow a buffer, if it is one of a file.
---@param buf integer
function M.attach(buf)
  if not is_file(buf) then
    return
  end
  wanted[buf] = true
  local server = client.get()
  if server and not vim.lsp.buf_is_attached(buf, server.id) then
    vim.lsp.buf_attach_client(buf, server.id)
  end
end

--- Let it follow the buffer of a file, where there is one.
---@param uri string
function M.attach_uri(uri)
  local buf = vim.startswith(uri, "file:") and vim.fn.bufnr(vim.uri_to_fname(uri)) or -1
  if buf > 0 then
    M.attach(buf)
  end
end

--- Follow what is pinned, now and when it is opened later.
---@param items (cmt.wire.PinnedItem|cmt.wire.ContextItem)[]
function M.follow(items)
  for _, item in ipairs(items) do
    if item.uri and not pinned[item.uri] then
      pinned[item.uri] = true
      M.attach_uri(item.uri)
    end
  end
end

vim.api.nvim_create_autocmd("BufReadPost", {
  group = vim.api.nvim_create_augroup("cmt.documents", {}),
  callback = function(event)
    if next(pinned) and pinned[vim.uri_from_bufnr(event.buf)] then
      M.attach(event.buf)
    end
  end,
})

-- A server that was started anew knows nothing.
client.on_start(function()
  for buf in pairs(wanted) do
    M.attach(buf)
  end
end)

return M
