// One session as the panel shows it: settled turns from the server, turns under way from the stream, and questions that
// were refused before there was a turn. A snapshot always wins; what it does not know and was there before it was asked
// for is over.

import type { ChatParams, RetryParams, RpcErrorBody, Session, SessionGetResult, StreamValue, TurnRecord, TurnResult } from "../../wire";
import type { Held } from "./draft";
import { caughtUp, hasGap, heard, newFlight, over, withResult, type Flight } from "./flight";

/** A question on its way: from the key press until the history has it, or until it was refused. */
export interface Asking {
  /** The `id` of the message that asked. */
  readonly id: number;
  readonly kind: "chat" | "retry";
  readonly question: string;
  readonly labels: readonly string[];
  readonly params: ChatParams | RetryParams;
  /** The question with all that was attached, to be given back where it is refused. */
  readonly whole?: Held;
  /** The turn that a retry takes the place of. */
  readonly replaces?: string;
  readonly turnId?: string;
}

/** A question that got no answer, and why. */
export interface Failure {
  readonly key: string;
  readonly question: string;
  readonly error: RpcErrorBody;
  readonly asking?: Asking;
  readonly replaces?: string;
  /** What had come of the answer; the server has no record of it. */
  readonly said?: string;
}

export interface SessionView {
  readonly id: string;
  readonly info?: Session;
  readonly turns: readonly TurnRecord[];
  /** How many turns stand before those that are here. */
  readonly earlier: number;
  readonly flights: readonly Flight[];
  readonly askings: readonly Asking[];
  readonly failures: readonly Failure[];
  /** The clock at which the newest snapshot that was taken in had been asked for; 0 where there is none yet. */
  readonly applied: number;
  /** The clock at which a snapshot was asked for that is not here yet. */
  readonly pending?: number;
  /** Something is known to be missing or stale. */
  readonly wanted: boolean;
  readonly error?: RpcErrorBody;
  /** Turns that ended without a record: late values do not bring them back. */
  readonly gone: readonly string[];
}

/** Turns that are fetched first, and with each page of older ones. */
export const FIRST_TURNS = 100;
/** Turns without a record that are remembered against late values. */
const REMEMBERED = 200;

export function newSession(id: string): SessionView {
  return {
    id,
    turns: [],
    earlier: 0,
    flights: [],
    askings: [],
    failures: [],
    applied: 0,
    wanted: true,
    gone: [],
  };
}

/** Whether a turn runs here, as far as is known. */
export function isBusy(session: SessionView): boolean {
  return session.flights.some((flight) => flight.phase !== "ended") || session.askings.some((asking) => !asking.turnId);
}

/** A value of a turn of this session; one of a turn that is settled or gone changes nothing. */
export function streamed(
  session: SessionView,
  value: StreamValue,
  clock: number,
  known: Partial<Flight> = {},
  id?: number,
): SessionView {
  if (isSettled(session, value.turnId)) return session;
  const flight = session.flights.find((one) => one.turnId === value.turnId) ?? newFlight(value.turnId, clock, known);
  const next = heard(flight, value);
  const askings = session.askings.map((asking) => (asking.id === id ? { ...asking, turnId: value.turnId } : asking));
  return { ...withFlight(session, next), askings, wanted: session.wanted || hasGap(next) };
}

/** A turn ended. Its record is the server's to tell, so that a snapshot is wanted. */
export function ended(
  session: SessionView,
  turnId: string,
  end: { result?: TurnResult; error?: RpcErrorBody },
  clock: number,
): SessionView {
  if (isSettled(session, turnId)) return session;
  const known = session.flights.find((one) => one.turnId === turnId);
  if (end.error) return failed(session, turnId, end.error, known);
  const flight = known ?? newFlight(turnId, clock);
  const next = end.result ? withResult(flight, end.result) : over(flight, {});
  return { ...withFlight(session, next), wanted: true };
}

function failed(session: SessionView, turnId: string, error: RpcErrorBody, flight: Flight | undefined): SessionView {
  const asking = session.askings.find((one) => one.turnId === turnId);
  const question = asking?.question ?? flight?.question ?? "";
  const failure: Failure = { key: turnId, question, error, asking, replaces: asking?.replaces, said: flight?.text.text };
  return {
    ...session,
    flights: session.flights.filter((one) => one.turnId !== turnId),
    askings: session.askings.filter((one) => one !== asking),
    failures: [...session.failures.filter((one) => one.key !== turnId), failure],
    gone: [...session.gone, turnId],
    wanted: true,
  };
}

