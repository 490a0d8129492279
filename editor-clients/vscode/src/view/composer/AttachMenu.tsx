import { useActions } from "../context";
import { Icon } from "../icons";
import { Menu, MenuItem } from "../Menu";

/** Files and pictures for the question, and a look at all that goes along. */
export function AttachMenu() {
  const actions = useActions();
  const entries: [string, () => void][] = [
    ["Files…", () => void actions.pickFiles()],
    ["Pictures…", () => void actions.pictures.pick()],
    ["Picture in the clipboard", () => void actions.pictures.fromClipboard()],
    ["Part of the screen", () => void actions.pictures.screenshot("region")],
    ["A window", () => void actions.pictures.screenshot("window")],
    ["The whole screen", () => void actions.pictures.screenshot("screen")],
    ["Show what would be sent", () => actions.store.act({ type: "page", page: "preview" })],
  ];
  return (
    <Menu label="Attach" face={<Icon name="add" />}>
      {(close) =>
        entries.map(([title, act]) => (
          <MenuItem
            key={title}
            onPick={() => {
              close();
              act();
            }}
          >
            {title}
          </MenuItem>
        ))
      }
    </Menu>
  );
}
