// Code made to fit its place, and stretches that follow the edits around them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fitted, forCursor, locate, moved, withEnds } from "../../src/host/fitting";

test("code at the margin takes the indentation of what it replaces", () => {
  const old = "    def m(self):\n        return 1\n";
  assert.equal(fitted("def m(self):\n    return 2\n", old, ""), "    def m(self):\n        return 2\n");
  assert.equal(fitted("def m(self):\n    return 2", "def m(self):\n        return 1", "    "), "def m(self):\n        return 2");
  assert.equal(fitted("a\n\nb", "\tx\n", ""), "\ta\n\n\tb\n");
});

test("code that is indented as it should be stays", () => {
  const old = "    a = 1\n    b = 2";
  assert.equal(fitted("    a = 3\n    b = 4\n", old, ""), "    a = 3\n    b = 4");
  assert.equal(fitted("x", "y", "if (a) "), "x");
  assert.equal(fitted("    x", "y", "if (a) "), "x");
});

test("the last line ends as the old one did", () => {
  assert.equal(fitted("a\n\n\n", "b", ""), "a");
  assert.equal(fitted("a", "b\n", ""), "a\n");
  assert.equal(fitted("", "b\n", ""), "\n");
});

test("line endings are those of the document", () => {
  assert.equal(withEnds("a\nb\r\nc\rd", true), "a\r\nb\r\nc\r\nd");
  assert.equal(withEnds("a\r\nb", false), "a\nb");
  assert.equal(fitted("a\nb", "  x\r\n  y\r\n", ""), "  a\n  b\n");
});

test("code at a cursor takes its indentation, and does not run into what follows", () => {
  assert.equal(forCursor("a\n  b\n", "    ", ""), "a\n      b");
  assert.equal(forCursor("a\n  b\n", "", "rest"), "a\n  b\n");
  assert.equal(forCursor("name\n", "x = ", ")"), "name");
  assert.equal(forCursor("a\nb", "x = ", ""), "a\nb");
});

test("code that replaces itself stays as it is, wherever it stands", () => {
  const line = fc.tuple(fc.nat(3), fc.constantFrom("a", "b()", "")).map(([by, text]) => (text ? " ".repeat(by * 2) + text : ""));
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), fc.boolean(), (lines, end) => {
      const body = lines.join("\n").replace(/\n+$/, "");
      fc.pre(body.trim() !== "");
      const old = body + (end ? "\n" : "");
      assert.equal(fitted(old, old, ""), old);
    }),
  );
});

test("the code is found where it was, else where it stands alone, else not at all", () => {
  assert.equal(locate("x = 1\ny = 2\n", "y = 2", 6), 6);
  assert.equal(locate("# new\nx = 1\ny = 2\n", "y = 2", 6), 12);
  assert.equal(locate("y = 2\ny = 2\n", "y = 2", 3), null);
  assert.equal(locate("z", "y = 2", 0), null);
  assert.equal(locate("a b", " ", 0), null);
});

test("a stretch keeps its text through edits beside it, and is lost by an edit inside it", () => {
  const text = fc.string({ unit: fc.constantFrom("a", "b", "\n"), minLength: 6, maxLength: 30 });
  fc.assert(
    fc.property(text, fc.nat(), fc.nat(), fc.nat(), fc.nat(), fc.string({ maxLength: 4 }), (whole, a, b, c, d, added) => {
      const [start, end] = [a % whole.length, b % whole.length].sort((x, y) => x - y) as [number, number];
      const [offset, stop] = [c % whole.length, d % whole.length].sort((x, y) => x - y) as [number, number];
      fc.pre(start < end);
      const edited = whole.slice(0, offset) + added + whole.slice(stop);
      const after = moved({ start, end }, { offset, removed: stop - offset, text: added });
      if (stop < start || offset > end) assert.notEqual(after, null);
      if (stop > start && offset < end) assert.equal(after, null);
      if (after) assert.equal(edited.slice(after.start, after.end), whole.slice(start, end));
    }),
  );
  assert.equal(moved(null, { offset: 0, removed: 0, text: "x" }), null);
});

test("what is typed right beside a stretch belongs to it; a new line beside it does not", () => {
  const typed = (offset: number, text: string) => moved({ start: 4, end: 9 }, { offset, removed: 0, text });
  assert.equal(typed(9, "99"), null);
  assert.equal(typed(4, "x"), null);
  assert.deepEqual(typed(9, "\n99"), { start: 4, end: 9 });
  assert.deepEqual(typed(9, "\r\n99"), { start: 4, end: 9 });
  assert.deepEqual(typed(4, "x\n"), { start: 6, end: 11 });
});
