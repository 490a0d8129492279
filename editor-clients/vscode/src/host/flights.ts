// The requests that stream now in this window, with all that they have said: a panel may die and come back meanwhile.

import type { FlightSoFar } from "../messages";
import type { Image, RpcErrorBody, StreamValue } from "../wire";

/** Who asked: one document of one panel. Another life of the same panel is another asker. */
export interface Asker {
  panel: number;
  life: number;
}

export interface Flight {
  readonly number: number;
  readonly asker?: Asker;
  readonly id?: number;
  readonly question?: string;
  readonly images: number;
  /** Empty until the server tells, where the request named no session. */
  sessionId: string;
  readonly values: StreamValue[];
}

/** What a flight starts from: the params of a chat, a retry or a comparison. */
export interface Request {
  asker?: Asker;
  id?: number;
  params: { sessionId?: string; text?: string; images?: Image[] };
}

/** A turn that ended because the server did. */
export interface Broken {
  flight: number;
  sessionId: string;
  turnId: string;
  error: RpcErrorBody;
}

export class Flights {
  #next = 1;
  readonly #open = new Map<number, Flight>();

  get size(): number {
    return this.#open.size;
  }

  begin(request: Request): Flight {
    const flight: Flight = {
      number: this.#next++,
      asker: request.asker,
      id: request.id,
      question: request.params.text,
      images: request.params.images?.length ?? 0,
      sessionId: request.params.sessionId ?? "",
      values: [],
    };
    this.#open.set(flight.number, flight);
    return flight;
  }

  /** Keep a value for panels that come later. */
  add(flight: Flight, value: StreamValue): void {
    if (value.kind === "started") flight.sessionId = value.sessionId;
    flight.values.push(value);
  }

  end(flight: Flight): void {
    this.#open.delete(flight.number);
  }

  /** The flight that a turn belongs to. */
  ofTurn(turnId: string): Flight | undefined {
    return [...this.#open.values()].find((flight) => flight.values.some((value) => value.turnId === turnId));
  }

  /** The turns that have begun and not ended, as they end when the server is gone. */
  broken(error: RpcErrorBody): Broken[] {
    return [...this.#open.values()].flatMap((flight) =>
      openTurns(flight).map((turnId) => ({ flight: flight.number, sessionId: flight.sessionId, turnId, error })),
    );
  }

  /** What a panel is told when it comes; `id` only to the document that asked. */
  soFar(asker: Asker): FlightSoFar[] {
    return [...this.#open.values()].map((flight) => ({
      flight: flight.number,
      id: idFor(flight, asker),
      sessionId: flight.sessionId,
      question: flight.question,
      images: flight.images || undefined,
      values: [...flight.values],
    }));
  }
}

/** The `id` under which this asker knows the flight. */
export function idFor(flight: Flight, asker: Asker): number | undefined {
  const same = flight.asker?.panel === asker.panel && flight.asker.life === asker.life;
  return same ? flight.id : undefined;
}

function openTurns(flight: Flight): string[] {
  const turns = new Set<string>();
  for (const value of flight.values) {
    if (value.kind === "end") turns.delete(value.turnId);
    else turns.add(value.turnId);
  }
  return [...turns];
}
