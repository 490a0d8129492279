import { useState } from "preact/hooks";
import type { Session, SessionListParamsScope } from "../../wire";
import { useActions, usePanel } from "../context";
import { NameBox } from "../NameBox";
import { counted, shortModel, tokens, when } from "../words";
import { Tool } from "../transcript/Turn";
import { useFetched } from "./fetched";
import { Page, Trouble } from "./Page";

/** Milliseconds of rest before a search is sent. */
const PAUSE = 200;
/** Rows that are drawn at first. */
const FIRST = 200;

type Order = "newest" | "cost" | "tokens";

const ORDERS: Record<Order, { title: string; key: (session: Session) => number }> = {
  newest: { title: "Newest", key: (session) => Date.parse(session.updatedAt) },
  cost: { title: "Cost", key: (session) => session.cost.nanoUsd ?? 0 },
  tokens: { title: "Tokens", key: (session) => session.usage.totalInputTokens + session.usage.outputTokens },
};

/** All sessions: search, sort, open, rename, fork, export, delete. */
export function History() {
  const actions = useActions();
  const [query, setQuery] = useState("");
  const [scope, setScope] = useState<SessionListParamsScope>("workspace");
  const [order, setOrder] = useState<Order>("newest");
  const [limit, setLimit] = useState(FIRST);
  const version = usePanel((panel) => panel.listVersion);
  const params = { scope, ...(query.trim() ? { query: query.trim() } : {}) };
  const list = useFetched(() => actions.host.call("cmt/session/list", params), [query, scope, version], query ? PAUSE : 0);
  const { key } = ORDERS[order];
  const found = (list.value?.sessions ?? []).filter((session) => session.turns > 0).sort((one, other) => key(other) - key(one));
  return (
    <Page title="History">
      <div class="filters">
        <input
          type="search"
          aria-label="Search sessions"
          placeholder="Search names and texts"
          value={query}
          onInput={(event) => setQuery(event.currentTarget.value)}
        />
        <select aria-label="Which sessions" value={scope} onChange={(event) => setScope(event.currentTarget.value as SessionListParamsScope)}>
          <option value="workspace">This workspace</option>
          <option value="window">This window</option>
          <option value="all">All</option>
        </select>
        <select aria-label="Sort by" value={order} onChange={(event) => setOrder(event.currentTarget.value as Order)}>
          {Object.entries(ORDERS).map(([name, { title }]) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </div>
      {list.busy && !list.value && <p class="quiet">Reading the sessions ...</p>}
      {list.error && <Trouble error={list.error} again={list.again} />}
      {!list.busy && !list.error && !found.length && (
        <p class="quiet">{query ? "No session has these words." : "No sessions yet: ask something first."}</p>
      )}
      <ul class="sessions" aria-label="Sessions">
        {found.slice(0, limit).map((session) => (
          <Row key={session.id} session={session} again={list.again} />
        ))}
      </ul>
      {found.length > limit && (
        <button type="button" onClick={() => setLimit(limit + FIRST)}>
          Show more ({found.length - limit})
        </button>
      )}
    </Page>
  );
}

function Row({ session, again }: { session: Session; again: () => void }) {
  const actions = useActions();
  const [renaming, setRenaming] = useState(false);
  const name = session.name || "Session without a name";
  const rename = async (fresh: string): Promise<void> => {
    setRenaming(false);
    if (!fresh.trim() || fresh === session.name) return;
    await actions.sessions.rename(session.id, fresh.trim());
    again();
  };
  return (
    <li class="session">
      {renaming ? (
        <NameBox name={session.name} done={(fresh) => void rename(fresh)} />
      ) : (
        <button type="button" class="open" onClick={() => actions.sessions.open(session.id)}>
          <span class="name" title={name}>
            {name}
          </span>
          <span class="meta">
            <span class="cost">{session.cost.display}</span>
            <span>{tokens(session.usage.totalInputTokens + session.usage.outputTokens)} tokens</span>
            <span>{counted(session.turns, "turn")}</span>
            <span class="clip">{shortModel(session.model)}</span>
            <span>{when(session.updatedAt)}</span>
            {session.state !== "idle" && <span class="busy">{session.state === "busy" ? "answering" : "busy in another window"}</span>}
          </span>
        </button>
      )}
      <div class="tools" role="toolbar" aria-label={name}>
        <Tool icon="edit" title="Rename" onClick={() => setRenaming(true)} />
        <Tool icon="branch" title="Fork" onClick={() => void actions.sessions.fork(session.id)} />
        <Tool icon="download" title="Export as Markdown" onClick={() => void actions.sessions.export(session.id, "markdown")} />
        <Tool icon="trash" title="Delete" onClick={() => void actions.sessions.remove(session).then(again)} />
      </div>
    </li>
  );
}
