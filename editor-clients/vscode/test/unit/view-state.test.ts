// Whatever happens to the messages on their way, the panel ends up with what the server has.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { FromHost } from "../../src/messages";
import { NEW, START, type Act, type Panel } from "../../src/view/state/panel";
import { reduce } from "../../src/view/state/reduce";
import { isBusy } from "../../src/view/state/session";
import type { RpcErrorBody, Session, SessionGetResult, StreamValue, TurnRecord, TurnResult } from "../../src/wire";

const SESSION = "session-1";

interface Script {
  turns: { id: string; pieces: string[]; fate: "settled" | "failed" | "running" }[];
  turnsBefore: number;
}

const script: fc.Arbitrary<Script> = fc.record({
  turnsBefore: fc.nat(3),
  turns: fc.array(
    fc.record({
      id: fc.constant(""),
      pieces: fc.array(fc.string({ minLength: 1, maxLength: 5 }), { maxLength: 5 }),
      fate: fc.constantFrom("settled" as const, "settled" as const, "failed" as const),
    }),
    { maxLength: 4 },
  ),
}).chain(({ turnsBefore, turns }) =>
  fc.boolean().map((running) => ({
    turnsBefore,
    turns: turns.map((turn, index) => ({
      ...turn,
      id: `turn-${turnsBefore + index}`,
      fate: running && index === turns.length - 1 ? ("running" as const) : turn.fate,
    })),
  })),
);

const ERROR: RpcErrorBody = { code: -32803, message: "Nobody answered.", data: { kind: "network", retryable: true } };

function record(id: string, index: number, text: string): TurnRecord {
  return { turnId: id, index, prompt: `question ${id}`, text, model: "m", stopReason: "end_turn" } as TurnRecord;
}

/** All that the host sends while the turns run, in the order of the server. */
function messagesOf({ turns }: Script): FromHost[] {
  return turns.flatMap(({ id, pieces, fate }, flight) => {
    let offset = 0;
    const values: StreamValue[] = [{ kind: "started", turnId: id, seq: 0, model: "m", sessionId: SESSION }];
    for (const text of pieces) {
      values.push({ kind: "text", turnId: id, seq: values.length, text, offset });
      offset += [...text].length;
    }
    if (fate !== "running") values.push({ kind: "end", turnId: id, seq: values.length, stopReason: fate === "failed" ? "error" : "end_turn" });
    const told: FromHost[] = values.map((value) => ({ type: "stream", flight, sessionId: SESSION, value, question: `question ${id}` }));
    if (fate === "running") return told;
    const result = { ...record(id, 0, pieces.join("")), sessionId: SESSION } as unknown as TurnResult;
    return [...told, { type: "ended", sessionId: SESSION, turnId: id, ...(fate === "failed" ? { error: ERROR } : { result }) }];
  });
}

/** What the server answers in the end. */
function serverState({ turns, turnsBefore }: Script): SessionGetResult {
  const old = Array.from({ length: turnsBefore }, (_, index) => record(`turn-${index}`, index, "old"));
  const fresh = turns.filter((turn) => turn.fate === "settled").map((turn, index) => record(turn.id, turnsBefore + index, turn.pieces.join("")));
  const running = turns
    .filter((turn) => turn.fate === "running")
    .map(({ id, pieces }) => ({ turnId: id, model: "m", question: `question ${id}`, phase: "streaming", thinking: "", text: pieces.join(""), elapsedMs: 1 }));
  return { session: { id: SESSION, name: "s" } as Session, turns: [...old, ...fresh], earlier: 0, ...(running.length ? { running } : {}) };
}

const ask = (asked: number): Act => ({ type: "asked", sessionId: SESSION, asked });
const got = (asked: number, result: SessionGetResult): Act => ({ type: "got", sessionId: SESSION, asked, result });

/** Messages that were lost, doubled and reordered, with older snapshots among them. */
const mangled = script.chain((told) => {
  const messages: Act[] = messagesOf(told);
  const early: SessionGetResult = { ...serverState({ ...told, turns: [] }) };
  const pool: Act[] = [...messages, ...messages.slice(0, 3), ask(2), got(2, early)];
  return fc.tuple(fc.constant(told), fc.shuffledSubarray(pool));
});

