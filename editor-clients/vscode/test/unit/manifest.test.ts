// The manifest against the code: nothing is declared that is not there, and nothing is there undeclared.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));
const { contributes } = manifest;
const host = sources("src").filter(([name]) => !name.startsWith("view"));
const code = host.map(([, text]) => text).join("\n");
const declared: string[] = contributes.commands.map((one: { command: string }) => one.command);
const settings = Object.assign({}, ...contributes.configuration.map((group: { properties: object }) => group.properties));

function sources(folder: string): [string, string][] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names.filter((name) => /\.tsx?$/.test(name)).map((name) => [name, readFileSync(join(folder, name), "utf8")]);
}

function all(pattern: RegExp, text = code): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] as string);
}

test("no proposed API is asked for", () => {
  assert.equal(manifest.enabledApiProposals, undefined);
  assert.equal(manifest.engines.vscode, "^1.91.0");
  assert.match(readFileSync("node_modules/@types/vscode/package.json", "utf8"), /"version": "1\.91\./);
});

test("every declared command is registered, and every registered one is declared", () => {
  const registered = all(/^\s+"(cmt\.[a-zA-Z]+)": /gm);
  assert.deepEqual([...new Set(registered)].sort(), [...declared].sort());
});

test("menus, keys and the walkthrough name declared commands only", () => {
  const submenus = new Set((contributes.submenus ?? []).map((one: { id: string }) => one.id));
  for (const [menu, items] of Object.entries<{ command?: string; submenu?: string }[]>(contributes.menus)) {
    for (const item of items) {
      assert.ok(item.command ? declared.includes(item.command) : submenus.has(item.submenu), `${menu}: ${JSON.stringify(item)}`);
    }
  }
  for (const { command } of contributes.keybindings) assert.ok(declared.includes(command), command);
  const linked = all(/\(command:([a-zA-Z.]+)/g, JSON.stringify(contributes.walkthroughs));
  const events = all(/onCommand:([a-zA-Z.]+)/g, JSON.stringify(contributes.walkthroughs));
  for (const command of [...linked, ...events]) assert.ok(declared.includes(command), command);
});

test("every command that the code names is declared", () => {
  const named = all(/command: "(cmt\.[a-zA-Z]+)"/g);
  assert.ok(named.length > 10);
  for (const command of named) assert.ok(declared.includes(command), command);
});

test("every setting that the code reads is declared, and every declared one is read", () => {
  const direct = all(/\.get(?:<[^(]*>)?\("([a-zA-Z.]+)"/g).filter((name) => !name.startsWith("font"));
  const options = all(/"([a-zA-Z]+)"/g, /SERVER_OPTIONS = \[([^\]]*)\]/.exec(code)?.[1] ?? "");
  const named = all(/const SETTING = "(cmt\.[a-zA-Z.]+)"/g);
  // The language client reads this one by itself.
  const read = new Set([...direct, ...options, ...named].map((name) => `cmt.${name}`.replace("cmt.cmt.", "cmt.")).concat("cmt.trace.server"));
  assert.deepEqual([...read].sort(), Object.keys(settings).sort());
});

test("each setting has a scope, a type and words; what runs programs or chooses what runs is of machine scope", () => {
  for (const [name, setting] of Object.entries<Record<string, string>>(settings)) {
    assert.ok(setting.scope && setting.type, name);
    assert.ok(setting.description ?? setting.markdownDescription, name);
    if (name.startsWith("cmt.server.")) assert.equal(setting.scope, "machine", name);
  }
});

test("in a restricted workspace every setting that can choose a program, a model or words is the person's own", () => {
  const { supported, restrictedConfigurations } = manifest.capabilities.untrustedWorkspaces;
  assert.equal(supported, "limited");
  assert.equal(manifest.capabilities.virtualWorkspaces.supported, false);
  // What stays: how the panel looks, and budgets, which can only be lowered.
  const free = new Set(["cmt.budgets", "cmt.liveSelection", "cmt.sendOnEnter", "cmt.showThinking"]);
  const expected = Object.keys(settings).filter((name) => !free.has(name));
  assert.deepEqual([...restrictedConfigurations].sort(), expected.sort());
});

test("no setting holds a key or an endpoint", () => {
  for (const name of Object.keys(settings)) assert.doesNotMatch(name, /key|token$|secret|baseUrl|endpoint|env$/i);
});

test("every file that the manifest names is there", () => {
  const named = all(/"(media\/[^"]+)"/g, JSON.stringify(manifest));
  assert.ok(named.length >= 6);
  for (const file of named) assert.ok(existsSync(file), file);
});

test("the versions of the extension and of the server that travels in it are the same", () => {
  const server = /__version__ = "([^"]+)"/.exec(readFileSync("../../cmt_lsp/__init__.py", "utf8"))?.[1];
  assert.equal(manifest.version, server);
});

test("the lock file names no registry", () => {
  assert.doesNotMatch(readFileSync("package-lock.json", "utf8"), /"resolved"/);
});
