// Opens the panel alone in headless Chromium: its own bundle, the real page and policy, a host that is a fake. For tests
// that need a browser, and for looking.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { chromium as Chromium, Page } from "../../bed/index";
import { page as documentOf } from "../../../src/host/page";
import { THEMES } from "./themes";

export const ROOT = process.cwd();
type Browser = Awaited<ReturnType<typeof Chromium.launch>>;

const ORIGIN = "http://panel.test";

export interface Look {
  theme?: string;
  width?: number;
  height?: number;
  /** Runs in the page before the panel, with `fake` and `samples` at hand. */
  scene?: string | (() => void);
  reducedMotion?: boolean;
}

export interface Bench {
  open(look?: Look): Promise<Opened>;
  close(): Promise<void>;
}

export interface Opened {
  page: Page;
  /** Addresses that were asked for besides the panel's own three files. */
  requests: string[];
  /** Errors and refusals of the policy. */
  problems: string[];
  close(): Promise<void>;
}

/** The test bed's own Playwright drives the machine's Chromium; nothing is downloaded. */
export async function bench(): Promise<Bench> {
  const { build } = await import("esbuild");
  const options = {
    absWorkingDir: ROOT, bundle: true, write: false, format: "iife", target: "chrome122", jsx: "automatic", jsxImportSource: "preact",
    outdir: "out", logLevel: "silent", minify: true,
  } as const;
  const built = await build({ ...options, entryPoints: { view: "src/view/main.tsx", fake: "test/unit/harness/fake-host.ts", inspect: "test/unit/harness/inspect.ts" } });
  const file = (name: string): string => built.outputFiles.find((one) => one.path.endsWith(name))!.text;
  const library = join(ROOT, "test/bed/node_modules/playwright-core/index.mjs");
  const { chromium } = (await import(pathToFileURL(library).href)) as typeof import("../../bed/index");
  const browser: Browser = await chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? ["/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => existsSync(path)),
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
  });
  return {
    open: (look = {}) => openIn(browser, file, look),
    close: () => browser.close(),
  };
}

async function openIn(browser: Browser, file: (name: string) => string, look: Look): Promise<Opened> {
  const { theme = "dark", width = 400, height = 800 } = look;
  const context = await browser.newContext({ viewport: { width, height }, reducedMotion: look.reducedMotion ? "reduce" : "no-preference" });
  const page = await context.newPage();
  const requests: string[] = [];
  const problems: string[] = [];
  const own: Record<string, { type: string; body: string }> = {
    "/": { type: "text/html", body: documentOf({ cspSource: ORIGIN, script: "/view.js", style: "/view.css", nonce: "bench" }) },
    "/view.js": { type: "text/javascript", body: file("view.js") },
    "/view.css": { type: "text/css", body: file("view.css") },
  };
  await context.route("**", async (route) => {
    const url = new URL(route.request().url());
    const known = url.origin === ORIGIN ? own[url.pathname] : undefined;
    if (known) return route.fulfill({ contentType: known.type, body: known.body });
    requests.push(url.href);
    return route.abort();
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("dialog", (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("console", (message) => {
    if (message.type() === "error" && !/favicon/.test(message.text())) problems.push(message.text());
  });
  await page.addInitScript(file("fake.js"));
  await page.addInitScript(file("inspect.js"));
  if (look.scene) await page.addInitScript(typeof look.scene === "string" ? { content: look.scene } : look.scene);
  await page.addInitScript(wear, THEMES[theme]!);
  await page.goto(`${ORIGIN}/`);
  await page.waitForSelector("header");
  return { page, requests, problems, close: () => context.close() };
}

/** Put on a theme as VS Code does: colours at the root, its kind at the body. Runs in the page. */
export function wear({ kind, colours }: { kind: string; colours: Record<string, string> }): void {
  const paint = (): void => {
    const { style } = document.documentElement;
    for (const name of [...style]) if (name.startsWith("--vscode-")) style.removeProperty(name);
    for (const [name, value] of Object.entries(colours)) style.setProperty(`--vscode-${name}`, value);
  };
  const dress = (): void => {
    document.body.className = kind;
    document.body.style.background = "var(--vscode-sideBar-background)";
  };
  if (document.body) {
    paint();
    dress();
    return;
  }
  new MutationObserver((_, observer) => {
    if (!document.documentElement) return;
    observer.disconnect();
    paint();
  }).observe(document, { childList: true });
  document.addEventListener("DOMContentLoaded", dress);
}
