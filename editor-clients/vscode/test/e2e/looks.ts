// How it looks, and how it is used without a mouse or without eyes: axe in three themes, every control by keyboard.
import assert from "node:assert/strict";
import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";

import { axeSource, type Frame } from "../bed/index.ts";
import { ARTEFACTS, REPOSITORY } from "../bed/places.ts";
import { until } from "../bed/waiting.ts";
import type { Panel } from "./panel.ts";
import { png } from "./pictures.ts";
import { gone, numbers, reads, seen } from "./seeing.ts";
import type { Stage } from "./stage.ts";

const THEMES = { light: "Default Light Modern", dark: "Default Dark Modern", "high contrast": "Default High Contrast" };
/** Pictures that the documentation shows; they go there only when that is asked for. */
const DOCUMENTED = ["chat-light", "chat-dark", "change", "usage-light", "history-dark"];
const folderOf = (name: string): string =>
  process.env.CMT_TEST_PICTURES && DOCUMENTED.includes(name) ? join(REPOSITORY, "docs", "images") : join(ARTEFACTS, "pictures");
const LARGEST = 150 * 1024;

export const SOURCE = `import time


class Session:
    def __init__(self, name, seconds=3600):
        self.name = name
        self.ends = time.time() + seconds

    def is_over(self):
        return time.time() > self.ends

    def renew(self, seconds):
        if self.is_over():
            raise ValueError("over")
        self.ends = self.ends + seconds
`;

const ANSWER = `The clock is read by \`time.time()\`, which **jumps** when somebody sets it. A clock that only goes forward is safer:

\`\`\`python
    def is_over(self):
        return time.monotonic() > self.ends
\`\`\`

- Set \`ends\` with the same clock.
- In tests, hand the clock in instead of patching it.
`;

