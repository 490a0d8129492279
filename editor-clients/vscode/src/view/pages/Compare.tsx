import { useState } from "preact/hooks";
import { useActions, usePanel } from "../context";
import { isRunning, type Comparison } from "../state/comparison";
import type { Flight } from "../state/flight";
import { NO_DRAFT } from "../state/draft";
import { Answer } from "../transcript/Answer";
import { clicked } from "../transcript/clicks";
import { endMark } from "../transcript/marks";
import { UsageLine } from "../transcript/UsageLine";
import { Waiting } from "../transcript/Waiting";
import { priceOf } from "../composer/ModelPicker";
import { shortModel } from "../words";
import { Page } from "./Page";

const MOST = 4;

/** One question to two to four models, side by side; the session goes on with one of the answers. */
export function Compare() {
  const comparison = usePanel((panel) => panel.comparison);
  return <Page title="Compare models">{comparison ? <Columns comparison={comparison} /> : <Choice />}</Page>;
}

function Choice() {
  const actions = useActions();
  const models = usePanel((panel) => panel.models).filter((model) => model.lifecycle === "active");
  const blank = usePanel((panel) => !(panel.drafts[panel.current] ?? NO_DRAFT).text.trim());
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const toggle = (id: string): void => setChosen(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id]);
  const few = chosen.length < 2;
  return (
    <div class="choice">
      <fieldset>
        <legend>Two to four models</legend>
        {models.map((model) => (
          <label key={model.id}>
            <input
              type="checkbox"
              checked={chosen.includes(model.id)}
              disabled={chosen.length >= MOST && !chosen.includes(model.id)}
              onChange={() => toggle(model.id)}
            />
            <span>{model.displayName}</span>
            <span class="quiet">{priceOf(model)}</span>
          </label>
        ))}
      </fieldset>
      <button type="button" class="primary" disabled={few || blank} onClick={() => void actions.comparing.ask(chosen)}>
        {few ? "Choose two models" : blank ? "Write a question below" : `Ask ${chosen.length} models`}
      </button>
      <p class="quiet">Every answer is paid for. None is in the session until you go on with it.</p>
    </div>
  );
}

function Columns({ comparison }: { comparison: Comparison }) {
  const actions = useActions();
  const running = isRunning(comparison);
  const stop = (): void => void actions.questions.stop(comparison.sessionId);
  return (
    <>
      <p class="question">{comparison.question}</p>
      {comparison.error && <Refused comparison={comparison} message={comparison.error.message} kind={comparison.error.data?.kind} />}
      <div
        class="columns"
        onClick={(event) => clicked(event, actions)}
        onKeyDown={(event) => event.key === "Enter" && clicked(event, actions)}
      >
        {comparison.models.map((model) => (
          <Column key={model} model={model} comparison={comparison} column={comparison.columns.find((one) => one.model === model)} />
        ))}
      </div>
      {!running && !comparison.error && !comparison.compareId && (
        <p class="quiet">The panel was closed meanwhile, so that none of these can become part of the session; compare again for that.</p>
      )}
      <p class="row">
        {running && (
          <button type="button" onClick={stop}>
            Stop
          </button>
        )}
        {!running && (
          <button type="button" onClick={() => actions.store.act({ type: "comparisonClosed" })}>
            Go on with none
          </button>
        )}
      </p>
    </>
  );
}

/** Why there are no answers, and the way out; the question is in the text box again. */
function Refused({ comparison, message, kind }: { comparison: Comparison; message: string; kind?: string }) {
  const actions = useActions();
  const over = kind === "budget_exceeded";
  return (
    <div class="trouble" role="alert">
      <p>{message}</p>
      <button type="button" onClick={() => void actions.comparing.ask(comparison.models, over ? { budgetOverride: true } : {})}>
        {over ? "Send this once" : "Try again"}
      </button>
    </div>
  );
}

function Column({ model, comparison, column }: { model: string; comparison: Comparison; column?: Flight }) {
  const actions = useActions();
  const name = usePanel((panel) => panel.models.find((one) => one.id === model)?.displayName ?? shortModel(model));
  const done = column?.phase === "ended";
  const error = column?.error ?? column?.result?.error;
  const mark = done && column.stopReason && !error ? endMark(column.stopReason) : undefined;
  const usable = comparison.compareId !== undefined && done && !error;
  return (
    <section class="column" aria-label={name} aria-busy={!done} data-turn={column?.turnId}>
      <h3>{name}</h3>
      {column && <Answer text={column.text.text} done={done ?? false} eager />}
      {error && <p class="wrong">{error.message}</p>}
      {mark && <p class={`mark ${mark.tone}`}>{mark.text}</p>}
      {!done && column && <Waiting flight={column} />}
      {!column && !comparison.error && <p class="waiting">Sending…</p>}
      {done && column.usage && column.cost && (
        <UsageLine usage={column.usage} cost={column.cost} cache={column.cache} timing={column.result?.timing} model={name} />
      )}
      {usable && (
        <button type="button" class="primary" onClick={() => void actions.comparing.choose(model)}>
          Go on with {name}
        </button>
      )}
    </section>
  );
}

