// Every failure of a request as the one shape that the panel shows.

import type { ErrorData, RpcErrorBody } from "../wire";

const REQUEST_FAILED = -32803;

/** The server said nothing because it is not there. */
export function serverStopped(sentence: string): RpcErrorBody {
  return {
    code: REQUEST_FAILED,
    message: sentence,
    data: { kind: "server_stopped", retryable: true, command: "cmt.restartServer" },
  };
}

/** A fault of this side, such as a refused verb. */
export function refused(sentence: string): RpcErrorBody {
  return { code: REQUEST_FAILED, message: sentence, data: { kind: "client", retryable: false } };
}

/** An error that carries its body, for code that throws. */
export class Refusal extends Error {
  constructor(readonly body: RpcErrorBody) {
    super(body.message);
  }
}

/** What went wrong with a request; `running` tells whether the server that was asked still runs. */
export function errorBody(error: unknown, running: boolean): RpcErrorBody {
  if (error instanceof Refusal) return error.body;
  const { code, message, data } = answered(error);
  if (code !== undefined && typeof data?.kind === "string") return { code, message, data };
  if (!running) return serverStopped("The server stopped while it answered: what had come is kept here; ask again.");
  return code === undefined ? refused(message) : { code, message };
}

/** The fields of a JSON-RPC error, where it is one. */
function answered(error: unknown): { code?: number; message: string; data?: ErrorData } {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code, data } = error as { code?: unknown; data?: ErrorData };
  return { code: typeof code === "number" ? code : undefined, message: error.message, data };
}
