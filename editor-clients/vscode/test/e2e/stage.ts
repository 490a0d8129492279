// What a suite stands on: one code-server, one browser and one endpoint for all of its tests.
import assert from "node:assert/strict";
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { isDeepStrictEqual } from "node:util";

import { Browser, type Look } from "../bed/browser.ts";
import { CodeServer, type Options } from "../bed/code_server.ts";
import { LanguageClient } from "../bed/language_client.ts";
import { ARTEFACTS } from "../bed/places.ts";
import { Simulator } from "../bed/simulator.ts";
import { until } from "../bed/waiting.ts";
import type { Panel } from "./panel.ts";
import { numbers, reads, seen } from "./seeing.ts";
import { Workbench } from "./workbench.ts";

export class Stage {
  readonly server: CodeServer;
  readonly browser: Browser;
  readonly simulator: Simulator;
  readonly workbench: Workbench;
  readonly #machine: Record<string, unknown>;
  #fontSize = 13;
  #witness: LanguageClient | undefined;

  private constructor(server: CodeServer, browser: Browser, simulator: Simulator, machine: Record<string, unknown>) {
    this.#machine = machine;
    this.server = server;
    this.browser = browser;
    this.simulator = simulator;
    this.workbench = new Workbench(browser.page);
  }

  /** Everything started and the workspace open; it ends with the suite. */
  static async open(options: Options & Look = {}): Promise<Stage> {
    const simulator = await Simulator.start();
    const [server, browser] = await Promise.all([
      CodeServer.start({ ...options, env: { ANTHROPIC_BASE_URL: simulator.url, ...options.env } }),
      Browser.start(options),
    ]);
    const stage = new Stage(server, browser, simulator, options.machine ?? {});
    after(() => stage.#close());
    // Filming keeps the processor busy, which is felt on two cores: only when it is asked for.
    const film = Boolean(process.env.CMT_TEST_FILM);
    await browser.context.tracing.start({ screenshots: film, snapshots: film });
    await stage.#keep("opening", () => stage.workbench.open(server.address()));
    return stage;
  }

  /** A test that leaves a picture, a trace and the requests behind when it fails. */
  test(claim: string, body: () => Promise<void>): void {
    test(claim, async () => {
      await this.simulator.forget();
      await this.#keep(claim, body);
    });
  }

  /** A server of our own over the same state, to ask what is true. */
  async witness(): Promise<LanguageClient> {
    this.#witness ??= await LanguageClient.start(this.server.workspace, this.server.env);
    return this.#witness;
  }

  /** The panel in sight, with its text box ready. */
  async openPanel(): Promise<Panel> {
    await this.workbench.command("cmt: Open the chat");
    await seen(this.workbench.panel.composer);
    return this.workbench.panel;
  }

  /** The panel in sight with a conversation in which nothing was said. */
  async freshChat(): Promise<Panel> {
    const panel = await this.openPanel();
    await panel.button("New session").click();
    await numbers(panel.turns, 0);
    return panel;
  }

  /** Put a picture into the clipboard of the browser and paste it into the draft. */
  async paste(panel: Panel, picture: Buffer): Promise<void> {
    const { page } = this.workbench;
    await page.evaluate(async (data) => {
      const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
      await navigator.clipboard.write([new ClipboardItem({ "image/png": new Blob([bytes], { type: "image/png" }) })]);
    }, picture.toString("base64"));
    await panel.composer.click();
    await page.keyboard.press("Control+V");
  }

  /** Give the workbench settings beside those it began with, and wait until the open panel has seen them. */
  async settings(wanted: Record<string, unknown>): Promise<void> {
    const panel = await this.openPanel();
    // The size of the text is what the panel shows of them.
    this.#fontSize = this.#fontSize === 13 ? 14 : 13;
    await this.server.machine({ ...this.#machine, ...wanted, "chat.fontSize": this.#fontSize });
    const root = panel.frame.locator("html");
    await until("the settings are in force", async () => {
      const size = await root.evaluate((html) => html.style.getPropertyValue("--chat-size"));
      return size === `${this.#fontSize}px`;
    });
  }

  /** The newest turns of the session that was used last, the last one first. */
  async lastTurns(): Promise<any[]> {
    const witness = await this.witness();
    const { sessions } = await witness.request("cmt/session/list", { scope: "all" });
    const { turns } = await witness.request("cmt/session/get", { sessionId: sessions[0].id, last: 20 });
    return turns.reverse();
  }

  /** The panel shows exactly what the server has on record. */
  async agrees(): Promise<void> {
    const wanted = (await this.lastTurns()).reverse().map((turn) => ({ question: turn.prompt, answer: turn.text.trim() }));
    let shown: unknown;
    await until("the panel shows what the server has", async () => {
      shown = await this.workbench.panel.transcript();
      return isDeepStrictEqual(shown, wanted);
    }).catch(() => assert.deepEqual(shown, wanted));
  }

  /** The panel's header tells what the ledger has for today, all windows together. */
  async todayIs(panel: Panel): Promise<void> {
    const witness = await this.witness();
    const { today } = await witness.request("cmt/usage", { scope: "all" });
    const all = await witness.request("cmt/usage", { scope: "all", from: today, to: today });
    await reads(panel.frame.locator("[data-money=today]"), all.totals.cost.display);
  }

  /** End the server of the workbench as a crash would. */
  async killServer(): Promise<void> {
    const servers = await this.server.servers();
    assert.ok(servers.length > 0, "a server runs");
    for (const pid of servers) process.kill(pid, "SIGKILL");
  }

  async #keep(claim: string, body: () => Promise<void>): Promise<void> {
    const { tracing } = this.browser.context;
    await tracing.startChunk({ title: claim });
    try {
      await body();
    } catch (error) {
      await this.#leave(claim.replaceAll(/\W+/g, "-").slice(0, 80));
      throw error;
    }
    await tracing.stopChunk();
  }

  async #leave(name: string): Promise<void> {
    const folder = join(ARTEFACTS, name);
    await mkdir(folder, { recursive: true });
    await this.browser.context.tracing.stopChunk({ path: join(folder, "trace.zip") });
    for (const [index, page] of this.browser.context.pages().entries()) {
      await page.screenshot({ path: join(folder, `page${index}.png`) }).catch(() => undefined);
    }
    await writeFile(join(folder, "requests.json"), JSON.stringify(await this.simulator.requests(), null, 1));
    await writeFile(join(folder, "browser.log"), this.browser.said.join("\n"));
    await copyFile(join(this.server.state, "server.log"), join(folder, "server.log")).catch(() => undefined);
  }

  /** End all; throws when anything asked for a host that is not this machine. */
  async #close(): Promise<void> {
    const foreign = [...this.browser.foreign, ...(await this.server.foreign())];
    await this.#witness?.stop();
    await this.browser.stop();
    await this.server.stop();
    await this.simulator.stop();
    if (foreign.length > 0) throw new Error(`something left this machine: ${foreign.join(", ")}`);
  }
}
