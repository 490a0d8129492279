// What a person does in the panel and what comes of it, in a real browser with a host that is a fake.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { FromPanel } from "../../../src/messages";
import type { Page } from "../../bed/index";
import { bench, type Bench, type Look, type Opened } from "./bench";
import { SCENES } from "./scenes";

let open: Bench;
before(async () => (open = await bench()));
after(() => open.close());

const box = (page: Page) => page.getByRole("textbox", { name: "Ask Claude" });
const turns = (page: Page) => page.getByRole("region", { name: /^Turn \d+ of \d+$/ });
const button = (page: Page, name: string | RegExp) => page.getByRole("button", { name, exact: typeof name === "string" });

function chat(): void {
  const { fake, samples } = window;
  fake.add(samples.session("session-1"), [samples.turn(0), samples.turn(1), samples.turn(2)]);
  fake.hello = { sessionId: "session-1" };
}

async function opened(look: Look = {}): Promise<Opened> {
  const view = await open.open({ scene: chat, ...look });
  await box(view.page).waitFor();
  return view;
}

/** What the panel sent of one kind. */
async function sent<K extends FromPanel["type"]>(page: Page, type: K): Promise<Extract<FromPanel, { type: K }>[]> {
  return page.evaluate((kind) => window.fake.posted.filter((message) => message.type === kind), type) as never;
}

async function calls(page: Page, method: string): Promise<Record<string, unknown>[]> {
  return (await sent(page, "call")).filter((call) => call.method === method).map((call) => call.params as Record<string, unknown>);
}

async function done({ page, problems, close }: Opened): Promise<void> {
  assert.deepEqual(problems, []);
  await page.evaluate(() => window.intruders()).then((found) => assert.deepEqual(found, []));
  await close();
}

test("Enter sends, Shift+Enter does not, and neither sends while an input method composes", async () => {
  const view = await opened();
  const { page } = view;
  await box(page).fill("one");
  await box(page).press("Shift+Enter");
  await box(page).pressSequentially("two");
  await box(page).dispatchEvent("keydown", { key: "Enter", isComposing: true });
  await box(page).dispatchEvent("keydown", { key: "Enter", keyCode: 229 });
  assert.equal((await sent(page, "chat")).length, 0);
  await box(page).press("Enter");
  await page.waitForFunction(() => window.fake.sessions.get("session-1")!.turns.length === 4);
  assert.deepEqual((await sent(page, "chat")).map((one) => one.params.text), ["one\ntwo"]);
  assert.equal(await box(page).inputValue(), "");
  await done(view);
});

test("where the settings say so, Ctrl+Enter sends and Enter does not", async () => {
  const view = await opened();
  const { page } = view;
  await page.evaluate(() => window.fake.send({ type: "config", config: { sendOnEnter: false, showThinking: "folded" } }));
  await page.getByPlaceholder("Ctrl+Enter sends").waitFor();
  await box(page).fill("one");
  await box(page).press("Enter");
  assert.equal((await sent(page, "chat")).length, 0);
  await box(page).press("Control+Enter");
  assert.equal((await sent(page, "chat")).length, 1);
  await done(view);
});

test("Escape stops the running turn, but not while an input method composes; what had come stays", async () => {
  const view = await opened({ scene: `(${chat.toString()})(); window.fake.pause = 40;` });
  const { page } = view;
  await box(page).fill("go");
  await box(page).press("Enter");
  await page.waitForFunction(() => (document.querySelector(".live .answer")?.textContent ?? "").length > 10);
  await box(page).dispatchEvent("keydown", { key: "Escape", isComposing: true });
  assert.equal((await calls(page, "cmt/cancel")).length, 0);
  await box(page).press("Escape");
  await page.getByText("Stopped: this is what had come").last().waitFor();
  assert.deepEqual(await calls(page, "cmt/cancel"), [{ sessionId: "session-1" }]);
  assert.match(await turns(page).last().locator(".answer").innerText(), /The timeout/);
  await done(view);
});

