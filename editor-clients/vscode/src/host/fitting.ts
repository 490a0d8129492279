// New code made to fit where it goes: line endings, indentation and the last line of what it replaces. Plain functions.

/** `text` with the line endings of the document. */
export function withEnds(text: string, crlf: boolean): string {
  const plain = text.replace(/\r\n?/g, "\n");
  return crlf ? plain.replace(/\n/g, "\r\n") : plain;
}

/**
 * `text` in place of `old`, which starts after `before` on its line.
 *
 * A model answers with code that starts at the margin: where all of it does and the old code did not, the old
 * indentation is given back. `before` is what stands to the left of the old code; where that is blank it counts as
 * the indentation of its first line.
 */
export function fitted(text: string, old: string, before: string): string {
  const oldLines = old.split(/\r\n?|\n/);
  const newLines = text.replace(/\r\n?/g, "\n").split("\n");
  const blankBefore = before.trim() === "";
  const wanted = indentation(blankBefore ? [before + oldLines[0], ...oldLines.slice(1)] : oldLines.slice(1));
  const given = indentation(newLines);
  const shifted = wanted === given ? newLines : newLines.map((line) => shift(line, given, wanted));
  const first = shifted[0] ?? "";
  if (blankBefore && before && first.startsWith(before)) shifted[0] = first.slice(before.length);
  else if (!blankBefore) shifted[0] = first.trimStart();
  return endLike(shifted.join("\n"), old);
}

/**
 * `text` for a cursor between `before` and `after` on its line: code of several lines takes the indentation of the
 * place, and ends its last line where the place's own text would follow it.
 */
export function forCursor(text: string, before: string, after: string): string {
  const lines = text.replace(/\r\n?/g, "\n").replace(/\n+$/, "").split("\n");
  if (before.trim() || lines.length === 1) return lines.join("\n");
  const given = indentation(lines);
  const placed = lines.map((line, at) => shift(line, given, at === 0 ? "" : before));
  return placed.join("\n") + (after.trim() ? `\n${before}` : "");
}

/** The white space that every line with something on it begins with. */
function indentation(lines: readonly string[]): string {
  const margins = lines.filter((line) => line.trim()).map((line) => /^[ \t]*/.exec(line)?.[0] ?? "");
  return margins.reduce((common, margin) => shared(common, margin), margins[0] ?? "");
}

function shared(one: string, other: string): string {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return one.slice(0, length);
}

function shift(line: string, given: string, wanted: string): string {
  return line.trim() ? wanted + line.slice(given.length) : line;
}

/** One final line ending where the old text had one, none where it had none. */
function endLike(text: string, old: string): string {
  const bare = text.replace(/\n+$/, "");
  return /[\r\n]$/.test(old) ? `${bare}\n` : bare;
}

/** A stretch of a document by offsets; `null` once an edit touched it. */
export type Stretch = { start: number; end: number } | null;

export interface Edit {
  offset: number;
  removed: number;
  text: string;
}

/** Where a stretch is after an edit. What is typed right beside it on its lines belongs to it, as its reader sees it. */
export function moved(stretch: Stretch, edit: Edit): Stretch {
  if (!stretch) return null;
  if (isBefore(stretch.start, edit)) {
    const by = edit.text.length - edit.removed;
    return { start: stretch.start + by, end: stretch.end + by };
  }
  return isAfter(stretch.end, edit) ? stretch : null;
}

function isBefore(start: number, { offset, removed, text }: Edit): boolean {
  const end = offset + removed;
  return end < start || (end === start && text.endsWith("\n"));
}

function isAfter(end: number, { offset, text }: Edit): boolean {
  return offset > end || (offset === end && /^\r?\n/.test(text));
}

/** Where `old` stands: at `expected` if it is still there, else where it stands alone, else nowhere. */
export function locate(text: string, old: string, expected: number): number | null {
  if (text.startsWith(old, expected)) return expected;
  if (!old.trim()) return null;
  const found = text.indexOf(old);
  return found >= 0 && text.indexOf(old, found + 1) < 0 ? found : null;
}
