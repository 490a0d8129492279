// Claude in VS Code's own chat: the real language model API of a real VS Code, the real server, the simulator.
import assert from "node:assert/strict";
import * as vscode from "vscode";

import { test, until } from "./harness.ts";

const settings = () => vscode.workspace.getConfiguration("cmt");
const set = (name: string, value: unknown) => settings().update(name, value, vscode.ConfigurationTarget.Global);

async function ask(text: string): Promise<string> {
  const [model] = await vscode.lm.selectChatModels({ vendor: "cmt" });
  assert.ok(model, "a model is offered");
  const response = await model.sendRequest([vscode.LanguageModelChatMessage.User(text)]);
  let answer = "";
  for await (const piece of response.text) answer += piece;
  return answer;
}

test("no model is offered unless the person asks for it", async () => {
  assert.deepEqual(await vscode.lm.selectChatModels({ vendor: "cmt" }), []);
});

test("VS Code's own chat is answered by the server, with the models that it knows", async () => {
  await set("modelProvider.enabled", true);
  const models = await until("models are offered", async () => {
    const found = await vscode.lm.selectChatModels({ vendor: "cmt" });
    return found.length > 0 && found;
  });
  assert.ok(models.some(({ id }) => id === "claude-sonnet-5-5"), models.map(({ id }) => id).join());
  assert.match(await ask("A question from VS Code's own chat"), /A question from VS Code's own chat/);
});

test("a budget holds there too, and its sentence is told", async () => {
  await set("budgets", { turn: 0.000001 });
  await assert.rejects(ask("Too dear"), /budget/i);
  await set("budgets", undefined);
  assert.match(await ask("Affordable again"), /Affordable again/);
});

test("turned off, the models are gone", async () => {
  await set("modelProvider.enabled", false);
  await until("no model is offered", async () => (await vscode.lm.selectChatModels({ vendor: "cmt" })).length === 0);
});
