import { useRef, useState } from "preact/hooks";
import type { Budget, BudgetScope } from "../../wire";
import { useActions } from "../context";
import { Tool } from "../transcript/Turn";
import { useFetched } from "./fetched";
import { Trouble } from "./Page";

const SCOPES: BudgetScope[] = ["turn", "session", "window", "workspace", "day", "month"];

/** The limits in force, how near they are, and a form for another one. */
export function Budgets() {
  const actions = useActions();
  const found = useFetched(() => actions.host.call("cmt/budget/get", {}), []);
  const [edited, setEdited] = useState<Budget | "new">();
  const budgets = found.value?.budgets ?? [];
  const set = async (scope: BudgetScope, limitUsd: number | null, warnAt?: number[]): Promise<void> => {
    const done = await actions.setBudget(scope, limitUsd, warnAt);
    if (done) setEdited(undefined);
    found.again();
  };
  return (
    <section aria-labelledby="budgets">
      <h3 id="budgets">Budgets</h3>
      {found.error && <Trouble error={found.error} again={found.again} />}
      {found.value && !budgets.length && <p class="quiet">No limit is set: every question is sent, whatever it costs.</p>}
      <ul class="budgets" aria-label="Limits">
        {budgets.map((budget) => (
          <li key={budget.scope} class={budget.state}>
            <span class="words">{budget.display}</span>
            <span class="tools">
              <Tool icon="edit" title={`Change the ${budget.scope} budget`} onClick={() => setEdited(budget)} />
              {budget.source === "user" && (
                <Tool icon="trash" title={`Remove the ${budget.scope} budget`} onClick={() => void set(budget.scope, null)} />
              )}
            </span>
            <span class="meter" role="meter" aria-label={`${budget.scope} budget`} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.min(100, budget.level)}>
              <span style={{ width: `${Math.min(100, budget.level)}%` }} />
            </span>
            {budget.source === "settings" && <span class="quiet">lowered by the settings</span>}
          </li>
        ))}
      </ul>
      {found.value?.notices?.map((notice, index) => (
        <p key={index} class="quiet">
          {notice}
        </p>
      ))}
      {edited ? (
        <BudgetForm
          budget={edited === "new" ? undefined : edited}
          free={SCOPES.filter((scope) => !budgets.some((budget) => budget.scope === scope))}
          set={set}
          cancel={() => setEdited(undefined)}
        />
      ) : (
        budgets.length < SCOPES.length && (
          <button type="button" onClick={() => setEdited("new")}>
            Add a budget
          </button>
        )
      )}
    </section>
  );
}

interface FormProps {
  budget?: Budget;
  free: BudgetScope[];
  set: (scope: BudgetScope, limitUsd: number | null, warnAt?: number[]) => Promise<void>;
  cancel: () => void;
}

function BudgetForm({ budget, free, set, cancel }: FormProps) {
  const [problem, setProblem] = useState("");
  const scope = useRef<HTMLSelectElement>(null);
  const limit = useRef<HTMLInputElement>(null);
  const warn = useRef<HTMLInputElement>(null);
  // By click and key, for the sandbox of the panel submits no form.
  const save = (): void => {
    const dollars = Number(limit.current!.value);
    const marks = warn.current!.value.split(/[\s,;%]+/).filter(Boolean).map(Number);
    if (!(dollars > 0)) return setProblem("The limit is a number of dollars above 0.");
    if (marks.some((mark) => !(mark > 0 && mark <= 100))) return setProblem("Warnings are percentages from 1 to 100, such as 75, 90.");
    void set((budget?.scope ?? scope.current!.value) as BudgetScope, dollars, marks.length ? marks : undefined);
  };
  const keyed = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.isComposing || !(event.target instanceof HTMLInputElement)) return;
    event.preventDefault();
    save();
  };
  return (
    <form class="budget-form" aria-label="Budget" onKeyDown={keyed}>
      {budget ? (
        <b>{budget.scope}</b>
      ) : (
        <label>
          For each
          <select ref={scope}>
            {free.map((one) => (
              <option key={one} value={one}>
                {one}
              </option>
            ))}
          </select>
        </label>
      )}
      <label>
        Limit in $
        <input ref={limit} inputMode="decimal" size={6} defaultValue={budget ? String(budget.limitNanoUsd / 1e9) : ""} />
      </label>
      <label>
        Warn at %
        <input ref={warn} size={10} defaultValue={budget?.warnAt.join(", ") ?? "50, 75, 90, 95"} />
      </label>
      <span class="row">
        <button type="button" class="primary" onClick={save}>
          Set
        </button>
        <button type="button" onClick={cancel}>
          Cancel
        </button>
      </span>
      {problem && (
        <p class="wrong" role="alert">
          {problem}
        </p>
      )}
    </form>
  );
}
