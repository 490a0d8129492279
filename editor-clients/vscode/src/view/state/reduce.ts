// Every change of the panel: a message of the host, an answer of the server or an act of the person in, the next state out.

import type { FlightSoFar, FromHost } from "../../messages";
import type { StreamValue } from "../../wire";
import { columnEnded, columnHeard, compared, hasTurn, isRunning, type Comparison } from "./comparison";
import { NO_DRAFT, withAttached, type Draft } from "./draft";
import { NEW, type Act, type Panel } from "./panel";
import { answered, dismissed, ended, newSession, paged, refreshed, streamed, type SessionView } from "./session";

export function reduce(panel: Panel, act: Act): Panel {
  switch (act.type) {
    case "hello":
      return greeted(panel, act);
    case "health":
      return healthy(panel, act.health);
    case "config":
      return { ...panel, config: act.config };
    case "status":
      return { ...panel, status: act.status };
    case "selection":
      return { ...panel, selection: act.selection };
    case "stream":
      return heardIn(panel, act.sessionId, act.value, { flight: act.flight, question: act.question }, act.id);
    case "ended":
      return over(panel, act);
    case "attach":
      return drafted(panel, panel.current, (draft) =>
        withText(withAttached(draft, act.attached), act.text ?? draft.text, act.text !== undefined),
      );
    case "attachImages":
    case "reply":
      return panel;
    case "show":
      return shown(panel, act);
    case "focus":
      return { ...panel, page: "chat", focus: { target: act.target, count: panel.focus.count + 1 } };
    case "sessionsChanged":
      return { ...every(panel, (session) => ({ ...session, wanted: true })), listVersion: panel.listVersion + 1 };
    case "restored":
      return restored(panel, act.state);
    case "asked":
      return {
        ...inSession(panel, act.sessionId, (session) => ({ ...session, pending: act.asked, wanted: false })),
        clock: Math.max(panel.clock, act.asked),
      };
    case "got":
      return inSession(panel, act.sessionId, (session) => refreshed(session, act.result, act.asked, panel.clock));
    case "gotNot":
      return inSession(panel, act.sessionId, (session) =>
        session.pending === act.asked ? { ...session, pending: undefined, error: act.error } : session,
      );
    case "gotPage":
      return inSession(panel, act.sessionId, (session) => paged(session, act.result, act.before));
    case "sent":
      return inSession(panel, act.sessionId, (session) => ({ ...session, askings: [...session.askings, act.asking] }));
    case "answered":
      return inSession(panel, act.sessionId, (session) => answered(session, act.id, act, panel.clock));
    case "dismissed":
      return inSession(panel, act.sessionId, (session) => dismissed(session, act.key));
    case "typed":
      return drafted(panel, act.key, (draft) => ({ ...draft, text: act.text }));
    case "drafted":
      return drafted(panel, act.key, (draft) => ({ ...draft, ...act.draft, version: draft.version + 1 }));
    case "attached":
      return drafted(panel, act.key, (draft) => withAttached(draft, act.attached));
    case "picture":
      return drafted(panel, act.key, (draft) => withPicture(draft, act.picture));
    case "pictureGone":
      return drafted(panel, act.key, (draft) => ({
        ...draft,
        pictures: draft.pictures.filter((picture) => picture.key !== act.picture),
      }));
    case "held":
      return { ...panel, held: without(panel.held, act.sessionId, act.held) };
    case "opened":
      return opened(panel, act.sessionId);
    case "closed":
      return closed(panel, act.sessionId);
    case "named":
      return named(panel, act.from, act.sessionId);
    case "deleted":
      return forgotten(panel, act.sessionId);
    case "renamed":
      return inSession(panel, act.session.id, (session) => ({ ...session, info: act.session }));
    case "renaming":
      return { ...panel, renaming: act.sessionId };
    case "page":
      return { ...panel, page: act.page };
    case "models":
      return { ...panel, models: act.models };
    case "chose":
      return { ...panel, model: act.model ?? panel.model, effort: act.effort === "" ? undefined : (act.effort ?? panel.effort) };
    case "selectionOn":
      return { ...panel, selectionOn: act.on };
    case "noticed":
      return { ...panel, notice: act.text ? { text: act.text, error: act.error ?? false } : undefined };
    case "say":
      return { ...panel, said: { text: act.text, count: panel.said.count + 1 } };
    case "comparing":
      return { ...panel, comparison: act.comparison, page: "compare" };
    case "compared":
      return comparing(panel, (one) => {
        if (one.id !== act.id) return one;
        return act.result ? compared(one, act.result) : { ...one, error: act.error };
      });
    case "chosen":
      return comparing(panel, (one) => ({ ...one, chosen: act.model }));
    case "comparisonClosed":
      return { ...panel, comparison: undefined, page: "chat" };
  }
}

