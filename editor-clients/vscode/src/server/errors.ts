// Every failure of a request as the one shape that the panel shows.

import { ResponseError } from "vscode-languageclient/node";
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
  const known = error instanceof ResponseError && typeof (error.data as ErrorData | undefined)?.kind === "string";
  if (known) return { code: error.code, message: error.message, data: error.data as ErrorData };
  if (!running) return serverStopped("The server stopped while it answered: it is started again; what had come is kept here.");
  if (error instanceof ResponseError) return { code: error.code, message: error.message };
  return refused(error instanceof Error ? error.message : String(error));
}
