import type { PreviewBlock, PreviewResult } from "../../wire";
import { useActions, usePanel } from "../context";
import { NO_DRAFT } from "../state/draft";
import { dollars, tokens } from "../words";
import { useFetched } from "./fetched";
import { Page, Trouble } from "./Page";

/** Every block that the draft would send, as it would leave, with what the cache does for it. Nothing is sent for this. */
export function Preview() {
  const blank = usePanel((panel) => !(panel.drafts[panel.current] ?? NO_DRAFT).text.trim());
  return <Page title="What would be sent">{blank ? <p class="quiet">Write a question first.</p> : <Blocks />}</Page>;
}

function Blocks() {
  const actions = useActions();
  const current = usePanel((panel) => panel.current);
  const preview = useFetched(() => actions.questions.preview(current), [current]);
  if (preview.error) return <Trouble error={preview.error} again={preview.again} />;
  if (!preview.value) return <p class="quiet">Looking…</p>;
  return <Told preview={preview.value} />;
}

function Told({ preview }: { preview: PreviewResult }) {
  return (
    <>
      <p>
        {preview.blocks.length} blocks, {preview.exact ? "" : "about "}
        {preview.tokens.toLocaleString()} tokens, {preview.prediction.cost.display}
      </p>
      {preview.notices?.map((notice, index) => (
        <p key={index} class="quiet">
          {notice}
        </p>
      ))}
      <ol class="blocks">
        {preview.blocks.map((block, index) => (
          <li key={index}>
            <details>
              <summary>
                <span class="name">{block.origin}</span>
                <span class="meta">{factsOf(block)}</span>
              </summary>
              <pre tabIndex={0}>{block.text ?? block.mediaType ?? ""}</pre>
            </details>
          </li>
        ))}
      </ol>
    </>
  );
}

const CACHE = { read: "read from the cache", written: "written to the cache", none: "" };

function factsOf(block: PreviewBlock): string {
  const facts = [
    `${tokens(block.tokens)} tokens`,
    block.warmNanoUsd === undefined ? "" : dollars(block.warmNanoUsd),
    CACHE[block.cache],
    block.pinned ? "pinned" : "",
    block.cutLines ? `${block.cutLines} lines left out` : "",
  ];
  return facts.filter(Boolean).join(" · ");
}
