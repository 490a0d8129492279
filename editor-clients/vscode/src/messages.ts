// What the extension host and the panel say to each other, and nothing else passes between them.
//
// The host relays: it owns the connection to the server and VS Code's verbs. The panel renders: it has no network,
// keeps nothing that the server does not have but the draft, and may be destroyed at any moment. After `ready` it
// asks the server for what it shows, by `call`.

import type {
  ChatParams,
  ContextItem,
  Image,
  Prediction,
  RetryParams,
  RpcErrorBody,
  Status,
  StreamValue,
  TurnResult,
} from "./wire";

/** What the server is doing for this window. `mend` names the buttons that put it right, the best first. */
export interface ServerHealth {
  state: "missing" | "starting" | "ready" | "stopped" | "failed";
  /** One sentence that says what is wrong and what to do; empty while all is well. */
  message: string;
  mend: Mend[];
  version?: string;
  /** Whether a key is set, once the server told. */
  key?: boolean;
}

/** A button that mends something: a command of the extension and its title. */
export interface Mend {
  title: string;
  command: string;
  args?: unknown[];
}

/** Settings that the panel needs, sent again when they change. */
export interface PanelConfig {
  fontSize?: number;
  fontFamily?: string;
  sendOnEnter: boolean;
  showThinking: "folded" | "open" | "hidden";
}

/** What is selected in the editor now; `null` where nothing is, or the file cannot be attached. */
export interface LiveSelection {
  item: ContextItem;
  /** "session.py:10-24" */
  label: string;
  lines: number;
}

/** A thing that the person attached: shown as a chip that can be removed. */
export interface Attached {
  item: ContextItem;
  label: string;
  /** Estimated by the server with `cmt/predict`; unknown until then. */
  tokens?: number;
}

/** The calls that the panel may make of the server; the host refuses every other method. */
export const PANEL_CALLS = [
  "cmt/cancel",
  "cmt/preview",
  "cmt/compare/choose",
  "cmt/predict",
  "cmt/session/create",
  "cmt/session/list",
  "cmt/session/get",
  "cmt/session/update",
  "cmt/session/fork",
  "cmt/session/clear",
  "cmt/session/delete",
  "cmt/session/export",
  "cmt/budget/get",
  "cmt/budget/set",
  "cmt/usage",
  "cmt/cache/stats",
  "cmt/cache/advice",
  "cmt/cache/warm",
  "cmt/screenshot/take",
  "cmt/image/clipboard",
  "cmt/image/inspect",
  "cmt/image/remove",
  "cmt/models",
  "cmt/auth/status",
  "cmt/doctor",
] as const;
export type PanelCall = (typeof PANEL_CALLS)[number];

/** From the panel to the host. Each `id` is answered by exactly one `reply`. */
export type FromPanel =
  /** The document is alive and listens. The host answers with `hello`. */
  | { type: "ready" }
  | { type: "call"; id: number; method: PanelCall; params: unknown }
  /** Ask or ask again. Stream values come as `stream` with this `id`, then the `reply` with the `TurnResult`. */
  | { type: "chat"; id: number; params: ChatParams }
  | { type: "retry"; id: number; params: RetryParams }
  | { type: "compare"; id: number; params: unknown }
  /** VS Code's verbs. */
  | { type: "insert"; id: number; text: string }
  /** Put `text` in place of what `origin` names (else the selection), through a diff that the person accepts. */
  | { type: "replace"; id: number; text: string; origin?: ContextItem }
  | { type: "newFile"; id: number; text: string; language?: string }
  | { type: "copy"; id: number; text: string }
  /** Open a link of an answer; the host looks at its scheme and asks. */
  | { type: "link"; id: number; href: string }
  /** Show the code that a context item names. */
  | { type: "reveal"; id: number; item: ContextItem }
  | { type: "pickImages"; id: number }
  | { type: "pickFiles"; id: number }
  /** A markdown or JSON export, saved where the person says. */
  | { type: "save"; id: number; name: string; text: string }
  /** Run one of the extension's own commands, such as those of a `Mend`. */
  | { type: "command"; id: number; command: string; args?: unknown[] }
  /** Show an open session in an editor tab. */
  | { type: "openInEditor"; id: number; sessionId: string }
  /** Ask the person yes or no in VS Code's own dialog. */
  | { type: "confirm"; id: number; message: string; detail?: string; yes: string };

/** What `reply` carries for `pickImages`: the pictures, ready for `ChatParams.images` and for `cmt/image/inspect`. */
export type PickedImages = Image[];

/** A turn that runs now in this window, and what it has said so far, for a panel that was not there. */
export interface FlightSoFar {
  /** Names the request in this window, for `stream` and `ended`: a turn has no `turnId` until it was accepted. */
  flight: number;
  /** The `id` of the request that began it, or none where another panel, an earlier life of it or a command did. */
  id?: number;
  sessionId: string;
  /** The question as it was put; unknown where it is asked again. */
  question?: string;
  images?: number;
  values: StreamValue[];
}

/** From the host to the panel. */
export type FromHost =
  | {
      type: "hello";
      health: ServerHealth;
      config: PanelConfig;
      status: Status | null;
      selection: LiveSelection | null;
      /** The session to show, where a command or an earlier life of the panel named one. */
      sessionId?: string;
      /** Turns under way; what comes later arrives as `stream`. */
      flights: FlightSoFar[];
    }
  | { type: "health"; health: ServerHealth }
  | { type: "config"; config: PanelConfig }
  | { type: "status"; status: Status }
  | { type: "selection"; selection: LiveSelection | null }
  /**
   * A value of a turn, in every panel of the window; `turnId` and `seq` are in it. `id` only in the panel that asked:
   * panels count for themselves. A comparison is one flight with several turns.
   */
  | { type: "stream"; flight: number; id?: number; sessionId: string; value: StreamValue; question?: string }
  /**
   * A turn ended, however it did; `error` where it has no answer. Told for every turn, the panel's own too, and also
   * when the server stopped: then each turn of each flight ends so, with `data.kind` "server_stopped".
   */
  | { type: "ended"; flight?: number; sessionId: string; turnId: string; result?: TurnResult; error?: RpcErrorBody }
  /** The answer to a message with this `id`. */
  | { type: "reply"; id: number; result?: unknown; error?: RpcErrorBody }
  /** A command of VS Code attached something to the draft. */
  | { type: "attach"; attached: Attached[]; text?: string; send?: boolean }
  | { type: "attachImages"; images: Image[] }
  /** Show this session, or a page. */
  | { type: "show"; sessionId?: string; page?: "chat" | "history" | "usage" | "compare" }
  | { type: "focus"; target: "composer" | "lastMessage" }
  /** A session was changed, made or deleted by another panel or command. */
  | { type: "sessionsChanged" };

/** What the panel keeps through hiding and reload; everything else is the server's. */
export interface PanelState {
  sessionId?: string;
  drafts: Record<string, { text: string; attached: Attached[]; images?: Image[] }>;
  scroll?: number;
  tabs?: string[];
}

export type { Prediction };
