// A machine that has nothing yet: each lack is one sentence with the button that mends it, and the draft waits.
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { KEY } from "../bed/code_server.ts";
import { CMT_LSP } from "../bed/places.ts";
import { gone, reads, seen } from "./seeing.ts";
import { Stage } from "./stage.ts";

/** A program that answers `initialize` as a server of an older contract does. */
const OLD = `#!/bin/sh
body='{"jsonrpc":"2.0","id":0,"result":{"capabilities":{"experimental":{"cmt":{"version":0,"serverVersion":"0.0.1","operations":[],"limits":{}}}}}}'
printf 'Content-Length: %s\\r\\n\\r\\n%s' "\${#body}" "$body"
exec cat > /dev/null
`;

const stage = await Stage.open({
  env: { ANTHROPIC_API_KEY: undefined, PATH: "/usr/bin:/bin" },
  machine: { "cmt.server.useWorkspaceEnvironment": false },
  files: { "main.py": "print('hello')\n" },
  programs: { crashes: "#!/bin/sh\nexit 3\n", old: OLD, "no-python": "#!/bin/sh\nexit 127\n" },
});
const { workbench, server, simulator } = stage;
// A key that the editor hands over goes to the address of the person's own file, never to one of the environment.
const settings = join(server.root, "config", "cmt-lsp");
await mkdir(settings, { recursive: true });
await writeFile(join(settings, "config.toml"), `baseUrl = "${simulator.url}"\n`);
const health = () => workbench.panel.frame.locator(".health");
const named = (program: string) => `${server.root}/bin/${program}`;

stage.test("no server: a sentence and a button that installs it", async () => {
  const panel = await stage.openPanel();
  await reads(health(), "was not found");
  await seen(panel.button("Install the server"));
  await panel.composer.fill("a draft from the beginning");
  assert.ok(await panel.send.isDisabled());
  await panel.button("Install the server").click();
  await reads(workbench.dialog, "Install the server cmt-lsp?");
  await workbench.page.keyboard.press("Escape");
  await gone(workbench.dialog);
});

stage.test("no Python: a sentence that names the setting", async () => {
  await server.machine({ "cmt.server.useWorkspaceEnvironment": false, "cmt.server.python": named("no-python") });
  const panel = await stage.openPanel();
  await panel.button("Install the server").click();
  await seen(workbench.dialog);
  await workbench.dialog.getByRole("button", { name: "Install", exact: true }).click();
  await reads(workbench.notification(/Python/), /No Python 3\.11 or newer/);
  await workbench.command("Notifications: Clear All Notifications");
});

stage.test("a path that names no program", async () => {
  await gone(workbench.dialog);
  await server.machine({ "cmt.server.path": "/nowhere/cmt-lsp" });
  await reads(health(), "/nowhere/cmt-lsp, which cannot be run");
  await seen(workbench.panel.button("Set the path"));
});

stage.test("a server that crashes at its start", async () => {
  await server.machine({ "cmt.server.path": named("crashes") });
  await reads(health(), /could not be started|stopped|is not a cmt-lsp/);
  await seen(workbench.panel.button("Restart the server"));
});

stage.test("a server of another contract", async () => {
  await server.machine({ "cmt.server.path": named("old") });
  await reads(health(), "too old for this extension");
  await seen(workbench.panel.button("Install the server"));
});

stage.test("no key: it is asked for, kept in the secret storage, and the draft is sent with it", async () => {
  await server.machine({ "cmt.server.path": CMT_LSP });
  const panel = workbench.panel;
  await reads(health(), "No API key is set", 60_000);
  assert.equal(await panel.composer.inputValue(), "a draft from the beginning");
  await panel.composer.press("Enter");
  await reads(panel.frame.getByRole("group", { name: "Not answered" }), /key/i);
  await panel.button("Set API key").first().click();
  await workbench.answer(KEY);
  await gone(health());
  await simulator.reply("Welcome.");
  await panel.composer.press("Enter");
  await panel.lastTurn.says("Welcome.");
  const [question] = await simulator.questions();
  assert.equal(question!.headers["x-api-key"], KEY);
});

stage.test("the walkthrough shows the way", async () => {
  await workbench.command("Welcome: Open Walkthrough...");
  await workbench.pick("Claude");
  for (const step of ["Get the server", "Give it a key", "Ask about your code", "Know what it costs"]) {
    await seen(workbench.page.getByText(step).first());
  }
  await workbench.closeEditors();
});
