// For everybody: no finding of axe in any scene and theme, all by keyboard, and only events are told.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "../../bed/index";
import { bench, ROOT, wear, type Bench, type Opened } from "./bench";
import { SCENES } from "./scenes";
import { THEMES } from "./themes";

let open: Bench;
before(async () => (open = await bench()));
after(() => open.close());

const AXE = readFileSync(join(ROOT, "test/bed/node_modules/axe-core/axe.min.js"), "utf8");

/** What axe finds, as one line each. */
async function findings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  // Colours glide for a moment after a change of the theme.
  await page.evaluate(() => Promise.all(document.getAnimations().map((animation) => animation.effect?.getTiming().iterations === Infinity || animation.finished)));
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run(options: object): Promise<{ violations: { id: string; help: string; nodes: { html: string; any: { message: string }[] }[] }[] }> } };
    // The host's page has one language and one frame; landmarks outside it are VS Code's.
    const { violations } = await axe.run({ resultTypes: ["violations"] });
    return violations.flatMap(({ id, help, nodes }) => nodes.map((node) => `${id}: ${help}: ${node.html.slice(0, 120)} ${node.any[0]?.message ?? ""}`));
  });
}

const box = (page: Page) => page.getByRole("textbox", { name: "Ask Claude" });

async function settled(view: Opened): Promise<void> {
  await view.page.waitForFunction(() => window.fake.posted.length > 0 && !document.querySelector(".waiting"));
}

const ACTS: Record<string, (page: Page) => Promise<unknown>> = {
  draft: (page) => page.waitForSelector(".forecast .price"),
  failure: async (page) => {
    await box(page).fill("Is this right?");
    await box(page).press("Enter");
    await page.waitForSelector(".failure");
  },
  history: async (page) => {
    await page.getByRole("button", { name: "History", exact: true }).click();
    await page.waitForSelector(".session");
  },
  preview: async (page) => {
    await page.getByRole("textbox", { name: "Ask Claude" }).fill("Is this right?");
    await page.getByRole("button", { name: "Attach" }).click();
    await page.getByRole("menuitem", { name: "Show what would be sent" }).click();
    await page.getByText("Pinned file src/net/client.py").click();
  },
  usage: async (page) => {
    await page.getByRole("button", { name: "Usage and budgets" }).click();
    await page.waitForSelector(".advice li");
    await page.waitForSelector(".day-chart");
    await page.getByRole("button", { name: "Change the day budget" }).click();
  },
  models: (page) => page.getByRole("button", { name: /^Model/ }).click(),
  compare: async (page) => {
    await box(page).fill("Which is better?");
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Compare models" }).click();
    for (const one of (await page.getByRole("checkbox").all()).slice(0, 2)) await one.check();
    await page.getByRole("button", { name: "Ask 2 models" }).click();
    await page.getByRole("button", { name: /^Go on with Claude/ }).first().waitFor();
  },
};

for (const [name, scene] of Object.entries(SCENES)) {
  if (name === "stream") continue;
  test(`axe finds nothing in the scene "${name}", in any theme`, async () => {
    const view = await open.open({ scene });
    await ACTS[name]?.(view.page);
    await settled(view);
    for (const [theme, looks] of Object.entries(THEMES)) {
      await view.page.evaluate(wear, looks);
      assert.deepEqual(await findings(view.page), [], theme);
    }
    await view.close();
  });
}

test("every control can be reached with the Tab and arrow keys, and shows that it is", async () => {
  const view = await open.open({ scene: SCENES["draft"]! });
  const { page } = view;
  await page.waitForSelector(".forecast .price");
  const wanted = await page.evaluate(() => {
    const controls = [...document.querySelectorAll<HTMLElement>("button, textarea, input, select, [tabindex='0'], summary")];
    return controls.filter((one) => one.tabIndex >= 0 && !(one as HTMLButtonElement).disabled && one.checkVisibility()).length;
  });
  const seen = new Set<string>();
  await page.locator("body").focus();
  for (let step = 0; step < wanted + 5; step++) {
    await page.keyboard.press("Tab");
    const told = await page.evaluate(() => {
      const one = document.activeElement as HTMLElement;
      const style = getComputedStyle(one);
      const frame = getComputedStyle(one.closest(".box") ?? one);
      const visible = style.outlineStyle !== "none" || frame.borderColor === "rgb(0, 120, 212)";
      const all = [...document.querySelectorAll("*")];
      return { key: String(all.indexOf(one)), visible, what: one.outerHTML.slice(0, 100), body: one === document.body };
    });
    if (told.body) continue;
    assert.ok(told.visible, `no visible focus: ${told.what}`);
    seen.add(told.key);
  }
  assert.equal(seen.size, wanted);
  await page.getByRole("tab", { selected: true }).focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.getByRole("tab", { selected: true }).evaluate((tab) => tab.id), "tab-session-2");
  await view.close();
});

test("the end of an answer is told once, with tokens and cost, and nothing of its stream", async () => {
  const view = await open.open({
    scene: () => {
      window.fake.add(window.samples.session("session-1"), [window.samples.turn(0)]);
      window.fake.hello = { sessionId: "session-1" };
      const told: string[] = [];
      Object.assign(window, { told });
      document.addEventListener("DOMContentLoaded", () => {
        new MutationObserver(() => {
          const text = document.querySelector("[aria-live]")?.textContent ?? "";
          if (text && told.at(-1) !== text) told.push(text);
        }).observe(document.body, { childList: true, subtree: true, characterData: true });
      });
    },
  });
  const { page } = view;
  await page.waitForSelector(".turn");
  await box(page).fill("go");
  await box(page).press("Enter");
  await page.waitForFunction(() => (window as unknown as { told: string[] }).told.length > 0);
  await page.waitForFunction(() => window.fake.sessions.get("session-1")!.turns.length === 2 && !document.querySelector(".live"));
  assert.deepEqual(await page.evaluate(() => (window as unknown as { told: string[] }).told), ["Reply finished, 412 tokens, $0.0094"]);
  assert.equal(await page.locator(".transcript [aria-live], .transcript[aria-live]").count(), 0);
  await view.close();
});
