// What the status bar says: plain functions from health and status to words.

import type { ServerHealth } from "../messages";
import type { Budget, Cost, Status } from "../wire";

export interface StatusWords {
  text: string;
  /** The same for a screen reader, without icons. */
  spoken: string;
  alarm?: "warning" | "error";
}

export function statusText(health: ServerHealth, status: Status | null, now: number): StatusWords {
  if (health.state === "starting") return { text: "$(loading~spin) Claude", spoken: "Claude: the server starts" };
  if (health.state !== "ready") {
    // A server that was never there is a step to take, one that broke is a fault.
    const missing = health.state === "missing";
    return {
      text: missing ? "$(warning) Claude: no server" : "$(error) Claude",
      spoken: `Claude: ${health.message}`,
      alarm: missing ? "warning" : "error",
    };
  }
  if (health.key === false) return { text: "$(key) Claude: no key", spoken: "Claude: no API key is set", alarm: "warning" };
  if (!status) return { text: "$(comment-discussion) Claude", spoken: "Claude is ready" };
  const icon = status.busy ? "$(loading~spin)" : "$(comment-discussion)";
  const parts = [figures(status), fill(status), cache(status, now)].filter(Boolean);
  const words = parts.join(" · ");
  return { text: `${icon} ${words}`, spoken: [`Claude: ${words}`, ...pressing(status)].join(", "), alarm: alarm(status) };
}

/** The tooltip: a table of figures and links to commands. Every word of others is escaped. */
export function tooltip(health: ServerHealth, status: Status | null, now: number): string {
  const lines = [`**Claude** ${escape(health.version ?? "")}`, ""];
  if (health.message) lines.push(escape(health.message), "", health.mend.map((one) => link(one.title, one.command, one.args)).join(" · "), "");
  if (health.state === "ready" && health.key === false) lines.push(`No API key is set. ${link("Set the key", "cmt.setKey")}`, "");
  if (status) lines.push(...table(status, now), "");
  const links: [string, string][] = [["Open the chat", "cmt.focus"], ["New session", "cmt.newSession"], ["Usage", "cmt.usage"], ["Set a budget", "cmt.setBudget"], ["Doctor", "cmt.doctor"], ["Log", "cmt.showLog"]];
  lines.push(links.map(([title, command]) => link(title, command)).join(" · "));
  return lines.join("\n");
}

function table(status: Status, now: number): string[] {
  const rows: [string, string][] = [];
  if (status.session) rows.push(["Session", `${escape(status.session.name)} (${escape(status.session.model)})`]);
  rows.push(["This session", cost(status.cost.session)], ["This window", cost(status.cost.window)]);
  if (status.cost.today) rows.push(["Today", cost(status.cost.today)]);
  if (status.contextFill !== undefined) rows.push(["Context", `${percent(status.contextFill)} full`]);
  rows.push(["Cache", cacheWords(status, now)]);
  for (const budget of status.budgets ?? []) rows.push([`Budget, ${budget.scope}`, budgetWords(budget)]);
  if (status.kept) rows.push(["Kept warm", escape(status.kept.text)]);
  return ["| | |", "| --- | --- |", ...rows.map(([name, value]) => `| ${name} | ${value} |`)];
}

function figures({ cost }: Status): string {
  const today = cost.today ? ` (${cost.today.display} today)` : "";
  return cost.session.display + today;
}

function fill({ contextFill }: Status): string {
  return contextFill !== undefined && contextFill > 0 ? percent(contextFill) : "";
}

function cache({ warmth }: Status, now: number): string {
  if (!warmth) return "";
  const left = secondsLeft(warmth.expiresAt, now);
  return warmth.state === "warm" && left > 0 ? `warm ${clock(left)}` : "cold";
}

function cacheWords(status: Status, now: number): string {
  const { warmth } = status;
  if (!warmth) return status.cache ? status.cache.state : "nothing is cached";
  const left = secondsLeft(warmth.expiresAt, now);
  const warm = warmth.state === "warm" && left > 0;
  return `${warmth.tokens.toLocaleString("en")} tokens, ${warm ? `warm for ${clock(left)}` : "cold"}`;
}

function alarm(status: Status): "warning" | "error" | undefined {
  const states = (status.budgets ?? []).map((budget) => budget.state);
  if (states.includes("exceeded")) return "error";
  const full = (status.contextFill ?? 0) >= 0.9;
  return states.includes("warning") || full ? "warning" : undefined;
}

/** Budgets at a warning level or spent: what the colour tells those who see it. */
function pressing(status: Status): string[] {
  return (status.budgets ?? []).filter(({ state }) => state !== "ok").map(({ display }) => `budget: ${display}`);
}

function budgetWords(budget: Budget): string {
  return `${escape(budget.display)} (${budget.level} %)`;
}

function cost({ display, estimated }: Cost): string {
  return escape(display) + (estimated ? " (partly estimated)" : "");
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

export function secondsLeft(expiresAt: string, now: number): number {
  const until = Date.parse(expiresAt);
  return Number.isNaN(until) ? 0 : Math.max(0, Math.floor((until - now) / 1000));
}

/** "4:59", or "52 min" from ten minutes on. */
export function clock(seconds: number): string {
  if (seconds >= 600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

function link(title: string, command: string, args: unknown[] = []): string {
  const given = args.length ? `?${encodeURIComponent(JSON.stringify(args))}` : "";
  return `[${escape(title)}](command:${command}${given})`;
}

/** Names of sessions and models are others' words: they must make no link, image, icon or cell. */
export function escape(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-.!|<>&$~:]/g, (sign) => `&#${sign.charCodeAt(0)};`).replace(/\s+/g, " ");
}
