// What a link of an answer may do: be opened after a question, show a file of the workspace, or nothing.

import * as path from "node:path";

export type Link =
  | { kind: "open"; url: string }
  | { kind: "file"; path: string; line?: number; endLine?: number }
  | { kind: "refused"; why: string };

const OPENABLE = new Set(["https:", "http:", "mailto:"]);
const LONGEST = 8_192;
const SCHEME = /^[a-z][a-z0-9+.-]*:/i;
const DRIVE = /^[a-z]:[\\/]/i;
const CONTROL = /[\u0000-\u001f\u007f\u200e\u200f\u202a-\u202e\u2066-\u2069]/;

/** Decide about `href`; `folders` are those of the workspace, the first one first. */
export function judgeLink(href: string, folders: readonly string[]): Link {
  if (!href || href.length > LONGEST) return refuse("The link is empty or too long to be shown.");
  if (CONTROL.test(href)) return refuse("The link holds characters that are not shown, so it is not opened.");
  if (DRIVE.test(href) || !SCHEME.test(href)) return fileLink(href, folders);
  if (href.startsWith("file:")) return fileLink(pathOf(href), folders);
  return webLink(href);
}

function webLink(href: string): Link {
  let url: URL;
  try {
    url = new URL(href);
  } catch {
    return refuse("The link is not a valid address.");
  }
  if (!OPENABLE.has(url.protocol)) return refuse(`Links of the kind ${url.protocol} are not opened.`);
  if (url.username || url.password) return refuse("The link names a user before its host, so it is not opened.");
  return { kind: "open", url: url.href };
}

/** `src/a.py`, `src/a.py#L3-L9`, `/abs/a.py:12`: a file inside the workspace. */
function fileLink(given: string, folders: readonly string[]): Link {
  const [, name = "", line, endLine] = /^(.*?)(?:#L(\d+)(?:-L?(\d+))?|:(\d+)(?::\d+)?)?$/.exec(given)?.map((part, at, all) => (at === 2 ? (part ?? all[4]) : part)) ?? [];
  const found = resolve(name, folders);
  if (!found) return refuse("The link names no file of this workspace.");
  return { kind: "file", path: found, ...(line ? { line: Number(line) } : {}), ...(endLine ? { endLine: Number(endLine) } : {}) };
}

function resolve(name: string, folders: readonly string[]): string | null {
  let decoded: string;
  try {
    decoded = decodeURIComponent(name);
  } catch {
    return null;
  }
  if (!decoded || decoded.startsWith("//") || decoded.startsWith("\\\\")) return null;
  for (const folder of folders) {
    const file = path.resolve(folder, decoded);
    const relative = path.relative(folder, file);
    if (relative && relative.split(path.sep)[0] !== ".." && !path.isAbsolute(relative)) return file;
  }
  return null;
}

function pathOf(href: string): string {
  try {
    const url = new URL(href);
    return url.host ? "" : url.pathname + url.hash;
  } catch {
    return "";
  }
}

function refuse(why: string): Link {
  return { kind: "refused", why };
}
