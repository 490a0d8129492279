--- The server as `:checkhealth` sees it: its program, what it says of itself, and whether what it sends arrives.

local client = require("cmt.client")

local M = {}

--- How long to wait, in milliseconds: for an answer of the running server, and for its program from a cold start.
M.limits = { answer_ms = 3000, start_ms = 8000 }

local CONTRACT = 1 -- the version of the wire contract that the plugin speaks

---@param state "ok"|"info"|"warn"|"error"
---@param text string
---@param advice? string
---@return cmt.Finding
local function finding(state, text, advice)
  return { state = state, text = text, advice = advice }
end

--- The command that runs the server, with other arguments than those that serve.
---@param cmd string[]
---@param argument string
---@return string[]
function M.command_with(cmd, argument)
  local made = vim.deepcopy(cmd)
  for _, last in ipairs({ "--stdio", "serve" }) do
    if #made > 1 and made[#made] == last then
      made[#made] = nil
    end
  end
  made[#made + 1] = argument
  return made
end

--- What a version line says; anything but the server's own is an error.
---@param output string
---@return cmt.Finding
---@return string? version
function M.version_finding(output)
  local version = output:match("^cmt%-lsp (%d+%.%d+%S*)%s*$")
  if version then
    return finding("ok", "cmt-lsp " .. version), version
  end
  return finding(
    "error",
    ("it says `%s` when asked for its version"):format(vim.trim(output):sub(1, 80)),
    "Another program has this name; name the server by its full path in vim.lsp.config."
  )
end

--- Whether the server that runs is the one that is installed: an update leaves the old one running.
---@param told { serverVersion?: string }? what the server advertised
---@param installed { version: string }?
---@return cmt.Finding
function M.age_finding(told, installed)
  local runs = told and told.serverVersion or "unknown"
  if not installed or installed.version == runs then
    return finding("ok", "the server runs, version " .. runs)
  end
  local text = ("the server that runs is version %s, installed is %s"):format(runs, installed.version)
  return finding("warn", text, ":Cmt restart starts the one that is installed.")
end

--- Whether server and plugin speak the same contract.
---@param told { version?: integer, serverVersion?: string }? what the server advertised
---@return cmt.Finding
function M.contract_finding(told)
  local version = told and told.version
  if told and version == CONTRACT then
    return finding("ok", ("it speaks version %d of the contract, as the plugin does"):format(CONTRACT))
  end
  local older = type(version) ~= "number" or version < CONTRACT
  return finding(
    "error",
    ("it speaks version %s of the contract, the plugin version %d"):format(tostring(version or "no"), CONTRACT),
    older and "Update the server: pipx upgrade cmt-lsp." or "Update the plugin."
  )
end

--- The checks of the server's doctor, as they are shown here.
---@param checks cmt.wire.DoctorCheck[]
---@return cmt.Finding[]
function M.doctor_findings(checks)
  local states = { ok = "ok", warn = "warn", fail = "error" }
  return vim.tbl_map(function(check)
    return finding(states[check.state] or "warn", ("%s: %s"):format(check.name, check.detail), check.advice)
  end, checks)
end

--- The same checks from the text of `cmt-lsp doctor`: a sign, name and detail, with advice indented below.
---@param output string
---@return cmt.wire.DoctorCheck[]
function M.doctor_checks(output)
  local states, checks = { ["✓"] = "ok", ["!"] = "warn", ["✗"] = "fail" }, {}
  for line in output:gmatch("[^\n]+") do
    local sign, name, detail = line:match("^(%S+) (%w+): (.*)$")
    if states[sign] then
      checks[#checks + 1] = { name = name, state = states[sign], detail = detail }
    elseif #checks > 0 then
      local last = checks[#checks]
      last.advice = vim.trim((last.advice or "") .. " " .. vim.trim(line))
    end
  end
  return checks
end

--- Run the server's program; nil and a reason where it gives no answer in time, or only complaints.
---@param cmd string[]
---@return string? output
---@return string? reason
local function run(cmd)
  local started, process = pcall(vim.system, cmd, { text = true, timeout = M.limits.start_ms })
  if not started then
    return nil, "it cannot be started"
  end
  local done = process:wait(M.limits.start_ms + 1000)
  if done.code == 124 then
    return nil, ("no answer within %g s"):format(M.limits.start_ms / 1000)
  end
  if vim.trim(done.stdout or "") == "" then
    return nil, vim.trim(done.stderr or ""):match("[^\n]*$") .. (" (exit code %d)"):format(done.code)
  end
  return done.stdout
end

--- The server's program, where it is and which one; the command where it can be asked more.
---@return cmt.Finding[]
---@return { cmd: string[], version: string }? installed
function M.program()
  local found = vim.lsp.config["cmt_lsp"]
  if not found then
    return { finding("error", "lsp/cmt_lsp.lua is not found", "Put the whole plugin folder on 'runtimepath'.") }
  end
  local cmd = found.cmd
  if type(cmd) ~= "table" then
    return { finding("info", "the server is started by a function of your vim.lsp.config") }
  end
  local path = vim.fn.exepath(cmd[1])
  if path == "" then
    local advice =
      "Install it from its checkout with `pipx install .`; :help cmt-server tells how to name one elsewhere."
    return { finding("error", ("`%s` is not found"):format(cmd[1]), advice) }
  end
  local output, reason = run(M.command_with(cmd, "--version"))
  if not output then
    local advice = "Run `" .. table.concat(cmd, " ") .. "` in a terminal to see why."
    return { finding("error", path .. ": " .. reason, advice) }
  end
  local told, version = M.version_finding(output)
  local how = cmd[1]:find("[/\\]") and "named in vim.lsp.config" or "found on PATH"
  told.text = ("%s, %s: %s"):format(path, how, told.text)
  return { told }, version and { cmd = cmd, version = version }
end

--- Ask the running server; nil and a reason where it gives no result in time.
---@param server vim.lsp.Client
---@param method string
---@return any result
---@return string? reason
local function ask(server, method)
  local answer, reason = server:request_sync(method, vim.empty_dict(), M.limits.answer_ms)
  if not answer then
    local late = reason == "timeout" and ("no answer within %g s"):format(M.limits.answer_ms / 1000)
    return nil, late or "it has ended"
  end
  return answer.result, answer.err and answer.err.message
end

--- Whether a handler of the client is the plugin's own: others replace them to show progress their way.
---@param server vim.lsp.Client
---@param method string
---@return boolean
local function is_ours(server, method)
  local handler = server.handlers[method]
  return type(handler) == "function" and debug.getinfo(handler, "S").source:find("cmt[/\\]client%.lua$") ~= nil
end

--- Whether a piece of an answer reaches who listens, tried with one that nobody shows.
---@param server vim.lsp.Client
---@return boolean
local function pieces_arrive(server)
  local heard = false
  local token = client.listen(function()
    heard = true
  end)
  local context = { method = "$/progress", client_id = server.id }
  local handler = server.handlers["$/progress"]
  local worked = handler and pcall(handler, nil, { token = token, value = { kind = "waiting" } }, context)
  client.unlisten(token)
  return worked and heard
end

---@param server vim.lsp.Client
---@return cmt.Finding[]
local function wiring(server)
  local found = {}
  local wanted = vim.tbl_get(server.config, "capabilities", "experimental", "cmt") or {}
  if not (wanted.turn and wanted.status) then
    local advice = "Take `capabilities` out of your vim.lsp.config, or keep experimental.cmt in it."
    found[#found + 1] = finding("error", "the ends of turns and the status are not asked for", advice)
  end
  for _, method in ipairs({ "cmt/status", "cmt/turn", "$/progress" }) do
    if not is_ours(server, method) then
      local advice = ("Take the handler of %s out of your vim.lsp.config."):format(method)
      found[#found + 1] = finding("error", method .. " goes to somebody else's handler", advice)
    end
  end
  if not pieces_arrive(server) then
    found[#found + 1] = finding(
      "error",
      "pieces of an answer do not arrive",
      "Start Neovim with this plugin alone to find the other one."
    )
  end
  return #found > 0 and found or { finding("ok", "answers, ends of turns and the status reach the plugin") }
end

--- Where the key comes from; the key itself never leaves the server.
---@param told cmt.wire.AuthStatusResult
---@return cmt.Finding
function M.key_finding(told)
  if told.source == "none" then
    return finding("error", "no API key is set", "Set ANTHROPIC_API_KEY, or apiKeyCommand in config.toml.")
  end
  if told.valid == false then
    return finding(
      "error",
      ("%s refuses the key from %s"):format(told.origin, told.source),
      "Set a key that is in force."
    )
  end
  return finding("ok", ("key: %s, for %s"):format(told.source, told.origin))
end

--- What the running server says of itself; one that is silent is not asked twice.
---@param server vim.lsp.Client
---@return cmt.Finding[]
local function told_by(server)
  local key, reason = ask(server, "cmt/auth/status") ---@type cmt.wire.AuthStatusResult?, string?
  local examined ---@type cmt.wire.DoctorResult?
  if key then
    examined, reason = ask(server, "cmt/doctor")
  end
  if not key or not examined then
    return { finding("error", "it gives no account of itself: " .. reason, "Try :Cmt restart; :Cmt log says more.") }
  end
  local others = vim.tbl_filter(function(check)
    return check.name ~= "key"
  end, examined.checks)
  return vim.list_extend({ M.key_finding(key) }, M.doctor_findings(others))
end

--- The running server, asked itself.
---@param server vim.lsp.Client
---@param installed { version: string }? what is installed now
---@return cmt.Finding[]
function M.running(server, installed)
  if not server.initialized then
    return { finding("warn", "the server is starting", "Check again in a moment; :Cmt log says more.") }
  end
  local told = vim.tbl_get(server.server_capabilities, "experimental", "cmt")
  local found = { M.age_finding(told, installed), M.contract_finding(told) }
  vim.list_extend(found, told_by(server))
  return vim.list_extend(found, wiring(server))
end

--- The doctor of a server that does not run, from its program.
---@param installed { cmd: string[] }
---@return cmt.Finding[]
function M.at_rest(installed)
  local output, reason = run(M.command_with(installed.cmd, "doctor"))
  local found = { finding("info", "the server does not run yet: the first :Cmt starts it") }
  if not output then
    found[#found + 1] = finding("error", "its doctor: " .. reason, "Run `cmt-lsp doctor` in a terminal.")
  end
  return vim.list_extend(found, M.doctor_findings(M.doctor_checks(output or "")))
end

return M
