// Takes pictures of every scene in every theme and width: npx tsx is not needed, `node test/unit/harness/look.mjs [out]`.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { bench } from "./bench";
import { SCENES } from "./scenes";

const out = process.argv[2] ?? join(process.cwd(), "dist", "look");
const only = process.argv.slice(3);
const WIDTHS = [280, 400, 1000];
mkdirSync(out, { recursive: true });
const open = await bench();
for (const [name, scene] of Object.entries(SCENES)) {
  if (only.length && !only.some((part) => name.includes(part))) continue;
  for (const theme of ["dark", "light", "contrast", "contrastLight"]) {
    for (const width of theme === "contrastLight" ? [400] : WIDTHS) {
      const { page, problems, close } = await open.open({ theme, width, height: 760, scene });
      await page.waitForTimeout(400);
      const act = ACTS()[name];
      if (act) await act(page);
      await page.screenshot({ path: join(out, `${name}-${theme}-${width}.png`) });
      if (problems.length) console.log(name, theme, width, problems.slice(0, 3));
      await close();
    }
  }
}
await open.close();

function ACTS(): Record<string, (page: import("playwright-core").Page) => Promise<void>> {
  return {
    failure: async (page) => {
      await page.getByRole("textbox", { name: "Ask Claude" }).fill("Is this right?");
      await page.getByRole("textbox", { name: "Ask Claude" }).press("Enter");
      await page.waitForSelector(".failure");
      await page.waitForTimeout(500);
    },
    draft: async (page) => void (await page.waitForTimeout(500)),
  };
}
