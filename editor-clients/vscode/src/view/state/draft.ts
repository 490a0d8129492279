// What the person is writing: text, attached code and pictures. Kept for each session, and by VS Code through hiding and
// reload.

import type { Attached } from "../../messages";
import type { Image, ImageInspection, RpcErrorBody } from "../../wire";

/** A picture of the draft, and what the server says it would be and cost. */
export interface Picture {
  readonly key: string;
  readonly image: Image;
  readonly inspection?: ImageInspection;
  readonly error?: RpcErrorBody;
}

export interface Draft {
  readonly text: string;
  readonly attached: readonly Attached[];
  readonly pictures: readonly Picture[];
  /** Counts the changes that did not come from the text box, which then takes the text over. */
  readonly version: number;
}

/** A question that is complete: on its way, or waiting for the running turn of its session. */
export type Held = Omit<Draft, "version">;

export const NO_DRAFT: Draft = Object.freeze({ text: "", attached: [], pictures: [], version: 0 });

export function isEmpty(draft: Draft): boolean {
  return !draft.text.trim() && draft.attached.length === 0 && draft.pictures.length === 0;
}

/** Attach what is not attached yet: the same place again takes the place of the older one. */
export function withAttached(draft: Draft, fresh: readonly Attached[]): Draft {
  const keys = new Set(fresh.map(attachedKey));
  const kept = draft.attached.filter((one) => !keys.has(attachedKey(one)));
  return { ...draft, attached: [...kept, ...fresh] };
}

export function attachedKey(attached: Attached): string {
  const item = attached.item;
  switch (item.kind) {
    case "file":
      return `file ${item.uri}`;
    case "selection":
      return `selection ${item.uri} ${JSON.stringify(item.range)}`;
    case "diagnostics":
      return `diagnostics ${item.uri} ${JSON.stringify(item.range ?? null)}`;
    case "text":
      return `text ${item.title} ${item.text.length}`;
  }
}
