// Looking at the page until it shows what it should. Every look has an end, and says what was there instead.
import type { Locator } from "../bed/index.ts";
import { until } from "../bed/waiting.ts";

const WITHIN = 30_000;

/** Wait until an element's text matches. */
export async function reads(locator: Locator, wanted: string | RegExp, within = WITHIN): Promise<string> {
  let last = "nothing";
  const holds = (text: string) => (typeof wanted === "string" ? text.includes(wanted) : wanted.test(text));
  const probe = async () => {
    const first = locator.first();
    if ((await first.count()) === 0) return undefined;
    last = (await first.innerText({ timeout: 2_000 }).catch(() => null)) ?? last;
    return holds(last) ? { text: last } : undefined;
  };
  const { text } = await until(`an element reads ${wanted}`, probe, within).catch((error) => {
    throw new Error(`${error.message}; it read: ${JSON.stringify(last)}`);
  });
  return text;
}

/** Wait until it is on the screen. */
export async function seen(locator: Locator, within = WITHIN): Promise<void> {
  await locator.first().waitFor({ state: "visible", timeout: within });
}

/** Wait until it is not. */
export async function gone(locator: Locator, within = WITHIN): Promise<void> {
  await locator.first().waitFor({ state: "hidden", timeout: within });
}

/** Wait until there are exactly so many. */
export async function numbers(locator: Locator, count: number, within = WITHIN): Promise<void> {
  let last = -1;
  await until(`there are ${count}`, async () => (last = await locator.count()) === count, within).catch((error) => {
    throw new Error(`${error.message}; there were ${last}`);
  });
}
