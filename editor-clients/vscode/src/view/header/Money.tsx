import { useEffect, useState } from "preact/hooks";
import type { Budget, StatusWarmth } from "../../wire";
import { useActions, usePanel } from "../context";
import { countdown, dollars, percent, tokens } from "../words";

/** Where the context bar begins to be coloured. */
const FULL = 0.6;

/** Session cost, today, context, cache and pressing budgets, in one line. */
export function Money() {
  const actions = useActions();
  const status = usePanel((panel) => panel.status);
  const current = usePanel((panel) => panel.current);
  const info = usePanel((panel) => panel.sessions[panel.current]?.info);
  const own = status?.session?.id === current ? status : null;
  const cost = own?.cost.session ?? info?.cost;
  const saved = own?.usage.session;
  const pressing = (status?.budgets ?? []).filter((budget) => budget.state !== "ok");
  return (
    <div class="money" role="group" aria-label="Money, context and cache">
      <span title={cost && saved ? `Session: ${cost.display}\n${tokens(saved.totalInputTokens)} tokens in, ${tokens(saved.outputTokens)} out` : "Cost of this session"}>
        <span class="quiet">Session </span>
        <b data-money="session">{cost?.display ?? "$0"}</b>
      </span>
      {status?.cost.today && (
        <span title="All windows, today">
          <span class="quiet">Today </span>
          <b data-money="today">{status.cost.today.display}</b>
        </span>
      )}
      {own?.contextFill !== undefined && <Context fill={own.contextFill} />}
      {own?.warmth && <Warmth warmth={own.warmth} kept={status?.kept?.sessionId === current ? status.kept.text : undefined} />}
      {pressing.map((budget) => (
        <Pressing key={budget.scope} budget={budget} open={() => actions.store.act({ type: "page", page: "usage" })} />
      ))}
    </div>
  );
}

function Context({ fill }: { fill: number }) {
  const level = fill >= 0.9 ? "high" : fill >= FULL ? "raised" : "low";
  return (
    <span class="context" title={`The conversation fills ${percent(fill)} of the model's context`}>
      <span class="quiet roomy">Context </span>
      <span
        class={`meter ${level}`}
        role="meter"
        aria-label="Context"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(fill * 100)}
      >
        <span style={{ width: percent(Math.min(1, fill)) }} />
      </span>
      <span> {percent(fill)}</span>
    </span>
  );
}

/** Warm with the time that is left, or cold. */
function Warmth({ warmth, kept }: { warmth: StatusWarmth; kept?: string }) {
  const left = useSecondsUntil(warmth.expiresAt);
  const warm = warmth.state === "warm" && left > 0;
  const more = warmth.coldCostNanoUsd ? ` and costs ${dollars(warmth.coldCostNanoUsd)} more` : "";
  const title = warm
    ? `${tokens(warmth.tokens)} tokens are in the cache of ${warmth.model} until ${new Date(warmth.expiresAt).toLocaleTimeString()}`
    : `The cache of ${warmth.model} is cold: the next question is written anew${more}`;
  return (
    <span class={warm ? "warmth warm" : "warmth cold"} title={kept ? `${title}\n${kept}` : title}>
      <span class="dot" aria-hidden="true" />
      {warm ? (
        <>
          warm <span class="clock">{countdown(left)}</span>
        </>
      ) : (
        "cold"
      )}
    </span>
  );
}

function useSecondsUntil(iso: string): number {
  const end = new Date(iso).getTime();
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [iso]);
  return (end - Math.min(now, Date.now())) / 1000;
}

function Pressing({ budget, open }: { budget: Budget; open: () => void }) {
  return (
    <button type="button" class={`pressing ${budget.state}`} title={budget.display} onClick={open}>
      {budget.scope} <span class="roomy">budget</span> {budget.level}%
    </button>
  );
}
