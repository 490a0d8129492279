// Hostile text in every field of the panel, in a real browser: nothing runs, nothing is fetched, nothing becomes an element.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ENEMY, EXFILTRATION, HOSTILE, XSS } from "../../hostile";
import { bench, type Bench, type Opened } from "./bench";

let open: Bench;
before(async () => (open = await bench()));
after(() => open.close());

async function clean({ page, requests, problems }: Opened): Promise<void> {
  assert.deepEqual(await page.evaluate(() => window.intruders()), []);
  assert.deepEqual(requests, []);
  assert.deepEqual(problems, []);
}

/** Have the page set up its fake with the hostile strings at hand. */
function scene(body: (strings: readonly string[]) => void): string {
  return `(${body.toString()})(${JSON.stringify(HOSTILE)})`;
}

test("the corpus is as large as promised", () => {
  assert.ok(new Set(XSS).size >= 300, `${new Set(XSS).size} XSS strings`);
  assert.ok(new Set(EXFILTRATION).size >= 100, `${new Set(EXFILTRATION).size} exfiltration strings`);
});

test("answers, settled and scrolled into sight, hold no element but those of markdown", async () => {
  const view = await open.open({
    scene: scene((strings) => {
      const { fake, samples } = window;
      fake.add(samples.session("session-1"), strings.map((text, index) => samples.turn(index, { text })));
      fake.hello = { sessionId: "session-1" };
    }),
  });
  const { page } = view;
  await page.waitForSelector(".turn");
  const pages = Math.ceil(HOSTILE.length / 100) - 1;
  for (let more = 0; more < pages; more++) {
    const count = await page.locator(".turn").count();
    await page.evaluate(() => (document.querySelector(".transcript")!.scrollTop = 0));
    await page.waitForFunction((known) => document.querySelectorAll(".turn").length > known, count);
  }
  assert.equal(await page.locator(".turn").count(), HOSTILE.length);
  // Each step brings some into sight, which are formatted then.
  await page.waitForFunction(() => {
    const raw = document.querySelector(".answer.raw");
    raw?.scrollIntoView();
    return raw === null;
  }, undefined, { timeout: 60_000 });
  await clean(view);
  const links = await page.locator("[data-href]").count();
  assert.ok(links > 20, "plain links are still links");
  await view.close();
});

test("questions, attachments, thinking, notices, verdicts, models and stop reasons are text", async () => {
  const view = await open.open({
    scene: scene((strings) => {
      const { fake, samples } = window;
      const pick = (index: number, field: number): string => strings[(index * 7 + field) % strings.length]!;
      const turns = Array.from({ length: 100 }, (_, index) =>
        samples.turn(index, {
          prompt: pick(index, 0), attachments: [pick(index, 1)], thinking: pick(index, 2), notices: [pick(index, 3)], model: pick(index, 4), stopReason: pick(index, 5),
          cache: { ...samples.HIT, cause: pick(index, 6), reason: pick(index, 6) }, cost: { ...samples.cost(1), display: pick(index, 5) },
        }),
      );
      fake.add(samples.session("session-1", { name: pick(1, 0) }), turns);
      fake.hello = { sessionId: "session-1" };
    }),
  });
  await view.page.waitForSelector(".turn");
  await clean(view);
  await view.close();
});