test("a question that is sent while an answer streams waits, and is sent at its end", async () => {
  const view = await opened();
  const { page } = view;
  await box(page).fill("first");
  await box(page).press("Enter");
  await page.waitForSelector(".turn.live");
  await box(page).fill("second");
  await box(page).press("Enter");
  await page.getByText("Next:").waitFor();
  assert.equal((await sent(page, "chat")).length, 1);
  await page.waitForFunction(() => window.fake.sessions.get("session-1")!.turns.length === 5);
  assert.deepEqual((await sent(page, "chat")).map((one) => one.params.text), ["first", "second"]);
  await done(view);
});

test("a question that waits is not sent after a stop: it goes back into the text box", async () => {
  const view = await opened({ scene: `(${chat.toString()})(); window.fake.pause = 40;` });
  const { page } = view;
  await box(page).fill("first");
  await box(page).press("Enter");
  await page.waitForSelector(".turn.live");
  await box(page).fill("second");
  await box(page).press("Enter");
  await button(page, "Stop").click();
  await page.waitForFunction(() => document.querySelector("textarea")!.value === "second");
  assert.equal((await sent(page, "chat")).length, 1);
  await done(view);
});

test("a refused question comes back whole, with its reason and the way out", async () => {
  const view = await opened();
  const { page } = view;
  await page.evaluate(() => {
    window.fake.send({ type: "attach", attached: [{ item: { kind: "file", uri: "file:///a.py" }, label: "a.py" }] });
    window.fake.failures.set("chat", { code: 1, message: "The day's budget has $0.06 left.", data: { kind: "budget_exceeded", retryable: false } });
  });
  await page.getByText("a.py").waitFor();
  await box(page).fill("dear question");
  await box(page).press("Enter");
  await page.locator(".failure").getByText("The day's budget has $0.06 left.").waitFor();
  assert.equal(await box(page).inputValue(), "dear question");
  assert.equal(await page.locator(".chip", { hasText: "a.py" }).count(), 1);
  await page.evaluate(() => window.fake.failures.clear());
  await button(page, "Send this once").click();
  await page.waitForFunction(() => window.fake.sessions.get("session-1")!.turns.length === 4);
  const [, again] = await sent(page, "chat");
  assert.equal(again!.params.budgetOverride, true);
  assert.deepEqual(again!.params.context, [{ kind: "file", uri: "file:///a.py" }]);
  assert.equal(await box(page).inputValue(), "");
  await done(view);
});

test("a draft with its chips and pictures survives the end of the document", async () => {
  const view = await opened();
  const { page } = view;
  await page.evaluate(() => {
    window.fake.send({ type: "attach", attached: [{ item: { kind: "file", uri: "file:///a.py" }, label: "a.py" }] });
    window.fake.send({ type: "attachImages", images: [{ path: "/tmp/shot.png", name: "shot.png" }] });
  });
  await page.locator(".picture", { hasText: "1.5K tokens" }).waitFor();
  await box(page).fill("half a thou");
  const state = await page.evaluate(() => {
    dispatchEvent(new Event("pagehide"));
    return window.fake.state;
  });
  assert.deepEqual(state!.drafts["session-1"], {
    text: "half a thou",
    attached: [{ item: { kind: "file", uri: "file:///a.py" }, label: "a.py" }],
    images: [{ path: "/tmp/shot.png", name: "shot.png" }],
  });
  await view.close();
  const again = await opened({ scene: `(${chat.toString()})(); window.fake.state = ${JSON.stringify(state)};` });
  assert.equal(await box(again.page).inputValue(), "half a thou");
  await again.page.locator(".picture", { hasText: "will be scaled to 1568×1018" }).waitFor();
  await done(again);
});

