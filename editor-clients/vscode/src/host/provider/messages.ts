// VS Code's messages as those of the server: plain functions, told apart by fields and not by classes.

import type { CompleteMessage, Image, Usage } from "../../wire";
import type { RequestMessage } from "./api";

const ASSISTANT = 2;
const SYSTEM = 3;

/** The conversation, and what stands over it. */
export interface Conversation {
  messages: CompleteMessage[];
  system?: string;
}

/** What is asked; parts that say nothing to a model, such as marks for a cache, are left out: the server sets its own. */
export function conversationOf(messages: readonly RequestMessage[]): Conversation {
  const system = messages.filter(({ role }) => role === SYSTEM).map(textOf);
  return {
    messages: messages.filter(({ role }) => role !== SYSTEM).map(messageOf),
    system: system.join("\n\n") || undefined,
  };
}

/** All that a message says in words. */
export function textOf(message: RequestMessage): string {
  return message.content.map(wordsOf).join("");
}

/** The usage in the shape that VS Code's own chat reads for its context ring. */
export function usageForRing(usage: Usage): unknown {
  return {
    prompt_tokens: usage.totalInputTokens,
    completion_tokens: usage.outputTokens,
    total_tokens: usage.totalInputTokens + usage.outputTokens,
    prompt_tokens_details: { cached_tokens: usage.cacheReadInputTokens },
  };
}

function messageOf(message: RequestMessage): CompleteMessage {
  const isAssistant = message.role === ASSISTANT;
  const images = isAssistant ? [] : message.content.flatMap(imageOf);
  const said: CompleteMessage = { role: isAssistant ? "assistant" : "user", text: textOf(message) };
  return images.length > 0 ? { ...said, images } : said;
}

interface Part {
  value?: unknown;
  data?: unknown;
  mimeType?: unknown;
  content?: unknown;
}

/** The text of a text part, of what a tool said, or of data that is text. */
function wordsOf(part: unknown): string {
  if (typeof part === "string") return part;
  const { value, data, mimeType, content } = part as Part;
  if (typeof value === "string") return value;
  if (Array.isArray(content)) return content.map(wordsOf).join("");
  const isText = typeof mimeType === "string" && (mimeType.startsWith("text/") || mimeType === "application/json");
  return isText && data instanceof Uint8Array ? new TextDecoder().decode(data) : "";
}

function imageOf(part: unknown): Image[] {
  const { data, mimeType } = part as Part;
  if (!(data instanceof Uint8Array) || typeof mimeType !== "string" || !mimeType.startsWith("image/")) return [];
  return [{ data: Buffer.from(data).toString("base64"), mediaType: mimeType }];
}
