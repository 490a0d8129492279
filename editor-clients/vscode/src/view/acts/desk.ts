// What every group of acts works with: the state, the host, and a way to tell the person that something failed.

import { bodyOf, type Host } from "../host";
import type { Panel } from "../state/panel";
import type { Store } from "../store";

export class Desk {
  constructor(
    readonly store: Store,
    readonly host: Host,
  ) {}

  get panel(): Panel {
    return this.store.panel;
  }

  /** Do something and tell the person where it fails. */
  async noting<T>(what: () => Promise<T>): Promise<T | undefined> {
    try {
      return await what();
    } catch (error) {
      this.store.act({ type: "noticed", text: bodyOf(error).message, error: true });
      return undefined;
    }
  }
}
