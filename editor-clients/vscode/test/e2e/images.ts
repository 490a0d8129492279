// Pictures: on every way into the draft, with their price before, and byte for byte at the endpoint.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { Panel } from "./panel.ts";
import { png, sizeOf } from "./pictures.ts";
import { gone, numbers, reads, seen } from "./seeing.ts";
import type { Stage } from "./stage.ts";

export function images(stage: Stage): void {
  const { workbench, simulator } = stage;
  const { page } = workbench;

  /** The pictures of the last question, as the endpoint got them. */
  async function sent(): Promise<Buffer[]> {
    const question = (await simulator.questions()).at(-1)!.body.messages.at(-1);
    const pictures = question.content.filter((block: any) => block.type === "image");
    return pictures.map((block: any) => Buffer.from(block.source.data, "base64"));
  }

  /** Drag a file over the text box and let it go. */
  async function drop(panel: Panel, path: string, modifiers: number): Promise<void> {
    const box = (await panel.composer.boundingBox())!;
    const cdp = await stage.browser.context.newCDPSession(page);
    const at = { x: box.x + box.width / 2, y: box.y + box.height / 2, modifiers };
    const data = { items: [], files: [path], dragOperationsMask: 1 };
    for (const type of ["dragEnter", "dragOver", "drop"] as const) await cdp.send("Input.dispatchDragEvent", { type, ...at, data });
    await cdp.detach();
  }

  const pictures = (panel: Panel) => panel.draftPictures.getByRole("listitem");

  stage.test("a pasted picture shows what it is and costs, and arrives", async () => {
    const panel = await stage.freshChat();
    await stage.paste(panel, png(640, 480));
    await numbers(pictures(panel), 1);
    await reads(pictures(panel), /640×480/);
    await reads(pictures(panel), /tokens, \$\d/);
    await seen(pictures(panel).getByRole("img"));
    await panel.askAndWait("What is on it?");
    const [picture] = await sent();
    assert.deepEqual(sizeOf(picture!), [640, 480]);
    await numbers(pictures(panel), 0);
  });

  stage.test("a picture that is dropped with Shift arrives byte for byte", async () => {
    const panel = await stage.freshChat();
    const path = join(stage.server.root, "dropped.png");
    await writeFile(path, png(320, 200));
    await drop(panel, path, 8);
    await reads(pictures(panel), /dropped\.png/);
    await reads(pictures(panel), /320×200/);
    await panel.askAndWait("And this?");
    assert.deepEqual(await sent(), [png(320, 200)]);
  });

  stage.test("a picture that was picked from the disk arrives byte for byte", async () => {
    const panel = await stage.freshChat();
    const path = join(stage.server.workspace, "picked.png");
    await writeFile(path, png(200, 100));
    await panel.button("Attach").click();
    await panel.menu("Pictures…").click();
    const box = page.locator(".quick-input-widget .quick-input-box input").first();
    await box.fill(path);
    const row = page.locator(".quick-input-list .monaco-list-row").filter({ hasText: "picked.png" });
    await seen(row);
    await row.click();
    await reads(pictures(panel), /picked\.png/);
    await reads(pictures(panel), /200×100/);
    await panel.askAndWait("And that?");
    assert.deepEqual(await sent(), [png(200, 100)]);
  });

  stage.test("a picture that is larger than the model sees is told to be scaled, and is", async () => {
    const panel = await stage.freshChat();
    const path = join(stage.server.root, "large.png");
    await writeFile(path, png(3000, 1500));
    await drop(panel, path, 8);
    await reads(pictures(panel), /3000×1500/);
    const facts = await reads(pictures(panel), /will be scaled to (\d+)×(\d+)/);
    const told = /scaled to (\d+)×(\d+)/.exec(facts)!.slice(1).map(Number);
    await panel.askAndWait("A large one");
    const [picture] = await sent();
    assert.deepEqual(sizeOf(picture!), told);
    assert.ok(Math.max(...told) < 3000);
  });

  stage.test("a picture that was taken out of the draft is not sent", async () => {
    const panel = await stage.freshChat();
    await stage.paste(panel, png(64, 64));
    await numbers(pictures(panel), 1);
    await panel.frame.getByRole("button", { name: /^Remove / }).click();
    await numbers(pictures(panel), 0);
    await panel.askAndWait("Nothing to see");
    assert.deepEqual(await sent(), []);
  });

  stage.test("a file that is no picture says so, and the question goes without it", async () => {
    const panel = await stage.freshChat();
    const path = join(stage.server.root, "broken.png");
    await writeFile(path, "this is no picture");
    await drop(panel, path, 8);
    await seen(pictures(panel).getByRole("alert"));
    await panel.frame.getByRole("button", { name: /^Remove / }).click();
    await gone(pictures(panel));
  });

  stage.test("a part of the screen that was taken arrives", async () => {
    const panel = await stage.freshChat();
    await panel.button("Attach").click();
    await panel.menu("Part of the screen").click();
    await reads(pictures(panel), /123×77/);
    await panel.askAndWait("What do I see?");
    const [picture] = await sent();
    assert.deepEqual(sizeOf(picture!), [123, 77]);
  });
}
