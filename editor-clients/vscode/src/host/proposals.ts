// A change that Claude proposes: shown as a diff against the live document, applied only by the person's act.

import * as path from "node:path";
import * as vscode from "vscode";
import { Refusal, refused } from "../server/errors";
import type { ContextItem, SelectionItem } from "../wire";
import { fitted, locate, moved, type Stretch, withEnds } from "./fitting";
import type { LastEditor } from "./last-editor";
import { asRange } from "./positions";

const SCHEME = "cmt-proposal";
/** Set while the diff of a proposal is the active editor: for the buttons of its title and for its keys. */
const CONTEXT = "cmt.proposalActive";

interface Proposal {
  readonly shownAs: vscode.Uri;
  readonly target: vscode.Uri;
  readonly text: string;
  /** Where it goes in the live document; `null` once somebody edited just there. */
  stretch: Stretch;
  /** Whether its diff came up; one that did and is gone was closed. */
  wasShown: boolean;
}

interface Place {
  document: vscode.TextDocument;
  stretch: { start: number; end: number };
}

export class Proposals implements vscode.Disposable, vscode.TextDocumentContentProvider {
  readonly #open = new Map<string, Proposal>();
  readonly #changed = new vscode.EventEmitter<vscode.Uri>();
  readonly #disposables: vscode.Disposable[];
  #numbers = 0;
  readonly onDidChange = this.#changed.event;

