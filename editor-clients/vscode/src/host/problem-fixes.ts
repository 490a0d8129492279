// "Ask Claude about this problem" beside a problem: in its light bulb, and in the menu of the Problems view, which shows
// quick fixes and has no place of its own for extensions.

import * as vscode from "vscode";
import { canBeAttached } from "./attach";

export class ProblemFixes implements vscode.CodeActionProvider {
  static register(): vscode.Disposable {
    const kinds = { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] };
    return vscode.languages.registerCodeActionsProvider([{ scheme: "file" }, { scheme: "untitled" }], new ProblemFixes(), kinds);
  }

  provideCodeActions(document: vscode.TextDocument, _range: vscode.Range, context: vscode.CodeActionContext): vscode.CodeAction[] {
    const { diagnostics } = context;
    if (!diagnostics.length || !canBeAttached(document)) return [];
    const title = diagnostics.length === 1 ? "Ask Claude about this problem" : `Ask Claude about these ${diagnostics.length} problems`;
    const action = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
    action.diagnostics = [...diagnostics];
    action.command = { title, command: "cmt.attachProblems", arguments: [document.uri, diagnostics] };
    return [action];
  }
}
