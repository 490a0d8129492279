// What VS Code's own chat says and gets, as plain values.

import assert from "node:assert/strict";
import { test } from "node:test";
import { conversationOf, usageForRing } from "../../src/host/provider/messages";
import { offered } from "../../src/host/provider/models";
import type { Model } from "../../src/wire";

const bytes = (text: string) => new TextEncoder().encode(text);

test("texts, pictures and text data go along in order; marks and unknown parts do not", () => {
  const { messages, system } = conversationOf([
    { role: 3, content: [{ value: "Be brief." }] },
    { role: 1, content: [{ value: "See " }, { data: bytes("PNG"), mimeType: "image/png" }, { value: "this?" }] },
    { role: 2, content: [{ value: "Yes." }, { data: bytes("x"), mimeType: "image/png" }] },
    { role: 1, content: [{ data: bytes("ephemeral"), mimeType: "cache_control" }, { data: bytes("note"), mimeType: "text/plain" }] },
    { role: 1, content: [{ callId: "1", content: [{ value: "a tool's words" }] }, "plain"] },
  ]);
  assert.equal(system, "Be brief.");
  assert.deepEqual(messages, [
    { role: "user", text: "See this?", images: [{ data: "UE5H", mediaType: "image/png" }] },
    { role: "assistant", text: "Yes." },
    { role: "user", text: "note" },
    { role: "user", text: "a tool's wordsplain" },
  ]);
  assert.equal(conversationOf([]).system, undefined);
});

test("a model's room for the prompt leaves room for its answer, and its price is in dollars", () => {
  const price = { abovePromptTokens: 0, input: 3000, output: 15000, write5m: 0, write1h: 0, read: 0, validFrom: "2026-01-01" };
  const model: Model = {
    id: "claude-a",
    displayName: "A",
    prices: [price],
    lifecycle: "active",
    default: false,
    contextWindow: 200_000,
    maxOutput: 64_000,
  };
  const listed = offered([
    model,
    { ...model, id: "old", lifecycle: "retired" },
    { ...model, id: "foreign", served: false },
    { ...model, id: "claude-b", default: true, prices: [], contextWindow: undefined, maxOutput: undefined },
  ]);
  assert.deepEqual(listed.map(({ id, detail, maxInputTokens, maxOutputTokens }) => [id, detail, maxInputTokens, maxOutputTokens]), [
    ["claude-b", undefined, 191_808, 8_192],
    ["claude-a", "$3/$15", 136_000, 64_000],
  ]);
});

test("the ring gets the whole prompt once, its cached part inside it", () => {
  const usage = {
    inputTokens: 10,
    cacheCreation5mInputTokens: 20,
    cacheCreation1hInputTokens: 0,
    cacheReadInputTokens: 70,
    totalInputTokens: 100,
    outputTokens: 5,
    estimated: false,
  };
  assert.deepEqual(usageForRing(usage), {
    prompt_tokens: 100,
    completion_tokens: 5,
    total_tokens: 105,
    prompt_tokens_details: { cached_tokens: 70 },
  });
});
