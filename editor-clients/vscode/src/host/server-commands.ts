// Commands about the server itself: install, restart, log, doctor, settings.

import * as path from "node:path";
import * as vscode from "vscode";
import { unwell } from "../server/health";
import { stateFolder } from "../server/state-folder";
import type { Commands } from "./commands";
import { diagnosis } from "./diagnosis";
import type { Parts } from "./parts";
import { serverSettings } from "./settings";

export function serverCommands(parts: Parts): Commands {
  const { connection, log } = parts;
  return {
    "cmt.installServer": () => install(parts),
    "cmt.restartServer": () => connection.restart(),
    "cmt.showLog": () => log.show(),
    "cmt.showServerLog": () => showServerLog(),
    "cmt.doctor": async () => parts.reports.show("doctor.md", await diagnosis(parts)),
    "cmt.openSettings": (name?: unknown) => openSettings(name),
  };
}

/** Install the server into the extension's own environment, after a word of what that fetches. */
async function install({ connection, environment, log }: Parts): Promise<void> {
  const settings = serverSettings();
  const what = environment.what(settings);
  if ("problem" in what) throw new Error(what.problem);
  const detail = `A Python environment of its own is made for ${what.words}. What it needs is fetched by pip from your package index, about 30 MB.`;
  const asked = await vscode.window.showInformationMessage("Install the server cmt-lsp?", { modal: true, detail }, "Install");
  if (asked !== "Install") return;
  const shown = { location: vscode.ProgressLocation.Notification, title: "cmt-lsp", cancellable: true };
  const done = await vscode.window.withProgress(shown, (progress, token) => environment.install(settings, { progress, token }));
  if ("cancelled" in done) return;
  if ("trouble" in done) {
    const { message } = unwell(done.trouble);
    log.error(message);
    if ((await vscode.window.showErrorMessage(message, "Show the log")) === "Show the log") log.show();
    return;
  }
  if (settings.path) {
    void vscode.window.showWarningMessage("The server is installed, but cmt.server.path names another: clear it to use this one.");
  }
  await connection.restart();
}

/** The file that the server writes, which outlives it. */
async function showServerLog(): Promise<void> {
  const file = path.join(stateFolder(process.env, process.platform), "server.log");
  try {
    await vscode.window.showTextDocument(vscode.Uri.file(file));
  } catch {
    throw new Error(`The server has written no log at ${file} yet: start it first.`);
  }
}

async function openSettings(name: unknown): Promise<void> {
  const wanted = typeof name === "string" && name.startsWith("cmt.") ? name : "cmt.";
  await vscode.commands.executeCommand("workbench.action.openSettings", wanted);
}
