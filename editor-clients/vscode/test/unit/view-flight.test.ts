// A running turn falls into place whatever the order, doubling or loss of its values.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { characters, hasGap, heard, newFlight, withResult, type Flight } from "../../src/view/state/flight";
import type { StreamValue, TurnResult } from "../../src/wire";

const pieces = fc.array(fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 12 });

/** The values that a server sends for an answer in these pieces. */
function valuesOf(texts: readonly string[]): StreamValue[] {
  let offset = 0;
  const told = texts.map((text, index): StreamValue => {
    const value = { kind: "text", turnId: "t", seq: index + 1, text, offset } as const;
    offset += characters(text);
    return value;
  });
  const begun: StreamValue = { kind: "started", turnId: "t", seq: 0, model: "m", sessionId: "s" };
  return [begun, ...told, { kind: "end", turnId: "t", seq: told.length + 1, stopReason: "end_turn" }];
}

const folded = (values: readonly StreamValue[]): Flight => values.reduce(heard, newFlight("t", 0));

test("any order and doubling of the values gives the text that the server wrote", () => {
  const shuffled = pieces.chain((texts) => {
    const values = valuesOf(texts);
    return fc
      .tuple(fc.shuffledSubarray(values, { minLength: values.length }), fc.array(fc.constantFrom(...values), { maxLength: 8 }))
      .chain(([all, doubled]) => fc.tuple(fc.constant(texts), fc.shuffledSubarray([...all, ...doubled], { minLength: all.length + doubled.length })));
  });
  fc.assert(
    fc.property(shuffled, ([texts, values]) => {
      const flight = folded(values);
      assert.equal(flight.text.text, texts.join(""));
      assert.equal(flight.text.length, characters(texts.join("")));
      assert.equal(flight.phase, "ended");
      assert.equal(hasGap(flight), false);
    }),
    { seed: 7, numRuns: 300 },
  );
});

test("a lost piece is known as a gap, and what is shown is a beginning of the answer", () => {
  fc.assert(
    fc.property(pieces, fc.nat(), (texts, which) => {
      const values = valuesOf(texts);
      const lost = 1 + (which % texts.length);
      const flight = folded(values.filter((_, index) => index !== lost));
      assert.equal(hasGap(flight), lost < texts.length);
      assert.ok(texts.join("").startsWith(flight.text.text));
    }),
    { seed: 7, numRuns: 200 },
  );
});

test("the result closes every gap, and later values change nothing of it", () => {
  fc.assert(
    fc.property(pieces, fc.nat(), (texts, which) => {
      const values = valuesOf(texts);
      const part = values.filter((_, index) => index % 3 !== which % 3);
      const flight = withResult(folded(part), { turnId: "t", text: texts.join(""), stopReason: "end_turn", model: "m" } as TurnResult);
      const late = values.reduce(heard, flight);
      assert.equal(late.text.text, texts.join(""));
      assert.equal(late.phase, "ended");
      assert.equal(hasGap(late), false);
    }),
    { seed: 7, numRuns: 200 },
  );
});

test("an older value does not set the phase back", () => {
  const base = newFlight("t", 0);
  const answering = heard(base, { kind: "text", turnId: "t", seq: 5, text: "a", offset: 0 });
  assert.equal(heard(answering, { kind: "waiting", turnId: "t", seq: 2, phase: "sending", elapsedMs: 1 }).phase, "streaming");
});

test("a silence lasts as long as the server says, and ends with the next piece", () => {
  const silent = heard(newFlight("t", 0), { kind: "waiting", turnId: "t", seq: 2, phase: "silent", elapsedMs: 7000 });
  assert.deepEqual([silent.phase, silent.silentMs], ["silent", 7000]);
  const answering = heard(silent, { kind: "text", turnId: "t", seq: 3, text: "a", offset: 0 });
  assert.deepEqual([answering.phase, answering.silentMs], ["streaming", undefined]);
});

test("pieces that overlap what is there already add only what is new, counted in characters and not in units", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom("a", "é", "😀", "👩🏽", "\n"), { minLength: 2, maxLength: 20 }), fc.nat(), fc.nat(), (parts, one, other) => {
      const all = [...parts.join("")];
      const [from, to] = [one % all.length, other % all.length].sort((a, b) => a - b) as [number, number];
      const values = [
        { offset: 0, text: all.slice(0, to + 1).join("") },
        { offset: from, text: all.slice(from).join("") },
      ];
      const told = values.map((value, index): StreamValue => ({ kind: "text", turnId: "t", seq: index, ...value }));
      assert.equal(folded(told).text.text, all.join(""));
      assert.equal(folded([...told].reverse()).text.text, all.join(""));
    }),
    { seed: 7, numRuns: 300 },
  );
});
