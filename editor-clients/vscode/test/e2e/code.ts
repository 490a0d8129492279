// Code from the editor into the question, and out of the answer into the editor.
import assert from "node:assert/strict";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { until } from "../bed/waiting.ts";
import type { Panel } from "./panel.ts";
import { gone, numbers, reads, seen } from "./seeing.ts";
import type { Stage } from "./stage.ts";

const SOURCE = "def one():\n    return 1\n\n\ndef two():\n    return 2\n";
const ANSWER = "Like this:\n\n```python\ndef two():\n    return 'two'\n```\n\nThat is all.";

/** Files that the tests open; one that is made later is not always found by its name. */
export const FILES = Object.fromEntries(
  ["insert", "several", "locked", "along", "change", "reject", "stale", "chips"].map((name) => [`${name}.py`, SOURCE]),
);

export function code(stage: Stage): void {
  const { workbench, simulator } = stage;
  const { page } = workbench;
  const file = (name: string) => join(stage.server.workspace, name);

  /** A file of its own, open and alone. */
  async function opened(name: string, text = SOURCE): Promise<void> {
    await workbench.closeEditors();
    if (text !== SOURCE) await writeFile(file(name), text);
    await workbench.openFile(name);
  }

  /** A panel whose last answer holds a block of code. */
  async function answered(question = "How?"): Promise<Panel> {
    const panel = await stage.freshChat();
    await simulator.reply(ANSWER);
    await panel.askAndWait(question);
    return panel;
  }

  async function onDisk(name: string, wanted: string): Promise<void> {
    let last = "";
    await until(`${name} is written`, async () => {
      await workbench.save();
      return (last = await readFile(file(name), "utf8")) === wanted;
    }).catch(() => assert.equal(last, wanted));
  }

  stage.test("code is coloured, named by its language, and copied as it is", async () => {
    const panel = await answered();
    const figure = panel.lastTurn.root.getByRole("figure");
    await reads(figure.locator("figcaption"), "Python");
    await seen(figure.locator(".hljs-keyword"));
    await panel.lastTurn.code("Copy code").click();
    await until("the clipboard has it", async () => {
      const text = await page.evaluate(() => navigator.clipboard.readText());
      return text === "def two():\n    return 'two'";
    });
  });

  stage.test("code is inserted at the cursor", async () => {
    await opened("insert.py");
    await workbench.goTo(3, 1);
    const panel = await answered();
    await panel.lastTurn.code("Insert at cursor").click();
    await onDisk("insert.py", SOURCE.replace("1\n\n", "1\ndef two():\n    return 'two'\n"));
  });

  stage.test("code is inserted at each of several cursors", async () => {
    await opened("several.py", "a\nb\n");
    await workbench.goTo(1, 2);
    await page.keyboard.press("Control+Shift+ArrowDown");
    const panel = await stage.freshChat();
    await simulator.reply("```\n!\n```");
    await panel.askAndWait("What is missing?");
    await panel.lastTurn.code("Insert at cursor").click();
    await onDisk("several.py", "a!\nb!\n");
  });

  stage.test("code for an editor that takes no changes goes into a new file", async () => {
    await opened("locked.py");
    await chmod(file("locked.py"), 0o444);
    await workbench.command("File: Set Active Editor Read-only in Session");
    const panel = await answered();
    await panel.lastTurn.code("Insert at cursor").click();
    await seen(workbench.tab(/Untitled/));
    await reads(workbench.editor, /return\s'two'/);
    assert.equal(await readFile(file("locked.py"), "utf8"), SOURCE);
  });

  stage.test("a new file holds the code in its language", async () => {
    await workbench.closeEditors();
    const panel = await answered();
    await panel.lastTurn.code("Open as new file").click();
    await seen(workbench.tab(/Untitled/));
    await reads(page.locator(".statusbar-item[id='status.editor.mode']"), "Python");
  });

  stage.test("the selection goes along and can be left out", async () => {
    await opened("along.py");
    await workbench.selectLines(5, 6);
    const panel = await stage.freshChat();
    const chip = panel.frame.getByRole("button", { name: "along.py:5-6" });
    await seen(chip);
    await panel.askAndWait("What does this do?");
    const with_ = JSON.stringify((await simulator.questions()).at(-1)!.body.messages.at(-1));
    assert.match(with_, /return 2/);
    assert.doesNotMatch(with_, /return 1/);
    await chip.click();
    await panel.askAndWait("And without it?");
    const without = JSON.stringify((await simulator.questions()).at(-1)!.body.messages.at(-1));
    assert.doesNotMatch(without, /return 2/);
    await chip.click();
  });

  stage.test("a change is shown as a diff and made when it is accepted", async () => {
    await opened("change.py");
    await workbench.selectLines(5, 6);
    const panel = await answered("Change it");
    await panel.lastTurn.code(/^Replace selection/).click();
    await seen(workbench.tab(/what Claude proposes/));
    assert.equal(await readFile(file("change.py"), "utf8"), SOURCE);
    await workbench.titleButton("Accept the proposed change").click();
    await gone(workbench.tab(/what Claude proposes/));
    await onDisk("change.py", SOURCE.replace("return 2", "return 'two'"));
  });

  stage.test("a change that is rejected leaves the file as it was", async () => {
    await opened("reject.py");
    await workbench.selectLines(5, 6);
    const panel = await answered("Change it");
    await panel.lastTurn.code(/^Replace selection/).click();
    await seen(workbench.tab(/what Claude proposes/));
    await workbench.titleButton("Reject the proposed change").click();
    await gone(workbench.tab(/what Claude proposes/));
    await onDisk("reject.py", SOURCE);
  });

  stage.test("a change of code that was edited meanwhile is not put over it", async () => {
    await opened("stale.py");
    await workbench.selectLines(5, 6);
    const panel = await answered("Change it");
    await workbench.goTo(6, 12);
    await page.keyboard.type("345");
    await panel.lastTurn.code(/^Replace selection/).click();
    await reads(workbench.notification(/edited/), /edited since it was asked/);
  });

  stage.test("several chips are attached by command and removed by their button", async () => {
    await opened("chips.py");
    const panel = await stage.freshChat();
    await workbench.goTo(1, 1);
    await workbench.selectLines(1, 2);
    await workbench.command("cmt: Ask about the selection");
    const chips = panel.frame.getByRole("list", { name: "Goes along with the question" }).getByRole("listitem");
    await seen(panel.button("Remove chips.py:1-2"));
    await panel.button("Remove chips.py:1-2").click();
    await gone(panel.button("Remove chips.py:1-2"));
    await numbers(chips.filter({ hasText: "Remove" }), 0);
  });
}
