// The server's models as VS Code lists them: a plain function.

import type { Model } from "../../wire";
import type { ModelInformation } from "./api";

const WINDOW = 200_000;
const OUTPUT = 8_192;

/** The models that can be asked today, the default one first. */
export function offered(models: readonly Model[]): ModelInformation[] {
  const usable = models.filter((model) => model.lifecycle !== "retired" && model.served !== false);
  return [...usable].sort((a, b) => Number(b.default) - Number(a.default)).map(informationOf);
}

function informationOf(model: Model): ModelInformation {
  const maxOutputTokens = model.maxOutput ?? OUTPUT;
  const price = priceOf(model);
  return {
    id: model.id,
    name: model.displayName,
    family: model.id,
    version: model.id,
    // The window holds the answer too; told whole, VS Code would count the answer twice.
    maxInputTokens: Math.max(1, (model.contextWindow ?? WINDOW) - maxOutputTokens),
    maxOutputTokens,
    detail: price,
    tooltip: `${model.displayName} through cmt-lsp${price ? `, ${price} per million tokens in and out` : ""}: booked in its ledger, kept by its budgets`,
    capabilities: { imageInput: true, toolCalling: false },
  };
}

/** The list price of short prompts, in dollars per million tokens; the server lists nano-dollars per token. */
function priceOf(model: Model): string | undefined {
  const [first] = model.prices;
  return first && `$${first.input / 1000}/$${first.output / 1000}`;
}
