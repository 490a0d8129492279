import { useEffect, useRef, useState } from "preact/hooks";
import type { ImageInspection, TurnImage } from "../../wire";
import { useActions } from "../context";
import { Icon } from "../icons";
import { bytes } from "../words";

interface Props {
  sessionId: string;
  turnId: string;
  images: readonly TurnImage[];
  busy: boolean;
}

/** The pictures of a question that was answered; each can be taken out of what is sent from now on. */
export function TurnPictures({ sessionId, turnId, images, busy }: Props) {
  return (
    <ul class="turn-pictures" aria-label="Pictures">
      {images.map((image) => (
        <TurnPicture key={`${image.index} of ${images.length}`} sessionId={sessionId} turnId={turnId} image={image} busy={busy} />
      ))}
    </ul>
  );
}

function TurnPicture({ sessionId, turnId, image, busy }: Omit<Props, "images"> & { image: TurnImage }) {
  const actions = useActions();
  const frame = useRef<HTMLLIElement>(null);
  const [seen, setSeen] = useState<ImageInspection>();
  useEffect(() => {
    const watch = new IntersectionObserver(([entry]) => {
      if (!entry?.isIntersecting) return;
      watch.disconnect();
      // A picture that cannot be looked at keeps its icon; what it holds was answered long ago.
      actions.pictures.stored(sessionId, turnId, image.index).then(setSeen, () => undefined);
    });
    watch.observe(frame.current!);
    return () => watch.disconnect();
  }, []);
  const name = `Picture ${image.index + 1}`;
  const size = image.width && image.height ? `${image.width}×${image.height}, ` : "";
  const price = seen?.models[0] ? `, ${seen.models[0].tokens.toLocaleString()} tokens` : "";
  return (
    <li ref={frame} title={`${name}: ${size}${bytes(image.bytes)}${price}`}>
      {seen?.thumbnail?.startsWith("data:image/png;base64,") ? (
        <img src={seen.thumbnail} alt={`${name}, ${size}${bytes(image.bytes)}`} />
      ) : (
        <span class="no-thumbnail">
          <Icon name="image" />
          <span class="hidden">{`${name}, ${size}${bytes(image.bytes)}`}</span>
        </span>
      )}
      <button
        type="button"
        class="icon small"
        title="Take this picture out of the session"
        aria-label={`Take ${name.toLowerCase()} out of the session`}
        disabled={busy}
        onClick={() => void actions.pictures.removeStored(sessionId, turnId, image.index)}
      >
        <Icon name="close" />
      </button>
    </li>
  );
}
