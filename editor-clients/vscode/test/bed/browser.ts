// The browser that the workbench is shown in, and every request that it made.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type BrowserContext, type Page, chromium } from "./index.ts";
import { CHROMIUM } from "./places.ts";

// Every name but loopback's is unknown, so that what should not be asked for cannot arrive either.
const SWITCHES = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

export interface Look {
  width?: number;
  height?: number;
}

export class Browser {
  readonly context: BrowserContext;
  /** Addresses that were asked for and are not on this machine. */
  readonly foreign: string[] = [];
  /** What scripts asked the person by boxes of the browser: nothing of ours ever does. */
  readonly alerts: string[] = [];
  /** What the pages wrote to their consoles. */
  readonly said: string[] = [];
  readonly #profile: string;

  private constructor(context: BrowserContext, profile: string) {
    this.context = context;
    this.#profile = profile;
    context.on("console", (message) => this.said.push(`${message.type()} ${message.location().url} ${message.text()}`));
    context.on("dialog", (dialog) => {
      if (dialog.type() !== "beforeunload") this.alerts.push(dialog.message());
      void dialog.accept();
    });
    context.on("request", (request) => {
      if (isForeign(request.url())) this.foreign.push(request.url());
    });
  }

  static async start({ width = 1280, height = 800 }: Look = {}): Promise<Browser> {
    const profile = await mkdtemp(join(tmpdir(), "cmt-browser-"));
    const context = await chromium.launchPersistentContext(profile, {
      executablePath: CHROMIUM,
      headless: true,
      args: SWITCHES,
      viewport: { width, height },
      permissions: ["clipboard-read", "clipboard-write"],
    });
    context.setDefaultTimeout(30_000);
    context.setDefaultNavigationTimeout(60_000);
    return new Browser(context, profile);
  }

  get page(): Page {
    const [page] = this.context.pages();
    if (page === undefined) throw new Error("the browser has no page");
    return page;
  }

  async stop(): Promise<void> {
    await this.context.close();
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/**
 * Whether an address leads off this machine. Files of an extension have addresses of a host that does not exist: the
 * workbench's service worker answers them.
 */
export function isForeign(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  const local = hostname === "127.0.0.1" || hostname.endsWith(".vscode-resource.vscode-cdn.net");
  return !["data:", "blob:", "about:", "chrome:"].includes(protocol) && !local;
}
