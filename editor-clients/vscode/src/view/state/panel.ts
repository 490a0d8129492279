// All that the panel knows, as one frozen value, and the acts that change it.

import type { Attached, FromHost, LiveSelection, PanelConfig, PanelState, ServerHealth } from "../../messages";
import type {
  CompareResult,
  Model,
  RpcErrorBody,
  Session,
  SessionGetResult,
  Status,
  TurnResult,
} from "../../wire";
import type { Comparison } from "./comparison";
import type { Draft, Held, Picture } from "./draft";
import type { Asking, SessionView } from "./session";

export type Page = "chat" | "history" | "usage" | "compare" | "preview";

/** The tab of a conversation that the server does not know yet. */
export const NEW = "new";

export interface Panel {
  readonly connected: boolean;
  readonly health: ServerHealth;
  readonly config: PanelConfig;
  readonly status: Status | null;
  readonly selection: LiveSelection | null;
  /** The live selection goes along with the next question. */
  readonly selectionOn: boolean;
  readonly page: Page;
  /** The session shown: an id, or `NEW`. */
  readonly current: string;
  readonly tabs: readonly string[];
  /** The tab whose name is being written. */
  readonly renaming?: string;
  readonly sessions: Readonly<Record<string, SessionView>>;
  readonly drafts: Readonly<Record<string, Draft>>;
  readonly held: Readonly<Record<string, Held>>;
  readonly comparison?: Comparison;
  readonly models: readonly Model[];
  /** What was chosen in the composer, for each session; the model of a new session before there is one. */
  readonly model?: string;
  readonly effort?: string;
  /** One sentence beside the composer that is no error of a turn. */
  readonly notice?: { readonly text: string; readonly error: boolean };
  /** Changes with each event that a screen reader should be told. */
  readonly said: { readonly text: string; readonly count: number };
  /** Asked to bring the focus somewhere; counts up. */
  readonly focus: { readonly target: "composer" | "lastMessage"; readonly count: number };
  /** Sessions were changed elsewhere; counts up. */
  readonly listVersion: number;
  /** Counts snapshots asked for; stamps what is heard. */
  readonly clock: number;
}

export type Act =
  | FromHost
  | { type: "restored"; state: PanelState }
  | { type: "asked"; sessionId: string; asked: number }
  | { type: "got"; sessionId: string; asked: number; result: SessionGetResult }
  | { type: "gotNot"; sessionId: string; asked: number; error: RpcErrorBody }
  | { type: "gotPage"; sessionId: string; before: string; result: SessionGetResult }
  | { type: "sent"; sessionId: string; asking: Asking }
  | { type: "answered"; sessionId: string; id: number; result?: TurnResult; error?: RpcErrorBody }
  | { type: "dismissed"; sessionId: string; key: string }
  | { type: "typed"; key: string; text: string }
  | { type: "drafted"; key: string; draft: Partial<Omit<Draft, "version">> }
  | { type: "attached"; key: string; attached: readonly Attached[] }
  | { type: "picture"; key: string; picture: Picture }
  | { type: "pictureGone"; key: string; picture: string }
  | { type: "held"; sessionId: string; held?: Held }
  | { type: "opened"; sessionId: string }
  | { type: "closed"; sessionId: string }
  | { type: "named"; from: string; sessionId: string }
  | { type: "deleted"; sessionId: string }
  | { type: "renamed"; session: Session }
  /** The name of the session that is shown is being written; nothing ends that. */
  | { type: "renaming"; sessionId?: string }
  | { type: "page"; page: Page }
  | { type: "models"; models: readonly Model[] }
  | { type: "chose"; model?: string; effort?: string }
  | { type: "selectionOn"; on: boolean }
  | { type: "noticed"; text?: string; error?: boolean }
  | { type: "say"; text: string }
  | { type: "comparing"; comparison: Comparison }
  | { type: "compared"; id: number; result?: CompareResult; error?: RpcErrorBody }
  | { type: "chosen"; model: string }
  | { type: "comparisonClosed" };

export const START: Panel = {
  connected: false,
  health: { state: "starting", message: "", mend: [] },
  config: { sendOnEnter: true, showThinking: "folded" },
  status: null,
  selection: null,
  selectionOn: true,
  page: "chat",
  current: NEW,
  tabs: [],
  sessions: {},
  drafts: {},
  held: {},
  models: [],
  said: { text: "", count: 0 },
  focus: { target: "composer", count: 0 },
  listVersion: 0,
  clock: 1,
};