function greeted(panel: Panel, hello: Extract<FromHost, { type: "hello" }>): Panel {
  const base: Panel = {
    ...panel,
    connected: true,
    health: hello.health,
    config: hello.config,
    status: hello.status,
    selection: hello.selection,
  };
  const session = hello.sessionId ?? (panel.tabs.length ? panel.current : (hello.status?.session?.id ?? NEW));
  const open = session === NEW ? base : opened(base, session);
  return hello.flights.reduce(boarded, open);
}

/** A flight that the host remembers. One with several turns is a comparison. */
function boarded(panel: Panel, flight: FlightSoFar): Panel {
  const turns = new Set(flight.values.map((value) => value.turnId));
  if (turns.size > 1) {
    const models = flight.values.flatMap((value) => (value.kind === "started" ? [value.model] : []));
    const empty: Comparison = {
      flight: flight.flight,
      sessionId: flight.sessionId,
      question: flight.question ?? "",
      models,
      columns: [],
    };
    const comparison = flight.values.reduce((one, value) => columnHeard(one, value, panel.clock), empty);
    return { ...panel, comparison };
  }
  const known = { flight: flight.flight, question: flight.question, images: flight.images };
  return flight.values.reduce((view, value) => heardIn(view, flight.sessionId, value, known, flight.id), panel);
}

function heardIn(
  panel: Panel,
  sessionId: string,
  value: StreamValue,
  known: { flight?: number; question?: string; images?: number },
  id?: number,
): Panel {
  const one = panel.comparison;
  if (one && ((id !== undefined && one.id === id) || hasTurn(one, value.turnId) || isOf(one, known.flight))) {
    return { ...panel, comparison: columnHeard({ ...one, flight: known.flight }, value, panel.clock) };
  }
  return inSession(panel, sessionId, (session) => streamed(session, value, panel.clock, known, id));
}

function isOf(comparison: Comparison, flight: number | undefined): boolean {
  return flight !== undefined && comparison.flight === flight && isRunning(comparison);
}

function over(panel: Panel, act: Extract<FromHost, { type: "ended" }>): Panel {
  if (panel.comparison && hasTurn(panel.comparison, act.turnId)) {
    return { ...panel, comparison: columnEnded(panel.comparison, act.turnId, act) };
  }
  return inSession(panel, act.sessionId, (session) => ended(session, act.turnId, act, panel.clock));
}

/** A server that came back knows things that this panel does not; once it has a key, nothing lacks one any more. */
function healthy(panel: Panel, health: Panel["health"]): Panel {
  const back = health.state === "ready" && panel.health.state !== "ready";
  const keyed = health.key && !panel.health.key;
  let next: Panel = { ...panel, health };
  if (keyed) next = every(next, (session) => ({ ...session, failures: session.failures.filter(({ error }) => error.data?.kind !== "missing_key") }));
  return back ? every(next, (session) => ({ ...session, wanted: true, error: undefined })) : next;
}

function shown(panel: Panel, act: Extract<FromHost, { type: "show" }>): Panel {
  const open = act.sessionId ? opened(panel, act.sessionId) : panel;
  return { ...open, page: act.page ?? "chat" };
}

