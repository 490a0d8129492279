// Money: what is shown is what the ledger has, what is predicted is what comes, and a limit holds.
import assert from "node:assert/strict";

import { until } from "../bed/waiting.ts";
import type { Panel } from "./panel.ts";
import { gone, reads, seen } from "./seeing.ts";
import type { Stage } from "./stage.ts";

/** A question that is long enough for every model's cache, and like no other. */
const long = (about: string) => `${about}\n${"A line that is worth keeping.\n".repeat(400)}`;

export function money(stage: Stage): void {
  const { workbench, simulator } = stage;

  /** What the ledger says of the newest session and of today, in its own words. */
  async function ledger(): Promise<{ session: string; today: string; usage: any }> {
    const witness = await stage.witness();
    const { sessions } = await witness.request("cmt/session/list", { scope: "all" });
    const session = await witness.request("cmt/usage", { scope: "session", id: sessions[0].id });
    const { today } = session;
    const all = await witness.request("cmt/usage", { scope: "all", from: today, to: today });
    return { session: session.totals.cost.display, today: all.totals.cost.display, usage: session.totals.usage };
  }

  /** Header and status bar say what the ledger says. */
  async function equal(panel: Panel): Promise<any> {
    const { session, today, usage } = await ledger();
    await reads(panel.frame.locator("[data-money=session]"), new RegExp(`^${RegExp.escape(session)}$`));
    await reads(panel.frame.locator("[data-money=today]"), new RegExp(`^${RegExp.escape(today)}$`));
    await reads(workbench.status, `${session} (${today} today)`);
    return usage;
  }

  /** Answer the command that sets a budget. */
  async function budget(scope: string, limit: string): Promise<void> {
    await workbench.command("cmt: Set a budget");
    await workbench.pick(scope);
    await workbench.answer(limit);
    await gone(workbench.page.locator(".quick-input-widget"));
  }

  for (const [lifetime, field] of [
    ["5m", "cacheCreation5mInputTokens"],
    ["1h", "cacheCreation1hInputTokens"],
  ] as const) {
    stage.test(`header and status bar equal the ledger where the cache is written for ${lifetime}`, async () => {
      await stage.settings({ "cmt.promptCache": lifetime });
      const panel = await stage.freshChat();
      await panel.askAndWait(long(`Kept for ${lifetime}`));
      const usage = await equal(panel);
      assert.ok(usage[field] > 1000, `written for ${lifetime}: ${JSON.stringify(usage)}`);
      await panel.askAndWait("And now from the cache");
      assert.ok((await equal(panel)).cacheReadInputTokens > 1000);
      await reads(panel.lastTurn.usage, /\d+% cached/);
      await reads(panel.frame.locator(".warmth"), /warm/);
      await reads(workbench.status, /warm \d/);
      await stage.settings({});
    });
  }

  stage.test("the cost is told before a question is sent, and the bill is in its range", async () => {
    const panel = await stage.freshChat();
    await panel.composer.fill("What is a monad?");
    const told = await reads(panel.forecast, /\$/);
    assert.equal((await simulator.questions()).length, 0);
    await panel.composer.press("Enter");
    await panel.lastTurn.over();
    const [record] = await stage.lastTurns();
    const range = [...told.matchAll(/\$([\d.]+)/g)].map(([, dollars]) => Number(dollars));
    const actual = record.cost.nanoUsd / 1e9;
    assert.ok(actual <= Math.max(...range) * 1.05, `${actual} within ${told}`);
  });

  stage.test("a cold cache and what a switch of the model loses are told before", async () => {
    const panel = await stage.freshChat();
    await panel.askAndWait(long("Kept for one model"));
    await panel.composer.fill("and?");
    await reads(panel.forecast, /cache warm/);
    await panel.button(/^Model: /).click();
    await reads(panel.menu("Claude Opus").first(), /\$/);
    const note = panel.frame.locator("[role=menuitemradio]:not([aria-checked=true]) .note").first();
    await reads(note, /\$/);
    await panel.frame.locator("[role=menuitemradio]:not([aria-checked=true])").first().click();
    await reads(panel.forecast, /cache cold/);
    await panel.composer.fill("");
  });

  stage.test("a budget warns, stops, lets one question pass when it is told to, and is gone when it is taken away", async () => {
    const panel = await stage.freshChat();
    await simulator.reply("One.", "Two.", "Three.");
    await panel.askAndWait("before there is a budget");
    await budget("Each session", "0.000001");
    await panel.composer.fill("a question over the budget");
    await reads(panel.forecast, /budget/);
    await panel.composer.press("Enter");
    const refused = panel.frame.getByRole("group", { name: "Not answered" });
    await reads(refused, /budget/i);
    assert.equal((await simulator.questions()).length, 1);
    assert.equal(await panel.composer.inputValue(), "a question over the budget");
    await seen(panel.frame.locator(".pressing"));
    await refused.getByRole("button", { name: "Send this once" }).click();
    await until("the question was let through", async () => (await simulator.questions()).length === 2);
    await panel.turn(1).over();
    assert.equal(await panel.composer.inputValue(), "");
    await budget("Each session", "");
    await gone(panel.frame.locator(".pressing"));
    await panel.askAndWait("after the budget was taken away");
    await stage.agrees();
  });

  stage.test("a budget at its warning level shows in the header and the status bar before it is spent", async () => {
    const panel = await stage.freshChat();
    await panel.askAndWait("a share of the budget");
    const [{ cost }] = await stage.lastTurns();
    const header = panel.frame.getByRole("button", { name: /^session (budget )?62%/ });
    const status = workbench.page.getByRole("button", { name: /budget: session .* \(62%\)/ });
    const limit = (share: number) => ((cost.nanoUsd / share) * 1e-9).toFixed(9);
    await budget("Each session", limit(0.425));
    await panel.button("Usage and budgets").click();
    await reads(panel.frame.getByRole("list", { name: "Limits" }), /session .* \(42%\)/);
    await gone(header);
    await gone(status);
    await budget("Each session", limit(0.625));
    await seen(header);
    await seen(status);
    const { budgets } = await (await stage.witness()).request("cmt/budget/get");
    assert.deepEqual(budgets.find((one: any) => one.scope === "session").warnAt, [50, 75, 90, 95]);
    await budget("Each session", "");
    await gone(header);
    await gone(status);
  });

  stage.test("an answer of the foretold length costs neither less nor more than was foretold", async () => {
    const panel = await stage.freshChat();
    await panel.composer.fill("How long will it be?");
    const told = await reads(panel.forecast, /up to \$/);
    const title = (await panel.forecast.getAttribute("title"))!;
    const lengths = /([\d,]+) tokens out, 9 in 10 under ([\d,]+)/.exec(title)!.slice(1).map((text) => Number(text.replaceAll(",", "")));
    await simulator.reply({ text: "So long.", usage: { output_tokens: Math.round((lengths[0]! + lengths[1]!) / 2) } });
    await panel.composer.press("Enter");
    await panel.lastTurn.over();
    const [record] = await stage.lastTurns();
    const [low, high] = [...told.matchAll(/\$([\d.]+)/g)].map(([, dollars]) => Number(dollars));
    const actual = record.cost.nanoUsd / 1e9;
    // What is told has four decimals.
    assert.ok(low! - 0.00005 <= actual && actual <= high! + 0.00005, `${actual} within ${told}`);
  });
}
