import { useState } from "preact/hooks";
import type { UsageGroup, UsageParamsScope, UsageReport } from "../../wire";
import { useActions, usePanel } from "../context";
import { Icon } from "../icons";
import { dollars, percent, shortModel, tokens } from "../words";
import { Budgets } from "./Budgets";
import { CachePart } from "./CachePart";
import { barOf, DayChart, GroupTable, Legend, palette, withEmptyDays } from "./charts";
import { useFetched } from "./fetched";
import { Page, Trouble } from "./Page";

const PERIODS = { 7: "7 days", 30: "30 days", 90: "90 days", 0: "All time" };

/** What was spent, on what, what the cache did for it, and what may be spent. */
export function Usage() {
  const actions = useActions();
  const [period, setPeriod] = useState(30);
  const [scope, setScope] = useState<UsageParamsScope>("all");
  const turns = usePanel((panel) => panel.status?.cost.window.nanoUsd ?? 0);
  const common = { scope, ...(period ? { from: daysAgo(period - 1) } : {}) };
  const reports = useFetched(
    () =>
      Promise.all([
        actions.host.call("cmt/usage", { ...common, groupBy: "day", thenBy: "model" }),
        actions.host.call("cmt/usage", { ...common, groupBy: "model" }),
        actions.host.call("cmt/usage", { ...common, groupBy: "workspace", limit: 12 }),
      ]),
    [period, scope, turns],
  );
  return (
    <Page title="Usage">
      <Budgets />
      <div class="filters">
        <select aria-label="Period" value={String(period)} onChange={(event) => setPeriod(Number(event.currentTarget.value))}>
          {[7, 30, 90, 0].map((days) => (
            <option key={days} value={String(days)}>
              {PERIODS[days as keyof typeof PERIODS]}
            </option>
          ))}
        </select>
        <select aria-label="Of what" value={scope} onChange={(event) => setScope(event.currentTarget.value as UsageParamsScope)}>
          <option value="all">Everything</option>
          <option value="workspace">This workspace</option>
          <option value="window">This window</option>
        </select>
      </div>
      {reports.error && <Trouble error={reports.error} again={reports.again} />}
      {reports.value && <Spending days={reports.value[0]} models={reports.value[1]} folders={reports.value[2]} />}
      <CachePart />
      <p class="row">
        <button type="button" onClick={reports.again}>
          <Icon name="retry" /> Refresh
        </button>
      </p>
    </Page>
  );
}

function daysAgo(days: number): string {
  const date = new Date(Date.now() - days * 86_400_000);
  const two = (count: number): string => String(count).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

function Spending({ days, models, folders }: { days: UsageReport; models: UsageReport; folders: UsageReport }) {
  if (!days.requests) return <p class="quiet">Nothing was asked in this time.</p>;
  const colours = palette((models.groups ?? []).map((group) => group.key));
  return (
    <>
      <Totals report={days} />
      <h3>By day</h3>
      <DayChart bars={withEmptyDays((days.groups ?? []).map(barOf), days.today)} colours={colours} label={`Cost by day, ${days.totals.cost.display} together; the table holds the figures`} />
      <Legend colours={colours} names={shortModel} />
      <details>
        <summary>Figures by day</summary>
        <GroupTable groups={days.groups ?? []} head="Day" name={(group) => group.key} />
      </details>
      <h3>By model</h3>
      <GroupTable groups={withRest(models)} head="Model" name={(group) => group.label ?? shortModel(group.key)} />
      <h3>By workspace</h3>
      <GroupTable groups={withRest(folders)} head="Folder" name={folderName} />
      {days.notices?.map((notice, index) => (
        <p key={index} class="quiet">
          {notice}
        </p>
      ))}
    </>
  );
}

function withRest(report: UsageReport): UsageGroup[] {
  return [...(report.groups ?? []), ...(report.rest ? [{ ...report.rest, label: "others" }] : [])];
}

function folderName(group: UsageGroup): string {
  return group.label ?? (group.key.split(/[\\/]/).filter(Boolean).at(-1) || "no folder");
}

function Totals({ report }: { report: UsageReport }) {
  const { totals, calibration } = report;
  const facts: [string, string, string][] = [
    ["Cost", totals.cost.display, `${report.requests.toLocaleString()} requests in ${report.sessions} sessions`],
    ["Tokens in", tokens(totals.usage.totalInputTokens), `${totals.usage.totalInputTokens.toLocaleString()} tokens`],
    ["Tokens out", tokens(totals.usage.outputTokens), `${totals.usage.outputTokens.toLocaleString()} tokens`],
    ["From the cache", percent(report.hitRatio), "Share of the prompts' tokens that was read from the cache"],
    ["Saved by it", dollars(report.savedNanoUsd), "Against no caching; what writing cost is taken off"],
  ];
  if (calibration.insideP90 !== undefined) {
    const error = calibration.medianCostError ?? 0;
    facts.push(["Foretold", percent(calibration.insideP90), `of ${calibration.turns} answers stayed within the range; median error ${Math.round(error * 100)}%`]);
  }
  return (
    <dl class="totals">
      {facts.map(([name, value, title]) => (
        <div key={name} title={title}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
