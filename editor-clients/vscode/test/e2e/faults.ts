// What goes wrong at the endpoint: one sentence, one button, and the draft is there.
import assert from "node:assert/strict";

import { until } from "../bed/waiting.ts";
import type { Panel } from "./panel.ts";
import { png } from "./pictures.ts";
import { gone, reads, seen } from "./seeing.ts";
import type { Stage } from "./stage.ts";

export function faults(stage: Stage): void {
  const { simulator } = stage;
  const card = (panel: Panel) => panel.frame.getByRole("group", { name: "Not answered" });

  stage.test("an overloaded endpoint is waited for, with a countdown", async () => {
    const panel = await stage.freshChat();
    await simulator.fail({ kind: "status", code: 529, retry_after: 3 });
    await simulator.reply("At last.");
    await panel.ask("Are you there?");
    await reads(panel.lastTurn.root, /Attempt 2 of \d+ in \d/);
    await panel.lastTurn.says("At last.");
    await panel.lastTurn.over();
    assert.equal((await simulator.questions()).length, 2);
  });

  const REFUSED: [string, { kind: string } & Record<string, unknown>, RegExp, string][] = [
    ["a key that is refused", { kind: "status", code: 401 }, /key/i, "Set API key"],
    ["a bill that is not paid", { kind: "status", code: 402 }, /credit|billing|pay/i, "Try again"],
    ["a model that is gone", { kind: "status", code: 404 }, /model/i, "Choose another model"],
  ];
  for (const [what, fault, sentence, button] of REFUSED) {
    stage.test(`${what}: one sentence, the button that mends it, and the question is a draft again`, async () => {
      const panel = await stage.freshChat();
      await simulator.fail(fault);
      await panel.ask("Will you answer?");
      await reads(card(panel), sentence);
      await seen(card(panel).getByRole("button", { name: button }));
      assert.equal(await panel.composer.inputValue(), "Will you answer?");
      await card(panel).getByRole("button", { name: "Dismiss" }).click();
      await gone(card(panel));
    });
  }

  stage.test("a question that was refused is sent again by the button, and the draft goes with it", async () => {
    const panel = await stage.freshChat();
    await simulator.fail({ kind: "status", code: 400, message: "no" });
    await panel.ask("Hello?");
    await seen(card(panel));
    await simulator.reply("Here I am.");
    await card(panel).getByRole("button", { name: "Try again" }).click();
    await panel.lastTurn.says("Here I am.");
    await until("the draft went with it", async () => (await panel.composer.inputValue()) === "");
    await stage.agrees();
  });

  stage.test("a dead endpoint says so in a sentence, and the next draft stays as it is", async () => {
    const panel = await stage.freshChat();
    await simulator.fail(...Array.from({ length: 20 }, () => ({ kind: "reset" })));
    await panel.ask("Is anybody there?");
    await seen(panel.stop.or(card(panel)));
    await panel.composer.fill("a draft meanwhile");
    await reads(card(panel), /connect|network|closed|reach/i);
    await seen(card(panel).getByRole("button", { name: "Try again" }));
    assert.equal(await panel.composer.inputValue(), "a draft meanwhile");
    await panel.composer.fill("");
  });

  stage.test("an answer that is cut off keeps what had come and says so", async () => {
    const panel = await stage.freshChat();
    await simulator.reply({ chunks: ["Half of ", "the answer"], fault: { kind: "hang_up", after_events: 4 } });
    await panel.ask("All of it, please");
    await panel.lastTurn.over();
    await panel.lastTurn.says("Half of");
    await reads(panel.lastTurn.root, /Cut off/);
    await stage.agrees();
  });

  stage.test("a picture that the endpoint refuses can be left out", async () => {
    const panel = await stage.freshChat();
    await simulator.fail({ kind: "status", code: 400, message: "messages.0.content.0.image: Could not process image" });
    await stage.paste(panel, png(64, 48));
    await panel.ask("What is it?");
    await reads(card(panel), /image|picture/i);
    await card(panel).getByRole("button", { name: "Send without pictures" }).click();
    await panel.lastTurn.over();
    const content = (await simulator.questions()).at(-1)!.body.messages.at(-1).content;
    assert.ok(!JSON.stringify(content).includes('"image"'));
  });

  stage.test("what happened is told to a screen reader once, and never the stream", async () => {
    const panel = await stage.freshChat();
    await simulator.reply("A few words.");
    await panel.askAndWait("Say something");
    await reads(panel.told, /^Reply finished, \d+ tokens, \$[\d.]+$/);
    const live = await panel.frame.locator("[aria-live]:not([aria-live=off])").evaluateAll((all) => all.map((one) => one.textContent));
    assert.ok(live.every((text) => !text?.includes("A few words.")));
  });

  stage.test("a stream that stalls midway tells its silence in seconds, and can be stopped", async () => {
    const panel = await stage.freshChat();
    await simulator.reply({ chunks: ["Half of ", "the answer"], fault: { kind: "stall", after_events: 4 } });
    await panel.ask("Do not fall silent");
    await panel.lastTurn.says("Half of");
    const silent = async () => Number(/sends nothing\s*(\d+) s/.exec(await reads(panel.lastTurn.root, /sends nothing\s*\d+ s/))![1]);
    const first = await silent();
    await until("the silence grows", async () => (await silent()) > first);
    await panel.stop.click();
    await panel.lastTurn.over();
    await panel.lastTurn.says("Half of");
    assert.equal((await simulator.wait("closed", 0)).outcome, "peer_closed");
    assert.equal((await stage.lastTurns())[0].stopReason, "cancelled");
    await stage.agrees();
  });
}
