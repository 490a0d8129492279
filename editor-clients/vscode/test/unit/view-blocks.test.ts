// Blocks close where no later line can change them, whatever the pieces in which the text comes.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import MarkdownIt from "markdown-it";
import { Blocks } from "../../src/view/markdown/blocks";

const LINES = [
  "# Heading", "A paragraph", "goes on", "", "", "- item", "- another", "  - nested", "1. first", "2. second", "```python", "```", "x = 1", "    indented",
  "~~~", "> quote", "| a | b |", "| - | - |", "| 1 | 2 |", "---", "   more of the item", "text with `code`", "***", "```js title", "````",
];

const documents = fc.array(fc.constantFrom(...LINES), { maxLength: 25 }).map((lines) => lines.join("\n"));

function split(text: string, cuts: readonly number[]): string[] {
  const blocks = new Blocks();
  const places = [...cuts.map((cut) => (text.length ? cut % text.length : 0)), text.length].sort((one, other) => one - other);
  return places.flatMap((place) => blocks.feed(text.slice(0, place)));
}

test("the pieces in which the text comes make no difference", () => {
  fc.assert(
    fc.property(documents, fc.array(fc.nat(), { maxLength: 6 }), (text, cuts) => {
      assert.deepEqual(split(text, cuts), split(text, []));
    }),
    { seed: 3, numRuns: 400 },
  );
});

test("closed blocks and the open rest are the whole text, in order", () => {
  fc.assert(
    fc.property(documents, (text) => {
      const blocks = new Blocks();
      const squeezed = (source: string): string => source.replace(/\s+/g, " ").trim();
      const all = [...blocks.feed(text), blocks.open.source].join("\n");
      assert.equal(squeezed(all), squeezed(text));
    }),
    { seed: 3, numRuns: 400 },
  );
});

const PARSER = new MarkdownIt({ html: false, linkify: true });

const SAMPLES = [
  "One.\n\nTwo\ngoes on.\n\nThree.",
  "# A\ntext\n## B\nmore\n\n- a\n- b\n\n  in b\n- c\n\nAfter.",
  "Before\n```python\nx = 1\n\n# no heading\n```\nAfter",
  "1. one\n\n   ```js\n   let a;\n\n   let b;\n   ```\n2. two\n\nend",
  "> quote\n> more\n\n| a | b |\n| - | -: |\n| 1 | 2 |\n\ntext",
  "- a\n  - b\n    - c\n- d\n\n***\n\ntext",
  "````md\n```py\ninner\n```\n````\n\ndone",
  "Text:\n- a\n- b\nText lazily.\n\nNext.",
  "- a\n\n- b\n\n- c\n\nend",
  "1. one\n\n2. two\n\n    code of two\n\n3. three\n",
];

test("parsed block by block, ordinary answers look as if parsed at once", () => {
  for (const sample of SAMPLES) {
    const text = `${sample}\n`;
    const blocks = new Blocks();
    const parts = [...blocks.feed(text), blocks.open.source];
    const shared = {};
    assert.equal(parts.map((part) => PARSER.render(part, shared)).join(""), PARSER.render(text), sample);
  }
});

test("code that is still open is told as code, with a fence of its own kind", () => {
  const blocks = new Blocks();
  blocks.feed("Text\n\n```py\na\n~~~\n");
  assert.equal(blocks.open.kind, "code");
  blocks.feed("Text\n\n```py\na\n~~~\n```\n");
  assert.equal(blocks.open.kind, "prose");
  assert.equal(blocks.open.source, "");
});

test("a paragraph is closed by the list behind it, so that only the list is parsed again while it grows", () => {
  const blocks = new Blocks();
  assert.deepEqual(blocks.feed("Three things:\n- one\n- two\n"), ["Three things:\n"]);
  assert.equal(blocks.open.source, "- one\n- two\n");
});
