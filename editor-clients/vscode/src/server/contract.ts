// Whether what was started is the server that this extension knows.

import type { Trouble } from "./health";

/** The version of the wire contract that this extension speaks. */
export const CONTRACT = 1;

/** What `initialize` tells under `capabilities.experimental.cmt`. */
export interface Advertised {
  version: number;
  serverVersion: string;
  operations: readonly string[];
}

export type Verdict = { advertised: Advertised; trouble?: undefined } | { trouble: Trouble };

/** Judge the answer to `initialize` of the program at `path`. */
export function judge(path: string, capabilities: unknown): Verdict {
  const told = field(field(capabilities, "experimental"), "cmt");
  const version = field(told, "version");
  if (typeof version !== "number") return { trouble: { kind: "not_cmt", detail: path } };
  if (version !== CONTRACT) return { trouble: { kind: "version", detail: path, server: version, client: CONTRACT } };
  const operations = field(told, "operations");
  return {
    advertised: {
      version,
      serverVersion: String(field(told, "serverVersion") ?? ""),
      operations: Array.isArray(operations) ? operations.map(String) : [],
    },
  };
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}
