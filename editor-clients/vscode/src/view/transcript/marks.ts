// What the end of a turn means to a person, and what can be done about an error.

import type { RpcErrorBody } from "../../wire";

/** How an answer ended, where it did not just end. */
export function endMark(stopReason: string): { text: string; tone: "quiet" | "warning" } | undefined {
  switch (stopReason) {
    case "end_turn":
    case "stop_sequence":
    case "tool_use":
      return undefined;
    case "cancelled":
      return { text: "Stopped: this is what had come", tone: "quiet" };
    case "truncated":
      return { text: "Cut off: the connection broke", tone: "warning" };
    case "max_tokens":
      return { text: "Reached its length limit", tone: "warning" };
    case "refusal":
      return { text: "Refused by the model: left out of what is sent from now on", tone: "warning" };
    case "model_context_window_exceeded":
      return { text: "The context window is full", tone: "warning" };
    case "pause_turn":
      return { text: "The model paused: ask it to go on", tone: "quiet" };
    default:
      return { text: `Ended: ${stopReason}`, tone: "quiet" };
  }
}

/** What mends an error: a button of the panel or a command of the extension. */
export type Remedy =
  | { act: "again"; title: string }
  | { act: "override"; title: string }
  | { act: "allowSecrets"; title: string }
  | { act: "fresh"; title: string }
  | { act: "usage"; title: string }
  | { act: "models"; title: string }
  | { act: "pictures"; title: string }
  | { act: "bare"; title: string }
  | { act: "stop"; title: string }
  | { act: "fork"; title: string }
  | { act: "command"; title: string; command: string };

const AGAIN: Remedy = { act: "again", title: "Try again" };
const KEY: Remedy = { act: "command", title: "Set API key", command: "cmt.setKey" };
const DOCTOR: Remedy = { act: "command", title: "Check the installation", command: "cmt.doctor" };
const LOG: Remedy = { act: "command", title: "Show log", command: "cmt.showLog" };

const REMEDIES: Record<string, readonly Remedy[]> = {
  missing_key: [KEY, AGAIN],
  auth: [KEY, AGAIN],
  permission: [KEY, AGAIN],
  payment: [AGAIN],
  model_not_found: [{ act: "models", title: "Choose another model" }],
  rate_limited: [AGAIN],
  overloaded: [AGAIN, { act: "models", title: "Choose another model" }],
  network: [AGAIN, DOCTOR],
  timeout: [AGAIN, DOCTOR],
  stalled: [AGAIN],
  budget_exceeded: [{ act: "override", title: "Send this once" }, { act: "usage", title: "Change budget" }],
  context_too_large: [{ act: "fresh", title: "New session" }, { act: "models", title: "Choose another model" }],
  bad_image: [{ act: "pictures", title: "Send without pictures" }],
  session_busy: [{ act: "stop", title: "Stop the other turn" }, { act: "fork", title: "Go on in a fork" }, AGAIN],
  blocked_file: [{ act: "allowSecrets", title: "Send it all the same" }, { act: "bare", title: "Send without attachments" }],
  ledger_unavailable: [AGAIN, DOCTOR],
  server_stopped: [{ act: "command", title: "Restart server", command: "cmt.restartServer" }, AGAIN],
  internal: [AGAIN, LOG],
};

/** The buttons of an error, the best first. */
export function remedies(error: RpcErrorBody): readonly Remedy[] {
  return REMEDIES[error.data?.kind ?? ""] ?? [AGAIN];
}
