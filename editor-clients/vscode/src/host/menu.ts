// What a click on the status item offers: first what mends, then what is done often.

import * as vscode from "vscode";
import type { Mend } from "../messages";
import type { Connection } from "../server/connection";

const OFTEN: readonly (Mend & { icon: string })[] = [
  { icon: "comment-discussion", title: "Open the chat", command: "cmt.focus" },
  { icon: "add", title: "New session", command: "cmt.newSession" },
  { icon: "history", title: "Sessions", command: "cmt.history" },
  { icon: "graph", title: "Usage", command: "cmt.usage" },
  { icon: "credit-card", title: "Set a budget", command: "cmt.setBudget" },
  { icon: "key", title: "Set API key", command: "cmt.setKey" },
  { icon: "debug-stop", title: "Stop what runs", command: "cmt.stop" },
  { icon: "pulse", title: "Doctor", command: "cmt.doctor" },
  { icon: "output", title: "Show the log", command: "cmt.showLog" },
  { icon: "refresh", title: "Restart the server", command: "cmt.restartServer" },
  { icon: "gear", title: "Settings", command: "cmt.openSettings" },
];

export async function openMenu({ health, status }: Connection): Promise<void> {
  const mends = health.mend.map((mend) => ({ label: `$(tools) ${mend.title}`, mend }));
  const often = OFTEN.filter(({ command }) => !health.mend.some((mend) => mend.command === command));
  const items = [...mends, ...often.map((one) => ({ label: `$(${one.icon}) ${one.title}`, mend: one }))];
  const placeHolder = health.message || status?.text.long || "Claude";
  const chosen = await vscode.window.showQuickPick(items, { title: "Claude", placeHolder });
  if (chosen) await vscode.commands.executeCommand(chosen.mend.command, ...(chosen.mend.args ?? []));
}
