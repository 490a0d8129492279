--- The server of this editor: found, started once, asked, and noticed when it dies.

local config = require("cmt.config")
local notice = require("cmt.notice")

local M = {}

local NAME = "cmt_lsp"
local ENDED = "cmt-lsp has ended. Start it again with :Cmt restart."
local NEVER_READY = "cmt-lsp ended before it was ready: :checkhealth cmt says what its program answers."
M.GONE = -32099 -- the code of the replies that the server did not live to give

---@alias cmt.Reply fun(error: cmt.wire.RpcErrorBody?, result: table?) the result is that of the request's own type

---@type integer? id of the running client
local running
---@type table<string|integer, fun(value: cmt.wire.StreamValue)> who listens to which stream
local streams = {}
---@type table<string, fun(params: cmt.wire.Status|cmt.wire.TurnNotification)[]> who hears which notification
local listeners = {}
---@type fun(expected: boolean, why: string)[]
local mourners = {}
---@type fun()[] who is told of a server that was started
local greeters = {}
---@type table<integer, cmt.Reply> the requests without an answer, which the death of the server must give one
local open = {}
---@type fun(err: cmt.wire.RpcErrorBody?)[] who waits until the server that starts may be asked
local early = {}
---@type boolean whether the person asked for the end that is coming
local leaving = false
---@type fun()? what comes after that end
local after_exit
local next_token = 0

--- Hear a notification of the server, such as `cmt/turn`.
---@overload fun(method: "cmt/status", hear: fun(params: cmt.wire.Status))
---@overload fun(method: "cmt/turn", hear: fun(params: cmt.wire.TurnNotification))
function M.on(method, hear)
  listeners[method] = listeners[method] or {}
  table.insert(listeners[method], hear)
end

--- Be told when the server is gone; `expected` where the person restarted or left.
---@param hear fun(expected: boolean, why: string) a sentence with the way out
function M.on_exit(hear)
  table.insert(mourners, hear)
end

--- Be told when a server was started.
---@param hear fun()
function M.on_start(hear)
  table.insert(greeters, hear)
end

--- The running client, if there is one.
---@return vim.lsp.Client?
function M.get()
  local client = running and vim.lsp.get_client_by_id(running)
  if client and not client:is_stopped() then
    return client
  end
  return vim.iter(vim.lsp.get_clients({ name = NAME })):find(function(other)
    return not other:is_stopped() -- one that has ended is listed until its buffers were told
  end)
end

---@param method string
local function tell(method)
  return function(_, params)
    for _, hear in ipairs(listeners[method] or {}) do
      hear(params)
    end
  end
end

--- Pieces of an answer go to who asked. The default handler would tell each one to all LspProgress listeners and
--- push real progress reports out of its ring of fifty.
---@type lsp.Handler
local function on_progress(err, params, ctx, conf)
  local hear = streams[params.token]
  if hear then
    return hear(params.value)
  end
  return vim.lsp.handlers["$/progress"](err, params, ctx, conf)
end

---@type table<integer, true> the servers whose end was told
local gone = {}

--- The server died or left: Neovim calls no open reply, so it is done here.
---@param _code integer
---@param _signal integer
---@param client_id integer
function M.exited(_code, _signal, client_id)
  if gone[client_id] then
    return
  end
  gone[client_id] = true
  local client = vim.lsp.get_client_by_id(client_id)
  local why = client and not client.initialized and NEVER_READY or ENDED
  vim.schedule(function()
    local waiting, unsent, expected, go_on = open, early, leaving, after_exit
    running, open, early, streams, leaving, after_exit = nil, {}, {}, {}, false, nil
    for _, reply in pairs(waiting) do
      reply({ code = M.GONE, message = why }, nil)
    end
    for _, go in ipairs(unsent) do
      go({ code = M.GONE, message = why })
    end
    for _, hear in ipairs(mourners) do
      hear(expected, why)
    end
    if go_on then
      go_on()
    end
  end)
end

