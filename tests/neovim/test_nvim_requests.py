"""What goes over the connection: nothing about the chat's own buffers, and nothing that is not the person's doing."""

from __future__ import annotations

import json

from nvim_child import NvimChild, Start

from cmt_lsp.simulator import Answer, Simulator

BUSY = """
vim.lsp.enable('cmt_lsp')
local group = vim.api.nvim_create_augroup('test', {})
local events = { 'CursorMoved', 'CursorMovedI', 'BufEnter', 'InsertLeave', 'TextChanged' }
vim.api.nvim_create_autocmd(events, { group = group, callback = function(event)
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = event.buf })) do
    local params = vim.lsp.util.make_position_params(0, client.offset_encoding)
    client:request('textDocument/documentHighlight', params, function() end, event.buf)
  end
end })
"""
"""A configuration that asks language servers at each step, as many people have."""


WATCHED = """
sent = {}
vim.api.nvim_create_autocmd('LspAttach', { callback = function(event)
  local rpc = vim.lsp.get_client_by_id(event.data.client_id).rpc
  for _, name in ipairs({ 'request', 'notify' }) do
    local send = rpc[name]
    rpc[name] = function(method, params, ...)
      table.insert(sent, { method, vim.json.encode(params) })
      return send(method, params, ...)
    end
  end
end })
"""
"""Keeps all that is sent to the server."""


def test_no_request_is_sent_about_a_chats_own_buffers(start: Start, sim: Simulator) -> None:
    """With a configuration that asks at each step, and the server enabled for files as well: moving, typing, K, gd."""
    nvim = start()
    nvim.lua(WATCHED)
    nvim.lua(BUSY)
    sim.reply_with(Answer(chunks=tuple(f"word{n}\n\n" for n in range(20))))
    nvim.command("edit main.py")
    nvim.command("Cmt ask count")
    nvim.screen.wait_for("word19", "today ")
    nvim.command("wincmd l")
    nvim.keys("itext<Esc>hh<C-w>kggjjjwwgdgriK")
    nvim.screen.wait_for("first word after")
    nvim.keys("q")
    nvim.wait("#vim.lsp.get_clients({ name = 'cmt_lsp' }) == 1")
    for name in ("chat", "prompt"):
        buffer = f"vim.fn.bufnr('cmt://{name}/1')"
        assert nvim.lua(f"return #vim.lsp.get_clients({{ bufnr = {buffer} }})") == 0
    sent = nvim.lua("return sent")
    assert "cmt/chat" in [method for method, _ in sent]
    assert [method for method, params in sent if "cmt://" in params] == []


def test_the_words_of_an_answer_keep_their_order_beside_true_progress_reports(
    nvim: NvimChild, sim: Simulator
) -> None:
    """A thousand pieces make no LspProgress event; a report of work under way still does, and stays to be read."""
    pieces = tuple(f"{n} " for n in range(1000))
    sim.reply_with(Answer(chunks=pieces))
    nvim.lua(
        "heard = {}; vim.api.nvim_create_autocmd('LspProgress', { group = vim.api.nvim_create_augroup('test', {}), "
        "callback = function(event) table.insert(heard, event.data.params.value.kind or 'none') end })"
    )
    nvim.command("Cmt ask many")
    nvim.screen.wait_for("999", "today ")
    text = nvim.lua(
        "local buf = require('cmt.chat').all()[1].transcript.buf "
        "return table.concat(vim.api.nvim_buf_get_lines(buf, 0, -1, true), '\\n')"
    )
    assert "".join(pieces) in text
    assert set(nvim.lua("return heard")) <= {"begin", "report", "end"}
    assert len(nvim.lua("return heard")) < 10
    nvim.lua(
        "local client = vim.lsp.get_clients({ name = 'cmt_lsp' })[1] "
        "client.handlers['$/progress'](nil, { token = 'other', value = { kind = 'begin', title = 'work' } }, "
        "{ client_id = client.id, method = '$/progress' })"
    )
    assert "begin" in nvim.lua("return heard")


def test_a_progress_report_of_null_and_fields_of_null_disturb_nothing(
    nvim: NvimChild, sim: Simulator
) -> None:
    """Null is no value on one version of Neovim and vim.NIL, which is true, on another."""
    sim.reply_with("Fine.")
    nvim.command("Cmt ask well?")
    nvim.screen.wait_for("Fine.", "today ")
    assert nvim.lua("return require('cmt.notice').present(vim.NIL) == nil") is True
    sentence = nvim.lua("return require('cmt.notice').sentence({ message = 'No.', data = vim.NIL })")
    assert sentence == "No."
    nvim.lua(
        "local client = vim.lsp.get_clients({ name = 'cmt_lsp' })[1] "
        "local value = vim.json.decode(...) "
        "client.handlers['cmt/turn'](nil, value, { client_id = client.id, method = 'cmt/turn' })",
        json.dumps({"turnId": "t", "sessionId": "s", "phase": "failed", "result": None, "error": None}),
    )
    nvim.command("Cmt cost turn")
    nvim.screen.wait_for("Cost · turn", "requests")