function restored(panel: Panel, state: Extract<Act, { type: "restored" }>["state"]): Panel {
  const drafts = Object.fromEntries(
    Object.entries(state.drafts).map(([key, draft]) => [
      key,
      {
        text: draft.text,
        attached: draft.attached,
        pictures: (draft.images ?? []).map((image, index) => ({ key: `restored-${index}`, image })),
        version: 1,
      } satisfies Draft,
    ]),
  );
  const tabs = state.tabs ?? [];
  const sessions = Object.fromEntries(tabs.filter((tab) => tab !== NEW).map((tab) => [tab, newSession(tab)]));
  return { ...panel, drafts, tabs, current: state.sessionId ?? NEW, sessions };
}

function opened(panel: Panel, id: string): Panel {
  const tabs = panel.tabs.includes(id) ? panel.tabs : [...panel.tabs, id];
  const same = id === panel.current;
  // A notice is about the session in which it came up, as the chosen model is.
  const own = same ? {} : { model: undefined, notice: undefined };
  const open = { ...panel, tabs, current: id, page: "chat" as const, ...own };
  return id === NEW ? open : inSession(open, id, (session) => session);
}

function closed(panel: Panel, id: string): Panel {
  const at = panel.tabs.indexOf(id);
  const tabs = panel.tabs.filter((tab) => tab !== id);
  if (panel.current !== id) return { ...panel, tabs };
  return { ...panel, tabs, current: tabs[Math.min(at, tabs.length - 1)] ?? NEW, model: undefined };
}

/** A new conversation got its session: draft, tab and what waits move over. */
function named(panel: Panel, from: string, id: string): Panel {
  const { [from]: draft, ...drafts } = panel.drafts;
  const tabs = panel.tabs.includes(from) ? panel.tabs.map((tab) => (tab === from ? id : tab)) : [...panel.tabs, id];
  const moved = { ...panel, tabs, drafts: draft ? { ...drafts, [id]: draft } : drafts };
  const open = panel.current === from ? { ...moved, current: id } : moved;
  return inSession(open, id, (session) => session);
}

function forgotten(panel: Panel, id: string): Panel {
  const { [id]: _session, ...sessions } = panel.sessions;
  const { [id]: _draft, ...drafts } = panel.drafts;
  return { ...closed(panel, id), sessions, drafts, held: without(panel.held, id), listVersion: panel.listVersion + 1 };
}

function inSession(panel: Panel, id: string, change: (session: SessionView) => SessionView): Panel {
  const before = panel.sessions[id];
  const after = change(before ?? newSession(id));
  return after === before ? panel : { ...panel, sessions: { ...panel.sessions, [id]: after } };
}

function every(panel: Panel, change: (session: SessionView) => SessionView): Panel {
  const sessions = Object.fromEntries(Object.entries(panel.sessions).map(([id, session]) => [id, change(session)]));
  return { ...panel, sessions };
}

function comparing(panel: Panel, change: (comparison: Comparison) => Comparison): Panel {
  return panel.comparison ? { ...panel, comparison: change(panel.comparison) } : panel;
}

function drafted(panel: Panel, key: string, change: (draft: Draft) => Draft): Panel {
  return { ...panel, drafts: { ...panel.drafts, [key]: change(panel.drafts[key] ?? NO_DRAFT) } };
}

function withText(draft: Draft, text: string, told: boolean): Draft {
  return told ? { ...draft, text, version: draft.version + 1 } : draft;
}

function withPicture(draft: Draft, picture: Draft["pictures"][number]): Draft {
  const at = draft.pictures.findIndex((one) => one.key === picture.key);
  return { ...draft, pictures: at < 0 ? [...draft.pictures, picture] : draft.pictures.with(at, picture) };
}

function without<T>(record: Readonly<Record<string, T>>, key: string, value?: T): Readonly<Record<string, T>> {
  const { [key]: _gone, ...rest } = record;
  return value === undefined ? rest : { ...rest, [key]: value };
}