test("a panel that comes back in the middle of an answer shows all of it and goes on", async () => {
  const view = await opened({
    scene: `(${chat.toString()})(); (${(() => {
      const known = { turnId: "turn-now" };
      window.fake.hello.flights = [
        {
          flight: 4, sessionId: "session-1", question: "and now?",
          values: [
            { ...known, kind: "started", seq: 0, model: "claude-sonnet-5-5", sessionId: "session-1" },
            { ...known, kind: "text", seq: 1, text: "Hello ", offset: 0 },
          ],
        },
      ];
      const running = [{ ...known, model: "m", question: "and now?", phase: "streaming", thinking: "", text: "Hello ", elapsedMs: 5 }];
      window.fake.answers["cmt/session/get"] = () => ({ session: window.samples.session("session-1"), turns: [], earlier: 0, running });
    }).toString()})();`,
  });
  const { page } = view;
  await turns(page).last().getByText("and now?").waitFor();
  await page.evaluate(() => {
    const known = { type: "stream", flight: 4, sessionId: "session-1" } as const;
    window.fake.send({ ...known, value: { kind: "text", turnId: "turn-now", seq: 3, text: "again", offset: 12 } });
    window.fake.send({ ...known, value: { kind: "text", turnId: "turn-now", seq: 2, text: "world ", offset: 6 } });
    window.fake.send({ ...known, value: { kind: "text", turnId: "turn-now", seq: 2, text: "world ", offset: 6 } });
  });
  await turns(page).last().getByText("Hello world again").waitFor();
  await done(view);
});

test("code is copied, inserted, put in place of the selection it was about, or opened as a file", async () => {
  const view = await opened();
  const { page } = view;
  const item = { kind: "selection", uri: "file:///a.py", range: { start: { line: 1, character: 0 }, end: { line: 4, character: 0 } } } as const;
  await page.evaluate((one) => window.fake.send({ type: "selection", selection: { item: one, label: "a.py:2-4", lines: 3 } }), item);
  await page.getByText("a.py:2-4").waitFor();
  await box(page).fill("improve this");
  await box(page).press("Enter");
  await page.waitForFunction(() => window.fake.sessions.get("session-1")!.turns.length === 4 && !document.querySelector(".turn.live"));
  const code = turns(page).last().getByRole("figure");
  for (const name of ["Copy code", "Insert at cursor", "Replace selection, through a diff", "Open as new file"]) await code.getByRole("button", { name }).click();
  const text = (await sent(page, "copy"))[0]!.text;
  assert.match(text, /^async def fetch/);
  assert.ok(!text.endsWith("\n"));
  assert.equal((await sent(page, "insert"))[0]!.text, text);
  assert.deepEqual((await sent(page, "replace"))[0]!.origin, item);
  assert.equal((await sent(page, "newFile"))[0]!.language, "python");
  assert.deepEqual((await sent(page, "chat"))[0]!.params.context, [item]);
  await done(view);
});

test("retry takes the place of the last answer, edit branches before the question, fork goes on behind it", async () => {
  const view = await opened();
  const { page } = view;
  await turns(page).last().getByRole("button", { name: /^Ask again/ }).click();
  await page.waitForSelector(".turn.live");
  assert.equal(await turns(page).count(), 3);
  await page.waitForFunction(() => !document.querySelector(".turn.live"));
  assert.equal(await turns(page).count(), 3);
  await turns(page).nth(1).getByRole("button", { name: /^Edit the question/ }).click();
  await page.waitForFunction(() => document.querySelector("textarea")!.value !== "");
  assert.deepEqual(await calls(page, "cmt/session/fork"), [{ sessionId: "session-1", turnId: "turn-0" }]);
  assert.equal(await box(page).inputValue(), "Can you bound it to 30 seconds overall?");
  await page.waitForFunction(() => document.querySelectorAll(".turn").length === 1);
  await turns(page).first().getByRole("button", { name: /^Fork/ }).click();
  await page.waitForFunction(() => document.querySelectorAll("[role=tab]").length === 3);
  await done(view);
});

test("a new session is made with its first question, in the model that was chosen", async () => {
  const view = await opened();
  const { page } = view;
  await button(page, "New session").click();
  assert.equal((await calls(page, "cmt/session/create")).length, 0);
  await button(page, /^Model/).click();
  await page.getByRole("menuitemradio", { name: /Haiku/ }).click();
  await box(page).fill("hello");
  await box(page).press("Enter");
  await page.waitForFunction(() => window.fake.posted.some((message) => message.type === "chat"));
  assert.deepEqual(await calls(page, "cmt/session/create"), [{ model: "claude-haiku-5-5" }]);
  assert.equal((await sent(page, "chat"))[0]!.params.model, "claude-haiku-5-5");
  assert.equal(await page.getByRole("tab").count(), 2);
  await done(view);
});

