// What a server would answer: sessions, turns, prices, usage. Figures are of the right size and order, not exact.

import type {
  Budget, CacheAdvice, CacheStats, CacheVerdict, Cost, ImageInspection, Model, Prediction, PreviewResult, Session, Status, TurnRecord, Usage, UsageGroup, UsageReport,
} from "../../../src/wire";

export function usd(nano: number): string {
  const dollars = nano / 1e9;
  if (dollars === 0) return "$0";
  return dollars >= 1 ? `$${dollars.toFixed(2)}` : `$${dollars.toFixed(4)}`;
}

export function cost(nano: number, estimated = false): Cost {
  return { priced: true, display: (estimated ? "~" : "") + usd(nano), estimated, nanoUsd: nano, savedNanoUsd: nano };
}

export function usage(read = 18_200, written = 1_300, out = 412): Usage {
  return {
    inputTokens: 240, cacheCreation5mInputTokens: written, cacheCreation1hInputTokens: 0, cacheReadInputTokens: read,
    outputTokens: out, totalInputTokens: 240 + written + read, estimated: false, thinkingTokens: 80,
  };
}

export const HIT: CacheVerdict = {
  state: "hit", readTokens: 18_200, writtenTokens: 1_300, hitRatio: 0.92, savedNanoUsd: 49_000_000,
  reason: "Marked for five minutes: the odds of a question within them are 62%, and from 21% on it pays.",
};

export const MISS: CacheVerdict = {
  state: "miss", readTokens: 0, writtenTokens: 19_500, hitRatio: 0, cause: "expired (idle 812 s)", lostNanoUsd: 61_000_000,
};

export const ANSWER = `The **timeout** is set per request, not per attempt, so two retries can take three times as long as you expect.

1. \`connect\` has its own clock.
2. Every attempt starts \`read\` anew.
3. Nothing bounds the sum.

A deadline for the whole call mends it:

\`\`\`python
async def fetch(url: str, *, deadline: float = 30.0) -> bytes:
    """The body, or a TimeoutError within \`deadline\` seconds."""
    async with asyncio.timeout(deadline):
        for attempt in range(3):
            try:
                return await client.get(url)
            except ConnectionError:
                await asyncio.sleep(2**attempt)
    raise TimeoutError(url)  # a comment that is much longer than the panel is wide, so that it has to scroll
\`\`\`

| setting | now | then |
| --- | ---: | ---: |
| worst case | 93 s | 30 s |
| attempts | 3 | 3 |

See [the documentation](https://docs.python.org/3/library/asyncio-task.html#timeouts) for \`asyncio.timeout\`.
`;

const QUESTIONS = [
  "Why does this request hang for a minute and a half when the server is down?",
  "Can you bound it to 30 seconds overall?",
  "Write a test for it that does not sleep.",
  "Explain the selected code.",
];

export function turn(index: number, known: Partial<TurnRecord> = {}): TurnRecord {
  return {
    turnId: `turn-${index}`, index, prompt: QUESTIONS[index % QUESTIONS.length]!, text: ANSWER, model: "claude-sonnet-5-5",
    stopReason: "end_turn", startedAt: new Date(Date.now() - 60_000).toISOString(), usage: usage(), cost: cost(9_400_000),
    timing: { totalMs: 8_300, retries: 0, firstTokenMs: 710 }, cache: HIT, ...known,
  };
}

export function session(id: string, known: Partial<Session> = {}): Session {
  return {
    id, name: "Request timeouts", model: "claude-sonnet-5-5", createdAt: "2026-11-23T09:00:00Z", updatedAt: new Date().toISOString(),
    turns: 3, state: "idle", usage: usage(), cost: cost(31_200_000), ...known,
  };
}

function model(id: string, displayName: string, input: number, output: number, known: Partial<Model> = {}): Model {
  const price = { abovePromptTokens: 0, input, output, write5m: input * 1.25, write1h: input * 2, read: input / 10, validFrom: "2026-01-01" };
  return { id, displayName, prices: [price], lifecycle: "active", default: false, contextWindow: 1_000_000, maxOutput: 64_000, ...known };
}

