// What the server is installed from: the wheel that came with the extension, or what the person named. Plain functions.

import * as path from "node:path";

export type Spec = { install: string; words: string } | { problem: string };

export interface Sources {
  /** `cmt.server.package`, empty where it is not set. */
  setting: string;
  /** The wheel inside the extension, if this build has one. */
  bundled: string | undefined;
  home: string;
  exists: (file: string) => boolean;
}

const ADDRESS = /^(git\+)?(https|ssh):\/\/[^\s]+$/;

/**
 * The requirement for pip. A bare name is refused: no package of this project is on an index, so whatever an index
 * has under its name is somebody else's.
 */
export function packageSpec({ setting, bundled, home, exists }: Sources): Spec {
  const named = setting.trim();
  if (!named) {
    if (bundled) return { install: bundled, words: "the server that came with the extension" };
    return { problem: "This build of the extension carries no server: name a checkout, a wheel or an address in cmt.server.package." };
  }
  if (ADDRESS.test(named)) return { install: named, words: named };
  const file = named.startsWith("~/") ? path.join(home, named.slice(2)) : named;
  if (!path.isAbsolute(file)) {
    return { problem: "cmt.server.package takes the path of a checkout or a wheel, or an https address: no index is asked for a name." };
  }
  return exists(file) ? { install: file, words: file } : { problem: `cmt.server.package names ${file}, which does not exist.` };
}
