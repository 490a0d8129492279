// The panel's end of the line to the extension host: messages out, answers back by id.

import type { FromPanel, PanelCall } from "../messages";
import type { Methods, RpcErrorBody } from "../wire";

type Answer = { result?: unknown; error?: RpcErrorBody };
type Unsent = FromPanel extends infer Message ? (Message extends { id: number } ? Omit<Message, "id"> : never) : never;

/** What the server or the host refused, with the sentence for the person. */
export class Refusal extends Error {
  constructor(readonly body: RpcErrorBody) {
    super(body.message);
  }
}

export class Host {
  private last = 0;
  private readonly waiting = new Map<number, (answer: Answer) => void>();

  constructor(private readonly post: (message: FromPanel) => void) {}

  /** Tell the host that the document listens. */
  ready(): void {
    this.post({ type: "ready" });
  }

  /** Send a message; the answer comes by its id. Throws a `Refusal` where it is an error. */
  async ask(message: Unsent, sent?: (id: number) => void): Promise<unknown> {
    const id = ++this.last;
    const answer = new Promise<Answer>((resolve) => this.waiting.set(id, resolve));
    sent?.(id);
    this.post({ ...message, id } as FromPanel);
    const { result, error } = await answer;
    if (error) throw new Refusal(error);
    return result;
  }

  /** Ask the server. */
  async call<M extends PanelCall>(method: M, params: Methods[M]["params"]): Promise<Methods[M]["result"]> {
    return (await this.ask({ type: "call", method, params })) as Methods[M]["result"];
  }

  /** Say something to which no answer is awaited; a refusal is told by the host itself. */
  tell(message: Unsent): void {
    this.ask(message).catch(() => undefined);
  }

  /** A `reply` came. */
  replied(id: number, answer: Answer): void {
    const resolve = this.waiting.get(id);
    this.waiting.delete(id);
    resolve?.(answer);
  }
}

/** Any failure as the body of an error, for showing. */
export function bodyOf(error: unknown): RpcErrorBody {
  if (error instanceof Refusal) return error.body;
  return { code: -32603, message: "The panel could not do that; reload the window if it happens again." };
}
