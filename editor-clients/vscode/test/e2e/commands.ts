// What is done without the panel: by commands, menus and keys.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { until } from "../bed/waiting.ts";
import type { Panel } from "./panel.ts";
import { gone, reads, seen } from "./seeing.ts";
import type { Stage } from "./stage.ts";

const SOURCE = "x = 1\ny = 2\nz = 3\n";

/** Files that the tests open. */
export const COMMAND_FILES = {
  "broken.json": '{"a": 1,,}\n',
  "moved.py": SOURCE,
  "covered.py": SOURCE,
};

export function commands(stage: Stage): void {
  const { workbench, simulator } = stage;
  const { page } = workbench;
  const chip = (panel: Panel, name: string | RegExp) => panel.frame.getByRole("listitem").filter({ hasText: name });

  async function answered(answer: string): Promise<Panel> {
    const panel = await stage.freshChat();
    await simulator.reply(answer);
    await panel.askAndWait("Change it");
    return panel;
  }

  stage.test("the doctor says what it found, and sends nothing", async () => {
    await workbench.closeEditors();
    await workbench.command("cmt: Doctor");
    const report = workbench.editorPanel.frame.locator("body");
    await reads(report, /Nothing was sent/);
    await reads(report, /ledger/);
    assert.deepEqual(await simulator.requests(), []);
    await workbench.closeEditors();
  });

  stage.test("what is selected in the terminal goes along, and the clipboard is as it was", async () => {
    const panel = await stage.freshChat();
    await workbench.command("Terminal: Create New Terminal");
    await seen(page.locator(".terminal-wrapper.active .xterm.focus"));
    await page.evaluate(() => navigator.clipboard.writeText("kept"));
    // The screen is a canvas: that the shell came to the end of the line is seen in a file.
    await page.keyboard.type("echo printed-$((40 + 2)) && touch printed\n");
    await until("the shell obeys", () => existsSync(join(stage.server.workspace, "printed")));
    await workbench.command("Terminal: Select All");
    await page.keyboard.press("Control+K");
    await page.keyboard.press("Control+A");
    await seen(chip(panel, "Terminal"));
    await panel.askAndWait("What was printed?");
    assert.match(JSON.stringify((await simulator.questions()).at(-1)!.body.messages.at(-1)), /printed-42/);
    await workbench.command("Terminal: Kill the Active Terminal Instance");
    await page.locator(".statusbar").click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), "kept");
  });

  stage.test("a problem of the file goes along", async () => {
    await workbench.closeEditors();
    await workbench.openFile("broken.json");
    await seen(page.locator(".statusbar-item[id='status.problems']").filter({ hasNotText: /^\s*0\s*0\s*$/ }));
    const panel = await stage.freshChat();
    await until("the problem is attached", async () => {
      await workbench.command("cmt: Ask about the problems here");
      return (await chip(panel, "broken.json: 1 problem").count()) > 0;
    });
    await panel.askAndWait("What is wrong?");
    assert.match(JSON.stringify((await simulator.questions()).at(-1)!.body.messages.at(-1)), /Property expected/);
    await workbench.command("Notifications: Clear All Notifications");
  });

  stage.test("a proposed change follows edits beside it, and is not put over edits inside it", async () => {
    await workbench.closeEditors();
    await workbench.openFile("moved.py");
    await workbench.selectLines(2, 2);
    const panel = await answered("```python\ny = 20\n```");
    await panel.lastTurn.code(/^Replace selection/).click();
    const diff = workbench.tab(/what Claude proposes/);
    await seen(diff);
    await workbench.tab(/^moved.py/).first().click();
    await workbench.goTo(1, 1);
    await page.keyboard.type("# new\n");
    await diff.click();
    await workbench.titleButton("Accept the proposed change").click();
    await gone(diff);
    await saved("moved.py", "# new\nx = 1\ny = 20\nz = 3\n");

    await workbench.selectLines(3, 3);
    await simulator.reply("```python\ny = 30\n```");
    await panel.askAndWait("Again");
    await panel.lastTurn.code(/^Replace selection/).click();
    await seen(diff);
    await workbench.tab(/^moved.py/).first().click();
    await workbench.goTo(3, 7);
    await page.keyboard.type("1");
    await diff.click();
    await workbench.titleButton("Accept the proposed change").click();
    await seen(workbench.notification(/edited while the proposal was shown/));
    await workbench.titleButton("Reject the proposed change").click();
    await gone(diff);
    await saved("moved.py", "# new\nx = 1\ny = 201\nz = 3\n");
    await workbench.command("Notifications: Clear All Notifications");
  });

  stage.test("code goes to the cursor of an editor that the chat covers", async () => {
    await workbench.closeEditors();
    await workbench.openFile("covered.py");
    await workbench.goTo(2, 1);
    await answered("```python\ny = 1\ny = 2\n```");
    await workbench.command("cmt: Open the chat in an editor");
    await seen(workbench.editorPanel.composer);
    await workbench.editorPanel.lastTurn.code("Insert at cursor").click();
    await seen(workbench.tab("covered.py"));
    await saved("covered.py", "x = 1\ny = 1\ny = 2\ny = 2\nz = 3\n");
    await workbench.closeEditors();
  });

  stage.test("the walkthrough knows what is done already", async () => {
    await workbench.command("Welcome: Open Walkthrough...");
    await workbench.pick("Claude");
    const done = page.locator(".getting-started-step .codicon-getting-started-step-checked.complete");
    await until("server and key are ticked off", async () => (await done.count()) >= 2);
    await workbench.closeEditors();
  });

  async function saved(name: string, wanted: string): Promise<void> {
    let last = "";
    await until(`${name} is written`, async () => {
      await workbench.save();
      return (last = await readFile(join(stage.server.workspace, name), "utf8")) === wanted;
    }).catch(() => assert.equal(last, wanted));
  }
}