test("lost, doubled and reordered messages and then a snapshot give the server's state", () => {
  fc.assert(
    fc.property(mangled, ([told, acts]) => {
      const before = acts.reduce(reduce, START);
      const after = [ask(9), got(9, serverState(told))].reduce(reduce, before);
      const session = after.sessions[SESSION]!;
      const server = serverState(told);
      assert.deepEqual(session.turns, server.turns);
      assert.deepEqual(
        session.flights.map((flight) => [flight.turnId, flight.text.text]),
        (server.running ?? []).map((running) => [running.turnId, running.text]),
      );
      assert.equal(isBusy(session), (server.running ?? []).length > 0);
      assert.equal(session.pending, undefined);
    }),
    { seed: 11, numRuns: 500 },
  );
});

test("after the snapshot, late messages of turns that are over bring nothing back", () => {
  fc.assert(
    fc.property(script, (told) => {
      const over = { ...told, turns: told.turns.map((turn) => (turn.fate === "running" ? { ...turn, fate: "settled" as const } : turn)) };
      const messages: Act[] = messagesOf(over);
      const settled = [...messages, ask(9), got(9, serverState(over))].reduce(reduce, START);
      const late = messages.reduce(reduce, settled);
      assert.deepEqual(late.sessions[SESSION]!.turns, serverState(over).turns);
      assert.deepEqual(late.sessions[SESSION]!.flights, []);
    }),
    { seed: 11, numRuns: 200 },
  );
});

test("a snapshot that was asked for earlier does not undo a newer one", () => {
  const newer = { session: { id: SESSION } as Session, turns: [record("turn-0", 0, "a"), record("turn-1", 1, "b")], earlier: 0 };
  const older = { ...newer, turns: newer.turns.slice(0, 1) };
  const panel = [ask(2), ask(3), got(3, newer), got(2, older)].reduce(reduce, START);
  assert.equal(panel.sessions[SESSION]!.turns.length, 2);
});

test("a turn that began after the snapshot was asked for stays, though the snapshot does not know it", () => {
  const value: StreamValue = { kind: "started", turnId: "turn-9", seq: 0, model: "m", sessionId: SESSION };
  const acts: Act[] = [ask(2), { type: "stream", flight: 1, sessionId: SESSION, value }, got(2, serverState({ turns: [], turnsBefore: 1 }))];
  assert.deepEqual(acts.reduce(reduce, START).sessions[SESSION]!.flights.map((flight) => flight.turnId), ["turn-9"]);
});

test("what is heard while a snapshot is on its way makes another one wanted", () => {
  const told: Script = { turnsBefore: 1, turns: [{ id: "turn-1", pieces: ["a"], fate: "settled" }] };
  const acts: Act[] = [ask(2), ...messagesOf(told), got(2, serverState({ ...told, turns: [] }))];
  assert.equal(acts.reduce(reduce, START).sessions[SESSION]!.wanted, true);
});

const asking = { id: 4, kind: "chat" as const, question: "why?", labels: [], params: { text: "why?", sessionId: SESSION } };

test("a refused question leaves its words and its reason, and one answer of the two doors", () => {
  const refused: Act = { type: "answered", sessionId: SESSION, id: 4, error: ERROR };
  const panel = [{ type: "sent", sessionId: SESSION, asking } as Act, refused, refused].reduce(reduce, START);
  const { failures, askings } = panel.sessions[SESSION]!;
  assert.deepEqual(askings, []);
  assert.deepEqual(failures.map((failure) => [failure.question, failure.error.message]), [["why?", ERROR.message]]);
});

