// What a person does in a workbench with a server that works: a conversation, code, commands and pictures.
import { describe } from "node:test";

import { CMT_LSP } from "../bed/places.ts";
import { chat } from "./chat.ts";
import { code, FILES } from "./code.ts";
import { COMMAND_FILES, commands } from "./commands.ts";
import { images } from "./images.ts";
import { png } from "./pictures.ts";
import { Stage } from "./stage.ts";

const CAMERA = '#!/bin/sh\nexec cat "$(dirname "$0")/screen.png"\n';

const stage = await Stage.open({
  machine: { "cmt.server.path": CMT_LSP },
  files: { "main.py": "print('hello')\n", ...FILES, ...COMMAND_FILES },
  // What takes a picture of a screen, where there is none.
  programs: { maim: CAMERA, scrot: CAMERA, "screen.png": png(123, 77) },
  env: { DISPLAY: ":99", XDG_SESSION_TYPE: "x11", WAYLAND_DISPLAY: undefined },
});

describe("chat", () => chat(stage));
describe("code", () => code(stage));
describe("commands", () => commands(stage));
describe("images", () => images(stage));