---@param wanted vim.lsp.ClientConfig
---@return string? problem what keeps the server from starting
local function problem(wanted)
  local cmd = wanted.cmd
  if type(cmd) == "table" and vim.fn.executable(cmd[1]) == 0 then
    return ("`%s` was not found: install it from its checkout with `pipx install .`, or name it with "):format(cmd[1])
      .. 'vim.lsp.config("cmt_lsp", { cmd = { "/path/to/cmt-lsp" } }).'
  end
end

--- Start the process so that its end is ours to tell: Neovim's own sentence about a killed server is longer than the
--- line, and waits for Enter.
---@param command string[]
---@param wanted vim.lsp.ClientConfig
local function quiet_end(command, wanted)
  return function(dispatchers)
    local own = vim.tbl_extend("force", dispatchers, {
      on_exit = function()
        dispatchers.on_exit(0, 0)
      end,
    })
    return vim.lsp.rpc.start(command, own, { cwd = wanted.cmd_cwd, env = wanted.cmd_env, detached = wanted.detached })
  end
end

local L = vim.log.levels
local LEVELS = { L.ERROR, L.WARN, L.INFO, L.DEBUG } -- by the type of a message of the protocol

---@type table<string, lsp.Handler>
local HANDLERS = {
  -- Neovim's own echoes it, and waits for Enter where it is longer than the line.
  ["window/showMessage"] = function(_, params)
    notice.say(params.message, LEVELS[params.type])
  end,
  ["$/progress"] = on_progress,
  ["cmt/status"] = tell("cmt/status"),
  ["cmt/turn"] = tell("cmt/turn"),
  ["window/showMessageRequest"] = function(_, params)
    return require("cmt.question").from_server(params)
  end,
}

--- Make a server the plugin's, started here or by vim.lsp.enable: without these handlers answers would come to nobody.
--- One that speaks another contract is ended at once: what it made of a question is anybody's guess.
---@param client vim.lsp.Client
function M.adopt(client)
  for method, hear in pairs(HANDLERS) do
    client.handlers[method] = client.handlers[method] or hear
  end
  local told = vim.tbl_get(client.server_capabilities, "experimental", "cmt")
  local found = require("cmt.checkup").contract_finding(told)
  local unsent = early
  early = {}
  if found.state == "ok" then
    return vim.schedule(function() -- by then it was told of the buffers
      for _, go in ipairs(unsent) do
        go(nil)
      end
    end)
  end
  local sentence = ("cmt-lsp does not fit the plugin: %s. %s"):format(found.text, found.advice)
  local waiting = open
  open, leaving = {}, true
  client:stop(true)
  for _, go in ipairs(unsent) do
    go({ code = M.GONE, message = sentence })
  end
  for _, reply in pairs(waiting) do
    reply({ code = M.GONE, message = sentence }, nil)
  end
  notice.fail(sentence)
end

---@return vim.lsp.ClientConfig? config nil where the runtime path has none
local function wanted_config()
  local found = vim.lsp.config[NAME]
  if not found then
    return nil
  end
  local wanted = vim.deepcopy(found) --[[@as vim.lsp.ClientConfig]]
  wanted.root_dir = vim.fn.getcwd()
  local settings = config.get().settings
  if next(settings) then
    wanted.init_options = vim.tbl_deep_extend("force", wanted.init_options or {}, settings)
  end
  wanted.on_init = { M.adopt, wanted.on_init }
  wanted.on_exit = { M.exited, wanted.on_exit }
  return wanted
end

