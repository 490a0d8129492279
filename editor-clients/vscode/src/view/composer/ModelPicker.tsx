import type { Model } from "../../wire";
import { useActions, usePanel } from "../context";
import { Icon } from "../icons";
import { Menu, MenuItem } from "../Menu";
import { shortModel } from "../words";

/** The model of the next question, with its price and with what a switch loses. */
export function ModelPicker() {
  const actions = useActions();
  const models = usePanel((panel) => panel.models);
  const current = usePanel((panel) => panel.current);
  const id = usePanel((panel) => panel.model ?? panel.sessions[panel.current]?.info?.model);
  const model = models.find((one) => one.id === id) ?? models.find((one) => one.default);
  const name = model?.displayName ?? shortModel(id ?? "model");
  return (
    <Menu
      id="model-button"
      label={`Model: ${name}`}
      title={model ? `${name}, ${priceOf(model)}` : "Model"}
      class="flat"
      face={
        <>
          <span class="clip">{name}</span>
          <Icon name="chevron" />
        </>
      }
      opened={() => void actions.sessions.loadModels()}
    >
      {(close) => (
        <>
          {models
            .filter((one) => one.lifecycle !== "retired")
            .map((one) => (
              <MenuItem
                key={one.id}
                checked={one.id === model?.id}
                onPick={() => {
                  close();
                  void actions.sessions.choose(one);
                }}
              >
                <ModelLine model={one} other={current !== "new" && one.id !== model?.id} />
              </MenuItem>
            ))}
          {!models.length && <p class="quiet">No models are known yet.</p>}
        </>
      )}
    </Menu>
  );
}

function ModelLine({ model, other }: { model: Model; other: boolean }) {
  return (
    <span class="model-line">
      <span class="name">
        {model.displayName}
        {model.lifecycle === "deprecated" && <span class="quiet"> deprecated</span>}
      </span>
      <span class="quiet price">{priceOf(model)}</span>
      {other && model.switch && <span class="note">{model.switch.note}</span>}
    </span>
  );
}

/** Price in and out for a million tokens, from the server's table. */
export function priceOf(model: Model): string {
  const price = model.prices.find((one) => one.abovePromptTokens === 0) ?? model.prices[0];
  if (!price) return "price unknown";
  return `$${perMillion(price.input)} in, $${perMillion(price.output)} out per million`;
}

/** Nano-dollars for a token are milli-dollars for a million. */
function perMillion(nano: number): string {
  const dollars = nano / 1000;
  return Number.isInteger(dollars) ? String(dollars) : dollars.toFixed(2);
}
