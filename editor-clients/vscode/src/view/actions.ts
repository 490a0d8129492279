// All that the person can do, in groups, and what follows from a change by itself.

import type { FromHost } from "../messages";
import type { BudgetScope } from "../wire";
import { Comparing } from "./acts/comparing";
import { Desk } from "./acts/desk";
import { Pictures } from "./acts/pictures";
import { Questions } from "./acts/questions";
import { Sessions } from "./acts/sessions";
import type { Host } from "./host";
import { NEW, type Panel } from "./state/panel";
import type { Store } from "./store";

export class Actions {
  readonly sessions: Sessions;
  readonly pictures: Pictures;
  readonly questions: Questions;
  readonly comparing: Comparing;
  /** Where the conversation is read, as `placeOf` tells it; nothing at the end itself. Kept through hiding. */
  place: number | undefined;
  private readonly desk: Desk;

  constructor(
    readonly store: Store,
    readonly host: Host,
    /** Told when something is to be kept that is not in the state. */
    private readonly keep: () => void,
  ) {
    this.desk = new Desk(store, host);
    this.sessions = new Sessions(this.desk);
    this.pictures = new Pictures(this.desk, this.sessions);
    this.questions = new Questions(this.desk, this.sessions);
    this.comparing = new Comparing(this.desk, this.sessions, this.questions);
    store.subscribe((panel, before) => this.follow(panel, before));
  }

  /** A message of the host. Deltas wait for the frame; what somebody asked for does not. */
  received(message: FromHost): void {
    switch (message.type) {
      case "reply":
        return this.host.replied(message.id, message);
      case "stream":
        if (message.id !== undefined) this.questions.remember(message.value.turnId, message.id);
        return this.store.receive(message);
      case "attach":
        this.store.act(message);
        if (message.send) void this.questions.send();
        return;
      case "attachImages":
        for (const image of message.images) void this.pictures.add(image);
        return;
      default:
        this.store.receive(message);
    }
  }

  /** The conversation was scrolled. */
  placed(place: number | undefined): void {
    if (place === this.place) return;
    this.place = place;
    this.keep();
  }

  /** Fetch what is known to be missing, and send what waited for the end of a turn. */
  private follow(panel: Panel, before: Panel): void {
    const session = panel.sessions[panel.current];
    const able = panel.connected && panel.health.state === "ready";
    if (able && session?.wanted && session.pending === undefined && !session.error) void this.sessions.load(session.id);
    if (able && !(before.connected && before.health.state === "ready")) this.connected(panel);
    for (const id of Object.keys(panel.held)) this.questions.releaseHeld(panel, before, id);
  }

  /** The server answers now, for the first time or again. */
  private connected(panel: Panel): void {
    this.pictures.inspectAll();
    void this.sessions.loadModels();
    if (panel.tabs.some((tab) => tab !== NEW && tab !== panel.current)) void this.sessions.loadNames();
  }

  /** Put a first question into the text box; without a selection a file is chosen for it. */
  begin(text: string): void {
    if (!this.desk.panel.selection) void this.pickFiles();
    this.store.act(
      { type: "drafted", key: this.desk.panel.current, draft: { text } },
      { type: "focus", target: "composer" },
    );
  }

  /** Set a limit, or remove it; answers whether it was taken. */
  async setBudget(scope: BudgetScope, limitUsd: number | null, warnAt?: number[]): Promise<boolean> {
    const set = await this.desk.noting(() => this.host.call("cmt/budget/set", { scope, limitUsd, ...(warnAt ? { warnAt } : {}) }));
    return set !== undefined;
  }

  copy(text: string, said: string): void {
    this.host.tell({ type: "copy", text });
    this.store.act({ type: "say", text: said });
  }

  async pickFiles(): Promise<void> {
    const picked = await this.desk.noting(() => this.host.ask({ type: "pickFiles" }));
    if (Array.isArray(picked)) this.store.act({ type: "attached", key: this.desk.panel.current, attached: picked });
  }
}