export function looks(stage: Stage): void {
  const { workbench, simulator } = stage;
  const { page } = workbench;

  async function picture(name: string): Promise<void> {
    await mkdir(folderOf(name), { recursive: true });
    const path = join(folderOf(name), `vscode-${name}.png`);
    await page.mouse.move(0, 0);
    await page.screenshot({ path, animations: "disabled", caret: "hide" });
    assert.ok((await stat(path)).size < LARGEST, `${path} is small enough`);
  }

  async function themed(theme: string): Promise<void> {
    await stage.settings({ "workbench.colorTheme": theme });
    const kind = { light: "vscode-light", dark: "vscode-dark" }[/Light|Dark/.exec(theme)?.[0].toLowerCase() ?? ""] ?? "vscode-high-contrast";
    await until("the theme is in force", () => workbench.panel.frame.locator(`body.${kind}`).count());
  }

  /** What axe objects to in the panel's document. */
  async function objections(panel: Panel): Promise<string[]> {
    const handle = await panel.frame.locator("html").elementHandle();
    const frame = (await handle!.ownerFrame()) as Frame;
    await frame.evaluate(axeSource());
    // The document lets the side bar shine through, which axe takes for white.
    await frame.evaluate(() => (document.documentElement.style.backgroundColor = "var(--vscode-sideBar-background)"));
    const found = await frame.evaluate(async () => (globalThis as any).axe.run({ resultTypes: ["violations"] }));
    return found.violations.flatMap(({ id, nodes }: any) => nodes.map((node: any) => `${id}: ${node.html.slice(0, 160)} ${node.failureSummary?.slice(0, 300)}`));
  }

  /** A conversation about code, with the selection at hand. */
  async function conversation(): Promise<Panel> {
    await workbench.closeEditors();
    await workbench.openFile("session.py");
    await workbench.selectLines(9, 10);
    const panel = await stage.freshChat();
    await simulator.reply({ text: ANSWER, thinking: "The clock may be set back while a session runs." });
    await panel.askAndWait("Is there a trap in this?");
    await seen(panel.lastTurn.root.locator(".hljs-keyword"));
    return panel;
  }

  stage.test("the panel has the room that a person gives it", async () => {
    await workbench.command("View: Toggle Primary Side Bar Visibility");
    const panel = await stage.openPanel();
    const before = (await panel.composer.boundingBox())!;
    // The edge between editor and side bar, taken by the mouse.
    await page.mouse.move(before.x - 18, 400);
    await page.mouse.down();
    await page.mouse.move(before.x - 200, 400, { steps: 5 });
    await page.mouse.up();
    await until("the panel is wider", async () => (await panel.composer.boundingBox())!.width > before.width + 100);
  });

  for (const [name, theme] of Object.entries(THEMES)) {
    stage.test(`axe objects to nothing in ${name}`, async () => {
      await themed(theme);
      const panel = await conversation();
      await stage.paste(panel, png(640, 480));
      await panel.composer.fill("And what does the picture show?");
      await reads(panel.forecast, /\$/);
      await reads(panel.draftPictures, /tokens/);
      await picture(`chat-${name.replace(" ", "-")}`);
      assert.deepEqual(await objections(panel), []);
      await panel.button("More").click();
      await seen(panel.menu("Compare models"));
      assert.deepEqual(await objections(panel), []);
      await page.keyboard.press("Escape");
      for (const title of ["History", "Usage and budgets"]) {
        await panel.button(title).click();
        await seen(panel.frame.getByRole("heading").first());
        await picture(`${title.split(" ")[0]!.toLowerCase()}-${name.replace(" ", "-")}`);
        assert.deepEqual(await objections(panel), []);
        await panel.button(title).click();
      }
      await panel.frame.getByRole("button", { name: /^Remove image/ }).click();
      await panel.composer.fill("");
      await themed(THEMES.light);
    });
  }

  stage.test("every control is reached by the Tab key", async () => {
    const panel = await conversation();
    const controls = "button:not([disabled]):not([tabindex='-1']), [role=link], textarea, summary, select, input";
    const all = await panel.frame.locator(controls).evaluateAll((found) => {
      const visible = found.filter((one) => (one as HTMLElement).checkVisibility());
      visible.forEach((one, index) => one.setAttribute("data-reach", String(index)));
      return visible.map((one) => one.outerHTML.slice(0, 120));
    });
    await panel.frame.getByRole("tab", { selected: true }).focus();
    const reached = new Set<number>([-1]);
    for (let step = 0; step < all.length * 3; step++) {
      const now = await panel.frame.locator("body").evaluate((body) => body.ownerDocument.activeElement?.getAttribute("data-reach") ?? "-1");
      reached.add(Number(now));
      if (reached.size > all.length) break;
      await page.keyboard.press("Tab");
    }
    const missed = all.filter((_, index) => !reached.has(index));
    assert.deepEqual(missed, []);
  });

  stage.test("the last turn and the text box are reached by command", async () => {
    const panel = await conversation();
    await workbench.command("cmt: Focus the last message");
    await until("the heading has the focus", () => panel.frame.getByRole("heading", { name: /^Turn 1 of 1/ }).evaluate((one) => one.ownerDocument.activeElement === one));
    await workbench.command("cmt: Open the chat");
    await until("the text box has the focus", () => panel.composer.evaluate((one) => one.ownerDocument.activeElement === one));
  });

  stage.test("a proposed change beside the chat", async () => {
    const panel = await conversation();
    await panel.lastTurn.code(/^Replace selection/).click();
    await seen(workbench.tab(/what Claude proposes/));
    await seen(page.locator(".monaco-diff-editor .line-insert").first());
    await picture("change");
    await workbench.titleButton("Reject the proposed change").click();
    await gone(workbench.tab(/what Claude proposes/));
  });

  stage.test("narrow and wide", async () => {
    const panel = await conversation();
    await workbench.command("cmt: Open the chat in an editor");
    await seen(workbench.editorPanel.composer);
    await workbench.command("View: Hide Secondary Side Bar");
    await numbers(workbench.panel.turns, 1);
    await picture("editor");
    await workbench.closeEditors();
    await stage.openPanel();
    await page.setViewportSize({ width: 640, height: 480 });
    await seen(panel.composer);
    await picture("narrow");
    const overflow = await panel.frame.locator("html").evaluate((html) => html.scrollWidth > html.clientWidth);
    await page.setViewportSize({ width: 1280, height: 800 });
    assert.equal(overflow, false);
  });
}
