// The chat panel as a person finds it: by roles and names, never by classes.
import type { FrameLocator, Locator, Page } from "../bed/index.ts";

export class Panel {
  readonly frame: FrameLocator;
  readonly page: Page;

  constructor(page: Page, outer: FrameLocator) {
    this.page = page;
    this.frame = outer.frameLocator("iframe#active-frame");
  }

  get composer(): Locator {
    return this.frame.getByRole("textbox", { name: /message|question|ask/i });
  }

  get send(): Locator {
    return this.frame.getByRole("button", { name: /^send/i });
  }

  get stop(): Locator {
    return this.frame.getByRole("button", { name: /^stop/i });
  }

  /** All turns of the session on show, the oldest first. */
  get turns(): Locator {
    return this.frame.getByRole("article");
  }

  get lastTurn(): Locator {
    return this.turns.last();
  }

  button(name: string | RegExp): Locator {
    return this.frame.getByRole("button", { name });
  }

  /** Ask by keyboard, as a person does. */
  async ask(text: string): Promise<void> {
    await this.composer.fill(text);
    await this.composer.press("Enter");
  }
}
