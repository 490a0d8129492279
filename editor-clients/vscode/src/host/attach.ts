// What the person points at, as chips for the panel.

import * as path from "node:path";
import * as vscode from "vscode";
import type { Attached, LiveSelection } from "../messages";
import type { DiagnosticEntry, DiagnosticsItem, SelectionItem } from "../wire";
import { asWire } from "./positions";

/** Documents whose text a person would call code of theirs; an output channel or a terminal's editor is none. */
const SCHEMES = new Set(["file", "untitled", "vscode-notebook-cell", "vscode-remote", "git"]);
/** Characters of a live selection that are sent along with it. */
const LIVE_LIMIT = 100_000;
const SEVERITIES = new Map([
  [vscode.DiagnosticSeverity.Error, 1],
  [vscode.DiagnosticSeverity.Warning, 2],
  [vscode.DiagnosticSeverity.Information, 3],
  [vscode.DiagnosticSeverity.Hint, 4],
]);

export function canBeAttached(document: vscode.TextDocument): boolean {
  return SCHEMES.has(document.uri.scheme);
}

/** The selections of an editor that are not empty; none of them means nothing. */
export function selectionsOf(editor: vscode.TextEditor): Attached[] {
  if (!canBeAttached(editor.document)) return [];
  return editor.selections.filter((range) => !range.isEmpty).map((range) => attachRange(editor.document, range));
}

/** A part of a document with its text, as it is in the editor now, saved or not. */
export function attachRange(document: vscode.TextDocument, range: vscode.Range): Attached & { item: SelectionItem } {
  const item: SelectionItem = {
    kind: "selection",
    uri: document.uri.toString(),
    range: asWire(range),
    text: document.getText(range),
    version: document.version,
    languageId: document.languageId,
  };
  return { item, label: `${nameOf(document.uri)}:${lines(range)}` };
}

export function attachFiles(uris: readonly vscode.Uri[]): Attached[] {
  return uris.map((uri) => ({ item: { kind: "file", uri: uri.toString() }, label: nameOf(uri) }));
}

/** Problems of one document, as the editor shows them. */
export function attachProblems(uri: vscode.Uri, problems: readonly vscode.Diagnostic[], range?: vscode.Range): Attached {
  const item: DiagnosticsItem = {
    kind: "diagnostics",
    uri: uri.toString(),
    items: problems.map(entry),
    ...(range ? { range: asWire(range) } : {}),
  };
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return { item, label: `${nameOf(uri)}: ${count}` };
}

export function attachText(title: string, text: string): Attached {
  return { item: { kind: "text", title, text }, label: title };
}

/** What is selected now, for the panel's live chip. */
export function liveSelection(editor: vscode.TextEditor | undefined): LiveSelection | null {
  if (!editor || editor.selection.isEmpty) return null;
  if (!canBeAttached(editor.document)) return null;
  const { document, selection } = editor;
  const { item, label } = attachRange(document, selection);
  // What is large goes by its place: it is told at every change of the selection, and the server has the document.
  const large = document.offsetAt(selection.end) - document.offsetAt(selection.start) > LIVE_LIMIT;
  return { item: large ? { ...item, text: undefined } : item, label, lines: lineCount(selection) };
}

function entry(problem: vscode.Diagnostic): DiagnosticEntry {
  const code = typeof problem.code === "object" ? problem.code.value : problem.code;
  return {
    message: problem.message,
    range: asWire(problem.range),
    severity: SEVERITIES.get(problem.severity),
    ...(problem.source ? { source: problem.source } : {}),
    ...(code === undefined ? {} : { code }),
  };
}

function nameOf(uri: vscode.Uri): string {
  return path.basename(uri.path) || uri.path;
}

/** "10-24", counted from one; a selection that ends before a line's first character does not reach into it. */
function lines(range: vscode.Range): string {
  const first = range.start.line + 1;
  const last = first + lineCount(range) - 1;
  return first === last ? String(first) : `${first}-${last}`;
}

function lineCount(range: vscode.Range): number {
  const reaches = range.end.character === 0 && range.end.line > range.start.line ? 0 : 1;
  return range.end.line - range.start.line + reaches;
}
