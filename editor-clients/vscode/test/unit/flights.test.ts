// Requests under way: what a panel is told when it comes midway, and how they end with the server.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Flights, idFor } from "../../src/host/flights";
import { serverStopped } from "../../src/server/errors";
import type { StreamValue } from "../../src/wire";

const started = (turnId: string, sessionId = "s1"): StreamValue => ({ kind: "started", turnId, seq: 0, model: "m", sessionId });
const text = (turnId: string, seq: number, said: string): StreamValue => ({ kind: "text", turnId, seq, text: said, offset: 0 });
const end = (turnId: string, seq: number): StreamValue => ({ kind: "end", turnId, seq, stopReason: "end_turn" });

test("a panel that comes midway is told all that was said so far, and only the asker knows the flight by its id", () => {
  const flights = new Flights();
  const flight = flights.begin({ asker: { panel: 1, life: 1 }, id: 7, params: { text: "why?", images: [{ path: "/x.png" }] } });
  assert.equal(flights.soFar({ panel: 2, life: 1 })[0]?.sessionId, "");
  flights.add(flight, started("t1"));
  flights.add(flight, text("t1", 1, "because"));
  const told = { flight: 1, sessionId: "s1", question: "why?", images: 1, values: [started("t1"), text("t1", 1, "because")] };
  assert.deepEqual(flights.soFar({ panel: 2, life: 1 }), [{ ...told, id: undefined }]);
  assert.deepEqual(flights.soFar({ panel: 1, life: 1 }), [{ ...told, id: 7 }]);
});

test("another life of the same panel counts anew, so it does not know the id", () => {
  const flight = new Flights().begin({ asker: { panel: 1, life: 1 }, id: 7, params: {} });
  assert.equal(idFor(flight, { panel: 1, life: 1 }), 7);
  assert.equal(idFor(flight, { panel: 1, life: 2 }), undefined);
});

test("what a panel is told does not grow behind its back", () => {
  const flights = new Flights();
  const flight = flights.begin({ params: {} });
  const told = flights.soFar({ panel: 1, life: 1 });
  flights.add(flight, started("t1"));
  assert.deepEqual(told[0]?.values, []);
});

test("when the server is gone each turn that had not ended ends with an error, those of a comparison too", () => {
  const flights = new Flights();
  const flight = flights.begin({ params: { sessionId: "s1" } });
  for (const value of [started("t1"), started("t2"), started("t3"), end("t2", 1)]) flights.add(flight, value);
  const error = serverStopped("gone");
  const broken = (turnId: string) => ({ flight: 1, sessionId: "s1", turnId, error });
  assert.deepEqual(flights.broken(error), [broken("t1"), broken("t3")]);
  assert.equal(flights.ofTurn("t3"), flight);
  flights.end(flight);
  assert.deepEqual(flights.broken(error), []);
  assert.equal(flights.ofTurn("t3"), undefined);
});