test("a forecast is asked for once the draft rests, and only the newest is shown", async () => {
  const view = await opened();
  const { page } = view;
  await page.evaluate(() => {
    let count = 0;
    window.fake.answers["cmt/predict"] = ({ text }: { text: string }) => {
      const slow = count++ === 0 ? 600 : 0;
      const told = window.samples.prediction({ cost: { priced: true, display: `for ${text}` } });
      return new Promise((resolve) => setTimeout(() => resolve(told), slow));
    };
  });
  await box(page).pressSequentially("abc", { delay: 30 });
  await page.waitForFunction(() => window.fake.posted.filter((one) => one.type === "call" && one.method === "cmt/predict").length === 1);
  await box(page).pressSequentially("d");
  await page.getByText("for abcd").waitFor();
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 700)));
  assert.match(await page.locator(".forecast").innerText(), /for abcd/);
  assert.deepEqual((await calls(page, "cmt/predict")).map((params) => params["text"]), ["abc", "abcd"]);
  await done(view);
});

test("a pasted picture shows size, tokens and price, and goes along with the question", async () => {
  const view = await opened();
  const { page } = view;
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array([137, 80, 78, 71])], "shot.png", { type: "image/png" }));
    document.querySelector("textarea")!.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
  });
  await page.locator(".picture", { hasText: "3024×1964, 1.7 MB" }).waitFor();
  await page.locator(".picture", { hasText: "1.5K tokens, $0.0045" }).waitFor();
  await box(page).fill("what is this?");
  await box(page).press("Enter");
  assert.deepEqual((await sent(page, "chat"))[0]!.params.images, [{ data: "iVBORw==", name: "shot.png", mediaType: "image/png" }]);
  await done(view);
});

test("the selection can be left out, and what was attached removed", async () => {
  const view = await opened();
  const { page } = view;
  await page.evaluate(() => {
    window.fake.send({ type: "selection", selection: { item: { kind: "file", uri: "file:///b.py" }, label: "b.py:1-3", lines: 3 } });
    window.fake.send({ type: "attach", attached: [{ item: { kind: "file", uri: "file:///a.py" }, label: "a.py" }] });
  });
  await button(page, "b.py:1-3").click();
  await button(page, "Remove a.py").click();
  await box(page).fill("alone");
  await box(page).press("Enter");
  assert.equal((await sent(page, "chat"))[0]!.params.context, undefined);
  await done(view);
});

test("the view stays where it is read while an answer grows, and a button goes to the end", async () => {
  const view = await opened({ height: 500 });
  const { page } = view;
  await box(page).fill("go");
  await box(page).press("Enter");
  await page.waitForSelector(".turn.live");
  await page.locator(".transcript").hover();
  await page.mouse.wheel(0, -600);
  await button(page, "Jump to latest").waitFor();
  const before = await page.evaluate(() => document.querySelector(".transcript")!.scrollTop);
  await page.waitForFunction(() => window.fake.sessions.get("session-1")!.turns.length === 4 && !document.querySelector(".turn.live"));
  const place = await page.evaluate(() => document.querySelector(".transcript")!.scrollTop);
  assert.ok(Math.abs(place - before) < 60, `${before} became ${place}`);
  await button(page, "Jump to latest").click();
  await page.waitForFunction(() => {
    const element = document.querySelector(".transcript")!;
    return element.scrollHeight - element.scrollTop - element.clientHeight < 24;
  });
  await done(view);
});

