--- The keys of a chat's own buffers.

local config = require("cmt.config")
local exchange = require("cmt.exchange")
local notice = require("cmt.notice")
local reading = require("cmt.reading")

local M = {}

---@param chat cmt.Chat
local function send(chat)
  if chat.turn then
    return notice.warn("The answer before still comes: send when it has ended, or stop it with :Cmt stop.")
  end
  local asked = chat.prompt:take()
  if not exchange.ask(chat, asked) then
    chat.prompt:give_back(asked)
  end
end

---@param chat cmt.Chat
local function stop(chat)
  if not chat:stop() then
    notice.say("Nothing runs in this chat.")
  end
end

---@param key string
local function type_as_it_is(key)
  vim.api.nvim_feedkeys(vim.keycode(key), "in", false) -- before what was typed after it
end

--- Earlier questions by the keys that move the cursor, at the edge of the prompt; elsewhere they move it.
---@param key string
---@param step 1|-1
---@return fun(chat: cmt.Chat)
local function recall(key, step)
  return function(chat)
    local edge = step > 0 and 1 or vim.api.nvim_buf_line_count(0)
    if vim.fn.pumvisible() == 1 or vim.api.nvim_win_get_cursor(0)[1] ~= edge then
      return type_as_it_is(key)
    end
    local asked = {}
    for _, at in ipairs(chat.transcript:shown()) do
      table.insert(asked, 1, at.turn.asked.text)
    end
    if not chat.prompt:recall(step, asked) then
      type_as_it_is(key)
    end
  end
end

--- An @ that begins a word offers what can be named.
---@param key string
---@return fun()
local function mention(key)
  return function()
    local before = vim.api.nvim_get_current_line():sub(1, vim.api.nvim_win_get_cursor(0)[2])
    local begins = before == "" or before:find("%s$") ~= nil
    type_as_it_is(begins and key == "@" and key .. "<C-x><C-u>" or key)
  end
end

---@param name string of a function of cmt.reading
---@param ... any
---@return fun(chat: cmt.Chat)
local function read(name, ...)
  local more = { ... }
  return function(chat)
    reading[name](chat, unpack(more))
  end
end

---@param chat cmt.Chat
local function close(chat)
  chat:toggle()
end

---@class (exact) cmt.KeyAction name, modes, where, what it does, in words
---@field [1] string
---@field [2] string[]
---@field [3] "transcript"|"prompt"|"both"
---@field [4] fun(chat: cmt.Chat)
---@field [5] string

---@param keys cmt.Keys
---@return cmt.KeyAction[]
local function actions(keys)
  return {
    { "send", { "n" }, "prompt", send, "send the question" },
    { "send_insert", { "i", "n" }, "prompt", send, "send the question, in insert mode too" },
    { "stop", { "n" }, "both", stop, "stop the answer" },
    { "older", { "i", "n" }, "prompt", recall(keys.older or "", 1), "earlier question, in the first line" },
    { "newer", { "i", "n" }, "prompt", recall(keys.newer or "", -1), "later question, in the last line" },
    { "mention", { "i" }, "prompt", mention(keys.mention or ""), "name what goes along: a file, @buffer ..." },
    { "next_turn", { "n" }, "transcript", read("turn", 1), "next question" },
    { "previous_turn", { "n" }, "transcript", read("turn", -1), "question before" },
    { "earlier", { "n" }, "transcript", read("earlier"), "show earlier turns" },
    { "outline", { "n" }, "transcript", read("outline"), "outline: questions and headings" },
    { "actions", { "n" }, "both", read("actions"), "what can be done here" },
    { "yank_code", { "n" }, "transcript", read("yank_code"), "yank the code block" },
    { "yank_answer", { "n" }, "both", read("yank_answer"), "yank the whole answer" },
    { "apply_code", { "n" }, "transcript", read("apply"), "apply the code block as a diff" },
    { "detail", { "n" }, "transcript", read("detail"), "what this turn cost" },
    { "close", { "n" }, "transcript", close, "close the chat" },
  }
end

local function help()
  local keys, lines = config.get().keys, {}
  for _, action in ipairs(actions(keys)) do
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
  for _, action in ipairs(actions(keys)) do
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
