--- The keys of a chat's own buffers.

local config = require("cmt.config")
local markdown = require("cmt.markdown")
local notice = require("cmt.notice")

local M = {}

---@param chat cmt.Chat
local function send(chat)
  if chat.turn then
    return notice.warn("The answer before still comes: send when it has ended, or stop it with :Cmt stop.")
  end
  local asked = chat.prompt:take()
  if not chat:ask(asked) then
    chat.prompt:give_back(asked)
  end
end

---@param chat cmt.Chat
local function stop(chat)
  if not chat:stop() then
    notice.say("Nothing runs in this chat.")
  end
end

--- Go to another question.
---@param chat cmt.Chat
---@param step 1|-1
local function turn(chat, step)
  local here = vim.api.nvim_win_get_cursor(0)[1] - 1
  local rows = chat.transcript:turn_rows()
  local target
  for _, row in ipairs(rows) do
    if step > 0 and row > here then
      target = row
      break
    elseif step < 0 and row < here then
      target = row
    end
  end
  if target then
    vim.api.nvim_win_set_cursor(0, { target + 1, 0 })
  end
end

---@param chat cmt.Chat
---@return { first: integer, last: integer, language: string, lines: string[] }?
local function block(chat)
  local found = markdown.block_at(chat.transcript.buf, vim.api.nvim_win_get_cursor(0)[1] - 1)
  if not found then
    notice.warn("There is no code block under the cursor.")
  end
  return found
end

---@param chat cmt.Chat
local function yank(chat)
  local found = block(chat)
  if found then
    vim.fn.setreg(vim.v.register, table.concat(found.lines, "\n") .. "\n", "V")
    notice.say(("%d lines of code yanked."):format(#found.lines))
  end
end

---@param chat cmt.Chat
local function apply(chat)
  local found = block(chat)
  if found then
    require("cmt.apply").open(chat, found.lines)
  end
end

--- name, modes, where, what it does, in words
---@type { [1]: string, [2]: string[], [3]: "transcript"|"prompt"|"both", [4]: fun(chat: cmt.Chat), [5]: string }[]
local ACTIONS = {
  { "send", { "n" }, "prompt", send, "send the question" },
  { "send_insert", { "i", "n" }, "prompt", send, "send the question, in insert mode too" },
  { "stop", { "n" }, "both", stop, "stop the answer" },
  {
    "next_turn",
    { "n" },
    "transcript",
    function(chat)
      turn(chat, 1)
    end,
    "next question",
  },
  {
    "previous_turn",
    { "n" },
    "transcript",
    function(chat)
      turn(chat, -1)
    end,
    "question before",
  },
  { "yank_code", { "n" }, "transcript", yank, "yank the code block" },
  { "apply_code", { "n" }, "transcript", apply, "apply the code block as a diff" },
  {
    "detail",
    { "n" },
    "transcript",
    function(chat)
      require("cmt.costs").turn(chat)
    end,
    "costs of the newest turn",
  },
  {
    "close",
    { "n" },
    "transcript",
    function(chat)
      chat:toggle()
    end,
    "close the chat",
  },
}

local function help()
  local keys, lines = config.get().keys, {}
  for _, action in ipairs(ACTIONS) do
    if keys[action[1]] then
      lines[#lines + 1] = ("%-8s %s"):format(keys[action[1]], action[5])
    end
  end
  require("cmt.float").show("Keys", lines)
end

--- Give a chat's buffers their keys.
---@param chat cmt.Chat
function M.set(chat)
  local keys = config.get().keys
  local buffers = {
    transcript = { chat.transcript.buf },
    prompt = { chat.prompt.buf },
    both = { chat.transcript.buf, chat.prompt.buf },
  }
  for _, action in ipairs(ACTIONS) do
    local key = keys[action[1]]
    if key then
      for _, buf in ipairs(buffers[action[3]]) do
        vim.keymap.set(action[2], key, function()
          action[4](chat)
        end, { buffer = buf, desc = "Claude: " .. action[5], nowait = true })
      end
    end
  end
  if keys.help then
    for _, buf in ipairs(buffers.both) do
      vim.keymap.set("n", keys.help, help, { buffer = buf, desc = "Claude: keys" })
    end
  end
end

return M
