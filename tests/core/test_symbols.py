"""Symbols: what encloses a line, in many languages; and nothing rather than something wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmt_lsp.core.context.masking import LANGUAGES, masked
from cmt_lsp.core.context.symbols import TEXT_LIMIT, symbol_at

SOURCES = {
    "python": '''\
import os
TEXT = """
def not_a_function():
    pass
"""
class Shop:
    open = True
    @property
    def name(self):
        def inner(): return "class X:"
        return self._name
async def main():
    await x
''',
    "javascript": """\
import x from "y";
class Shop extends Store {
  get name() {
    if (this.a) { return /[{]"/.test(b) }
    return `a ${ this.b } {`;
  }
}
const ask = async (a, b) => {
  run(() => {
    done();
  });
};
export function* walk(x = {}) {
  yield 1;
}
describe("it", () => {
  work();
});
""",
    "typescript": """\
export namespace Net {
  export interface Link<T extends object = {}> { a: T }
  export abstract class Peer<T> implements Link<T> {
    constructor(private readonly a: T) { super(); }
    @Input() async send<K>(what: Map<string, K>): Promise<{ a: number }> {
      for (const x of what) { use(x); }
    }
  }
}
""",
    "go": """\
package main
type Server struct {
\tname string // }
}
func (s *Server) Handle(w W, r *R) error {
\tgo func() {
\t\twork()
\t}()
}
func Map[T any](in []T) []T {
\treturn in
}
""",
    "rust": """\
mod net {
    impl<'a, T: Clone> Trait for Peer<'a, T> {
        #[inline]
        pub fn send(&self, c: char) -> u8 {
            match c { '{' => 1, _ => r#"}"#.len() as u8 }
        }
    }
}
struct Point { x: i32 }
""",
    "java": """\
package a;
@Component("x{")
public class Shop<T> extends Store implements Runnable {
    private final int[] a = {1, 2};
    @Override
    public void run() throws IOException {
        new Thread(new Runnable() {
            public void run() { work(); }
        });
        Runnable r = new Runnable() {
            public void go() { }
        };
    }
    enum Kind { A, B }
}
""",
    "c": """\
#include <a.h>
#define BEGIN {
struct point { int x; };
static struct point *make(int (*f)(void), char c) {
    list_for_each(p, head) { use(p, '}'); }
    return 0;
}
int table[] = { 1, 2 };
""",
    "cpp": """\
namespace net {
class Peer final : public Base {
 public:
  Peer(int a) : a_{a}, b_(2) { go(); }
  ~Peer() { stop(); }
};
}
template <typename T> void net::Peer::send(const T& t) const {
  auto f = [&](int x) { return x; };
}
""",
    "csharp": """\
namespace A.B {
    public class Shop {
        public string Path { get { return @"C:\\"; } }
        [Test(1)]
        public async Task<int> Ask(string a) {
            lock (this) { work(); }
        }
    }
}
""",
    "ruby": """\
module Net
  class Peer < Base
    def send(a)
      text = <<~END
        def no
      END
      go
    end
    def self.open?
      true
    end
  end
end
puts 1
""",
    "lua": """\
local M = {}
function M.open(a)
  local text = [[
function no()
]]
  return a
end
print(1)
""",
    "php": """\
<?php
namespace A;
class Shop {
    #[Pure]
    public function name(string $a): string {
        if ($a) { return "}"; }
    }
}
function ask() {
    return 1;
}
""",
    "kotlin": """\
class Shop(val a: Int) : Store() {
    fun <T> ask(b: T): Int {
        listOf(1).map { it + 1 }
        return 1
    }
    init { go() }
}
""",
    "swift": """\
extension Shop: Store {
    func ask<T>(_ a: T) -> Int {
        guard let b = a else { return 0 }
        return 1
    }
}
""",
}

CLAIMS = [
    ("python", "not_a_function", None), ("python", "open = True", "Shop"), ("python", "@property", "Shop.name"),
    ("python", "def inner", "Shop.name.inner"), ("python", "return self._name", "Shop.name"),
    ("python", "await x", "main"), ("python", "import os", None),
    ("javascript", "import x", None), ("javascript", "return /", "Shop.name"), ("javascript", "return `a", "Shop.name"),
    ("javascript", "done()", "ask"), ("javascript", "yield 1", "walk"), ("javascript", "work()", None),
    ("typescript", "interface Link", "Net.Link"), ("typescript", "super()", "Net.Peer.constructor"),
    ("typescript", "use(x)", "Net.Peer.send"), ("typescript", "class Peer", "Net.Peer"),
    ("go", "name string", "Server"), ("go", "work()", "Server.Handle"), ("go", "return in", "Map"),
    ("go", "package", None),
    ("rust", "match c", "net.Peer.send"), ("rust", "mod net", "net"), ("rust", "x: i32", "Point"),
    ("java", "int[] a", "Shop"), ("java", "work()", "Shop.run"), ("java", "void go", "Shop.run"),
    ("java", "@Override", "Shop.run"), ("java", "A, B", "Shop.Kind"), ("java", "package", None),
    ("c", "int x", "point"), ("c", "use(p", "make"), ("c", "return 0", "make"), ("c", "int table", None),
    ("cpp", "go();", "net.Peer.Peer"), ("cpp", "stop()", "net.Peer.~Peer"), ("cpp", "public:", "net.Peer"),
    ("cpp", "auto f", "net::Peer::send"),
    ("csharp", "string Path", "A.B.Shop"), ("csharp", "work()", "A.B.Shop.Ask"),
    ("ruby", "def no", "Net.Peer.send"), ("ruby", "      go", "Net.Peer.send"),
    ("ruby", "      true", "Net.Peer.self.open?"), ("ruby", "puts 1", None),
    ("lua", "return a", "M.open"), ("lua", "function no", "M.open"), ("lua", "print", None),
    ("php", "if ($a)", "Shop.name"), ("php", "return 1", "ask"),
    ("kotlin", "listOf", "Shop.ask"), ("kotlin", "init", "Shop"),
    ("swift", "guard let", "Shop.ask"),
]  # fmt: skip


def line_of(text: str, part: str) -> int:
    """The line, counted from 1, that holds a part."""
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(("language", "part", "symbol"), CLAIMS)
def test_a_line_is_told_with_all_that_encloses_it(language: str, part: str, symbol: str | None) -> None:
    text = SOURCES[language]
    line = line_of(text, part)

    assert symbol_at(text, language, line, line) == symbol
    assert symbol_at(text.replace("\n", "\r\n"), language, line, line) == symbol


@pytest.mark.parametrize("language", ["javascript", "go", "rust", "java", "c", "cpp", "csharp", "php"])
def test_text_whose_braces_do_not_match_has_no_symbols(language: str) -> None:
    """Somebody types in it: which brace is missing cannot be known."""
    text = SOURCES[language]
    for broken in (text + "\nvoid f() {\n", "}\n" + text):
        assert {symbol_at(broken, language, n, n) for n in range(1, text.count("\n") + 2)} == {None}


def test_python_that_does_not_parse_is_told_by_its_indentation() -> None:
    text = SOURCES["python"] + "def (\n"
    assert (
        symbol_at(text, "python", line_of(text, "return self"), line_of(text, "return self")) == "Shop.name"
    )
    assert symbol_at(text, "python", 3, 3) is None


def test_lines_of_two_symbols_belong_to_what_encloses_both() -> None:
    text = "class A:\n    def f(self): pass\n    def g(self): pass\nx = 1\n"
    assert symbol_at(text, "python", 2, 3) == "A"
    assert symbol_at(text, "python", 2, 4) is None


def test_two_symbols_on_one_line_are_none() -> None:
    assert symbol_at("function a() { x } function b() { y }\n", "javascript", 1, 1) is None


def test_what_is_unknown_or_huge_has_no_symbol() -> None:
    assert symbol_at("def f():\n  pass\n", None, 1, 1) is None
    assert symbol_at("def f() {\n}\n", "klingon", 1, 1) is None
    assert symbol_at("def f():\n  pass\n" + "#" * TEXT_LIMIT, "python", 1, 1) is None


@given(
    st.sampled_from(sorted(LANGUAGES)), st.text(alphabet="ab(){};'\"`/*#\\\n\r \t<=>$[]-:rR@", max_size=80)
)
def test_any_text_has_a_symbol_or_none_and_masking_moves_nothing(language: str, text: str) -> None:
    hidden = masked(text, language)
    assert len(hidden) == len(text)
    assert [c for c in hidden if c in "\r\n"] == [c for c in text if c in "\r\n"]
    assert all(kept in (c, " ") for kept, c in zip(hidden, text, strict=True))
    symbol_at(text, language, 1, 1)
