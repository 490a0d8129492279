// Every command of the extension, by its id: registered once, each a line that says who does it.

import * as vscode from "vscode";
import type { Connection } from "../server/connection";
import type { ManagedEnvironment } from "../server/environment";
import type { KeyStore } from "./key-store";
import type { Panels } from "./panels";
import type { Proposals } from "./proposals";
import type { Relay } from "./relay";

export interface Parts {
  connection: Connection;
  panels: Panels;
  relay: Relay;
  proposals: Proposals;
  keys: KeyStore;
  environment: ManagedEnvironment;
  log: vscode.LogOutputChannel;
}

export function registerCommands(parts: Parts): vscode.Disposable {
  const { connection, panels, proposals, log } = parts;
  const commands: Record<string, (...args: never[]) => unknown> = {
    "cmt.focus": () => panels.shown(),
    "cmt.openInEditor": () => panels.openEditor(undefined, "Claude"),
    "cmt.restartServer": () => connection.restart(),
    "cmt.showLog": () => log.show(),
    "cmt.openSettings": (name?: string) => openSettings(name),
    "cmt.acceptProposal": () => proposals.accept(),
    "cmt.rejectProposal": () => proposals.reject(),
  };
  const registered = Object.entries(commands).map(([id, act]) => vscode.commands.registerCommand(id, act));
  return vscode.Disposable.from(...registered);
}

async function openSettings(name: string | undefined): Promise<void> {
  const wanted = typeof name === "string" && name.startsWith("cmt.") ? name : "cmt.";
  await vscode.commands.executeCommand("workbench.action.openSettings", wanted);
}
