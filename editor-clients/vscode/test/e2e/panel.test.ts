// What the panel says: money, faults, hostile words, other windows, and how it looks.
import { describe } from "node:test";

import { CMT_LSP } from "../bed/places.ts";
import { faults } from "./faults.ts";
import { hostile } from "./hostile.ts";
import { looks, SOURCE } from "./looks.ts";
import { money } from "./money.ts";
import { Stage } from "./stage.ts";
import { windows } from "./windows.ts";

const stage = await Stage.open({
  machine: { "cmt.server.path": CMT_LSP },
  files: { "main.py": "print('hello')\n", "session.py": SOURCE },
});

describe("money", () => money(stage));
describe("faults", () => faults(stage));
describe("hostile", () => hostile(stage));
describe("windows", () => windows(stage));
describe("looks", () => looks(stage));
