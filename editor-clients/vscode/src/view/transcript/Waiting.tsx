import { useEffect, useState } from "preact/hooks";
import type { Flight } from "../state/flight";
import { duration, shortModel } from "../words";

/** What a running turn is doing, with the time it has taken. */
export function Waiting({ flight }: { flight: Flight }) {
  const [begun] = useState(() => performance.now());
  const [now, setNow] = useState(begun);
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  // Silence is counted from the last sign of the answer, anything else from its beginning.
  const elapsed = flight.phase === "silent" ? (flight.silentMs ?? 0) : now - begun;
  return (
    <p class="waiting">
      <span class="pulse" aria-hidden="true" />
      {words(flight)}
      {elapsed >= 2000 && <span class="quiet">{duration(elapsed).replace(/\.\d/, "")}</span>}
    </p>
  );
}

function words(flight: Flight): string {
  const model = flight.model ? shortModel(flight.model) : "Claude";
  switch (flight.phase) {
    case "sharing":
      return "Waiting for another request to write the same cache";
    case "warming_up":
      return "Starting";
    case "sending":
      return `Waiting for ${model}`;
    case "thinking":
      return `${model} thinks`;
    case "silent":
      return `${model} sends nothing`;
    case "streaming":
      return `${model} answers`;
    case "retrying": {
      const again = flight.retrying;
      if (!again) return "Trying again";
      const { attempt, maxAttempts, delayMs, reason } = again;
      return `${reason} Attempt ${attempt + 1} of ${maxAttempts} in ${duration(delayMs)}.`;
    }
    case "ended":
      return "";
  }
}