test("an error that comes by both the notice and the reply is told once", () => {
  const value: StreamValue = { kind: "started", turnId: "turn-4", seq: 0, model: "m", sessionId: SESSION };
  const both: Act[] = [
    { type: "ended", sessionId: SESSION, turnId: "turn-4", error: ERROR },
    { type: "answered", sessionId: SESSION, id: 4, error: ERROR },
  ];
  for (const order of [both, [...both].reverse()]) {
    const acts: Act[] = [{ type: "sent", sessionId: SESSION, asking }, { type: "stream", flight: 1, id: 4, sessionId: SESSION, value }, ...order];
    const session = acts.reduce(reduce, START).sessions[SESSION]!;
    assert.equal(session.failures.length, 1);
    assert.deepEqual(session.flights, []);
    assert.deepEqual(session.askings, []);
  }
});

test("once there is a key, no question is shown as refused for the lack of one", () => {
  const missing: RpcErrorBody = { ...ERROR, data: { kind: "missing_key", retryable: false } };
  const health = (key: boolean): Act => ({ type: "health", health: { state: "ready", message: "", mend: [], key } });
  const refusal = (id: number, error: RpcErrorBody): Act[] => [
    { type: "sent", sessionId: SESSION, asking: { ...asking, id } },
    { type: "answered", sessionId: SESSION, id, error },
  ];
  const refused = [health(false), ...refusal(4, missing), ...refusal(5, ERROR)].reduce(reduce, START);
  const kinds = (panel: Panel) => panel.sessions[SESSION]!.failures.map(({ error }) => error.data?.kind);
  assert.deepEqual(kinds(refused), ["missing_key", "network"]);
  assert.deepEqual(kinds(reduce(refused, health(false))), ["missing_key", "network"]);
  assert.deepEqual(kinds(reduce(refused, health(true))), ["network"]);
});

test("older turns that were fetched stay when the newest ones are fetched again", () => {
  const turns = Array.from({ length: 6 }, (_, index) => record(`turn-${index}`, index, "a"));
  const session = { id: SESSION } as Session;
  const acts: Act[] = [
    ask(2),
    got(2, { session, turns: turns.slice(4), earlier: 4 }),
    { type: "gotPage", sessionId: SESSION, before: "turn-4", result: { session, turns: turns.slice(2, 4), earlier: 2 } },
    ask(3),
    got(3, { session, turns: turns.slice(4), earlier: 4 }),
  ];
  const view = acts.reduce(reduce, START).sessions[SESSION]!;
  assert.deepEqual(view.turns.map((turn) => turn.turnId), ["turn-2", "turn-3", "turn-4", "turn-5"]);
  assert.equal(view.earlier, 2);
});

test("a draft of a new conversation goes over to its session", () => {
  const acts: Act[] = [
    { type: "opened", sessionId: NEW },
    { type: "typed", key: NEW, text: "hello" },
    { type: "named", from: NEW, sessionId: SESSION },
  ];
  const panel: Panel = acts.reduce(reduce, START);
  assert.equal(panel.current, SESSION);
  assert.deepEqual(panel.tabs, [SESSION]);
  assert.equal(panel.drafts[SESSION]?.text, "hello");
  assert.equal(panel.drafts[NEW], undefined);
});

test("a flight with several turns is a comparison, and its columns are no turns of the session", () => {
  const value = (turnId: string, model: string): StreamValue => ({ kind: "started", turnId, seq: 0, model, sessionId: SESSION });
  const hello: FromHost = {
    type: "hello",
    health: { state: "ready", message: "", mend: [] },
    config: { sendOnEnter: true, showThinking: "folded" },
    status: null,
    selection: null,
    sessionId: SESSION,
    flights: [{ flight: 3, sessionId: SESSION, question: "which?", values: [value("a", "one"), value("b", "two")] }],
  };
  const late: Act = { type: "stream", flight: 3, sessionId: SESSION, value: { kind: "text", turnId: "b", seq: 1, text: "hi", offset: 0 } };
  const panel = [hello, late].reduce<Panel>(reduce, START);
  assert.deepEqual(panel.comparison!.columns.map((column) => [column.model, column.text.text]), [["one", ""], ["two", "hi"]]);
  assert.deepEqual(panel.sessions[SESSION]!.flights, []);
});
