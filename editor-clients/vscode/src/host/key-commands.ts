// Setting and forgetting the API key.

import * as vscode from "vscode";
import type { Commands } from "./commands";
import type { Parts } from "./parts";

export function keyCommands({ connection, keys }: Parts): Commands {
  return {
    "cmt.setKey": async () => {
      const key = await askKey();
      if (!key) return;
      await keys.keep(key);
      const ready = connection.health.state === "ready";
      if (ready) await connection.tellKey(key);
      const handed = ready ? "was handed to the server" : "is handed to the server once it runs";
      void vscode.window.showInformationMessage(`The key is kept in VS Code's secret storage and ${handed}.`);
    },
    "cmt.forgetKey": async () => {
      await keys.forget();
      if (connection.health.state === "ready") await connection.tellKey("");
      const other = connection.health.key ? " Another one is in force: see cmt: Doctor." : "";
      void vscode.window.showInformationMessage(`The key was forgotten.${other}`);
    },
  };
}

async function askKey(): Promise<string | undefined> {
  const given = await vscode.window.showInputBox({
    title: "Anthropic API key",
    prompt: "Kept in VS Code's secret storage, handed to the server's memory, and written nowhere else.",
    placeHolder: "sk-ant-...",
    password: true,
    ignoreFocusOut: true,
    validateInput: (text) => (/\s/.test(text.trim()) ? "A key has no spaces in it." : undefined),
  });
  return given?.trim() || undefined;
}