/** The reply to a question: its turn may have been told of already, in either order. */
export function answered(
  session: SessionView,
  id: number,
  reply: { result?: TurnResult; error?: RpcErrorBody },
  clock: number,
): SessionView {
  const asking = session.askings.find((one) => one.id === id);
  if (reply.result) {
    const bound = session.askings.map((one) => (one.id === id ? { ...one, turnId: reply.result!.turnId } : one));
    return ended({ ...session, askings: bound }, reply.result.turnId, reply, clock);
  }
  if (!asking) return session;
  if (asking.turnId) return ended(session, asking.turnId, reply, clock);
  const error = reply.error ?? { code: -32803, message: "The question was not answered; send it again." };
  const failure: Failure = { key: `asked-${id}`, question: asking.question, error, asking, replaces: asking.replaces };
  return {
    ...session,
    askings: session.askings.filter((one) => one !== asking),
    failures: [...session.failures, failure],
  };
}

/** The session as the server has it, asked for at `asked`; an older answer than the last one is passed over. */
export function refreshed(session: SessionView, snapshot: SessionGetResult, asked: number, clock: number): SessionView {
  if (asked <= session.applied) return session;
  const ids = new Set(snapshot.turns.map((turn) => turn.turnId));
  const running = snapshot.running ?? [];
  const going = new Set(running.map((turn) => turn.turnId));
  const kept = session.flights.filter(
    (flight) => !ids.has(flight.turnId) && (flight.seen >= asked || going.has(flight.turnId)),
  );
  const lost = session.flights.filter((flight) => !ids.has(flight.turnId) && !kept.includes(flight));
  const base: SessionView = {
    ...session,
    ...merged(session.turns, snapshot),
    info: snapshot.session,
    flights: kept,
    askings: session.askings.filter((one) => !one.turnId || kept.some((flight) => flight.turnId === one.turnId)),
    gone: [...session.gone, ...lost.map((flight) => flight.turnId)].filter((id) => !going.has(id)).slice(-REMEMBERED),
    applied: asked,
    pending: session.pending === asked ? undefined : session.pending,
    // What was heard since it was asked for may be missing in it.
    wanted: session.pending !== undefined && session.wanted,
    error: undefined,
  };
  return running.reduce((view, so) => {
    if (isSettled(view, so.turnId)) return view;
    const flight = view.flights.find((one) => one.turnId === so.turnId) ?? newFlight(so.turnId, clock);
    return withFlight(view, caughtUp(flight, so));
  }, base);
}

/** Older turns that are here already stay, where the snapshot begins right behind them. */
function merged(turns: readonly TurnRecord[], snapshot: SessionGetResult): Pick<SessionView, "turns" | "earlier"> {
  const first = snapshot.turns[0];
  const earlier = snapshot.earlier ?? 0;
  if (!first || earlier === 0) return { turns: snapshot.turns, earlier };
  const older = turns.filter((turn) => turn.index < first.index);
  if (older.length > earlier) return { turns: snapshot.turns, earlier };
  return { turns: [...older, ...snapshot.turns], earlier: earlier - older.length };
}

/** A page of older turns, put before those that are here; passed over where it does not fit any more. */
export function paged(session: SessionView, page: SessionGetResult, before: string): SessionView {
  if (session.turns[0]?.turnId !== before) return session;
  return { ...session, turns: [...page.turns, ...session.turns], earlier: page.earlier ?? 0 };
}

/** Take a failure away, because it was seen or is tried again. */
export function dismissed(session: SessionView, key: string): SessionView {
  return { ...session, failures: session.failures.filter((failure) => failure.key !== key) };
}

function isSettled(session: SessionView, turnId: string): boolean {
  return session.gone.includes(turnId) || session.turns.some((turn) => turn.turnId === turnId);
}

function withFlight(session: SessionView, flight: Flight): SessionView {
  const at = session.flights.findIndex((one) => one.turnId === flight.turnId);
  if (at < 0) return { ...session, flights: [...session.flights, flight] };
  if (session.flights[at] === flight) return session;
  return { ...session, flights: session.flights.with(at, flight) };
}
