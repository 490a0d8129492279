// Takes pictures of every scene in every theme and width: node test/unit/harness/look.mjs [folder] [scene ...]
// LOOK=dark-400,light-280 takes only those.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "../../bed/index";
import { bench } from "./bench";
import { SCENES } from "./scenes";

const out = process.argv[2] ?? join(process.cwd(), "dist", "look");
const only = process.argv.slice(3);
const ALL = ["dark", "light", "contrast", "contrastLight"].flatMap((theme) => [280, 400, 1000].map((width) => [theme, width] as const));
const LOOKS = process.env["LOOK"] ? ALL.filter(([theme, width]) => process.env["LOOK"]!.split(",").includes(`${theme}-${width}`)) : ALL;
const ask = async (page: Page): Promise<void> => {
  const box = page.getByRole("textbox", { name: "Ask Claude" });
  await box.fill("Is this right?");
  await box.press("Enter");
};
/** What a person does before the picture. */
const ACTS: Record<string, (page: Page) => Promise<void>> = {
  failure: async (page) => {
    await ask(page);
    await page.waitForSelector(".failure");
  },
  stream: async (page) => {
    await ask(page);
    await page.waitForSelector("figure.code");
    await page.getByRole("textbox", { name: "Ask Claude" }).fill("And then?");
    await page.getByRole("textbox", { name: "Ask Claude" }).press("Enter");
  },
  history: (page) => page.getByRole("button", { name: "History", exact: true }).click(),
  preview: async (page) => {
    await page.getByRole("textbox", { name: "Ask Claude" }).fill("Is this right?");
    await page.getByRole("button", { name: "Attach" }).click();
    await page.getByRole("menuitem", { name: "Show what would be sent" }).click();
    await page.getByText("Pinned file src/net/client.py").click();
  },
  usage: (page) => page.getByRole("button", { name: "Usage and budgets" }).click(),
  models: (page) => page.getByRole("button", { name: /^Model/ }).click(),
  compare: async (page) => {
    await page.getByRole("textbox", { name: "Ask Claude" }).fill("Which is better?");
    await page.getByRole("button", { name: "More" }).click();
    await page.getByRole("menuitem", { name: "Compare models" }).click();
    for (const box of (await page.getByRole("checkbox").all()).slice(0, 3)) await box.check();
    await page.getByRole("button", { name: "Ask 3 models" }).click();
    await page.getByRole("button", { name: /^Go on with Claude/ }).first().waitFor();
  },
};
mkdirSync(out, { recursive: true });
const open = await bench();
for (const [name, scene] of Object.entries(SCENES)) {
  if (only.length && !only.some((part) => name.includes(part))) continue;
  for (const [theme, width] of LOOKS) {
    const { page, problems, close } = await open.open({ theme, width, height: 760, scene });
    await ACTS[name]?.(page).catch((error) => console.log(name, String(error).slice(0, 300)));
    await page.waitForTimeout(500);
    await page.screenshot({ path: join(out, `${name}-${theme}-${width}.png`) });
    if (problems.length) console.log(name, theme, width, problems.slice(0, 3));
    await close();
  }
}
await open.close();

