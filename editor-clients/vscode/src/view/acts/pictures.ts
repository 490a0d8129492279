// Pictures of the draft: from files, the clipboard and the screen, each looked at by the server before it is sent.

import type { Image, ImageInspection } from "../../wire";
import { bodyOf } from "../host";
import type { Picture } from "../state/draft";
import type { Desk } from "./desk";
import type { Sessions } from "./sessions";

export class Pictures {
  private count = 0;

  private readonly looked = new Map<string, Promise<ImageInspection>>();

  constructor(
    private readonly desk: Desk,
    private readonly sessions: Sessions,
  ) {}

  /** Put a picture into the draft and find out what it would be and cost. */
  async add(image: Image, key = this.desk.panel.current, known?: Picture["inspection"]): Promise<void> {
    const picture: Picture = { key: `picture-${Date.now()}-${++this.count}`, image, inspection: known };
    this.desk.store.act({ type: "picture", key, picture });
    if (!known) await this.inspect(picture, key);
  }

  /** Pictures that came back with the draft, or that were attached before the server could look at them. */
  inspectAll(): void {
    for (const [key, draft] of Object.entries(this.desk.panel.drafts)) {
      for (const picture of draft.pictures) if (!picture.inspection) void this.inspect(picture, key);
    }
  }

  /** Look at a picture again, such as after another model was chosen. */
  private async inspect(picture: Picture, key: string): Promise<void> {
    const { path, data, handle, name } = picture.image;
    const model = this.modelOf(key);
    const source = path ? { path } : handle ? { handle } : { data };
    const params = { ...source, ...(name ? { name } : {}), ...(model ? { model } : {}) };
    const seen = await this.desk.host.call("cmt/image/inspect", params).then(
      (inspection) => ({ inspection, error: undefined }),
      (error: unknown) => ({ inspection: undefined, error: bodyOf(error) }),
    );
    const there = this.desk.panel.drafts[key]?.pictures.some((one) => one.key === picture.key);
    if (there) this.desk.store.act({ type: "picture", key, picture: { ...picture, ...seen } });
  }

  async screenshot(what: "screen" | "window" | "region"): Promise<void> {
    await this.desk.noting(async () => {
      const held = await this.desk.host.call("cmt/screenshot/take", { what });
      await this.add({ handle: held.handle, name: held.image.name }, this.desk.panel.current, held.image);
    });
  }

  async fromClipboard(): Promise<void> {
    await this.desk.noting(async () => {
      const held = await this.desk.host.call("cmt/image/clipboard", {});
      await this.add({ handle: held.handle, name: held.image.name }, this.desk.panel.current, held.image);
    });
  }

  async pick(): Promise<void> {
    const images = await this.desk.noting(() => this.desk.host.ask({ type: "pickImages" }));
    for (const image of (images as Image[] | undefined) ?? []) void this.add(image);
  }

  /** The model that the next question of a tab goes to. */
  private modelOf(key: string): string | undefined {
    const { model, models, current, sessions } = this.desk.panel;
    const chosen = key === current ? model : undefined;
    return chosen ?? sessions[key]?.info?.model ?? models.find((one) => one.default)?.id;
  }

  /** A picture of the history, looked at once however often it comes into sight. */
  stored(sessionId: string, turnId: string, index: number): Promise<ImageInspection> {
    const key = `${turnId} ${index}`;
    const known = this.looked.get(key);
    if (known) return known;
    const stored = { sessionId, turnId, index };
    const looked = this.desk.host.call("cmt/image/inspect", { stored });
    this.looked.set(key, looked);
    return looked;
  }

  /** Take a picture out of the history for good, once the person said yes. */
  async removeStored(sessionId: string, turnId: string, index: number): Promise<void> {
    await this.desk.noting(async () => {
      const yes = await this.desk.host.ask({
        type: "confirm",
        message: "Take this picture out of the session for good?",
        detail: "What is cached after it is written anew with the next question.",
        yes: "Remove",
      });
      if (yes !== true) return;
      const session = await this.desk.host.call("cmt/image/remove", { sessionId, turnId, index });
      this.looked.clear();
      this.desk.store.act({ type: "renamed", session });
      if (session.notices?.length) this.desk.store.act({ type: "noticed", text: session.notices.join(" ") });
      await this.sessions.load(sessionId);
    });
  }
}
