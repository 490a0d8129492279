// The manifest against the VS Code that reads it.
import assert from "node:assert/strict";
import * as vscode from "vscode";

import { test } from "./harness.ts";

const ID = "cmt-lsp.cmt-lsp";

function manifest(): any {
  const extension = vscode.extensions.getExtension(ID);
  assert.ok(extension, "the extension is known");
  return extension.packageJSON;
}

test("the extension starts by itself", async () => {
  await vscode.extensions.getExtension(ID)?.activate();
  assert.ok(vscode.extensions.getExtension(ID)?.isActive);
});

test("every command of the manifest exists", async () => {
  const known = new Set(await vscode.commands.getCommands(true));
  const missing = manifest().contributes.commands.map((one: any) => one.command).filter((id: string) => !known.has(id));
  assert.deepEqual(missing, []);
});

test("no proposed API is asked for", async () => {
  assert.equal(manifest().enabledApiProposals, undefined);
});

test("what can run code or name a program is of machine scope", async () => {
  const sections = [manifest().contributes.configuration].flat();
  const settings = sections.flatMap((section) => Object.entries<any>(section.properties ?? {}));
  const loose = settings.filter(([name, one]) => name.startsWith("cmt.server.") && one.scope !== "machine");
  assert.deepEqual(loose.map(([name]) => name), []);
  assert.ok(settings.length > 0);
});

test("a workspace's own setting of the server's path is not taken", async () => {
  const settings = vscode.workspace.getConfiguration("cmt");
  await assert.rejects(async () => settings.update("server.path", "/tmp/evil", vscode.ConfigurationTarget.Workspace));
});

test("the machine's own setting is", async () => {
  const path = vscode.workspace.getConfiguration("cmt").inspect<string>("server.path");
  assert.match(path?.globalValue ?? "", /cmt-lsp$/);
});
