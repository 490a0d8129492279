import type { CacheVerdict, Cost, Timing, Usage } from "../../wire";
import { duration, tokens } from "../words";

interface Figures {
  usage: Usage;
  cost: Cost;
  cache?: CacheVerdict;
  timing?: Timing;
  model?: string;
}

/** What a turn used and cost, in one line; the rest is on hover and for screen readers. */
export function UsageLine({ usage, cost, cache, timing, model }: Figures) {
  return (
    <p class="usage" title={details(usage, cost, cache, timing, model)}>
      <span class="cost">{cost.display}</span>
      <span title={inputDetails(usage)}>
        <span aria-hidden="true">↑</span>
        <span class="hidden">in </span>
        {tokens(usage.totalInputTokens)}
      </span>
      <span>
        <span aria-hidden="true">↓</span>
        <span class="hidden">out </span>
        {tokens(usage.outputTokens)}
      </span>
      {cache && (
        <span class={`cache ${cache.state}`} title={verdictDetails(cache)}>
          {verdict(cache)}
        </span>
      )}
      {timing && <span class="wide">{duration(timing.totalMs)}</span>}
    </p>
  );
}

/** The cache's part in one or two words. */
export function verdict(cache: CacheVerdict): string {
  switch (cache.state) {
    case "hit":
      return `${Math.floor(cache.hitRatio * 100)}% cached`;
    case "partial":
      return `${Math.floor(cache.hitRatio * 100)}% cached`;
    case "miss":
      return "cache miss";
    case "below-minimum":
      return "too short to cache";
    case "off":
      return "not cached";
  }
}

/** Why it was so, in the server's words. */
export function verdictDetails(cache: CacheVerdict): string {
  const lines = [
    cache.cause ? `Cause: ${cache.cause}` : "",
    cache.toldCause ? `The endpoint says: ${cache.toldCause}` : "",
    cache.reason ?? "",
    `Read ${cache.readTokens.toLocaleString()}, written ${cache.writtenTokens.toLocaleString()} tokens`,
  ];
  return lines.filter(Boolean).join("\n");
}

function inputDetails(usage: Usage): string {
  return [
    `${usage.totalInputTokens.toLocaleString()} tokens in`,
    `${usage.inputTokens.toLocaleString()} plain`,
    `${usage.cacheReadInputTokens.toLocaleString()} from the cache`,
    `${usage.cacheCreation5mInputTokens.toLocaleString()} written for 5 minutes`,
    `${usage.cacheCreation1hInputTokens.toLocaleString()} written for an hour`,
  ].join("\n");
}

function details(usage: Usage, cost: Cost, cache?: CacheVerdict, timing?: Timing, model?: string): string {
  const thinking = usage.thinkingTokens ? `, ${usage.thinkingTokens.toLocaleString()} of them thinking` : "";
  const lines = [
    model ?? "",
    `Cost ${cost.display}${cost.estimated ? " (estimated)" : ""}`,
    inputDetails(usage),
    `${usage.outputTokens.toLocaleString()} tokens out${thinking}`,
    cache ? verdictDetails(cache) : "",
    timing ? `${duration(timing.totalMs)}, first word after ${duration(timing.firstTokenMs ?? timing.totalMs)}` : "",
  ];
  return lines.filter(Boolean).join("\n");
}
