--- `:checkhealth cmt`: what is in place, what is not, and what to do about it. Sends nothing that costs money.

local checkup = require("cmt.checkup")
local client = require("cmt.client")
local config = require("cmt.config")

local M = {}

---@class (exact) cmt.Finding
---@field state "ok"|"info"|"warn"|"error"
---@field text string
---@field advice? string

---@param state "ok"|"info"|"warn"|"error"
---@param text string
---@param advice? string
---@return cmt.Finding
local function finding(state, text, advice)
  return { state = state, text = text, advice = advice }
end

---@return cmt.Finding[]
local function editor()
  local version = tostring(vim.version())
  local found = {
    vim.fn.has("nvim-0.11") == 1 and finding("ok", "Neovim " .. version)
      or finding("error", "Neovim " .. version, "Update Neovim to 0.11 or newer."),
    vim.fn.exists(":Cmt") == 2 and finding("ok", "the command :Cmt is there")
      or finding("error", "there is no command :Cmt", "Put the whole plugin folder on 'runtimepath'."),
  }
  local problems = config.problems()
  for _, problem in ipairs(problems) do
    found[#found + 1] = finding("warn", problem, ":help cmt-config names all options.")
  end
  if #problems == 0 then
    found[#found + 1] = finding("ok", "vim.g.cmt holds known options only")
  end
  return found
end

--- What the terminal shows; where no editor window is attached there is nothing to say.
---@return cmt.Finding[]
local function terminal()
  local found = {}
  for _, ui in ipairs(vim.api.nvim_list_uis()) do
    local size = ("a screen of %d by %d"):format(ui.width, ui.height)
    found[#found + 1] = ui.rgb and finding("ok", size .. ", with all colours")
      or finding("info", size .. ", with 256 colours or fewer; :set termguicolors where the terminal can do more")
  end
  if vim.o.ambiwidth == "double" then
    found[#found + 1] = finding("info", "'ambiwidth' is double: signs of the status line take two columns")
  end
  local locale = vim.v.ctype
  found[#found + 1] = locale:lower():find("utf%-?8") and finding("ok", "locale " .. locale)
    or finding("warn", "locale " .. locale, "Set LANG to one with UTF-8, such as C.UTF-8, or letters may be lost.")
  return found
end

--- Chats are coloured without tree-sitter's markdown; a code block takes the parser of its language.
---@return cmt.Finding[]
local function parsers()
  local found = {}
  for _, language in ipairs({ "markdown", "markdown_inline" }) do
    local there, why = vim.treesitter.language.add(language)
    found[#found + 1] = there and finding("ok", "tree-sitter parser " .. language)
      or finding("warn", "tree-sitter: " .. tostring(why), "Install Neovim's own runtime, or :TSInstall " .. language)
  end
  local names = {}
  for _, path in ipairs(vim.api.nvim_get_runtime_file("parser/*.*", true)) do
    names[vim.fn.fnamemodify(path, ":t:r")] = true
  end
  local text = ("code blocks are coloured in %d languages that have a parser"):format(vim.tbl_count(names))
  found[#found + 1] = finding("info", text)
  return found
end

---@return cmt.Finding[]
local function log()
  return { finding("info", "Neovim's LSP log is " .. vim.lsp.log.get_filename()) }
end

---@param title string
---@param findings cmt.Finding[]
local function report(title, findings)
  vim.health.start(title)
  for _, found in ipairs(findings) do
    vim.health[found.state](found.text, found.advice and { found.advice } or nil)
  end
end

--- What :checkhealth calls.
function M.check()
  report("cmt: editor", editor())
  report("cmt: terminal", terminal())
  report("cmt: highlighting", parsers())
  local found, installed = checkup.program()
  report("cmt: program of the server", found)
  local server = client.get()
  if server then
    report("cmt: server", checkup.running(server, installed))
  elseif installed then
    report("cmt: server", checkup.at_rest(installed))
  end
  report("cmt: support", log())
end

return M