test("a session is searched by the server, sorted, renamed, exported, and deleted only after a yes", async () => {
  const view = await opened({
    scene: () => {
      const { fake, samples } = window;
      for (const [index, name] of ["cheap", "dear", "middle"].entries()) {
        fake.add(samples.session(`session-${index}`, { name, cost: samples.cost([1e6, 9e9, 5e8][index]!) }), [samples.turn(0)]);
      }
      fake.hello = { sessionId: "session-0" };
      fake.confirm = false;
    },
  });
  const { page } = view;
  await button(page, "History").click();
  await page.getByRole("searchbox").fill("parser");
  await page.waitForFunction(() => window.fake.posted.some((one) => one.type === "call" && (one.params as { query?: string }).query === "parser"));
  await page.getByRole("combobox", { name: "Sort by" }).selectOption("cost");
  assert.deepEqual(await page.locator(".session .name").allTextContents(), ["dear", "middle", "cheap"]);
  const first = page.locator(".session").first();
  await first.getByRole("button", { name: "Rename" }).click();
  await page.getByRole("textbox", { name: "Name of the session" }).fill("dearest");
  await page.keyboard.press("Enter");
  await page.locator(".session .name", { hasText: "dearest" }).waitFor();
  await first.getByRole("button", { name: "Delete" }).click();
  await page.waitForFunction(() => window.fake.posted.some((one) => one.type === "confirm"));
  assert.equal((await calls(page, "cmt/session/delete")).length, 0);
  await page.evaluate(() => (window.fake.confirm = true));
  await first.getByRole("button", { name: "Delete" }).click();
  await page.locator(".session .name", { hasText: "dearest" }).waitFor({ state: "detached" });
  await first.getByRole("button", { name: "Export as Markdown" }).click();
  await page.waitForFunction(() => window.fake.posted.some((one) => one.type === "save"));
  assert.deepEqual((await sent(page, "save")).map(({ name, text }) => [name, text]), [["session.md", "# exported"]]);
  await done(view);
});

test("several models answer side by side, and the session goes on with one of them", async () => {
  const view = await opened({ scene: `(${chat.toString()})(); window.fake.pause = 1; window.fake.piece = 80;`, width: 800 });
  const { page } = view;
  await box(page).fill("Which is better?");
  await button(page, "More").click();
  await page.getByRole("menuitem", { name: "Compare models" }).click();
  await page.getByRole("checkbox", { name: /Opus/ }).check();
  await page.getByRole("checkbox", { name: /Haiku/ }).check();
  await button(page, "Ask 2 models").click();
  await button(page, "Go on with Claude Haiku 5.5").click();
  await page.waitForFunction(() => window.fake.posted.some((one) => one.type === "call" && one.method === "cmt/compare/choose"));
  assert.deepEqual((await sent(page, "compare"))[0]!.params, { text: "Which is better?", models: ["claude-opus-5-5", "claude-haiku-5-5"], sessionId: "session-1" });
  await page.evaluate(() => (window.fake.answers["cmt/compare/choose"] = () => window.samples.session("session-1")));
  await done(view);
});

test("a budget is set with its warnings, and one that is no number is refused with a word", async () => {
  const view = await opened();
  const { page } = view;
  await button(page, "Usage and budgets").click();
  await button(page, "Change the day budget").click();
  await page.getByLabel("Limit in $").fill("none");
  await button(page, "Set").click();
  await page.getByText("The limit is a number of dollars above 0.").waitFor();
  await page.getByLabel("Limit in $").fill("7.5");
  await page.getByLabel("Warn at %").fill("80, 95");
  await button(page, "Set").click();
  await page.getByRole("form", { name: "Budget" }).waitFor({ state: "detached" });
  assert.deepEqual(await calls(page, "cmt/budget/set"), [{ scope: "day", limitUsd: 7.5, warnAt: [80, 95] }]);
  await done(view);
});

test("whatever state the server is in, the panel says it in a sentence with its buttons, and keeps the draft", async () => {
  const view = await opened();
  const { page } = view;
  await box(page).fill("do not lose me");
  for (const state of ["missing", "starting", "stopped", "failed"] as const) {
    await page.evaluate((one) => {
      const mend = [{ title: `Mend ${one}`, command: "cmt.restartServer" }];
      window.fake.send({ type: "health", health: { state: one, message: `The server is ${one}.`, mend } });
    }, state);
    await page.getByRole("status").getByText(`The server is ${state}.`).waitFor();
    await button(page, `Mend ${state}`).click();
    assert.equal(await box(page).inputValue(), "do not lose me");
    assert.equal(await button(page, "Send").isDisabled(), true);
  }
  assert.equal((await sent(page, "command")).length, 4);
  await page.evaluate(() => window.fake.send({ type: "health", health: { state: "ready", message: "", mend: [], key: false } }));
  await button(page, "Set API key").click();
  await done(view);
});

