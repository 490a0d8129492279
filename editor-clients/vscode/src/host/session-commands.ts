// Commands about sessions, for those who do not have the panel before them.

import * as vscode from "vscode";
import type { Session } from "../wire";
import type { Commands } from "./commands";
import { openInEditor } from "./editor-tab";
import type { Parts } from "./parts";
import { saveText } from "./verbs";

type Page = "chat" | "history" | "usage" | "compare";

export function sessionCommands(parts: Parts): Commands {
  const { connection, panels } = parts;
  return {
    "cmt.openInEditor": () => openInEditor(connection, panels, connection.status?.session?.id),
    "cmt.newSession": async () => showSession(parts, await connection.request("cmt/session/create", {})),
    "cmt.history": () => showPage(parts, "history"),
    "cmt.usage": () => showPage(parts, "usage"),
    "cmt.compare": () => showPage(parts, "compare"),
    "cmt.stop": () => connection.request("cmt/cancel", {}),
    "cmt.renameSession": () => rename(parts),
    "cmt.forkSession": () => fork(parts),
    "cmt.exportSession": () => exportSession(parts),
  };
}

async function showPage({ panels }: Parts, page: Page): Promise<void> {
  (await panels.shown()).post({ type: "show", page });
}

async function showSession({ panels }: Parts, { id }: Session): Promise<void> {
  panels.broadcast({ type: "sessionsChanged" });
  const panel = await panels.shown();
  panel.post({ type: "show", sessionId: id, page: "chat" });
  panel.post({ type: "focus", target: "composer" });
}

async function rename(parts: Parts): Promise<void> {
  const session = await choose(parts, "Rename which session?");
  if (!session) return;
  const name = await vscode.window.showInputBox({ title: "New name of the session", value: session.name });
  if (!name?.trim()) return;
  await parts.connection.request("cmt/session/update", { sessionId: session.id, name: name.trim() });
  parts.panels.broadcast({ type: "sessionsChanged" });
}

async function fork(parts: Parts): Promise<void> {
  const session = await choose(parts, "Fork which session?");
  if (session) await showSession(parts, await parts.connection.request("cmt/session/fork", { sessionId: session.id }));
}

async function exportSession(parts: Parts): Promise<void> {
  const session = await choose(parts, "Export which session?");
  if (!session) return;
  const kinds = [
    { label: "Markdown", description: "to read, with a table of what it used", format: "markdown" as const },
    { label: "JSON", description: "everything, for programs", format: "json" as const },
  ];
  const kind = await vscode.window.showQuickPick(kinds, { title: `Export "${session.name}" as` });
  if (!kind) return;
  const made = await parts.connection.request("cmt/session/export", { sessionId: session.id, format: kind.format });
  await saveText(made.suggestedName, made.text);
}

/** A session of this workspace; the current one stands first. */
async function choose({ connection }: Parts, title: string): Promise<Session | undefined> {
  const { sessions } = await connection.request("cmt/session/list", { scope: "workspace" });
  if (!sessions.length) throw new Error("There is no session yet: ask something first.");
  const current = connection.status?.session?.id;
  const ordered = [...sessions].sort((a, b) => Number(b.id === current) - Number(a.id === current));
  const items = ordered.map((session) => ({
    label: session.name,
    description: `${session.model}, ${session.cost.display}`,
    detail: `${session.turns} turns${session.id === current ? ", open now" : ""}`,
    session,
  }));
  return (await vscode.window.showQuickPick(items, { title, matchOnDescription: true }))?.session;
}