export const MODELS: Model[] = [
  model("claude-opus-5-5", "Claude Opus 5.5", 5000, 25000, {
    switch: { prefixTokens: 19_500, note: "The next question costs $0.1022 more: 19.5K tokens would be written anew.", differenceNanoUsd: 102_200_000 },
  }),
  model("claude-sonnet-5-5", "Claude Sonnet 5.5", 3000, 15000, { default: true }),
  model("claude-haiku-5-5", "Claude Haiku 5.5", 1000, 5000, {
    switch: { prefixTokens: 19_500, note: "The next question costs $0.0184 more: 19.5K tokens would be written anew.", differenceNanoUsd: 18_400_000 },
  }),
  model("claude-sonnet-4-5", "Claude Sonnet 4.5", 3000, 15000, { lifecycle: "deprecated" }),
];

export const BUDGETS: Budget[] = [
  budget("turn", 0.5, 0, 0), budget("session", 2, 0.03, 1), budget("day", 5, 3.9, 78, "warning"), budget("month", 60, 21.3, 35),
];

function budget(scope: Budget["scope"], limit: number, spent: number, level: number, state: Budget["state"] = "ok"): Budget {
  return {
    scope, limitNanoUsd: limit * 1e9, spentNanoUsd: spent * 1e9, heldNanoUsd: 0, remainingNanoUsd: (limit - spent) * 1e9, level, state,
    warnAt: [50, 75, 90, 95], source: "user", display: `${scope}: $${spent.toFixed(2)} of $${limit.toFixed(2)} (${level}%)`,
  };
}

export function status(sessionId: string, known: Partial<Status> = {}): Status {
  return {
    version: 1, busy: false, turns: [], usage: { session: usage(), window: usage(), today: usage(240_000) },
    cost: { session: cost(31_200_000), window: cost(120_000_000), today: cost(3_900_000_000) },
    text: { short: "$0.03", medium: "sonnet-5-5 $0.03", long: "sonnet-5-5 $0.03" }, budgets: BUDGETS, session: session(sessionId),
    warmth: { state: "warm", model: "claude-sonnet-5-5", tokens: 19_500, expiresAt: new Date(Date.now() + 251_000).toISOString(), coldCostNanoUsd: 61_000_000 },
    contextFill: 0.34, ...known,
  };
}

export function prediction(known: Partial<Prediction> = {}): Prediction {
  return {
    model: "claude-sonnet-5-5", inputTokens: 19_800, exact: true, outputTokens: { p50: 420, p90: 1300, max: 8192, basis: "31 answers of this session" },
    cost: { priced: true, display: "$0.0128, up to $0.0260", coldNanoUsd: 73_800_000, warmNanoUsd: 12_800_000, p50: 12_800_000, p90: 26_000_000, max: 140_000_000 },
    cacheState: "warm", budgets: [{ scope: "day", limitNanoUsd: 5e9, remainingNanoUsd: 1.1e9, level: 78, levelP50: 78, levelP90: 79, outcome: "fits" }],
    contextFill: 0.34, ...known,
  };
}

export function preview(text: string): PreviewResult {
  const block = { kind: "history", cached: true, cache: "read", pinned: false } as const;
  return {
    model: "claude-sonnet-5-5", tokens: 19_800, exact: false, prediction: prediction(),
    blocks: [
      { ...block, kind: "system", origin: "System prompt", tokens: 310, warmNanoUsd: 93_000, text: "Answer briefly." },
      { ...block, kind: "file", origin: "Pinned file src/net/client.py", tokens: 2_400, warmNanoUsd: 720_000, pinned: true, cutLines: 12, text: "class Client:\n    pass" },
      { ...block, origin: "Turn 1, question", tokens: 80, warmNanoUsd: 24_000, text: "Why does this hang?" },
      { ...block, kind: "prompt", origin: "The question", tokens: 12, cache: "written", cached: false, warmNanoUsd: 45_000, text },
    ],
    notices: ["An API key in src/net/client.py would be asked about."],
  };
}

export const THUMBNAIL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAFklEQVR4nGP8z8DAwMDAxMDAwMDAAAANHQEDasKb6QAAAABJRU5ErkJggg==";