  constructor(readonly editors: LastEditor) {
    this.#disposables = [
      this.#changed,
      vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
      vscode.workspace.onDidChangeTextDocument((event) => this.#follow(event)),
      vscode.window.tabGroups.onDidChangeTabs(() => this.#onTabs()),
      vscode.window.tabGroups.onDidChangeTabGroups(() => this.#onTabs()),
    ];
    this.#closeOrphans();
  }

  dispose(): void {
    vscode.Disposable.from(...this.#disposables).dispose();
  }

  /** Show `text` in place of what `origin` names, else of the selection. */
  async propose(text: string, origin: ContextItem | undefined): Promise<{ shown: boolean }> {
    const { document, stretch } = await place(origin, this.editors.current);
    const old = document.getText().slice(stretch.start, stretch.end);
    const from = document.positionAt(stretch.start);
    const before = document.lineAt(from.line).text.slice(0, from.character);
    const crlf = document.eol === vscode.EndOfLine.CRLF;
    const proposal: Proposal = {
      shownAs: this.#uri(document.uri),
      target: document.uri,
      text: withEnds(fitted(text, old, before), crlf),
      stretch,
      wasShown: false,
    };
    this.#open.set(proposal.shownAs.toString(), proposal);
    const title = `${path.basename(document.uri.path)}: what Claude proposes`;
    await vscode.commands.executeCommand("vscode.diff", document.uri, proposal.shownAs, title, { preview: false });
    return { shown: true };
  }

  /** The whole document as it would be. */
  provideTextDocumentContent(uri: vscode.Uri): string {
    const proposal = this.#open.get(uri.toString());
    const document = proposal && opened(proposal.target);
    if (!proposal || !document) return "";
    const text = document.getText();
    if (!proposal.stretch) return text;
    return text.slice(0, proposal.stretch.start) + proposal.text + text.slice(proposal.stretch.end);
  }

  /** Put the proposal that is shown into the document; it can be undone there, and is not saved. */
  async accept(): Promise<void> {
    const proposal = this.#active();
    if (!proposal) return;
    const { stretch } = proposal;
    if (!stretch) return this.#refuseStale(proposal);
    const document = await vscode.workspace.openTextDocument(proposal.target);
    const range = new vscode.Range(document.positionAt(stretch.start), document.positionAt(stretch.end));
    const edit = new vscode.WorkspaceEdit();
    edit.replace(proposal.target, range, proposal.text);
    this.#open.delete(proposal.shownAs.toString());
    if (!(await vscode.workspace.applyEdit(edit))) {
      this.#open.set(proposal.shownAs.toString(), proposal);
      void vscode.window.showWarningMessage("The file takes no changes now: make it writable, then accept again.");
      return;
    }
    await closeTabs(proposal.shownAs);
    const end = document.positionAt(stretch.start + proposal.text.length);
    const editor = await vscode.window.showTextDocument(document);
    editor.selection = new vscode.Selection(range.start, end);
    editor.revealRange(editor.selection, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
  }

  async reject(): Promise<void> {
    const proposal = this.#active();
    if (proposal) await closeTabs(proposal.shownAs);
  }

  async #refuseStale(proposal: Proposal): Promise<void> {
    const copy = "Copy the new code";
    const said = "The code was edited while the proposal was shown, so it is not put over it: copy it, or ask again.";
    if ((await vscode.window.showWarningMessage(said, copy)) === copy) await vscode.env.clipboard.writeText(proposal.text);
  }

  #follow({ document, contentChanges }: vscode.TextDocumentChangeEvent): void {
    for (const proposal of this.#open.values()) {
      if (proposal.target.toString() !== document.uri.toString()) continue;
      for (const change of contentChanges) {
        const { rangeOffset: offset, rangeLength: removed, text } = change;
        proposal.stretch = moved(proposal.stretch, { offset, removed, text });
      }
      this.#changed.fire(proposal.shownAs);
    }
  }

  #onTabs(): void {
    const shown = new Set(diffs().map((tab) => shownIn(tab)?.toString()));
    for (const [key, proposal] of this.#open) {
      if (shown.has(key)) proposal.wasShown = true;
      else if (proposal.wasShown) this.#open.delete(key);
    }
    void vscode.commands.executeCommand("setContext", CONTEXT, this.#active() !== undefined);
  }

  #active(): Proposal | undefined {
    const tab = vscode.window.tabGroups.activeTabGroup.activeTab;
    const uri = tab && shownIn(tab);
    return uri && this.#open.get(uri.toString());
  }

  #uri(target: vscode.Uri): vscode.Uri {
    return vscode.Uri.from({ scheme: SCHEME, path: target.path, query: String(++this.#numbers) });
  }

  /** Diffs that a reload of the window brought back: their proposals are gone. */
  #closeOrphans(): void {
    const orphans = diffs().filter((tab) => shownIn(tab));
    if (orphans.length) void vscode.window.tabGroups.close(orphans);
  }
}

function diffs(): vscode.Tab[] {
  return vscode.window.tabGroups.all.flatMap((group) => group.tabs);
}

function shownIn(tab: vscode.Tab): vscode.Uri | undefined {
  const input = tab.input;
  return input instanceof vscode.TabInputTextDiff && input.modified.scheme === SCHEME ? input.modified : undefined;
}

async function closeTabs(uri: vscode.Uri): Promise<void> {
  const tabs = diffs().filter((tab) => shownIn(tab)?.toString() === uri.toString());
  await vscode.window.tabGroups.close(tabs);
}

function opened(uri: vscode.Uri): vscode.TextDocument | undefined {
  return vscode.workspace.textDocuments.find((document) => document.uri.toString() === uri.toString());
}

async function place(origin: ContextItem | undefined, editor: vscode.TextEditor | undefined): Promise<Place> {
  if (origin?.kind === "selection") return placeOfSelection(origin, editor);
  if (origin?.kind === "file") {
    const document = await documentOf(origin.uri);
    return { document, stretch: { start: 0, end: document.getText().length } };
  }
  const selected = placeOfCursor(editor);
  if (!selected) throw new Refusal(refused("Select the code that the answer is to replace."));
  return selected;
}

function placeOfCursor(editor: vscode.TextEditor | undefined): Place | null {
  if (!editor || editor.selection.isEmpty) return null;
  return { document: editor.document, stretch: offsets(editor.document, editor.selection) };
}

/** Where the code that was asked about stands now; where it does no longer, what is selected is meant. */
async function placeOfSelection(origin: SelectionItem, editor: vscode.TextEditor | undefined): Promise<Place> {
  const document = await documentOf(origin.uri);
  const found = stretchOf(origin, document);
  if (found) return { document, stretch: found };
  const selected = placeOfCursor(editor);
  if (selected) return selected;
  throw new Refusal(refused("The code was edited since it was asked about: select what the answer is to replace, and try again."));
}

function stretchOf(origin: SelectionItem, document: vscode.TextDocument): { start: number; end: number } | null {
  const asked = offsets(document, asRange(origin.range));
  if (origin.text === undefined) return origin.version === document.version ? asked : null;
  const start = locate(document.getText(), origin.text, asked.start);
  return start === null ? null : { start, end: start + origin.text.length };
}

async function documentOf(uri: string): Promise<vscode.TextDocument> {
  try {
    return await vscode.workspace.openTextDocument(vscode.Uri.parse(uri, true));
  } catch {
    throw new Refusal(refused("The file that the code came from is not there any more."));
  }
}

function offsets(document: vscode.TextDocument, range: vscode.Range): { start: number; end: number } {
  return { start: document.offsetAt(range.start), end: document.offsetAt(range.end) };
}
