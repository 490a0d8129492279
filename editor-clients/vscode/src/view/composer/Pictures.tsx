import { useActions, usePanel } from "../context";
import { Icon } from "../icons";
import { NO_DRAFT, type Picture } from "../state/draft";
import { bytes, tokens } from "../words";

/** The pictures of the draft, with what each would be and cost. */
export function Pictures() {
  const actions = useActions();
  const current = usePanel((panel) => panel.current);
  const pictures = usePanel((panel) => (panel.drafts[panel.current] ?? NO_DRAFT).pictures);
  if (!pictures.length) return null;
  return (
    <ul class="pictures" aria-label="Pictures">
      {pictures.map((picture) => (
        <li key={picture.key} class={picture.error ? "picture bad" : "picture"}>
          <Thumbnail picture={picture} />
          <Facts picture={picture} />
          <button
            type="button"
            class="icon small"
            aria-label={`Remove ${nameOf(picture)}`}
            onClick={() => actions.store.act({ type: "pictureGone", key: current, picture: picture.key })}
          >
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** Only a thumbnail that the server made is drawn, never the file itself. */
function Thumbnail({ picture }: { picture: Picture }) {
  const source = picture.inspection?.thumbnail;
  if (source?.startsWith("data:image/png;base64,")) return <img src={source} alt={nameOf(picture)} />;
  return (
    <span class="no-thumbnail">
      <Icon name="image" />
    </span>
  );
}

function Facts({ picture }: { picture: Picture }) {
  const { inspection, error } = picture;
  if (error) {
    return (
      <p class="facts" role="alert">
        <span class="name">{nameOf(picture)}</span>
        <span class="wrong">{error.message}</span>
      </p>
    );
  }
  if (!inspection) return <p class="facts quiet">Looking at the picture…</p>;
  const { sent } = inspection;
  const price = inspection.models[0];
  const scaled = sent.width !== inspection.width || sent.height !== inspection.height;
  const all = [...sent.changes, ...(inspection.notices ?? [])].join("\n");
  return (
    <p class="facts" title={all || undefined}>
      <span class="name">{nameOf(picture)}</span>
      <span>
        {inspection.width}×{inspection.height}, {bytes(inspection.bytes)}
      </span>
      {scaled && (
        <span>
          will be scaled to {sent.width}×{sent.height}
        </span>
      )}
      {price && (
        <span>
          {tokens(price.tokens)} tokens, {price.display}
        </span>
      )}
    </p>
  );
}

function nameOf(picture: Picture): string {
  return picture.image.name ?? picture.inspection?.name ?? "picture";
}
