import { useActions, usePanel } from "../context";
import { Icon } from "../icons";
import { Menu, MenuItem } from "../Menu";
import { NEW, type Page } from "../state/panel";
import { Tool } from "../transcript/Turn";
import { Money } from "./Money";
import { Tabs } from "./Tabs";

/** Open sessions, the pages, and money, always in sight. */
export function Header() {
  const actions = useActions();
  const page = usePanel((panel) => panel.page);
  const go = (to: Page): void => actions.store.act({ type: "page", page: page === to ? "chat" : to });
  return (
    <header>
      <h1 class="hidden">Claude</h1>
      <div class="top">
        <Tabs />
        <div class="tools" role="toolbar" aria-label="Sessions">
          <Tool icon="add" title="New session" onClick={() => actions.sessions.fresh()} />
          <PageButton icon="history" title="History" on={page === "history"} go={() => go("history")} />
          <PageButton icon="chart" title="Usage and budgets" on={page === "usage"} go={() => go("usage")} />
          <More />
        </div>
      </div>
      <Money />
    </header>
  );
}

function PageButton(props: { icon: "history" | "chart"; title: string; on: boolean; go: () => void }) {
  return (
    <button type="button" class="icon" title={props.title} aria-label={props.title} aria-pressed={props.on} onClick={props.go}>
      <Icon name={props.icon} />
    </button>
  );
}

function More() {
  const actions = useActions();
  const current = usePanel((panel) => panel.current);
  const info = usePanel((panel) => panel.sessions[panel.current]?.info);
  const command = (name: string): void => actions.host.tell({ type: "command", command: name });
  const session: [string, () => void][] = info
    ? [
        ["Rename session", () => actions.store.act({ type: "renaming", sessionId: current })],
        ["Fork session", () => void actions.sessions.fork(current)],
        ["Export as Markdown…", () => void actions.sessions.export(current, "markdown")],
        ["Export as JSON…", () => void actions.sessions.export(current, "json")],
        ["Open in editor", () => actions.host.tell({ type: "openInEditor", sessionId: current })],
        ["Delete session…", () => void actions.sessions.remove(info)],
      ]
    : [];
  const entries: [string, () => void][] = [
    ["Compare models", () => actions.store.act({ type: "page", page: "compare" })],
    ...(current === NEW ? [] : session),
    ["Set API key…", () => command("cmt.setKey")],
    ["Check the installation", () => command("cmt.doctor")],
    ["Restart server", () => command("cmt.restartServer")],
    ["Show log", () => command("cmt.showLog")],
  ];
  return (
    <Menu label="More" face={<Icon name="more" />}>
      {(close) =>
        entries.map(([title, act]) => (
          <MenuItem
            key={title}
            onPick={() => {
              close();
              act();
            }}
          >
            {title}
          </MenuItem>
        ))
      }
    </Menu>
  );
}
