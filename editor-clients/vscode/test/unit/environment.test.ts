// The extension's own Python environment: a real one, made by a real pip, from a wheel that needs no network.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { CancellationToken, LogOutputChannel } from "vscode";
import type { ServerSettings } from "../../src/host/settings";
import { ManagedEnvironment } from "../../src/server/environment";

const PYTHON = process.env.CMT_TEST_PYTHON ?? "python3";
const WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    info = "cmt_lsp-0.0.1.dist-info/"
    wheel.writestr("cmt_lsp.py", "def main(): print('hello')")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: cmt-lsp\\nVersion: 0.0.1\\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "entry_points.txt", sys.argv[2])
    wheel.writestr(info + "RECORD", "")
`;

const log = { info: () => undefined, warn: () => undefined } as unknown as LogOutputChannel;
const progress = { report: () => undefined };
const running: CancellationToken = { isCancellationRequested: false, onCancellationRequested: () => ({ dispose: () => undefined }) };
const settings: ServerSettings = { path: "", python: PYTHON, package: "", useWorkspaceEnvironment: false };
let root = "";

before(() => {
  root = mkdtempSync(join(tmpdir(), "cmt-environment-"));
});
after(() => rmSync(root, { recursive: true, force: true }));

function wheel(folder: string, entry: string): string {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "cmt_lsp-0.0.1-py3-none-any.whl");
  execFileSync(PYTHON, ["-c", WHEEL, file, entry]);
  return file;
}

function made(name: string, entry?: string): ManagedEnvironment {
  const extension = join(root, name);
  if (entry) wheel(join(extension, "build", "server"), entry);
  return new ManagedEnvironment(join(root, name, "storage"), extension, log);
}

const PROGRAM = "[console_scripts]\ncmt-lsp = cmt_lsp:main\n";

test("the wheel that came with the extension becomes a program that runs; a later failure leaves it", { timeout: 120_000 }, async () => {
  const environment = made("whole", PROGRAM);
  assert.deepEqual(await environment.install(settings, { progress, token: running }), { ok: true });
  const first = environment.folder;
  assert.ok(first);
  assert.equal(execFileSync(join(first, "bin", "cmt-lsp"), { encoding: "utf8" }).trim(), "hello");

  const broken = join(root, "broken-0.0.1-py3-none-any.whl");
  writeFileSync(broken, "not a wheel");
  const failed = await environment.install({ ...settings, package: broken }, { progress, token: running });
  assert.ok("trouble" in failed && failed.trouble.kind === "install_failed", JSON.stringify(failed));
  assert.equal(environment.folder, first);
  assert.equal(readdirSync(join(root, "whole", "storage", "server")).length, 1);
});

test("a Python that is not there is said, and nothing is made", async () => {
  const environment = made("missing", PROGRAM);
  const told = await environment.install({ ...settings, python: "/nowhere/python" }, { progress, token: running });
  assert.deepEqual(told, { trouble: { kind: "no_python", detail: "/nowhere/python does not exist" } });
  assert.equal(environment.folder, undefined);
});

test("a build without a wheel says what to name", async () => {
  const told = await made("empty").install(settings, { progress, token: running });
  assert.ok("trouble" in told && told.trouble.kind === "install_failed" && /cmt\.server\.package/.test(told.trouble.detail));
});

test("a person who cancels is left with what was there before", { timeout: 60_000 }, async () => {
  const environment = made("cancelled", PROGRAM);
  let stop: (() => void) | undefined;
  const token = {
    isCancellationRequested: false,
    onCancellationRequested: (hear: () => void) => {
      stop = hear;
      return { dispose: () => undefined };
    },
  };
  const step = {
    token: token as unknown as CancellationToken,
    progress: {
      report: ({ message }: { message?: string }) => {
        if (message !== "making an environment") return;
        // Once the program that makes it runs, which is after this call returns.
        queueMicrotask(() => {
          token.isCancellationRequested = true;
          stop?.();
        });
      },
    },
  };
  assert.deepEqual(await environment.install(settings, step), { cancelled: true });
  assert.equal(environment.folder, undefined);
  const left = join(root, "cancelled", "storage", "server");
  assert.ok(!existsSync(left) || readdirSync(left).length === 0);
});