test("a conversation that was being read is found at its place again", async () => {
  const view = await opened({ height: 500 });
  const { page } = view;
  await page.locator(".transcript").hover();
  await page.mouse.wheel(0, -700);
  await button(page, "Jump to latest").waitFor();
  await page.waitForFunction(() => window.fake.state?.scroll !== undefined);
  const state = await page.evaluate(() => window.fake.state);
  const place = await page.evaluate(() => document.querySelector(".transcript")!.scrollTop);
  await view.close();
  const again = await opened({ height: 500, scene: `(${chat.toString()})(); window.fake.state = ${JSON.stringify(state)};` });
  await button(again.page, "Jump to latest").waitFor();
  const found = await again.page.evaluate(() => document.querySelector(".transcript")!.scrollTop);
  assert.ok(Math.abs(found - place) < 150, `${place} became ${found}`);
  await done(again);
});

test("what is attached can be pinned to the session, and what is pinned taken off", async () => {
  const view = await opened();
  const { page } = view;
  const item = { kind: "file", uri: "file:///a.py" } as const;
  await page.evaluate((one) => {
    window.fake.send({ type: "attach", attached: [{ item: one, label: "a.py" }] });
    window.fake.answers["cmt/session/update"] = (params: { pin?: unknown[] }) =>
      window.samples.session("session-1", { pinned: params.pin ? [{ id: "pin-1", kind: "file", title: "a.py", tokens: 900, state: "fresh" }] : [] });
  }, item);
  await button(page, "Pin a.py").click();
  await button(page, "Unpin a.py").click();
  await page.locator(".chip").waitFor({ state: "detached" });
  assert.deepEqual(await calls(page, "cmt/session/update"), [
    { sessionId: "session-1", pin: [item] },
    { sessionId: "session-1", unpin: ["pin-1"] },
  ]);
  await done(view);
});

test("a picture of the history is shown, and taken out of it after a yes", async () => {
  const view = await opened({ scene: SCENES["pictures"]! });
  const { page } = view;
  await page.getByRole("img", { name: "Picture 2, 1568×1018, 410 KB" }).waitFor();
  const looked = (await calls(page, "cmt/image/inspect")).map((params) => params["stored"] as { index: number });
  const wanted = [0, 1].map((index) => ({ sessionId: "session-1", turnId: "turn-0", index }));
  assert.deepEqual(looked.sort((one, other) => one.index - other.index), wanted);
  assert.deepEqual(await page.locator(".labels li").allInnerTexts(), ["File src/dialog.ts (typescript)"]);
  await page.evaluate(() => {
    window.fake.answers["cmt/image/remove"] = () => {
      const { turns } = window.fake.sessions.get("session-1")!;
      turns[0] = { ...turns[0]!, images: turns[0]!.images!.slice(1) };
      return window.samples.session("session-1", { notices: ["The next question sends this session without the picture."] });
    };
  });
  await button(page, "Take picture 1 out of the session").click();
  await page.getByText("The next question sends this session without the picture.").waitFor();
  await page.waitForFunction(() => document.querySelectorAll(".turn-pictures li").length === 1);
  assert.deepEqual(await calls(page, "cmt/image/remove"), [{ sessionId: "session-1", turnId: "turn-0", index: 0 }]);
  await done(view);
});

test("a session is renamed in its tab, once", async () => {
  const view = await opened();
  const { page } = view;
  await page.getByRole("tab", { selected: true }).focus();
  await page.keyboard.press("F2");
  const name = page.getByRole("textbox", { name: "Name of the session" });
  await name.fill("Deadlines");
  await name.press("Enter");
  await page.getByRole("tab", { name: "Deadlines" }).waitFor();
  await page.getByRole("tab", { name: "Deadlines" }).press("F2");
  await name.fill("Nothing of this");
  await name.press("Escape");
  await page.getByRole("tab", { name: "Deadlines" }).waitFor();
  assert.deepEqual(await calls(page, "cmt/session/update"), [{ sessionId: "session-1", name: "Deadlines" }]);
  await done(view);
});

