// A conversation: words as they come, stopping, and coming back to what went on without us.
import assert from "node:assert/strict";

import { until } from "../bed/waiting.ts";
import { gone, numbers, reads, seen } from "./seeing.ts";
import type { Stage } from "./stage.ts";

/** An answer that is held after its first words, until the endpoint lets it go. */
const WORDS = ["The first words. ", "Then the rest of the answer."];
const HELD = { chunks: WORDS, fault: { kind: "stall", after_events: 4 } };

export function chat(stage: Stage): void {
  const { workbench, simulator } = stage;

  stage.test("words appear while the answer is under way, and its cost when it ends", async () => {
    const panel = await stage.freshChat();
    await simulator.reply(HELD);
    await panel.ask("Tell me something");
    await panel.lastTurn.says("The first words.");
    await seen(panel.stop);
    await simulator.release();
    await panel.lastTurn.over();
    assert.equal((await panel.lastTurn.answer.innerText()).trim(), WORDS.join(""));
    const [record] = await stage.lastTurns();
    assert.equal(await panel.lastTurn.usage.locator(".cost").innerText(), record.cost.display);
  });

  stage.test("a panel that is hidden while an answer runs shows all of it when it comes back", async () => {
    const panel = await stage.freshChat();
    await simulator.reply(HELD);
    await panel.ask("Go on without me");
    await panel.lastTurn.says("The first words.");
    await workbench.command("View: Hide Secondary Side Bar");
    await gone(workbench.panel.composer);
    await simulator.release();
    await simulator.wait("finished", 0);
    await stage.openPanel();
    await panel.lastTurn.says(WORDS.join(""));
    await stage.agrees();
  });

  stage.test("a panel that comes back in the middle goes on with the stream", async () => {
    const panel = await stage.freshChat();
    await simulator.reply(HELD);
    await panel.ask("I look away for a moment");
    await panel.lastTurn.says("The first words.");
    await workbench.command("View: Hide Secondary Side Bar");
    await gone(workbench.panel.composer);
    await stage.openPanel();
    await panel.lastTurn.says("The first words.");
    await seen(panel.stop);
    await simulator.release();
    await panel.lastTurn.says(WORDS.join(""));
    await panel.lastTurn.over();
    await stage.agrees();
  });

  stage.test("stop keeps the words that came and books what they cost", async () => {
    const panel = await stage.freshChat();
    await simulator.reply(HELD);
    await panel.ask("I will stop you");
    await panel.lastTurn.says("The first words.");
    await panel.stop.click();
    await panel.lastTurn.over();
    await panel.lastTurn.says("The first words.");
    const [record] = await stage.lastTurns();
    assert.equal(record.stopReason, "cancelled");
    assert.ok(record.cost.nanoUsd > 0);
    assert.equal(await panel.lastTurn.usage.locator(".cost").innerText(), record.cost.display);
    assert.equal((await simulator.wait("closed", 0)).outcome, "peer_closed");
    await stage.agrees();
  });

  stage.test("Escape stops, and the draft of the next question stays", async () => {
    const panel = await stage.freshChat();
    await simulator.reply(HELD);
    await panel.ask("Stop me by key");
    await panel.lastTurn.says("The first words.");
    await panel.composer.fill("the next question");
    await panel.composer.press("Escape");
    await panel.lastTurn.over();
    assert.equal(await panel.composer.inputValue(), "the next question");
  });

  stage.test("Enter and Escape belong to the input method while it composes", async () => {
    const panel = await stage.freshChat();
    await panel.composer.fill("");
    await panel.composer.click();
    const cdp = await stage.browser.context.newCDPSession(workbench.page);
    await cdp.send("Input.imeSetComposition", { text: "かんじ", selectionStart: 3, selectionEnd: 3 });
    await workbench.page.keyboard.press("Enter");
    await workbench.page.keyboard.press("Escape");
    assert.equal((await simulator.questions()).length, 0);
    await cdp.send("Input.insertText", { text: "漢字" });
    assert.match(await panel.composer.inputValue(), /漢字/);
    await workbench.page.keyboard.press("Enter");
    await panel.lastTurn.over();
    assert.equal((await simulator.questions()).length, 1);
  });

  stage.test("a question that is sent while another is answered waits its turn", async () => {
    const panel = await stage.freshChat();
    await simulator.reply(HELD, "The second answer.");
    await panel.ask("first");
    await panel.lastTurn.says("The first words.");
    await panel.ask("second");
    await seen(panel.frame.getByRole("group", { name: "Waits for the answer" }));
    await simulator.release();
    await numbers(panel.turns, 2);
    await panel.turn(1).says("The second answer.");
    await panel.turn(1).over();
    await stage.agrees();
  });

  stage.test("asked again, the answer takes the place of the first one", async () => {
    const panel = await stage.freshChat();
    await simulator.reply("One.", "Another.");
    await panel.askAndWait("Which?");
    await panel.lastTurn.button(/^Ask again/).click();
    await panel.lastTurn.says("Another.");
    await panel.lastTurn.over();
    await numbers(panel.turns, 1);
    await stage.agrees();
  });

  stage.test("an edited question goes on in a branch that ends before it", async () => {
    const panel = await stage.freshChat();
    await simulator.reply("One.", "Two.", "Three.");
    await panel.askAndWait("first question");
    await panel.askAndWait("second question");
    await panel.lastTurn.button(/^Edit the question/).click();
    await until("the question is a draft", async () => (await panel.composer.inputValue()) === "second question");
    await numbers(panel.turns, 1);
    await panel.askAndWait("second question, put better");
    await panel.lastTurn.says("Three.");
    const sent = (await simulator.questions()).at(-1)!.body.messages;
    assert.deepEqual(sent.filter((m: any) => m.role === "user").length, 2);
    await stage.agrees();
  });

  stage.test("thinking is folded and can be opened", async () => {
    const panel = await stage.freshChat();
    await simulator.reply({ text: "So it is.", thinking: "First I weigh this, then that." });
    await panel.askAndWait("Think");
    const thinking = panel.lastTurn.root.locator("details");
    await seen(thinking);
    assert.equal(await thinking.getAttribute("open"), null);
    await thinking.locator("summary").click();
    await reads(thinking, "First I weigh this");
  });

  stage.test("a server that is killed in the middle loses no words, no draft and no truth", async () => {
    const panel = await stage.freshChat();
    await simulator.reply(HELD, "Back again.");
    await panel.ask("You will be killed");
    await panel.lastTurn.says("The first words.");
    await panel.composer.fill("a draft that must stay");
    await stage.killServer();
    await gone(panel.stop, 20_000);
    assert.equal(await panel.composer.inputValue(), "a draft that must stay");
    await until("the server is back", () => panel.send.isEnabled());
    await reads(panel.frame.getByRole("group", { name: "Not answered" }), "The server stopped");
    await panel.lastTurn.says("The first words.");
    await panel.button("Dismiss").last().click();
    await panel.askAndWait(await panel.composer.inputValue());
    await panel.lastTurn.says("Back again.");
    await stage.agrees();
    await workbench.command("Notifications: Clear All Notifications");
  });

  stage.test("a reload of the window in the middle shows what the server has, and the draft", async () => {
    const panel = await stage.freshChat();
    await simulator.reply("Settled.", HELD);
    await panel.askAndWait("before");
    await panel.ask("during");
    await panel.turn(1).says("The first words.");
    await panel.composer.fill("a draft over the reload");
    await workbench.kept("a draft over the reload");
    await workbench.reload();
    await stage.openPanel();
    await panel.turn(0).says("Settled.");
    assert.equal(await panel.composer.inputValue(), "a draft over the reload");
    await gone(panel.stop);
    await stage.agrees();
  });
}
