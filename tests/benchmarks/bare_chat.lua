-- The least a chat in Neovim can be: curl, and each piece of an answer put at the end of a buffer. It keeps no history,
-- shows no cost, has no colours and cannot be stopped.

local url, key, model = ...
local buf = vim.api.nvim_create_buf(false, true)
vim.bo[buf].undolevels = -1
vim.cmd("botright vsplit")
local win = vim.api.nvim_get_current_win()
vim.api.nvim_win_set_buf(win, buf)

local function append(text)
  local last = vim.api.nvim_buf_line_count(buf)
  vim.api.nvim_buf_set_text(buf, last - 1, -1, last - 1, -1, vim.split(text, "\n", { plain = true }))
  vim.api.nvim_win_set_cursor(win, { vim.api.nvim_buf_line_count(buf), 0 })
end

local function ask()
  local question = vim.api.nvim_buf_get_lines(buf, -2, -1, true)[1]
  vim.g.asking = true
  append("\n")
  local messages = { { role = "user", content = question } }
  local body = { model = model, max_tokens = 16000, stream = true, messages = messages }
  local rest = ""
  local function hear(_, data)
    rest = rest .. (data or "\n\n")
    local texts = {}
    for event in rest:gmatch("data: ([^\n]*)\n\n") do
      local value = vim.json.decode(event)
      if value.type == "content_block_delta" and value.delta.type == "text_delta" then
        table.insert(texts, value.delta.text)
      end
    end
    rest = rest:match(".*\n\n(.*)$") or rest
    append(table.concat(texts) .. (data and "" or "\n"))
    vim.g.asking = data ~= nil
  end
  local headers = { "-H", "x-api-key: " .. key, "-H", "anthropic-version: 2023-06-01" }
  local command = vim.list_extend({ "curl", "-sN", url .. "/v1/messages", "--data-binary", "@-" }, headers)
  vim.system(command, { stdin = vim.json.encode(body), stdout = vim.schedule_wrap(hear) })
end

vim.keymap.set("i", "<C-s>", ask, { buffer = buf })
