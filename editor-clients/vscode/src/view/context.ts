// Gives every component the same actions without passing them through each one.

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Actions } from "./actions";
import type { Panel } from "./state/panel";
import { useSelect } from "./store";

export const ActionsContext = createContext<Actions | null>(null);

export function useActions(): Actions {
  const actions = useContext(ActionsContext);
  if (!actions) throw new Error("A component stands outside the panel.");
  return actions;
}

/** A part of the panel's state. */
export function usePanel<T>(select: (panel: Panel) => T): T {
  return useSelect(useActions().store, select);
}
