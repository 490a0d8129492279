// What the tests take from the packages of the bed: they stand in a folder of its own, which only this file can name.
export { chromium } from "playwright-core";
export type { BrowserContext, ConsoleMessage, Frame, FrameLocator, Locator, Page, Request } from "playwright-core";

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

/** The source of axe, to be run inside a page. */
export const axeSource = (): string => readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
