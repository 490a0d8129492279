// Everything that a person can do in one workbench with a server that works.
import { describe } from "node:test";

import { CMT_LSP } from "../bed/places.ts";
import { chat } from "./chat.ts";
import { Stage } from "./stage.ts";

const stage = await Stage.open({
  machine: { "cmt.server.path": CMT_LSP },
  files: {
    "session.py": "class Session:\n    def __init__(self, name):\n        self.name = name\n\n    def greet(self):\n        return 'hello ' + self.name\n",
  },
});

describe("chat", () => chat(stage));
