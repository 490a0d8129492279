// VS Code's ranges and the wire's; both count UTF-16, which is what this client offers at `initialize`.

import * as vscode from "vscode";
import type { Range } from "../wire";

export function asRange(range: Range): vscode.Range {
  return new vscode.Range(range.start.line, range.start.character, range.end.line, range.end.character);
}

export function asWire(range: vscode.Range): Range {
  const { start, end } = range;
  return {
    start: { line: start.line, character: start.character },
    end: { line: end.line, character: end.character },
  };
}