test("all that would be sent can be looked at before, the selection included, and nothing is sent for it", async () => {
  const view = await opened();
  const { page } = view;
  await page.evaluate(() => window.fake.send({ type: "selection", selection: { item: { kind: "file", uri: "file:///b.py" }, label: "b.py:1-3", lines: 3 } }));
  await button(page, "b.py:1-3").waitFor();
  await box(page).fill("Is this right?");
  await button(page, "Attach").click();
  await page.getByRole("menuitem", { name: "Show what would be sent" }).click();
  await page.getByText("The question").click();
  await page.locator("pre", { hasText: "Is this right?" }).waitFor();
  assert.deepEqual(await calls(page, "cmt/preview"), [{ text: "Is this right?", context: [{ kind: "file", uri: "file:///b.py" }], sessionId: "session-1" }]);
  await page.keyboard.press("Escape");
  assert.equal(await box(page).inputValue(), "Is this right?");
  assert.equal((await sent(page, "chat")).length, 0);
  await done(view);
});

test("a comparison over the budget says so and can be sent all the same, the question not lost", async () => {
  const view = await opened({ width: 800 });
  const { page } = view;
  await page.evaluate(() => window.fake.failures.set("compare", { code: 1, message: "Over the day's budget.", data: { kind: "budget_exceeded", retryable: false } }));
  await box(page).fill("Which is better?");
  await button(page, "More").click();
  await page.getByRole("menuitem", { name: "Compare models" }).click();
  for (const name of [/Opus/, /Haiku/]) await page.getByRole("checkbox", { name }).check();
  await button(page, "Ask 2 models").click();
  await page.getByRole("alert").getByText("Over the day's budget.").waitFor();
  await page.evaluate(() => window.fake.failures.clear());
  await button(page, "Send this once").click();
  await button(page, "Go on with Claude Haiku 5.5").waitFor();
  assert.deepEqual((await sent(page, "compare")).map(({ params }) => (params as { text: string; budgetOverride?: boolean }).budgetOverride), [undefined, true]);
  await done(view);
});

test("a secret that was held back can be sent all the same; a file that cannot be read can be left out", async () => {
  const view = await opened();
  const { page } = view;
  const refused = (message: string, hint?: string) =>
    page.evaluate(
      (told) => {
        window.fake.failures.set("chat", { code: 1, message: told.message, data: { kind: "blocked_file", retryable: false, hint: told.hint } });
        window.fake.send({ type: "attach", attached: [{ item: { kind: "file", uri: "file:///a.py" }, label: "a.py" }] });
      },
      { message, hint },
    );
  await refused("Not sent: an API key in a.py.", "with allowSecrets true in the params");
  await page.locator(".chip", { hasText: "a.py" }).waitFor();
  await box(page).fill("look");
  await box(page).press("Enter");
  await page.locator(".failure").getByText("Not sent: an API key in a.py.", { exact: true }).waitFor();
  await page.evaluate(() => window.fake.failures.clear());
  await button(page, "Send it all the same").click();
  await page.waitForFunction(() => window.fake.sessions.get("session-1")!.turns.length === 4 && !document.querySelector(".turn.live"));
  await refused("a.py is not UTF-8 text; save it as UTF-8 or attach a part.");
  await page.locator(".chip", { hasText: "a.py" }).waitFor();
  await box(page).fill("look again");
  await box(page).press("Enter");
  await page.locator(".failure").waitFor();
  assert.equal(await button(page, "Send it all the same").count(), 0);
  await page.evaluate(() => window.fake.failures.clear());
  await button(page, "Send without attachments").click();
  await page.waitForFunction(() => window.fake.sessions.get("session-1")!.turns.length === 5);
  const asked = (await sent(page, "chat")).map(({ params }) => [params.allowSecrets, params.context?.length]);
  assert.deepEqual(asked, [[undefined, 1], [true, 1], [undefined, 1], [undefined, undefined]]);
  await done(view);
});
