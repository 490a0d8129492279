// Links, the status bar's words, the panel's page and amounts of money.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseUsd } from "../../src/host/dollars";
import { judgeLink } from "../../src/host/links";
import { newNonce, page, policy } from "../../src/host/page";
import { clock, escape, statusText, tooltip } from "../../src/host/status-text";
import { unwell, well } from "../../src/server/health";
import type { Status } from "../../src/wire";

const FOLDERS = ["/ws/app", "/ws/lib"];

test("only https, http and mailto are opened, and shown as they will be opened", () => {
  assert.deepEqual(judgeLink("https://example.com/a b", FOLDERS), { kind: "open", url: "https://example.com/a%20b" });
  assert.deepEqual(judgeLink("mailto:me@example.com", FOLDERS), { kind: "open", url: "mailto:me@example.com" });
  for (const href of [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "vscode://file/etc/passwd",
    "command:workbench.action.terminal.new",
    "data:text/html,<script>",
    "blob:https://x",
    "ftp://host/x",
    "ms-settings:",
    "https://user:pass@host/",
    "https://github.com@evil.example/",
    "https://exa\u202emple.com",
    "https://x\n.com",
    "",
    "//evil.example/share",
    "\\\\evil.example\\share",
    `https://x/${"a".repeat(9_000)}`,
    "file://evil.example/share/x",
  ]) {
    assert.equal(judgeLink(href, FOLDERS).kind, "refused", href);
  }
});

test("a host in other letters is shown as it is asked for", () => {
  const link = judgeLink("https://\u0430pple.com/", FOLDERS);
  assert.deepEqual(link, { kind: "open", url: "https://xn--pple-43d.com/" });
});

test("a file of the workspace is shown at its lines; a file outside of it is not", () => {
  assert.deepEqual(judgeLink("src/a.py", FOLDERS), { kind: "file", path: "/ws/app/src/a.py" });
  assert.deepEqual(judgeLink("src/a.py#L3-L9", FOLDERS), { kind: "file", path: "/ws/app/src/a.py", line: 3, endLine: 9 });
  assert.deepEqual(judgeLink("src/a.py#L3", FOLDERS), { kind: "file", path: "/ws/app/src/a.py", line: 3 });
  assert.deepEqual(judgeLink("src/a.py:12", FOLDERS), { kind: "file", path: "/ws/app/src/a.py", line: 12 });
  assert.deepEqual(judgeLink("/ws/lib/b.py:7:3", FOLDERS), { kind: "file", path: "/ws/lib/b.py", line: 7 });
  assert.deepEqual(judgeLink("file:///ws/lib/b.py#L2", FOLDERS), { kind: "file", path: "/ws/lib/b.py", line: 2 });
  for (const href of ["../secret", "/etc/passwd", "src/../../x", "%2e%2e/x", "..%2fx", ".", "a\u0000b", "%"]) {
    assert.equal(judgeLink(href, FOLDERS).kind, "refused", href);
  }
});

test("whatever a link says, it opens one of three schemes or a file inside the workspace", () => {
  fc.assert(
    fc.property(fc.oneof(fc.webUrl(), fc.string(), fc.string({ unit: "binary" })), (href) => {
      const link = judgeLink(href, FOLDERS);
      if (link.kind === "open") assert.match(link.url, /^(https?|mailto):/);
      if (link.kind === "file") assert.match(link.path, /^\/ws\/(app|lib)\/./);
    }),
  );
});

const cost = (display: string) => ({ priced: true, display, estimated: false });
const status = {
  version: 1,
  busy: false,
  turns: [],
  usage: {},
  cost: { session: cost("$0.0123"), window: cost("$0.02"), today: cost("$1.50") },
  text: { short: "", medium: "", long: "" },
  contextFill: 0.127,
  warmth: { state: "warm", model: "m", tokens: 12_000, expiresAt: "2026-01-01T00:05:00Z" },
  session: { id: "s", name: "[x](command:evil) | `y` $(error) <b>", model: "m" },
} as unknown as Status;
const NOW = Date.parse("2026-01-01T00:00:10Z");

test("the status bar says cost of session and today, context and the cache's time left", () => {
  assert.equal(statusText(well("ready", "0.1.0", true), status, NOW).text, "$(comment-discussion) $0.0123 ($1.50 today) · 13 % · warm 4:50");
  const later = NOW + 600_000;
  assert.match(statusText(well("ready", "0.1.0", true), status, later).text, / cold$/);
});

test("what is wrong is said first, and with a colour", () => {
  const missing = statusText(unwell({ kind: "no_server" }), status, NOW);
  assert.equal(missing.alarm, "warning");
  assert.match(missing.spoken, /not found/);
  assert.equal(statusText(unwell({ kind: "crashed", detail: "/x", times: 5 }), status, NOW).alarm, "error");
  assert.equal(statusText(well("ready", "0.1.0", false), status, NOW).alarm, "warning");
  const spent = { ...status, budgets: [{ state: "exceeded" }] } as unknown as Status;
  assert.equal(statusText(well("ready", "0.1.0", true), spent, NOW).alarm, "error");
});

test("a budget at its warning level is a colour for those who see it and words for those who hear it", () => {
  const budgets = [{ state: "ok", display: "day $1 of $5 (20%)" }, { state: "warning", display: "session $3 of $4 (75%)" }];
  const near = statusText(well("ready", "0.1.0", true), { ...status, budgets } as unknown as Status, NOW);
  assert.equal(near.alarm, "warning");
  assert.match(near.spoken, /, budget: session \$3 of \$4 \(75%\)$/);
  assert.doesNotMatch(near.spoken, /budget: day/);
});

test("a session's name makes no link, icon, cell or tag in the tooltip", () => {
  const text = tooltip(well("ready", "0.1.0", true), status, NOW);
  assert.ok(!text.includes("command:evil"));
  assert.ok(!text.includes("$(error)"));
  assert.ok(!text.includes("<b>"));
  fc.assert(fc.property(fc.string(), (name) => assert.doesNotMatch(escape(name), /[\\`*_{}[\]()+|<>$~:\n]/)));
});

test("time left is told in minutes and seconds", () => {
  assert.deepEqual([0, 59, 299, 600, 3_120].map(clock), ["0:00", "0:59", "4:59", "10 min", "52 min"]);
});

test("the page lets in its own bundle and nothing else, under a nonce of its own", () => {
  const parts = { cspSource: "https://csp.example", script: "s.js", style: "s.css", nonce: newNonce() };
  assert.match(policy(parts), /^default-src 'none'; style-src https:\/\/csp.example; font-src/);
  assert.doesNotMatch(policy(parts), /unsafe|connect-src|\*/);
  assert.equal(page(parts).match(/<script/g)?.length, 1);
  assert.doesNotMatch(page(parts), / style=| on\w+=/);
  assert.notEqual(newNonce(), newNonce());
});

test("amounts are read as people type them", () => {
  assert.deepEqual(["2.50", "$3", " 0,25 ", ".5", "0"].map(parseUsd), [2.5, 3, 0.25, 0.5, 0]);
  assert.equal(parseUsd(""), null);
  for (const text of ["x", "-1", "1e9", "1.2.3", "99999999", ".", "NaN", "Infinity"]) assert.equal(parseUsd(text), undefined, text);
});
