// Where the top-level blocks of a growing markdown text end, so that each is parsed once. A block is only closed where no
// later line can change it: behind a blank line and a fresh start, a heading or the end of a fence.

export interface Open {
  readonly kind: "prose" | "code";
  /** From the first character that belongs to no closed block. */
  readonly source: string;
}

interface Fence {
  readonly mark: string;
  readonly length: number;
  /** Inside a list item it closes no block. */
  readonly nested: boolean;
}

const FENCE = /^( *)(`{3,}|~{3,})([^\n]*)$/;
const BULLET = /^ {0,3}(?:[-+*]|\d{1,9}[.)])(?:[ \t]|$)/;
const INTERRUPTS = /^ {0,3}(?:[-+*]|1[.)])[ \t]+\S/;
const HEADING = /^ {0,3}#{1,6}(?:[ \t]|$)/;

export class Blocks {
  private text = "";
  /** Where the line begins that was not looked at yet. */
  private line = 0;
  private start = 0;
  private fence: Fence | undefined;
  private blank = false;
  private list = false;

  /** Take the text as it is now, which begins with what was given before; answers the blocks that closed. */
  feed(text: string): string[] {
    this.text = text;
    const closed: string[] = [];
    for (let end = text.indexOf("\n", this.line); end >= 0; end = text.indexOf("\n", this.line)) {
      this.look(text.slice(this.line, end), end + 1, closed);
      this.line = end + 1;
    }
    return closed;
  }

  /** What belongs to no closed block yet. */
  get open(): Open {
    const code = this.fence !== undefined && !this.fence.nested;
    return { kind: code ? "code" : "prose", source: this.text.slice(this.start) };
  }

  private look(line: string, after: number, closed: string[]): void {
    if (this.fence) return this.inFence(line, after, closed);
    if (!line.trim()) {
      this.blank = true;
      return;
    }
    const indent = line.length - line.trimStart().length;
    if (this.beginsAnew(line, indent)) this.close(this.line, closed);
    const fence = FENCE.exec(line);
    if (fence && (indent < 4 || this.list) && !(fence[2]!.startsWith("`") && fence[3]!.includes("`"))) {
      const nested = this.list && indent >= 2;
      if (!nested) this.close(this.line, closed);
      this.fence = { mark: fence[2]![0]!, length: fence[2]!.length, nested };
    } else if (HEADING.test(line) && !(this.list && indent >= 2)) {
      this.close(this.line, closed);
      this.close(after, closed);
    } else if (BULLET.test(line) && !this.list) {
      if (INTERRUPTS.test(line)) this.close(this.line, closed);
      this.list ||= this.start === this.line || INTERRUPTS.test(line);
    }
    this.blank = false;
  }

  /** Whether a line behind a blank one belongs to what stood before it no more. */
  private beginsAnew(line: string, indent: number): boolean {
    if (!this.blank) return false;
    return this.list ? indent < 2 && !BULLET.test(line) : indent < 4;
  }

  private inFence(line: string, after: number, closed: string[]): void {
    const { mark, length, nested } = this.fence!;
    const trimmed = line.trim();
    if (trimmed.length < length || trimmed !== mark.repeat(trimmed.length)) return;
    this.fence = undefined;
    this.blank = false;
    if (!nested) this.close(after, closed);
  }

  private close(end: number, closed: string[]): void {
    const source = this.text.slice(this.start, end);
    if (source.trim()) closed.push(source);
    this.start = end;
    this.list = false;
    this.blank = false;
  }
}
