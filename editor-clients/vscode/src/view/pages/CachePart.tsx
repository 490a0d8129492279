import type { CacheSuggestion } from "../../wire";
import { useActions } from "../context";
import { dollars } from "../words";
import { useFetched } from "./fetched";
import { Trouble } from "./Page";

/** What the cache did, why it missed, and what would be cheaper, with a button where one change does it. */
export function CachePart() {
  const actions = useActions();
  const found = useFetched(
    () => Promise.all([actions.host.call("cmt/cache/stats", { scope: "all" }), actions.host.call("cmt/cache/advice", { scope: "all" })]),
    [],
  );
  if (found.error) return <Trouble error={found.error} again={found.again} />;
  if (!found.value) return null;
  const [stats, advice] = found.value;
  return (
    <>
      <h3>Cache</h3>
      <p>{stats.text}</p>
      {stats.causes.length > 0 && (
        <table class="figures">
          <thead>
            <tr>
              <th scope="col">Why it missed</th>
              <th scope="col" class="right">
                Turns
              </th>
              <th scope="col" class="right">
                Cost
              </th>
            </tr>
          </thead>
          <tbody>
            {stats.causes.map((cause) => (
              <tr key={cause.cause}>
                <th scope="row">{cause.cause}</th>
                <td class="right">{cause.turns}</td>
                <td class="right">{dollars(cause.lostNanoUsd)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {advice.suggestions.length > 0 && <h3>What would be cheaper</h3>}
      <ul class="advice">
        {advice.suggestions.map((suggestion, index) => (
          <Suggestion key={index} suggestion={suggestion} again={found.again} />
        ))}
      </ul>
      {advice.reason && <p class="quiet">{advice.reason}</p>}
    </>
  );
}

function Suggestion({ suggestion, again }: { suggestion: CacheSuggestion; again: () => void }) {
  const actions = useActions();
  const { command, setting } = suggestion;
  const apply = async (): Promise<void> => {
    for (const params of command?.arguments ?? []) await actions.sessions.change(params);
    again();
  };
  return (
    <li>
      <b>{suggestion.display}</b>
      <span>{suggestion.text}</span>
      {command?.command === "cmt.session.update" && (
        <button type="button" onClick={() => void apply()}>
          {command.title}
        </button>
      )}
      {setting && (
        <button type="button" title={`Copy this line for config.toml: ${setting}`} onClick={() => actions.copy(setting, "Setting copied")}>
          Copy <code>{setting}</code>
        </button>
      )}
    </li>
  );
}
