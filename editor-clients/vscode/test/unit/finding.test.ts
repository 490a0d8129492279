// Finding the server, judging it, and what is said where that fails.

import assert from "node:assert/strict";
import { test } from "node:test";
import { findServer, type Places, searched } from "../../src/server/candidates";
import { judge } from "../../src/server/contract";
import { type Trouble, unwell } from "../../src/server/health";
import { packageSpec } from "../../src/server/package-spec";
import { judgePython, pythons } from "../../src/server/pythons";
import { Restarts } from "../../src/server/restarts";
import { stateFolder } from "../../src/server/state-folder";
import { tracedTo, withoutKey } from "../../src/server/trace";

const places: Places = {
  setting: "",
  searchPath: "/usr/bin:/home/me/ws/bin",
  environments: ["/home/me/ws/.venv"],
  managed: "/storage/server/1",
  workspace: ["/home/me/ws"],
  trusted: true,
  home: "/home/me",
  windows: false,
};
const there = (...files: string[]) => (file: string) => files.includes(file);
const everything = there("/usr/bin/cmt-lsp", "/home/me/ws/bin/cmt-lsp", "/home/me/ws/.venv/bin/cmt-lsp", "/storage/server/1/bin/cmt-lsp", "/opt/x/cmt-lsp", "/home/me/cmt-lsp");

test("the setting comes before PATH, PATH before the workspace's environment, the extension's own comes last", () => {
  const found = (over: Partial<Places>, isProgram = everything) => findServer({ ...places, ...over }, isProgram);
  assert.deepEqual(found({ setting: "/opt/x/cmt-lsp" }), { path: "/opt/x/cmt-lsp", origin: "setting" });
  assert.deepEqual(found({ setting: "~/cmt-lsp" }), { path: "/home/me/cmt-lsp", origin: "setting" });
  assert.deepEqual(found({}), { path: "/usr/bin/cmt-lsp", origin: "path" });
  assert.deepEqual(found({ searchPath: "" }), { path: "/home/me/ws/.venv/bin/cmt-lsp", origin: "environment" });
  assert.deepEqual(found({ searchPath: "", environments: [] }), { path: "/storage/server/1/bin/cmt-lsp", origin: "managed" });
  assert.equal(found({}, there()), null);
  assert.equal(found({ searchPath: "", environments: [], managed: undefined }), null);
});

test("a setting that names no program is said, and nothing else is started in its place", () => {
  for (const setting of ["/nowhere/cmt-lsp", "cmt-lsp", "./cmt-lsp", "bin/cmt-lsp"]) {
    assert.deepEqual(findServer({ ...places, setting }, everything), { bad: setting });
  }
});

test("in a restricted workspace no program of the workspace is started, not even by way of PATH", () => {
  const only = there("/home/me/ws/bin/cmt-lsp", "/home/me/ws/.venv/bin/cmt-lsp");
  assert.equal(findServer({ ...places, trusted: false }, only), null);
  assert.deepEqual(findServer(places, only), { path: "/home/me/ws/bin/cmt-lsp", origin: "path" });
});

test("relative entries of PATH mean the current folder and are left out", () => {
  assert.deepEqual(searched("cmt-lsp", ".::bin:/usr/bin:../x", false), ["/usr/bin/cmt-lsp"]);
});

test("a server of another contract, and a program that is no cmt-lsp, are told apart", () => {
  const cmt = (version: unknown) => ({ experimental: { cmt: { version, serverVersion: "0.1.0", operations: ["cmt/chat"] } } });
  assert.deepEqual(judge("/p", cmt(1)), { advertised: { version: 1, serverVersion: "0.1.0", operations: ["cmt/chat"] } });
  assert.deepEqual(judge("/p", cmt(2)), { trouble: { kind: "version", detail: "/p", server: 2, client: 1 } });
  assert.deepEqual(judge("/p", cmt(0)), { trouble: { kind: "version", detail: "/p", server: 0, client: 1 } });
  for (const strange of [undefined, null, {}, { experimental: null }, { experimental: { cmt: 1 } }, cmt("1")]) {
    assert.deepEqual(judge("/p", strange), { trouble: { kind: "not_cmt", detail: "/p" } });
  }
});

test("each trouble has one sentence that names what it is about, and a button", () => {
  const troubles: Trouble[] = [
    { kind: "no_server" },
    { kind: "bad_path", detail: "/x" },
    { kind: "no_python", detail: "none is on PATH" },
    { kind: "not_started", detail: "spawn EACCES" },
    { kind: "not_cmt", detail: "/x" },
    { kind: "version", detail: "/x", server: 2, client: 1 },
    { kind: "version", detail: "/x", server: 0, client: 1 },
    { kind: "crashed", detail: "/x", times: 5 },
    { kind: "install_failed", detail: "pip stopped: no matching distribution" },
  ];
  for (const trouble of troubles) {
    const { message, mend, state } = unwell(trouble);
    if ("detail" in trouble) assert.ok(message.includes(trouble.detail), message);
    assert.doesNotMatch(message, /\n/);
    assert.ok(mend.length >= 1);
    assert.notEqual(state, "ready");
  }
});

