// A turn under way, folded from its stream values. Pieces of text and thinking carry the offset at which they belong, so
// that late, doubled and reordered ones fall into place; what is missing is told as a gap.

import type { CacheVerdict, Cost, Prediction, RpcErrorBody, StreamValue, TurnResult, Usage } from "../../wire";

export type Phase = "sharing" | "warming_up" | "sending" | "thinking" | "silent" | "streaming" | "retrying" | "ended";

/** A run of characters that grows at its end; `early` came ahead of a piece that is still missing. */
export interface Run {
  readonly text: string;
  /** Unicode characters of `text`, which is how the server counts. */
  readonly length: number;
  readonly early: readonly Piece[];
}

export interface Piece {
  readonly offset: number;
  readonly text: string;
}

export interface Retrying {
  readonly attempt: number;
  readonly maxAttempts: number;
  readonly delayMs: number;
  readonly reason: string;
}

/** What is known of a turn that is not in the history yet. */
export interface Flight {
  readonly turnId: string;
  /** The host's name for the request; the turns of one comparison share it. */
  readonly flight?: number;
  readonly model?: string;
  readonly question?: string;
  readonly images?: number;
  readonly text: Run;
  readonly thinking: Run;
  readonly phase: Phase;
  /** Sequence number of the value that set the phase; an older one does not set it back. */
  readonly phaseSeq: number;
  readonly retrying?: Retrying;
  /** Milliseconds without a sign of the answer, when the server last told of them. */
  readonly silentMs?: number;
  readonly usage?: Usage;
  readonly prediction?: Prediction;
  readonly cost?: Cost;
  readonly cache?: CacheVerdict;
  readonly stopReason?: string;
  readonly result?: TurnResult;
  readonly error?: RpcErrorBody;
  /** The panel's clock when the turn was first heard of. */
  readonly seen: number;
}

const EMPTY: Run = Object.freeze({ text: "", length: 0, early: Object.freeze([]) });

export function newFlight(turnId: string, seen: number, known: Partial<Flight> = {}): Flight {
  return { text: EMPTY, thinking: EMPTY, phase: "sending", phaseSeq: -1, ...known, turnId, seen };
}

/** Unicode characters, not UTF-16 units. */
export function characters(text: string): number {
  let count = 0;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xd800 && unit < 0xdc00 && at + 1 < text.length) at++;
    count++;
  }
  return count;
}

/** Put a piece where it belongs; the run is returned as it is where the piece tells nothing new. */
export function placed(run: Run, piece: Piece): Run {
  if (piece.offset > run.length) return ahead(run, piece);
  const length = characters(piece.text);
  if (piece.offset + length <= run.length) return run;
  const fresh = piece.offset === run.length ? piece.text : [...piece.text].slice(run.length - piece.offset).join("");
  return settled({ text: run.text + fresh, length: piece.offset + length, early: run.early });
}

function ahead(run: Run, piece: Piece): Run {
  if (run.early.some((known) => known.offset === piece.offset && known.text.length >= piece.text.length)) return run;
  const early = [...run.early.filter((known) => known.offset !== piece.offset), piece];
  return { ...run, early: early.sort((one, other) => one.offset - other.offset) };
}

/** Take in what came early and now has its place. */
function settled(run: Run): Run {
  const [next, ...rest] = run.early;
  if (next === undefined || next.offset > run.length) return run;
  return placed({ ...run, early: rest }, next);
}

/** Whether a piece is missing in the middle. */
export function hasGap(flight: Flight): boolean {
  return flight.text.early.length > 0 || flight.thinking.early.length > 0;
}

/** One more value of the stream. */
export function heard(flight: Flight, value: StreamValue): Flight {
  switch (value.kind) {
    case "text":
      return inPhase({ ...flight, text: placed(flight.text, value) }, "streaming", value.seq);
    case "thinking":
      return inPhase({ ...flight, thinking: placed(flight.thinking, value) }, "thinking", value.seq);
    case "started":
      return { ...flight, model: value.model };
    case "waiting":
      return inPhase(flight, value.phase, value.seq, value.elapsedMs);
    case "retry":
      return value.seq < flight.phaseSeq ? flight : { ...inPhase(flight, "retrying", value.seq), retrying: value };
    case "usage":
      return flight.phase === "ended" ? flight : { ...flight, usage: value.usage };
    case "prediction":
      return { ...flight, prediction: value.prediction };
    case "end":
      return over(flight, value);
  }
}

function inPhase(flight: Flight, phase: Phase, seq: number, silentMs?: number): Flight {
  if (flight.phase === "ended" || seq < flight.phaseSeq) return flight;
  return { ...flight, phase, phaseSeq: seq, silentMs };
}

/** The end as the stream or the host tells it; what the one leaves out the other may know. */
export function over(flight: Flight, end: Partial<Pick<Flight, "stopReason" | "usage" | "cost" | "cache" | "error">>): Flight {
  return {
    ...flight,
    phase: "ended",
    stopReason: end.stopReason ?? flight.stopReason,
    usage: end.usage ?? flight.usage,
    cost: end.cost ?? flight.cost,
    cache: end.cache ?? flight.cache,
    error: end.error ?? flight.error,
  };
}

/** The whole answer as the server has it takes the place of what was heard. */
export function withResult(flight: Flight, result: TurnResult): Flight {
  const text = { text: result.text, length: characters(result.text), early: [] };
  return { ...over(flight, result), text, model: result.model, result };
}

/** What the server says has been told so far, where that is more than what was heard. */
export function caughtUp(flight: Flight, so: { text: string; thinking: string; model: string; question?: string }): Flight {
  return {
    ...flight,
    model: so.model,
    question: flight.question ?? so.question,
    text: placed(flight.text, { offset: 0, text: so.text }),
    thinking: placed(flight.thinking, { offset: 0, text: so.thinking }),
    phase: flight.phase === "ended" || !so.text ? flight.phase : "streaming",
  };
}
