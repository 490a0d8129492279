// Pictures that are pasted or dropped.

import { useEffect, useState } from "preact/hooks";
import type { Actions } from "../actions";
import { useActions } from "../context";

/** Bytes of a file that the server would take; a larger one is refused here, since it would be carried twice. */
const LARGEST = 20 * 1024 * 1024;

/** Take the pictures of a paste; text goes its usual way. */
export function pasted(event: ClipboardEvent, actions: Actions): void {
  const files = picturesOf(event.clipboardData);
  if (!files.length) return;
  event.preventDefault();
  void taken(files, actions);
}

/** Whether something is held over the element, and whether it would be taken: VS Code lets it through with Shift only. */
export function useDrop(target: { current: HTMLElement | null }): "" | "shift" | "plain" {
  const actions = useActions();
  const [over, setOver] = useState<"" | "shift" | "plain">("");
  useEffect(() => {
    const element = target.current!;
    const dragged = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(event.shiftKey ? "shift" : "plain");
    };
    const left = (event: DragEvent): void => {
      if (!(event.relatedTarget instanceof Node) || !element.contains(event.relatedTarget)) setOver("");
    };
    const dropped = (event: DragEvent): void => {
      setOver("");
      const files = picturesOf(event.dataTransfer);
      if (!event.dataTransfer?.files.length) return;
      event.preventDefault();
      if (files.length) void taken(files, actions);
      else actions.store.act({ type: "noticed", text: "Only pictures can be dropped here; attach files with the button.", error: true });
    };
    // Where VS Code takes the drag away, nothing tells of its end but the pointer and the keys that come back.
    const back = (): void => setOver("");
    document.addEventListener("pointermove", back);
    document.addEventListener("keydown", back);
    element.addEventListener("dragenter", dragged);
    element.addEventListener("dragover", dragged);
    element.addEventListener("dragleave", left);
    element.addEventListener("drop", dropped);
    return () => {
      document.removeEventListener("pointermove", back);
      document.removeEventListener("keydown", back);
      element.removeEventListener("dragenter", dragged);
      element.removeEventListener("dragover", dragged);
      element.removeEventListener("dragleave", left);
      element.removeEventListener("drop", dropped);
    };
  }, []);
  return over;
}

function picturesOf(data: DataTransfer | null): File[] {
  return [...(data?.files ?? [])].filter((file) => file.type.startsWith("image/"));
}

async function taken(files: File[], actions: Actions): Promise<void> {
  for (const file of files) {
    if (file.size > LARGEST) {
      const text = `${file.name || "The picture"} is larger than 20 MB; make it smaller or attach a part of it.`;
      actions.store.act({ type: "noticed", text, error: true });
      continue;
    }
    const data = base64(new Uint8Array(await file.arrayBuffer()));
    await actions.pictures.add({ data, name: file.name || "pasted.png", mediaType: file.type });
  }
}

/** In slices: as arguments of one call a large file would not fit. */
function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(binary);
}
