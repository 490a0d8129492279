// Places of the chat: side bar, editor tab, a second window.
import assert from "node:assert/strict";

import { gone, numbers, seen } from "./seeing.ts";
import type { Stage } from "./stage.ts";
import { Workbench } from "./workbench.ts";

export function windows(stage: Stage): void {
  const { workbench, simulator } = stage;

  stage.test("the chat is in the side bar on the right", async () => {
    const panel = await stage.openPanel();
    const box = (await panel.composer.boundingBox())!;
    const { width } = workbench.page.viewportSize()!;
    assert.ok(box.x > width / 2, `at ${box.x} of ${width}`);
    await numbers(workbench.page.locator(".activitybar").getByRole("tab", { name: "Claude" }), 0);
  });

  stage.test("an editor tab shows the same session, and both hear the stream", async () => {
    const panel = await stage.freshChat();
    await simulator.reply("One.", { chunks: ["Two ", "words."], fault: { kind: "stall", after_events: 4 } });
    await panel.askAndWait("first");
    await panel.button("More").click();
    await panel.menu("Open in editor").click();
    const editor = workbench.editorPanel;
    await editor.turn(0).says("One.");
    await panel.ask("second");
    await editor.turn(1).says("Two");
    await panel.turn(1).says("Two");
    await simulator.release();
    await editor.turn(1).says("Two words.");
    await workbench.closeEditors();
    await gone(editor.composer);
  });

  stage.test("two windows have two sessions and one ledger", async () => {
    const panel = await stage.freshChat();
    await panel.askAndWait("in the first window");
    const second = new Workbench(await stage.browser.context.newPage());
    await second.open(stage.server.address());
    await second.openFile("main.py");
    await second.command("cmt: Open the chat");
    const other = second.panel;
    await seen(other.composer);
    await other.button("New session").click();
    await numbers(other.turns, 0);
    await other.askAndWait("in the second window");
    await numbers(other.turns, 1);
    await numbers(panel.turns, 1);
    await stage.todayIs(other);
    await second.page.close();
    // A window hears of what others spent with its own next question.
    await panel.askAndWait("in the first window again");
    await stage.todayIs(panel);
  });
}