export function inspection(name: string): ImageInspection {
  return {
    name, format: "png", width: 3024, height: 1964, bytes: 1_820_000, animated: false, thumbnail: THUMBNAIL,
    sent: { mediaType: "image/png", width: 1568, height: 1018, bytes: 620_000, changes: ["Scaled to 1568 by 1018 pixels: the model sees no more."] },
    models: [{ model: "claude-sonnet-5-5", tokens: 1_512, display: "$0.0045", nanoUsd: 4_500_000 }],
  };
}

function group(key: string, nano: number, label?: string, groups?: UsageGroup[]): UsageGroup {
  return {
    key, label, groups, totals: { usage: usage(nano / 40_000), cost: cost(nano) }, requests: Math.ceil(nano / 5e7), sessions: 3, hitRatio: 0.81,
    savedNanoUsd: nano * 2, unpricedRequests: 0, estimatedRequests: 0, cacheWritePremiumNanoUsd: nano / 20,
  };
}

export function report(by: string | undefined): UsageReport {
  const days = [0.4, 1.9, 0.02, 0, 3.4, 2.2, 0.9, 4.1, 1.2, 0.6, 2.8, 3.9].map((dollars, index) => {
    const nano = dollars * 1e9;
    const parts = [group("claude-sonnet-5-5", nano * 0.7), group("claude-opus-5-5", nano * 0.25), group("claude-haiku-5-5", nano * 0.05)];
    return group(`2026-11-${String(index + 12).padStart(2, "0")}`, nano, undefined, parts);
  });
  const groups = {
    day: days,
    model: [group("claude-sonnet-5-5", 14.2e9), group("claude-opus-5-5", 5.1e9), group("claude-haiku-5-5", 1.1e9)],
    workspace: [group("/home/me/code/server", 15e9, "server"), group("/home/me/code/site", 4.2e9, "site"), group("", 1.2e9, "no folder")],
    session: [group("session-1", 3e9, "Request timeouts")],
  }[by ?? ""];
  return {
    totals: { usage: usage(3_200_000, 240_000, 96_000), cost: cost(21.42e9) }, requests: 412, sessions: 38, hitRatio: 0.81, savedNanoUsd: 41.3e9,
    unpricedRequests: 0, estimatedRequests: 3, cacheWritePremiumNanoUsd: 1.2e9, today: "2026-11-23", timeZone: "UTC",
    calibration: { turns: 300, medianInputError: 0.01, medianCostError: -0.08, insideP90: 0.91 }, groups,
  };
}

export const CACHE: CacheStats = {
  scope: "all", sessions: 38, turns: { hit: 301, partial: 40, miss: 52, off: 2, belowMinimum: 17 }, hitRatio: 0.81, totalInputTokens: 3_480_000,
  readTokens: 2_818_800, written5mTokens: 600_000, written1hTokens: 40_000, savedNanoUsd: 41.3e9, writePremiumNanoUsd: 1.2e9, lostNanoUsd: 2.31e9,
  unpricedRequests: 0,
  causes: [
    { cause: "expired", turns: 31, lostNanoUsd: 1.6e9, unpricedTurns: 0 }, { cause: "model changed", turns: 9, lostNanoUsd: 0.5e9, unpricedTurns: 0 },
    { cause: "first request in this session", turns: 12, lostNanoUsd: 0, unpricedTurns: 0 },
  ],
  warm: [], text: "81% of all prompts were read from the cache, which saved $41.30; misses cost $2.31.",
};

export const ADVICE: CacheAdvice = {
  scope: "all", turns: 412,
  suggestions: [
    {
      kind: "unpin", valueNanoUsd: 0.8e9, display: "$0.80", turns: 14, text: "notes.md was edited between questions 14 times while it was pinned: attach it to the question instead.",
      sessionId: "session-1", command: { title: "Unpin notes.md", command: "cmt.session.update", arguments: [{ sessionId: "session-1", unpin: ["notes.md"] }] },
    },
    { kind: "keep", valueNanoUsd: 0.31e9, display: "$0.31", turns: 9, text: "You often come back after 6 to 20 minutes: keep prompts for an hour.", setting: 'promptCache = "1h"' },
  ],
};