test("names of sessions and files, errors, budgets, advice, models and pictures are text", async () => {
  const view = await open.open({
    width: 900,
    scene: scene((strings) => {
      const { fake, samples } = window;
      strings.forEach((name, index) => fake.add(samples.session(`session-${index}`, { name, model: name, cost: { ...samples.cost(1), display: name } }), [samples.turn(0)]));
      const item = { kind: "file", uri: "file:///x" } as const;
      fake.state = {
        sessionId: "session-0", tabs: strings.slice(0, 40).map((_, index) => `session-${index}`),
        drafts: { "session-0": { text: strings[1]!, attached: strings.map((label, index) => ({ item: { kind: "text", title: label, text: String(index) }, label })), images: strings.slice(0, 60).map((name) => ({ data: "AAAA", name })) } },
      };
      fake.hello = { sessionId: "session-0", selection: { item, label: strings[3]!, lines: 1 } };
      fake.health = { state: "failed", message: strings[5]!, mend: strings.slice(0, 40).map((title) => ({ title, command: "cmt.x" })) };
      fake.failures.set("chat", { code: 1, message: strings[60]!, data: { kind: strings[2]!, retryable: false, hint: strings[61]! } });
      fake.answers["cmt/models"] = () => ({ models: strings.map((id) => ({ ...samples.MODELS[0]!, id, displayName: id, switch: { prefixTokens: 1, note: id } })) });
      fake.answers["cmt/budget/get"] = () => ({ budgets: samples.BUDGETS.map((budget, index) => ({ ...budget, display: strings[index]! })), notices: strings });
      fake.answers["cmt/image/inspect"] = (params: { name: string }) => ({ ...samples.inspection(params.name), thumbnail: `https://evil.example/${params.name}` });
      fake.answers["cmt/cache/stats"] = () => ({ ...samples.CACHE, text: strings[7]!, causes: strings.map((cause) => ({ cause, turns: 1, lostNanoUsd: 1, unpricedTurns: 0 })) });
      fake.answers["cmt/cache/advice"] = () => ({ scope: "all", turns: 1, reason: strings[8]!, suggestions: strings.map((text) => ({ kind: text, valueNanoUsd: 1, display: text, turns: 1, text, setting: text })) });
      fake.answers["cmt/usage"] = (params: { groupBy: string }) => {
        const report = samples.report(params.groupBy);
        return { ...report, groups: strings.slice(0, 200).map((key) => ({ ...report.groups![0]!, key, label: key })), notices: strings };
      };
    }),
  });
  const { page } = view;
  await page.waitForSelector(".chip");
  await clean(view);
  await page.evaluate(() => window.fake.send({ type: "health", health: { state: "ready", message: "", mend: [], key: true } }));
  await page.waitForSelector(".picture .facts .name");
  await page.getByRole("textbox", { name: "Ask Claude" }).press("Enter");
  await page.waitForSelector(".failure");
  await page.getByRole("button", { name: /^Model/ }).first().click();
  await page.waitForSelector("[role=menu]");
  await clean(view);
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "History", exact: true }).click();
  await page.waitForSelector(".session");
  await clean(view);
  await page.getByRole("button", { name: "Usage and budgets" }).click();
  await page.waitForSelector(".advice li");
  await page.waitForSelector(".day-chart");
  await clean(view);
  await view.close();
});

test("streamed in small pieces, nothing hostile is an element at any moment", async () => {
  const view = await open.open({
    scene: scene((strings) => {
      const { fake, samples } = window;
      fake.add(samples.session("session-1"), [samples.turn(0)]);
      fake.hello = { sessionId: "session-1" };
      fake.answer = strings.join("\n\n");
      fake.piece = 90;
      fake.pause = 1;
      const seen = new Set<string>();
      Object.assign(window, { seen });
      const look = (): void => {
        if (document.querySelector(".turn.live")) for (const one of window.intruders()) seen.add(one);
      };
      setInterval(look, 100);
    }),
  });
  const { page } = view;
  await page.waitForSelector(".turn");
  await page.getByRole("textbox", { name: "Ask Claude" }).fill("go");
  await page.getByRole("textbox", { name: "Ask Claude" }).press("Enter");
  await page.waitForFunction(() => window.fake.sessions.get("session-1")!.turns.length === 2, undefined, { timeout: 60_000 });
  assert.deepEqual(await page.evaluate(() => [...(window as unknown as { seen: Set<string> }).seen]), []);
  await clean(view);
  await view.close();
});

test("a link is told to the host and never followed", async () => {
  const view = await open.open({
    scene: scene(() => {
      const { fake, samples } = window;
      fake.add(samples.session("session-1"), [samples.turn(0, { text: "[a](https://evil.example/x) and ![b](https://evil.example/y.png)" })]);
      fake.hello = { sessionId: "session-1" };
    }),
  });
  const { page } = view;
  for (const link of await page.getByRole("link").all()) await link.click();
  await page.getByRole("link").first().press("Enter");
  const told = await page.evaluate(() => window.fake.posted.flatMap((one) => (one.type === "link" ? [one.href] : [])));
  assert.deepEqual(told, [`https://${ENEMY}/x`, `https://${ENEMY}/y.png`, `https://${ENEMY}/x`]);
  await clean(view);
  await view.close();
});
