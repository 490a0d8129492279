// Events for people who listen: what ended, and how. The stream itself is never told.

import type { Panel } from "./state/panel";
import type { SessionView } from "./state/session";

/** What a change of the state means for somebody who does not see it; nothing where it is no event. */
export function eventIn(panel: Panel, before: Panel): string | undefined {
  const now = panel.sessions[panel.current];
  const then = before.sessions[panel.current];
  if (!now || !then || now === then) return serverEvent(panel, before);
  const failure = now.failures.find((one) => !then.failures.some((old) => old.key === one.key));
  if (failure) return `Not answered. ${failure.error.message}`;
  return ending(now, then) ?? serverEvent(panel, before);
}

function ending(now: SessionView, then: SessionView): string | undefined {
  for (const flight of then.flights) {
    if (flight.phase === "ended") continue;
    const record = now.turns.find((turn) => turn.turnId === flight.turnId);
    const over = now.flights.find((one) => one.turnId === flight.turnId && one.phase === "ended");
    const end = record ?? over;
    if (!end?.usage || !end.cost) continue;
    const how = end.stopReason === "cancelled" ? "Reply stopped" : "Reply finished";
    return `${how}, ${end.usage.outputTokens} tokens, ${end.cost.display}`;
  }
  return undefined;
}

function serverEvent(panel: Panel, before: Panel): string | undefined {
  return healthEvent(panel, before) ?? budgetEvent(panel, before);
}

/** A budget that has reached a warning or its end since. */
function budgetEvent(panel: Panel, before: Panel): string | undefined {
  if (panel.status === before.status || !before.status) return undefined;
  const known = new Map(before.status.budgets?.map((budget) => [budget.scope, budget.state]));
  const budget = panel.status?.budgets?.find((one) => one.state !== "ok" && known.has(one.scope) && known.get(one.scope) !== one.state);
  if (!budget) return undefined;
  return budget.state === "exceeded" ? `The ${budget.scope} budget is spent` : `${budget.level} percent of the ${budget.scope} budget are spent`;
}

function healthEvent(panel: Panel, before: Panel): string | undefined {
  if (panel.health === before.health || !panel.health.message) return undefined;
  return panel.health.message === before.health.message ? undefined : panel.health.message;
}
