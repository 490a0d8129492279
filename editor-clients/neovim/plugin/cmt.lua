-- What is there at start: one command, the <Plug> maps and the highlight links. Everything else loads when used.

if vim.g.loaded_cmt then
  return
end
vim.g.loaded_cmt = true

if vim.fn.has("nvim-0.11") == 0 then
  vim.notify("cmt needs Neovim 0.11 or newer; update Neovim, or remove the plugin.", vim.log.levels.ERROR)
  return
end

vim.api.nvim_create_user_command("Cmt", function(call)
  require("cmt.command").run(call)
end, {
  nargs = "*",
  range = true,
  bang = true,
  desc = "Claude: chat, sessions, costs",
  complete = function(lead, line)
    return require("cmt.command").complete(lead, line)
  end,
})

---@param name string the map, `<Plug>(cmt-NAME)`
---@param modes string[]
---@param keys string what it types
local function plug(name, modes, keys)
  vim.keymap.set(modes, ("<Plug>(cmt-%s)"):format(name), keys, { desc = "Claude: " .. name })
end

plug("toggle", { "n" }, "<Cmd>Cmt<CR>")
plug("ask", { "n" }, ":Cmt ask ")
plug("ask", { "x" }, ":Cmt ask ")
plug("add", { "n" }, "<Cmd>Cmt add<CR>")
plug("add", { "x" }, ":Cmt add<CR>")
for _, name in ipairs({ "new", "sessions", "stop", "retry", "edit", "model", "cost", "preview" }) do
  plug(name, { "n" }, ("<Cmd>Cmt %s<CR>"):format(name))
end

for name, target in pairs({
  CmtYou = "Title",
  CmtClaude = "Function",
  CmtUsage = "Comment",
  CmtPartial = "WarningMsg",
  CmtError = "ErrorMsg",
  CmtActivity = "MoreMsg",
  CmtAttachment = "Special",
  CmtThinking = "Comment",
  CmtHeading = "@markup.heading",
  CmtCode = "@markup.raw",
  CmtFence = "Comment",
  CmtBold = "@markup.strong",
  CmtList = "Statement",
  CmtLink = "@markup.link.url",
  CmtQuote = "Comment",
}) do
  vim.api.nvim_set_hl(0, name, { link = target, default = true })
end
