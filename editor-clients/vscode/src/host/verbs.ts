// VS Code's verbs, as the panel asks for them; the replacement of code is in proposals.ts.

import { homedir } from "node:os";
import * as path from "node:path";
import * as vscode from "vscode";
import type { Attached } from "../messages";
import type { Connection } from "../server/connection";
import { Refusal, refused } from "../server/errors";
import type { ContextItem, Image } from "../wire";
import { attachFiles } from "./attach";
import { openInEditor } from "./editor-tab";
import { forCursor } from "./fitting";
import type { LastEditor } from "./last-editor";
import { judgeLink } from "./links";
import type { Panels } from "./panels";
import { asRange } from "./positions";
import type { Proposals } from "./proposals";
import type { Verbs } from "./relay";

const PICTURES = { Pictures: ["png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff"] };
/** Commands that a panel may run: the extension's own. */
const OWN = "cmt.";

export interface VerbParts {
  connection: Connection;
  panels: Panels;
  proposals: Proposals;
  editors: LastEditor;
}

export function makeVerbs({ connection, panels, proposals, editors }: VerbParts): Verbs {
  return {
    insert: ({ text }) => insert(text, editors),
    replace: ({ text, origin }) => proposals.propose(text, origin),
    newFile: ({ text, language }) => newFile(text, language),
    copy: async ({ text }) => vscode.env.clipboard.writeText(text),
    link: ({ href }) => openLink(href),
    reveal: ({ item }) => reveal(item),
    pickImages,
    pickFiles,
    save: ({ name, text }) => saveText(name, text),
    command: ({ command, args }) => run(command, args ?? []),
    openInEditor: ({ sessionId }) => openInEditor(connection, panels, sessionId),
    confirm: ({ message, detail, yes }) => confirm(message, detail, yes),
  };
}

/** Put text at every cursor, over what is selected there; into a new file where no editor can take it. */
async function insert(text: string, editors: LastEditor): Promise<{ where: "editor" | "newFile" }> {
  const editor = await editors.shown();
  if (editor) {
    const { version } = editor.document;
    const taken = await editor.edit((edit) => {
      for (const selection of editor.selections) edit.replace(selection, at(editor.document, selection, text));
    });
    // An editor that is read-only takes the edit and changes nothing.
    if (taken && editor.document.version !== version) {
      await vscode.window.showTextDocument(editor.document, { viewColumn: editor.viewColumn, preserveFocus: false });
      return { where: "editor" };
    }
    void vscode.window.showInformationMessage("The editor takes no changes, so the code was put into a new file.");
  }
  await newFile(text, editor?.document.languageId);
  return { where: "newFile" };
}

/** The text as it fits a cursor; VS Code itself gives it the line endings of the document. */
function at(document: vscode.TextDocument, selection: vscode.Selection, text: string): string {
  const first = document.lineAt(selection.start.line).text.slice(0, selection.start.character);
  const last = document.lineAt(selection.end.line).text.slice(selection.end.character);
  return forCursor(text, first, last);
}

async function newFile(text: string, language: string | undefined): Promise<void> {
  const known = language && (await vscode.languages.getLanguages()).includes(language) ? language : undefined;
  const document = await vscode.workspace.openTextDocument({ content: text, language: known });
  await vscode.window.showTextDocument(document);
}

async function openLink(href: string): Promise<{ opened: boolean }> {
  const folders = (vscode.workspace.workspaceFolders ?? []).map((folder) => folder.uri.fsPath);
  const link = judgeLink(href, folders);
  if (link.kind === "refused") throw new Refusal(refused(link.why));
  if (link.kind === "file") {
    await showFile(vscode.Uri.file(link.path), link.line, link.endLine);
    return { opened: true };
  }
  const asked = { modal: true, detail: `${link.url}\n\nAn answer of the model names this address.` };
  if ((await vscode.window.showWarningMessage("Open this link?", asked, "Open")) !== "Open") return { opened: false };
  return { opened: await vscode.env.openExternal(vscode.Uri.parse(link.url, true)) };
}

async function showFile(uri: vscode.Uri, line?: number, endLine?: number): Promise<void> {
  const selection = line ? new vscode.Range(line - 1, 0, (endLine ?? line) - 1, 0) : undefined;
  try {
    await vscode.window.showTextDocument(uri, { selection });
  } catch {
    throw new Refusal(refused(`${path.basename(uri.fsPath)} cannot be shown: it is not a text file that exists here.`));
  }
}

async function reveal(item: ContextItem): Promise<void> {
  if (item.kind === "text") return newFile(item.text, undefined);
  const uri = vscode.Uri.parse(item.uri, true);
  const selection = "range" in item && item.range ? asRange(item.range) : undefined;
  try {
    await vscode.window.showTextDocument(uri, { selection });
  } catch {
    throw new Refusal(refused("The file is not there any more."));
  }
}

async function pickImages(): Promise<Image[]> {
  const picked = await vscode.window.showOpenDialog({ canSelectMany: true, filters: PICTURES, openLabel: "Attach" });
  return (picked ?? []).map((uri) => ({ path: uri.fsPath, name: path.basename(uri.fsPath) }));
}

async function pickFiles(): Promise<Attached[]> {
  const picked = await vscode.window.showOpenDialog({ canSelectMany: true, canSelectFolders: false, openLabel: "Attach" });
  return attachFiles(picked ?? []);
}

/** Save a text where the person says. */
export async function saveText(name: string, text: string): Promise<{ saved: boolean }> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri ?? vscode.Uri.file(homedir());
  const defaultUri = vscode.Uri.joinPath(folder, path.basename(name));
  const target = await vscode.window.showSaveDialog({ defaultUri });
  if (!target) return { saved: false };
  await vscode.workspace.fs.writeFile(target, new TextEncoder().encode(text));
  await vscode.window.showTextDocument(target);
  return { saved: true };
}

async function run(command: string, args: unknown[]): Promise<void> {
  if (!command.startsWith(OWN)) throw new Refusal(refused("The panel may run the extension's own commands only."));
  await vscode.commands.executeCommand(command, ...args);
}

async function confirm(message: string, detail: string | undefined, yes: string): Promise<boolean> {
  return (await vscode.window.showWarningMessage(message, { modal: true, detail }, yes)) === yes;
}
