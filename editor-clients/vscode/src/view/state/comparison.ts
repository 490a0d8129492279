// One question to several models: a column for each, which streams under a turn of its own.

import type { CompareResult, RpcErrorBody, StreamValue, TurnResult } from "../../wire";
import { heard, newFlight, over, withResult, type Flight } from "./flight";

export interface Comparison {
  /** The `id` of the message that asked; absent where an earlier life of the panel did. */
  readonly id?: number;
  readonly flight?: number;
  readonly sessionId: string;
  readonly question: string;
  readonly models: readonly string[];
  readonly columns: readonly Flight[];
  readonly compareId?: string;
  readonly error?: RpcErrorBody;
  /** The model whose answer the session went on with. */
  readonly chosen?: string;
}

export function isRunning({ error, compareId, columns, id }: Comparison): boolean {
  if (error || compareId) return false;
  // Where an earlier life of the panel asked, the reply went there: the ends of the columns are all that is heard.
  return id !== undefined || columns.some((column) => column.phase !== "ended");
}

export function hasTurn(comparison: Comparison, turnId: string): boolean {
  return comparison.columns.some((column) => column.turnId === turnId);
}

export function columnHeard(comparison: Comparison, value: StreamValue, clock: number): Comparison {
  const known = comparison.columns.find((column) => column.turnId === value.turnId);
  return withColumn(comparison, heard(known ?? newFlight(value.turnId, clock), value));
}

export function columnEnded(
  comparison: Comparison,
  turnId: string,
  end: { result?: TurnResult; error?: RpcErrorBody },
): Comparison {
  const known = comparison.columns.find((column) => column.turnId === turnId);
  if (!known) return comparison;
  return withColumn(comparison, end.result ? withResult(known, end.result) : over(known, { error: end.error }));
}

/** The reply: every column as the server has it, and the name by which one of them can be chosen. */
export function compared(comparison: Comparison, result: CompareResult): Comparison {
  const rows = result.rows.reduce((view, row) => {
    const known = view.columns.find((column) => column.turnId === row.turnId) ?? newFlight(row.turnId, 0);
    return withColumn(view, withResult(known, row));
  }, comparison);
  return { ...rows, compareId: result.compareId, sessionId: result.sessionId };
}

function withColumn(comparison: Comparison, column: Flight): Comparison {
  const at = comparison.columns.findIndex((one) => one.turnId === column.turnId);
  const columns = at < 0 ? [...comparison.columns, column] : comparison.columns.with(at, column);
  return { ...comparison, columns };
}
