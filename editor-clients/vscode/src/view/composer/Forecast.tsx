import { useEffect, useState } from "preact/hooks";
import type { BudgetEffect, Prediction } from "../../wire";
import { useActions, usePanel } from "../context";
import { bodyOf } from "../host";
import { NO_DRAFT } from "../state/draft";
import { isBusy } from "../state/session";
import { dollars, percent, tokens } from "../words";

/** Milliseconds without a change before the server is asked. */
const PAUSE = 300;

interface Told {
  prediction?: Prediction;
  problem?: string;
}

/** What the question would use and cost, before it is sent. */
export function Forecast() {
  const told = usePrediction();
  if (!told) return <p class="forecast" />;
  if (!told.prediction) return <p class="forecast quiet">{told.problem}</p>;
  const { prediction } = told;
  const refused = prediction.budgets.find((effect) => effect.outcome === "refused");
  const tight = refused ?? prediction.budgets.find((effect) => effect.outcome === "shrinks" || effect.levelP90 >= 75);
  return (
    <p class={refused ? "forecast refused" : "forecast"} title={detailsOf(prediction)}>
      <span class="price">{prediction.cost.display}</span>
      <span>
        {prediction.exact ? "" : "~"}
        {tokens(prediction.inputTokens)} in
      </span>
      <span class={`cache ${prediction.cacheState}`}>{cacheWord(prediction)}</span>
      {tight && <span class="budget">{effectWord(tight)}</span>}
      {prediction.notices?.map((notice, index) => (
        <span key={index} class="told">
          {notice}
        </span>
      ))}
    </p>
  );
}

/** Ask the server once the draft rests, and keep the newest answer only. */
function usePrediction(): Told | undefined {
  const actions = useActions();
  const [told, setTold] = useState<Told>();
  const current = usePanel((panel) => panel.current);
  const draft = usePanel((panel) => panel.drafts[panel.current] ?? NO_DRAFT);
  const live = usePanel((panel) => (panel.selectionOn ? panel.selection : null));
  const model = usePanel((panel) => panel.model ?? panel.sessions[panel.current]?.info?.model);
  const effort = usePanel((panel) => panel.effort);
  const able = usePanel((panel) => {
    const session = panel.sessions[panel.current];
    return panel.health.state === "ready" && !(session && isBusy(session));
  });
  const blank = !draft.text.trim();
  useEffect(() => {
    if (blank || !able) {
      setTold(undefined);
      return undefined;
    }
    let stale = false;
    const timer = setTimeout(() => {
      const attached = [...draft.attached, ...(live ? [{ item: live.item, label: live.label }] : [])];
      const params = actions.questions.paramsOf({ text: draft.text, attached, pictures: draft.pictures });
      actions.questions
        .predict(current, params)
        .then((prediction) => ({ prediction }))
        .catch((error: unknown) => ({ problem: bodyOf(error).message }))
        .then((answer) => {
          if (!stale) setTold(answer);
        });
    }, PAUSE);
    return () => {
      stale = true;
      clearTimeout(timer);
    };
  }, [draft, live, current, model, effort, able]);
  return told;
}

/** What the cache will do; where it is cold, with what that costs more. */
function cacheWord({ cacheState, cost }: Prediction): string {
  const more = (cost.coldNanoUsd ?? 0) - (cost.warmNanoUsd ?? 0);
  switch (cacheState) {
    case "warm":
      return "cache warm";
    case "partial":
      return "cache partly warm";
    case "cold":
      return more > 0 ? `cold cache: +${dollars(more)}` : "cache cold";
    case "off":
      return "not cached";
    case "below-minimum":
      return "too short to cache";
  }
}

function effectWord(effect: BudgetEffect): string {
  const scope = effect.scope;
  if (effect.outcome === "refused") return `over the ${scope} budget`;
  if (effect.outcome === "shrinks") return `${scope} budget: answer limited to ${tokens(effect.maxTokens ?? 0)} tokens`;
  return `${scope} budget ${effect.level}% → ${effect.levelP50}–${effect.levelP90}%`;
}

function detailsOf(prediction: Prediction): string {
  const { outputTokens, inputTokens, contextFill, budgets } = prediction;
  const lines = [
    `${inputTokens.toLocaleString()} tokens in${prediction.exact ? "" : " (estimated)"}`,
    `${outputTokens.p50.toLocaleString()} tokens out, 9 in 10 under ${outputTokens.p90.toLocaleString()}, at most ${outputTokens.max.toLocaleString()}`,
    outputTokens.basis,
    contextFill === undefined ? "" : `Fills ${percent(contextFill)} of the context`,
    ...budgets.map(effectWord),
  ];
  return lines.filter(Boolean).join("\n");
}

