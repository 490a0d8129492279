// Setting a budget: which one, how much. Only this act of the person changes it.

import * as vscode from "vscode";
import type { Budget, BudgetScope } from "../wire";
import type { Commands } from "./commands";
import { parseUsd } from "./dollars";
import type { Parts } from "./parts";

const SCOPES: readonly [BudgetScope, string][] = [
  ["session", "Each session"],
  ["day", "Each day"],
  ["month", "Each month"],
  ["window", "This window"],
  ["workspace", "This workspace"],
  ["turn", "Each question"],
];

export function budgetCommands({ connection }: Parts): Commands {
  return {
    "cmt.setBudget": async (wanted?: BudgetScope) => {
      const { budgets } = await connection.request("cmt/budget/get", {});
      const scope = SCOPES.some(([name]) => name === wanted) ? wanted : await chooseScope(budgets);
      const limitUsd = scope && (await askLimit(scope, budgets));
      if (!scope || limitUsd === undefined) return;
      // The wire's null takes a limit away; its generated type knows only the number.
      await connection.request("cmt/budget/set", { scope, limitUsd: limitUsd as number });
    },
  };
}

async function chooseScope(budgets: readonly Budget[]): Promise<BudgetScope | undefined> {
  const items = SCOPES.map(([scope, label]) => {
    const set = budgets.find((budget) => budget.scope === scope);
    return { label, description: set?.display ?? "no limit", detail: set && `${set.level} % used`, scope };
  });
  const title = "Which budget? At its limit nothing more is sent unless you say so.";
  return (await vscode.window.showQuickPick(items, { title }))?.scope;
}

/** Dollars, `null` for no limit, `undefined` where the person turned away. */
async function askLimit(scope: BudgetScope, budgets: readonly Budget[]): Promise<number | null | undefined> {
  const set = budgets.find((budget) => budget.scope === scope);
  const given = await vscode.window.showInputBox({
    title: `${SCOPES.find(([name]) => name === scope)?.[1]}: the limit in US dollars`,
    prompt: "Such as 2.50; empty takes the limit away.",
    value: set ? String(set.limitNanoUsd / 1e9) : "",
    validateInput: (text) => (parseUsd(text) === undefined ? "An amount such as 2.50, or nothing." : undefined),
  });
  return given === undefined ? undefined : parseUsd(given);
}
