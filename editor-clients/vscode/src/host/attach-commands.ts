// Commands that put code, problems, files or a terminal's text into the draft.

import * as vscode from "vscode";
import type { Attached } from "../messages";
import { Refusal, refused } from "../server/errors";
import { attachFiles, attachProblems, attachText, canBeAttached, selectionsOf } from "./attach";
import type { Commands } from "./commands";
import type { Panels } from "./panels";
import type { Parts } from "./parts";

const TERMINAL_LIMIT = 1_000_000;

export function attachCommands({ panels }: Parts): Commands {
  return {
    "cmt.focus": async () => (await panels.shown()).post({ type: "focus", target: "composer" }),
    "cmt.focusLastMessage": async () => (await panels.shown()).post({ type: "focus", target: "lastMessage" }),
    "cmt.attachSelection": () => attachSelection(panels),
    "cmt.attachFiles": (uri?: vscode.Uri, uris?: vscode.Uri[]) => attachUris(panels, uris ?? (uri ? [uri] : [])),
    "cmt.attachProblems": (uri?: vscode.Uri, problems?: vscode.Diagnostic[]) => attachDiagnostics(panels, uri, problems),
    "cmt.attachTerminal": () => attachTerminal(panels),
  };
}

async function attach(panels: Panels, attached: Attached[]): Promise<void> {
  const panel = await panels.shown();
  if (attached.length) panel.post({ type: "attach", attached });
  panel.post({ type: "focus", target: "composer" });
}

/** Every selection of the active editor; with none, the composer takes the focus all the same. */
async function attachSelection(panels: Panels): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  await attach(panels, editor ? selectionsOf(editor) : []);
}

async function attachUris(panels: Panels, uris: readonly vscode.Uri[]): Promise<void> {
  const given = uris.length ? uris : activeFile();
  const files: vscode.Uri[] = [];
  for (const uri of given) if (await isFile(uri)) files.push(uri);
  if (!files.length) throw new Refusal(refused("Choose files to attach: folders are not sent whole."));
  await attach(panels, attachFiles(files));
}

function activeFile(): vscode.Uri[] {
  const document = vscode.window.activeTextEditor?.document;
  return document && canBeAttached(document) ? [document.uri] : [];
}

async function isFile(uri: vscode.Uri): Promise<boolean> {
  if (uri.scheme === "untitled") return true;
  try {
    return ((await vscode.workspace.fs.stat(uri)).type & vscode.FileType.File) !== 0;
  } catch {
    return false;
  }
}

/** Problems that were named by a quick fix, else those that touch the selection, else all of the file. */
async function attachDiagnostics(panels: Panels, uri?: vscode.Uri, problems?: vscode.Diagnostic[]): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  const of = uri ?? editor?.document.uri;
  if (!of) throw new Refusal(refused("Open the file whose problems are to be attached."));
  const all = vscode.languages.getDiagnostics(of);
  const near = all.filter((one) => editor?.document.uri.toString() === of.toString() && one.range.intersection(editor.selection));
  const chosen = problems ?? (near.length ? near : all);
  if (!chosen.length) throw new Refusal(refused("The editor shows no problems in this file."));
  await attach(panels, [attachProblems(of, chosen)]);
}

/**
 * The text that is selected in the terminal. VS Code hands it to extensions by the clipboard alone, so the clipboard's
 * text is put back afterwards.
 */
async function attachTerminal(panels: Panels): Promise<void> {
  const terminal = vscode.window.activeTerminal;
  const before = await vscode.env.clipboard.readText();
  await vscode.env.clipboard.writeText("");
  await vscode.commands.executeCommand("workbench.action.terminal.copySelection");
  const text = await vscode.env.clipboard.readText();
  await vscode.env.clipboard.writeText(before);
  if (!text.trim()) throw new Refusal(refused("Select text in the terminal first."));
  const title = `Terminal ${terminal?.name ?? ""}`.trim();
  await attach(panels, [attachText(title, text.slice(-TERMINAL_LIMIT))]);
}
