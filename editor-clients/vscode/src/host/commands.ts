// Every command of the extension, by its id: each a line that says who does it.

import * as vscode from "vscode";
import { attachCommands } from "./attach-commands";
import { budgetCommands } from "./budget-commands";
import { keyCommands } from "./key-commands";
import { openMenu } from "./menu";
import type { Parts } from "./parts";
import { serverCommands } from "./server-commands";
import { sessionCommands } from "./session-commands";

/** What a command does; VS Code passes whatever its caller gave. */
export type Commands = Record<string, (...args: any[]) => unknown>;

export function registerCommands(parts: Parts): vscode.Disposable {
  const commands: Commands = {
    ...attachCommands(parts),
    ...budgetCommands(parts),
    ...keyCommands(parts),
    ...serverCommands(parts),
    ...sessionCommands(parts),
    "cmt.acceptProposal": () => parts.proposals.accept(),
    "cmt.rejectProposal": () => parts.proposals.reject(),
    "cmt.menu": () => openMenu(parts.connection),
  };
  const registered = Object.entries(commands).map(([id, act]) => vscode.commands.registerCommand(id, told(act)));
  return vscode.Disposable.from(...registered);
}

/** A command that fails says so in one sentence, with the button that mends it where there is one. */
function told(act: (...args: unknown[]) => unknown): (...args: unknown[]) => Promise<unknown> {
  return async (...args) => {
    try {
      return await act(...args);
    } catch (error) {
      void showFailure(error);
      return undefined;
    }
  };
}

const MENDS: Record<string, { title: string; command: string }> = {
  missing_key: { title: "Set the key", command: "cmt.setKey" },
  auth: { title: "Set the key", command: "cmt.setKey" },
  server_stopped: { title: "Restart the server", command: "cmt.restartServer" },
  budget_exceeded: { title: "Change the budget", command: "cmt.setBudget" },
};

async function showFailure(error: unknown): Promise<void> {
  const message = error instanceof Error ? error.message : String(error);
  const kind = (error as { body?: { data?: { kind?: string } } }).body?.data?.kind;
  const mend = kind ? MENDS[kind] : undefined;
  const chosen = await vscode.window.showErrorMessage(message, ...(mend ? [mend.title] : []));
  if (mend && chosen === mend.title) await vscode.commands.executeCommand(mend.command);
}