test("a server that stops is started again four times, ever later, and then only by the person", () => {
  const restarts = new Restarts();
  const delays = [1, 2, 3, 4, 5].map((at) => {
    restarts.started(at * 1000);
    return restarts.died(at * 1000 + 10);
  });
  assert.deepEqual(delays, [200, 1_000, 4_000, 15_000, null]);
  restarts.forget();
  assert.equal(restarts.died(0), 200);
});

test("a server that lived for three minutes counts as well again", () => {
  const restarts = new Restarts();
  for (let at = 0; at < 4; at++) restarts.died(at);
  restarts.started(1_000);
  assert.equal(restarts.died(1_000 + 180_000), 200);
});

test("the server is installed from what came with the extension, a path or an address, never from a bare name", () => {
  const sources = { setting: "", bundled: "/ext/cmt.whl", home: "/home/me", exists: there("/home/me/cmt_lsp", "/w/x.whl") };
  const spec = (setting: string, bundled: string | undefined = sources.bundled) => packageSpec({ ...sources, setting, bundled });
  assert.deepEqual(spec(""), { install: "/ext/cmt.whl", words: "the server that came with the extension" });
  assert.deepEqual(spec("~/cmt_lsp"), { install: "/home/me/cmt_lsp", words: "/home/me/cmt_lsp" });
  assert.deepEqual(spec("/w/x.whl"), { install: "/w/x.whl", words: "/w/x.whl" });
  for (const address of ["https://host/x.whl", "git+https://host/repo", "git+ssh://host/repo"]) {
    assert.deepEqual(spec(address), { install: address, words: address });
  }
  for (const bad of ["cmt-lsp", "cmt-lsp==1", "--index-url=https://x", "-r x", "http://host/x.whl", "file:///x", "/nowhere", "https://a b"]) {
    assert.ok("problem" in spec(bad), bad);
  }
  assert.ok("problem" in packageSpec({ ...sources, setting: "", bundled: undefined }));
});

test("a Python that is too old, or lacks what an environment needs, is passed over with a reason", () => {
  assert.deepEqual(judgePython("[3, 11]\n", ""), { ok: true });
  assert.deepEqual(judgePython("[4, 0]", ""), { ok: true });
  assert.deepEqual(judgePython("[3, 10]", ""), { ok: false, why: "it is 3.10" });
  assert.match((judgePython(null, "ModuleNotFoundError: No module named 'ensurepip'") as { why: string }).why, /python3-venv/);
  assert.deepEqual(judgePython("Python 2.7", ""), { ok: false, why: "it does not tell its version" });
});

test("a named Python is the only one tried; else the newest on PATH comes first", () => {
  assert.deepEqual(pythons("/my/python", "/usr/bin", false), [{ command: "/my/python", args: [] }]);
  assert.deepEqual(pythons("python3.12", "/usr/bin", false), [{ command: "/usr/bin/python3.12", args: [] }]);
  assert.equal(pythons("", "/usr/bin", false)[0]?.command, "/usr/bin/python3.14");
});

test("the server's folder is found by the server's own rule", () => {
  assert.equal(stateFolder({ CMT_STATE_DIR: "/s", XDG_STATE_HOME: "/x" }, "linux", "/h"), "/s");
  assert.equal(stateFolder({ XDG_STATE_HOME: "/x" }, "linux", "/h"), "/x/cmt-lsp");
  assert.equal(stateFolder({}, "linux", "/h"), "/h/.local/state/cmt-lsp");
});

test("a trace of every message does not hold the key", () => {
  const key = 'sk-ant-"quoted\\';
  const traced: string[] = [];
  const log = Object.freeze({ trace: (text: string) => traced.push(text), info: (text: string) => traced.push(text) });
  const channel = tracedTo(log as unknown as Parameters<typeof tracedTo>[0]);
  for (const indent of [undefined, 4]) channel.trace(`Params: ${JSON.stringify({ apiKey: key, other: "kept" }, null, indent)}`);
  channel.info("told");
  assert.equal(traced.length, 3);
  for (const text of traced.slice(0, 2)) assert.ok(!text.includes("sk-ant") && !text.includes("quoted") && text.includes("kept"), text);
  assert.equal(withoutKey("nothing"), "nothing");
});
