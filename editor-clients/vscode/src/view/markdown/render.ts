// Markdown of a model to elements that cannot do harm: no HTML of its own, no picture, no link that works by itself.

import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

const SCHEMES = /^(?:https?|mailto):/i;
const TAGS = (
  "p br hr h1 h2 h3 h4 h5 h6 strong em s code pre blockquote ul ol li table thead tbody tr th td a span"
).split(" ");

const parser = new MarkdownIt({ html: false, linkify: true, typographer: false });
parser.validateLink = (url) => SCHEMES.test(url.trim());
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
// A picture is never loaded: it would tell its server that this answer is being read. It is a link like others.
parser.renderer.rules.image = (tokens, index) => {
  const token = tokens[index]!;
  const { escapeHtml } = parser.utils;
  const words = token.content || "without a name";
  return `<a href="${escapeHtml(String(token.attrGet("src") ?? ""))}">Picture: ${escapeHtml(words)}</a>`;
};
parser.renderer.rules.td_open = cell("td");
parser.renderer.rules.th_open = cell("th");

/** Alignment as a class: the panel allows no inline styles. */
function cell(tag: "td" | "th"): NonNullable<typeof parser.renderer.rules.td_open> {
  return (tokens, index) => {
    const align = /text-align:(left|right|center)/.exec(String(tokens[index]!.attrGet("style") ?? ""));
    return align ? `<${tag} class="${align[1]}">` : `<${tag}>`;
  };
}

/** What the blocks of one answer share: link targets that are defined in one and used in another. */
export type Shared = Record<string, unknown>;

/** One or more whole blocks as elements. */
export function rendered(source: string, shared: Shared): DocumentFragment {
  const fragment = sanitised(parser.render(source, shared));
  for (const link of fragment.querySelectorAll("a")) disarm(link);
  return fragment;
}

/** The one door for HTML into the document. */
export function sanitised(html: string): DocumentFragment {
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href", "class", "start"],
    ALLOWED_URI_REGEXP: SCHEMES,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
}

/** A link that only the host can open: without `href` nothing navigates, fetches ahead or drags along. */
function disarm(link: HTMLAnchorElement): void {
  const href = link.getAttribute("href");
  link.removeAttribute("href");
  if (!href || !SCHEMES.test(href)) return;
  link.dataset["href"] = href;
  link.title = href;
  link.setAttribute("role", "link");
  link.tabIndex = 0;
}
