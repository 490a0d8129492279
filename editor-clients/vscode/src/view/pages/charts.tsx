// Charts drawn with SVG; each has its figures in a table beside it, so that nothing is told by a picture alone.

import type { UsageGroup } from "../../wire";
import { dollars } from "../words";

export interface Bar {
  key: string;
  label: string;
  parts: { name: string; value: number }[];
}

const COLOURS = ["blue", "purple", "green", "orange", "yellow", "red"];

/** The colour of each name, the same in every chart of the page. */
export function palette(names: readonly string[]): Map<string, string> {
  return new Map(names.map((name, index) => [name, `series ${COLOURS[index % COLOURS.length]}`]));
}

export function barOf(group: UsageGroup): Bar {
  const inner = group.groups?.length ? group.groups : [group];
  return {
    key: group.key,
    label: group.label ?? (group.key || "none"),
    parts: inner.map((part) => ({ name: part.key, value: part.totals.cost.nanoUsd ?? 0 })),
  };
}

function sum(bar: Bar): number {
  return bar.parts.reduce((total, part) => total + part.value, 0);
}

/** A bar for every day from the first to the last: the server tells those alone on which something was spent. */
export function withEmptyDays(bars: readonly Bar[], last: string): Bar[] {
  const known = new Map(bars.map((bar) => [bar.key, bar]));
  const days: Bar[] = [];
  const end = Date.parse(last);
  for (let day = Date.parse(bars[0]?.key ?? last); day <= end && days.length < MOST_DAYS; day += 86_400_000) {
    const key = new Date(day).toISOString().slice(0, 10);
    days.push(known.get(key) ?? { key, label: key, parts: [] });
  }
  return days.length < MOST_DAYS ? days : [...bars];
}

/** Days over which empty ones are left out: a bar would be thinner than a pixel. */
const MOST_DAYS = 400;

const HEIGHT = 96;
const STEP = 10;

/** Days side by side, each stacked by model. */
export function DayChart({ bars, colours, label }: { bars: readonly Bar[]; colours: Map<string, string>; label: string }) {
  const top = Math.max(1, ...bars.map(sum));
  const width = Math.max(1, bars.length) * STEP;
  return (
    <div class="day-chart">
      <div class="scale" aria-hidden="true">
        <span>{dollars(top).replace(/(\.\d\d)\d\d$/, "$1")}</span>
        <span>$0</span>
      </div>
      <svg viewBox={`0 0 ${width} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
        <line class="grid" x1="0" x2={width} y1="0.5" y2="0.5" />
        <line class="grid" x1="0" x2={width} y1={HEIGHT / 2} y2={HEIGHT / 2} />
        <line class="axis" x1="0" x2={width} y1={HEIGHT - 0.5} y2={HEIGHT - 0.5} />
        {bars.map((bar, index) => (
          <g key={bar.key}>
            <title>{`${bar.label}: ${dollars(sum(bar))}`}</title>
            <rect class="reach" x={index * STEP} y="0" width={STEP} height={HEIGHT} />
            {stacked(bar, top).map((part) => (
              <rect
                key={part.name}
                class={colours.get(part.name) ?? "series blue"}
                x={index * STEP + 1.5}
                y={part.y}
                width={STEP - 3}
                height={part.height}
              />
            ))}
          </g>
        ))}
      </svg>
      <div class="ends" aria-hidden="true">
        <span>{bars[0]?.label}</span>
        <span>{bars.length > 1 ? bars.at(-1)!.label : ""}</span>
      </div>
    </div>
  );
}

function stacked(bar: Bar, top: number): { name: string; y: number; height: number }[] {
  let base = HEIGHT;
  return bar.parts
    .filter((part) => part.value > 0)
    .map((part) => {
      const height = (part.value / top) * (HEIGHT - 2);
      base -= height;
      return { name: part.name, y: base, height };
    });
}

/** What the colours mean. */
export function Legend({ colours, names }: { colours: Map<string, string>; names: (key: string) => string }) {
  return (
    <ul class="legend">
      {[...colours].map(([key, colour]) => (
        <li key={key}>
          <svg viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
            <rect class={colour} width="8" height="8" />
          </svg>
          {names(key)}
        </li>
      ))}
    </ul>
  );
}

/** Groups one below the other, as a table whose bars are part of it. */
export function GroupTable({ groups, head, name }: { groups: readonly UsageGroup[]; head: string; name: (group: UsageGroup) => string }) {
  const top = Math.max(1, ...groups.map((group) => group.totals.cost.nanoUsd ?? 0));
  return (
    <table class="figures">
      <thead>
        <tr>
          <th scope="col">{head}</th>
          <th scope="col" class="bar-cell">
            <span class="hidden">Share</span>
          </th>
          <th scope="col" class="right">
            Cost
          </th>
          <th scope="col" class="right">
            Requests
          </th>
          <th scope="col" class="right wide">
            Cached
          </th>
        </tr>
      </thead>
      <tbody>
        {groups.map((group) => (
          <tr key={group.key}>
            <th scope="row" title={group.key}>
              {name(group)}
            </th>
            <td class="bar-cell">
              <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
                <rect class="series blue" width={((group.totals.cost.nanoUsd ?? 0) / top) * 100} height="8" />
              </svg>
            </td>
            <td class="right">{group.totals.cost.display}</td>
            <td class="right">{group.requests.toLocaleString()}</td>
            <td class="right wide">{Math.round(group.hitRatio * 100)}%</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
