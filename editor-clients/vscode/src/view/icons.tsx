// Icons, 16 by 16, drawn with the colour of the text.

const PATHS = {
  add: "M8 3v10M3 8h10",
  arrowDown: "M8 3v9M4 8.5 8 12.5l4-4",
  arrowUp: "M8 13V4M4 7.5 8 3.5l4 4",
  branch: "M5 3v7M5 13a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM5 6a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM11 7a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3ZM11 7c0 2.5-6 1-6 3.5",
  camera: "M2.5 5h3l1-1.5h3l1 1.5h3v7.5h-11ZM8 11a2.3 2.3 0 1 0 0-4.600 2.300 2.300 0 0 0 0 4.600Z",
  chart: "M2.500 13.500h11M4.500 13.500v-4M8 13.500v-9M11.500 13.500v-6.500",
  check: "M3 8.500 6.500 12 13 4.500",
  chevron: "M5 6.500 8 9.500l3-3",
  clipboard: "M5.500 3.500h-2v10h9v-10h-2M5.500 2.500h5v2h-5Z",
  close: "M4 4l8 8M12 4l-8 8",
  compare: "M2.500 3h4.500v10H2.500ZM9 3h4.500v10H9Z",
  copy: "M5.500 5.500h8v8h-8ZM10.500 5.500v-3h-8v8h3",
  diff: "M8 2.500v6M5 5.500h6M5 12.500h6",
  download: "M8 2.500v8M4.500 7 8 10.500 11.500 7M3 13.500h10",
  edit: "M3 13l.8-3L10.500 3.300l2.200 2.200L6 12.200ZM9.200 4.600l2.200 2.200",
  file: "M4 2.500h5l3 3v8H4ZM9 2.500v3h3",
  history: "M3 8a5 5 0 1 0 1.500-3.600L3 6M3 3v3h3M8 5.500V8l2 1.500",
  image: "M2.500 3h11v10h-11ZM2.500 11l3.500-3.500 3 3 1.500-1.500 3 3M10.500 6h.01",
  insert: "M3 8h8M8 4.500 11.500 8 8 11.500M13.500 3v10",
  more: "M3 8a.5.5 0 1 0 1 0 .5.5 0 0 0-1 0ZM7.500 8a.5.5 0 1 0 1 0 .5.5 0 0 0-1 0ZM12 8a.5.5 0 1 0 1 0 .5.5 0 0 0-1 0Z",
  newFile: "M4 2.500h5l3 3v8H4ZM8 7v4M6 9h4",
  open: "M9 3h4v4M13 3 7.500 8.500M11.500 9.500v3.500h-9V4.500H6.500",
  pin: "M6 2.500h4M6.500 2.500v4L4.500 9.500h7L9.500 6.500v-4M8 9.500v4",
  retry: "M13 8a5 5 0 1 1-1.500-3.600L13 6M13 3v3h-3",
  search: "M7 11.500a4.500 4.500 0 1 0 0-9 4.500 4.500 0 0 0 0 9ZM10.300 10.300l3.200 3.200",
  selection: "M3 4h10M3 8h6M3 12h10",
  stop: "M4.500 4.500h7v7h-7Z",
  trash: "M3 4.500h10M6.500 4.500v-2h3v2M4.500 4.500l.7 9h5.600l.7-9M6.700 7v4M9.300 7v4",
  warning: "M8 2.500 14 13.500H2ZM8 6.500v3.500M8 11.800h.01",
  wrap: "M2.500 4h11M2.500 8h8.500a2 2 0 0 1 0 4H8M9.500 10.500 8 12l1.500 1.500M2.500 12h3",
} as const;

export type IconName = keyof typeof PATHS;

/** An icon; the control that holds it has the name. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="glyph" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The same as an element, for what is not built of components. */
export function svg(name: IconName): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const made = document.createElementNS(space, "svg");
  const attributes = { class: "glyph", viewBox: "0 0 16 16", width: "16", height: "16", "aria-hidden": "true" };
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", PATHS[name]);
  made.append(path);
  return made;
}
