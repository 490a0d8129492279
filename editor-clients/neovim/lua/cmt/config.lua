--- The options: `vim.g.cmt`, a table or a function that returns one, over the defaults.

local M = {}

---@class (exact) cmt.UserConfig what a person may set; every field may be left out
---@field width? number columns of a chat beside the code, or a share of the screen below 1
---@field prompt_height? integer lines of the prompt
---@field batch_ms? integer how long pieces of an answer are gathered before they are drawn
---@field history_turns? integer how many turns of a session are shown at first
---@field settings? table<string, any> options of the server, see |cmt-settings|
---@field keys? cmt.UserKeys keys in the chat's own buffers; false takes one away

---@class (exact) cmt.UserKeys
---@field send? string|false
---@field send_insert? string|false
---@field stop? string|false
---@field next_turn? string|false
---@field previous_turn? string|false
---@field earlier? string|false
---@field outline? string|false
---@field actions? string|false
---@field yank_code? string|false
---@field yank_answer? string|false
---@field apply_code? string|false
---@field older? string|false
---@field newer? string|false
---@field mention? string|false
---@field detail? string|false
---@field help? string|false
---@field close? string|false

---@class (exact) cmt.Config
---@field width number
---@field prompt_height integer
---@field batch_ms integer
---@field history_turns integer
---@field settings table<string, any>
---@field keys cmt.Keys

---@class (exact) cmt.Keys
---@field send string|false
---@field send_insert string|false
---@field stop string|false
---@field next_turn string|false
---@field previous_turn string|false
---@field earlier string|false
---@field outline string|false
---@field actions string|false
---@field yank_code string|false
---@field yank_answer string|false
---@field apply_code string|false
---@field older string|false
---@field newer string|false
---@field mention string|false
---@field detail string|false
---@field help string|false
---@field close string|false

---@type cmt.Config
M.defaults = {
  width = 0.42,
  prompt_height = 5,
  batch_ms = 50,
  history_turns = 30,
  settings = {},
  keys = {
    send = "<CR>",
    send_insert = "<C-s>",
    stop = "<C-c>",
    next_turn = "]]",
    previous_turn = "[[",
    earlier = "go",
    outline = "gO",
    actions = "ga",
    yank_code = "gy",
    yank_answer = "gY",
    apply_code = "gp",
    older = "<Up>",
    newer = "<Down>",
    mention = "@",
    detail = "K",
    help = "g?",
    close = "q",
  },
}

--- What the person wrote, as it is; an empty table and a sentence where it is no table.
---@return table<string, any>
---@return string? problem
function M.given()
  local given = vim.g.cmt
  if type(given) == "function" then
    local fine, made = pcall(given)
    if not fine then
      return {}, ("vim.g.cmt failed, so the defaults stand: %s"):format((tostring(made):match("[^\n]*")))
    end
    given = made
  end
  if given ~= nil and type(given) ~= "table" then
    return {}, "vim.g.cmt must be a table, or a function that returns one; see :help cmt-config."
  end
  return given or {}
end

--- Whether a value can stand for a default.
---@param value any
---@param want any
---@param is_key boolean
---@return boolean
local function fits(value, want, is_key)
  if is_key and value == false then
    return true
  end
  return type(value) == type(want) and (type(want) ~= "number" or value > 0)
end

--- What is wrong with the person's options, one sentence each; for :checkhealth and the first use.
---@return string[]
function M.problems()
  local found = {}
  ---@param given table<string, any>
  ---@param known table<string, any>
  ---@param path string
  local function check(given, known, path)
    for name, value in pairs(given) do
      local want = known[name]
      if want == nil then
        found[#found + 1] = ("vim.g.cmt has no option `%s%s`; see :help cmt-config."):format(path, tostring(name))
      elseif not fits(value, want, path == "keys.") then
        local what = path == "keys." and "a string, or false"
          or type(want) == "number" and "a number above 0"
          or "a table"
        found[#found + 1] = ("vim.g.cmt option `%s%s` must be %s; see :help cmt-config."):format(path, name, what)
      elseif name == "keys" then
        check(value, want, "keys.")
      end
    end
  end
  local given, problem = M.given()
  found[1] = problem
  check(given, M.defaults, "")
  table.sort(found)
  return found
end

--- The options in force: what is given, where it has the right type, over the defaults.
---@return cmt.Config
function M.get()
  local given, merged = (M.given()), vim.deepcopy(M.defaults)
  for name, want in pairs(M.defaults) do
    if name == "settings" and type(given.settings) == "table" then
      merged.settings = given.settings
    elseif name ~= "keys" and fits(given[name], want, false) then
      merged[name] = given[name]
    end
  end
  for name, key in pairs(type(given.keys) == "table" and given.keys or {}) do
    if fits(key, M.defaults.keys[name], true) then
      merged.keys[name] = key
    end
  end
  return merged
end

return M
