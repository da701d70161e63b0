// Every key, from the table that also makes them work.
import "../parts/picker.css";
import { KEYS, type Key } from "../keys";
import { Dialog } from "../parts/Dialog";
import { useCanvas } from "../state/canvas";
import { useTheme } from "../state/theme";

const GROUPS = ["Build", "Move", "Look", "Everywhere"] as const;
const nice = (key: string) =>
  key
    .replace("ArrowLeft", "←")
    .replace("ArrowRight", "→")
    .replace("ArrowUp", "↑")
    .replace("ArrowDown", "↓")
    .replace("Escape", "Esc")
    .replace("Delete", "Del");

export function KeysSheet() {
  const { letters, setLetters } = useTheme();
  return (
    <Dialog open wide title="All keys" onClose={() => useCanvas.getState().put({ keysSheet: false })}>
      <div className="keys-sheet">
        {GROUPS.map((group) => (
          <section key={group}>
            <h3>{group === "Look" ? "Look and open" : group}</h3>
            <dl>
              {(KEYS as readonly Key[])
                .filter((it) => it.group === group)
                .map((it) => (
                  <div key={it.id}>
                    <dt>{it.says}</dt>
                    <dd>
                      {it.keys.slice(0, 2).map((key) => (
                        <kbd key={key}>{nice(key)}</kbd>
                      ))}
                    </dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
      </div>
      <label className="row small">
        <input type="checkbox" checked={letters} onChange={(event) => setLetters(event.target.checked)} />
        Single letters act as keys while the canvas has the focus
      </label>
    </Dialog>
  );
}
