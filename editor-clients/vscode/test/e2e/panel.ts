// The chat panel as a person finds it: by roles and names.
import type { FrameLocator, Locator, Page } from "../bed/index.ts";
import { gone, reads, seen } from "./seeing.ts";

export class Panel {
  readonly frame: FrameLocator;
  readonly page: Page;

  constructor(page: Page, outer: FrameLocator) {
    this.page = page;
    this.frame = outer.frameLocator("iframe#active-frame");
  }

  get composer(): Locator {
    return this.frame.getByRole("textbox", { name: "Ask Claude" });
  }

  get send(): Locator {
    return this.frame.getByRole("button", { name: /^Send/ });
  }

  get stop(): Locator {
    return this.frame.getByRole("button", { name: "Stop", exact: true });
  }

  /** What the next question would cost. */
  get forecast(): Locator {
    return this.frame.locator(".forecast");
  }

  /** The pictures that go with the next question. */
  get draftPictures(): Locator {
    return this.frame.getByRole("form", { name: "Question" }).getByRole("list", { name: "Pictures" });
  }

  get conversation(): Locator {
    return this.frame.getByRole("region", { name: "Conversation" });
  }

  /** All turns of the session on show, the oldest first. */
  get turns(): Locator {
    return this.frame.getByRole("region", { name: /^Turn \d+ of \d+$/ });
  }

  get lastTurn(): Turn {
    return new Turn(this.turns.last());
  }

  turn(index: number): Turn {
    return new Turn(this.turns.nth(index));
  }

  button(name: string | RegExp): Locator {
    return this.frame.getByRole("button", { name, exact: typeof name === "string" });
  }

  menu(name: string): Locator {
    return this.frame.getByRole("menuitem", { name }).or(this.frame.getByRole("menuitemradio", { name }));
  }

  /** What a screen reader is told. */
  get told(): Locator {
    return this.frame.locator("[aria-live=polite]").first();
  }

  /** Ask by keyboard, as a person does. */
  async ask(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
  }

  /** Ask and wait for the end of the answer. */
  async askAndWait(text: string): Promise<Turn> {
    const count = await this.turns.count();
    await this.ask(text);
    const turn = this.turn(count);
    await turn.over();
    return turn;
  }

  /** What the panel shows of the conversation, to be held against the server's record. */
  async transcript(): Promise<{ question: string; answer: string }[]> {
    return this.turns.evaluateAll((turns) =>
      turns.map((turn) => ({
        question: turn.querySelector(".question p")?.textContent ?? "",
        answer: (turn.querySelector(".answer")?.textContent ?? "").trim(),
      })),
    );
  }
}

/** One question with its answer. */
export class Turn {
  readonly root: Locator;

  constructor(root: Locator) {
    this.root = root;
  }

  get answer(): Locator {
    return this.root.locator(".answer");
  }

  get usage(): Locator {
    return this.root.locator(".usage");
  }

  /** A block of code's button. */
  code(name: string | RegExp, block = 0): Locator {
    return this.root.getByRole("figure").nth(block).getByRole("button", { name });
  }

  button(name: string | RegExp): Locator {
    return this.root.getByRole("button", { name });
  }

  /** Wait for its end: what it used and cost stands below it. */
  async over(): Promise<void> {
    await seen(this.usage, 30_000);
    await gone(this.root.locator(".waiting"));
  }

  async says(wanted: string | RegExp): Promise<string> {
    return reads(this.answer, wanted);
  }
}
