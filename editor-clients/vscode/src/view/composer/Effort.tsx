import { useActions, usePanel } from "../context";
import { Menu, MenuItem } from "../Menu";

const EFFORTS = ["low", "medium", "high", "xhigh", "max"] as const;

/** How much work the model puts into answers; nothing chosen leaves it to the model. */
export function Effort() {
  const actions = useActions();
  const effort = usePanel((panel) => panel.effort);
  return (
    <Menu
      label={`Effort: ${effort ?? "the model's own"}`}
      title="Effort: older models read nothing from the cache after a change"
      class="flat"
      face={<span>{effort ?? "effort"}</span>}
    >
      {(close) =>
        ["", ...EFFORTS].map((one) => (
          <MenuItem
            key={one}
            checked={(effort ?? "") === one}
            onPick={() => {
              actions.store.act({ type: "chose", effort: one });
              close();
            }}
          >
            {one || "The model's own"}
          </MenuItem>
        ))
      }
    </Menu>
  );
}