--- Start the server, or take the one that runs. Says what is wrong where it cannot.
---@return vim.lsp.Client?
function M.start()
  local client = M.get()
  if client then
    return client
  end
  local wanted = wanted_config()
  if not wanted then
    notice.fail("lsp/cmt_lsp.lua is not on the runtime path: install the whole plugin folder.")
    return nil
  end
  local trouble = problem(wanted)
  if trouble then
    notice.fail(trouble)
    return nil
  end
  local problems = config.problems()
  if #problems > 0 then
    notice.warn(table.concat(problems, "\n"))
  end
  local command = wanted.cmd
  if type(command) == "table" then
    wanted.cmd = quiet_end(command, wanted)
  end
  running = vim.lsp.start(wanted, { attach = false, silent = true, reuse_client = vim.lsp.config[NAME].reuse_client })
  client = running and vim.lsp.get_client_by_id(running)
  if not client then
    notice.fail("cmt-lsp did not start: see :Cmt log, or run `cmt-lsp doctor` in a terminal.")
    return nil
  end
  -- Neovim 0.12 leaves one behind that has not said a word yet.
  vim.api.nvim_create_autocmd("VimLeavePre", {
    once = true,
    callback = function()
      if not client.initialized then
        client:stop(true)
      end
    end,
  })
  for _, hear in ipairs(greeters) do
    hear()
  end
  return client
end

--- Go on once the server may be asked: before it has answered `initialize` it knows none of its options. Called in any
--- case, once, at once where it runs.
---@param go fun(err: cmt.wire.RpcErrorBody?)
function M.when_ready(go)
  local client = M.start()
  if not client then
    return go({ code = M.GONE, message = "cmt-lsp does not run." })
  elseif client.initialized then
    return go(nil)
  end
  table.insert(early, go)
end

---@param client vim.lsp.Client
---@param method string
---@param params table<string, any>
---@param reply cmt.Reply
---@return integer? request_id
local function send(client, method, params, reply)
  local key = {} ---@type table the request's own key: ids may not be known before the reply
  open[key] = reply
  local sent, id = client:request(method, vim.tbl_isempty(params) and vim.empty_dict() or params, function(err, result)
    if open[key] then
      open[key] = nil
      reply(err --[[@as cmt.wire.RpcErrorBody?]], notice.present(result))
    end
  end)
  if not sent and open[key] then
    open[key] = nil
    reply({ code = M.GONE, message = ENDED }, nil)
    return nil
  end
  return id
end

--- Ask the server. The reply comes in any case, once: from the server, from its death, or at once where none runs.
---@param method string
---@param params table<string, any>
---@param reply cmt.Reply
---@return integer? request_id where it was sent at once
local function request(method, params, reply)
  local id ---@type integer?
  M.when_ready(function(err)
    local client = M.get()
    if err or not client then
      return reply(err or { code = M.GONE, message = ENDED }, nil)
    end
    id = send(client, method, params, reply)
  end)
  return id
end

--- Ask, and tell the person where it fails; `done` hears only a result.
---@param method string
---@param params table<string, any>
---@param done fun(result: table)
local function ask(method, params, done)
  return request(method, params, function(err, result)
    if err then
      return notice.fail(notice.sentence(err))
    end
    done(result or {})
  end)
end

M.request = request --[[@as cmt.wire.Request]]
M.ask = ask --[[@as cmt.wire.Ask]]

--- Withdraw a request, if it is still open: a second cancel of an answered one is an error in the log.
---@param request_id integer
function M.withdraw(request_id)
  local client = M.get()
  if client and client.requests[request_id] and client.requests[request_id].type == "pending" then
    client:cancel_request(request_id)
  end
end

--- A token of one's own for a stream; `hear` gets its values in order until `unlisten`.
---@param hear fun(value: cmt.wire.StreamValue)
---@return string token
function M.listen(hear)
  next_token = next_token + 1
  local token = ("cmt-nvim-%d"):format(next_token)
  streams[token] = hear
  return token
end

---@param token string
function M.unlisten(token)
  streams[token] = nil
end

--- End the server and start a new one; turns under way end with it.
---@param done? fun()
function M.restart(done)
  local client = M.get()
  local function again()
    if M.start() and done then
      done()
    end
  end
  if not client then
    return again()
  end
  leaving, after_exit = true, again
  client:stop()
  local id = client.id
  vim.defer_fn(function()
    local still = vim.lsp.get_client_by_id(id)
    if still then
      still:stop(true)
    end
  end, 1500)
end

return M
