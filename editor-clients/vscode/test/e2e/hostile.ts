// Words of a model, of names and of errors stay words, wherever the panel shows them.
import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { seed } from "../bed/seed.ts";
import { ENEMY, HOSTILE } from "../hostile.ts";
import type { Panel } from "./panel.ts";
import { gone, numbers, reads, seen } from "./seeing.ts";
import type { Stage } from "./stage.ts";

/** A file may be called so. */
const NAME = "<img src=x onerror=alert(1)>.py";

export function hostile(stage: Stage): void {
  const { workbench, simulator } = stage;

  /** Note down what the policy of the document had to stop: nothing should come that far. */
  async function watched(panel: Panel): Promise<Panel> {
    await panel.frame.locator("body").evaluate((body) => {
      const view = body.ownerDocument.defaultView as any;
      view.cmtRefused ??= [];
      body.ownerDocument.addEventListener("securitypolicyviolation", (event) => view.cmtRefused.push(event.blockedURI));
    });
    return panel;
  }

  /** Nothing ran, nothing was fetched or even tried, and there is no element that could. */
  async function harmless(panel: Panel): Promise<void> {
    const found = await panel.frame.locator("body").evaluate((body) => {
      const view = body.ownerDocument.defaultView as any;
      const elements = "script, iframe, object, embed, video, audio, form[action], base, meta, style, link, svg image, a[href]";
      const risky = `${elements}, [src]:not([src^='data:image/png;base64,'])`;
      const handlers = [...body.querySelectorAll("*")].flatMap((one) => [...one.attributes]).filter(({ name }) => name.startsWith("on"));
      return {
        refused: view.cmtRefused,
        elements: [...body.querySelectorAll(`#root :is(${risky})`)].map((one) => one.outerHTML.slice(0, 200)),
        handlers: handlers.map(({ name, value }) => `${name}=${value}`),
      };
    });
    assert.deepEqual(found, { refused: [], elements: [], handlers: [] });
    assert.deepEqual(stage.browser.alerts, []);
    assert.deepEqual(stage.browser.foreign, []);
  }

  stage.test("hostile questions, answers, thinking and names are words on every page", async () => {
    const shown = process.env.CMT_CAMPAIGN === "full" ? HOSTILE : HOSTILE.filter((_, index) => index % 3 === 0);
    const turns = shown.map((text) => ({ prompt: text, text, thinking: text }));
    const named = HOSTILE.map((text, index) => ({ id: `hostile-${index}`, name: text, turns: [{ prompt: text, text }] }));
    const { workspace, state } = stage.server;
    await seed(state, workspace, [...named, { id: "hostile", name: "Every hostile turn", turns }]);
    const panel = await watched(await stage.openPanel());
    await panel.button("History").click();
    await seen(panel.frame.getByText("Every hostile turn").first());
    await harmless(panel);
    await panel.frame.getByText("Every hostile turn").first().click();
    await numbers(panel.turns, 100);
    for (let count = 200; count < shown.length + 100; count += 100) {
      await panel.button(/^Show earlier turns/).evaluate((button: HTMLButtonElement) => button.click());
      await numbers(panel.turns, Math.min(count, shown.length));
    }
    await panel.turns.evaluateAll(async (all) => {
      for (const turn of all) {
        turn.querySelector("details")?.setAttribute("open", "");
        turn.scrollIntoView();
        await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
      }
    });
    await numbers(panel.frame.locator(".answer.raw"), 0);
    await harmless(panel);
  });

  stage.test("a hostile stream is words while it grows and when it has ended", async () => {
    const panel = await watched(await stage.freshChat());
    await simulator.reply({ text: HOSTILE.join("\n\n"), chunk_chars: 61 });
    await panel.askAndWait("Be hostile");
    await harmless(panel);
  });

  stage.test("a hostile error, file name and draft are words", async () => {
    await writeFile(join(stage.server.workspace, NAME), "one\ntwo\n");
    await workbench.closeEditors();
    await workbench.openFile(NAME);
    await workbench.selectLines(1, 2);
    const panel = await watched(await stage.freshChat());
    await seen(panel.button(`${NAME}:1-2`));
    for (const text of [HOSTILE[0]!, HOSTILE[100]!, HOSTILE.at(-100)!, HOSTILE.at(-1)!]) {
      await simulator.fail({ kind: "status", code: 400, message: text });
      await panel.ask(text);
      const card = panel.frame.getByRole("group", { name: "Not answered" });
      await seen(card);
      await harmless(panel);
      await card.getByRole("button", { name: "Dismiss" }).click();
      await gone(card);
    }
    await panel.composer.fill("");
    await workbench.closeEditors();
    await rm(join(stage.server.workspace, NAME));
  });

  stage.test("a link is opened only after a yes, and only if it leads to the web", async () => {
    const panel = await stage.freshChat();
    await simulator.reply(`See [the page](https://${ENEMY}/page) and [this](javascript:alert(1)).`);
    await panel.askAndWait("Where?");
    await numbers(panel.lastTurn.answer.getByRole("link"), 1);
    await panel.lastTurn.answer.getByRole("link").click();
    await reads(workbench.dialog, `https://${ENEMY}/page`);
    await workbench.page.keyboard.press("Escape");
    await gone(workbench.dialog);
    assert.deepEqual(stage.browser.foreign, []);
  });
}
