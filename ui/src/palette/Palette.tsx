// Ctrl+K: every verb, block, setting and module in one list. Where next: parts/Picker.tsx, keys.ts.
import { useQuery } from "@tanstack/react-query";
import { Box, Keyboard, Play, SlidersHorizontal, SunMoon } from "lucide-react";
import { useMemo } from "react";
import { appPath, post } from "../api/client";
import { client, keys, queries } from "../api/queries";
import type { Model } from "../api/types";
import { addModule } from "../canvas/add";
import { GroupIcon } from "../canvas/icons";
import { tidyUp } from "../canvas/keysOn";
import { blockEntries } from "../canvas/verbs";
import { useDrawers } from "../drawers/state";
import { shortcutOf } from "../keys";
import { toast } from "../parts/Live";
import { type Choice, Picker } from "../parts/Picker";
import { navigate, to } from "../routes";
import { newest } from "../shelf/Shelf";
import { useCanvas } from "../state/canvas";
import { redo, sentences, undo } from "../state/edits";
import { useTheme } from "../state/theme";

/** The file the standard way; its comments stay, and undo brings it back. */
async function format(app: string): Promise<void> {
  const answer = await post<{ summary: string | null }>(appPath(app, "/fmt"));
  if (!answer.ok) return toast(`Not formatted: ${sentences(answer.error).join(" ")}`, { tone: "bad" });
  toast(answer.value.summary ?? "app.toml is written the standard way already", {
    command: "shelf fmt",
  });
  for (const key of [keys.model(app), keys.file(app)]) void client.invalidateQueries({ queryKey: key });
}

export function Palette({ app, model }: { app: string; model: Model }) {
  const { data: catalogue } = useQuery(queries.catalogue());
  const { data: status } = useQuery(queries.status(app));
  const close = () => useCanvas.getState().put({ palette: false });
  const choices = useMemo((): Choice[] => {
    const canvas = useCanvas.getState();
    const current = model.blocks.find((it) => it.name === (canvas.selected.at(-1) ?? canvas.focus));
    const verbs = current
      ? blockEntries(
          app,
          current,
          status?.blocks.find((it) => it.name === current.name),
        ).flatMap((it): Choice[] =>
          it === "line"
            ? []
            : [
                {
                  id: `verb/${it.label}`,
                  label: `${it.label} – ${current.name}`,
                  group: `Selected: ${current.name}`,
                  icon: it.icon,
                  shortcut: it.shortcut,
                  unless: it.unless || undefined,
                  pick: it.run,
                },
              ],
        )
      : [];
    const page = (label: string, href: string, shortcut?: string): Choice => ({
      id: `page/${label}`,
      label,
      group: "App",
      icon: <Play size={15} />,
      shortcut,
      pick: () => navigate(href),
    });
    return [
      ...verbs,
      page("Plan, then Go", to.plan(app), shortcutOf("plan")),
      page("The file beside the canvas", to.file(app), shortcutOf("file")),
      page("Releases: compare, roll back", to.releases(app)),
      page("All apps", to.apps()),
      page("Modules of the shelf", to.catalogue()),
      page("System: machine, disks, images", to.system()),
      {
        id: "undo",
        label: "Undo",
        group: "App",
        detail: model.history.undo ?? undefined,
        shortcut: shortcutOf("undo"),
        pick: () => void undo(app),
      },
      {
        id: "redo",
        label: "Redo",
        group: "App",
        detail: model.history.redo ?? undefined,
        shortcut: shortcutOf("redo"),
        pick: () => void redo(app),
      },
      {
        id: "tidy",
        label: "Tidy the layout",
        group: "App",
        shortcut: shortcutOf("tidy"),
        pick: () => void tidyUp(app),
      },
      {
        id: "fmt",
        label: "Format app.toml",
        group: "App",
        pick: () => void format(app),
      },
      {
        id: "group",
        label: "Group blocks",
        group: "App",
        shortcut: shortcutOf("group"),
        pick: () => canvas.put({ grouping: [...canvas.selected] }),
      },
      {
        id: "fit",
        label: "See everything",
        group: "App",
        shortcut: shortcutOf("fit"),
        pick: () => canvas.put({ view: "fit" }),
      },
      {
        id: "logs",
        label: "Logs of all blocks",
        group: "App",
        pick: () => useDrawers.getState().open("logs", { block: null }),
      },
      {
        id: "events",
        label: "Events: what the platform did and why",
        group: "App",
        pick: () => useDrawers.getState().open("events", { block: null }),
      },
      {
        id: "source",
        label: "Add your source",
        group: "App",
        icon: <GroupIcon group="source" />,
        pick: () => canvas.put({ dropped: { name: "", kind: "source" } }),
      },
      {
        id: "image",
        label: "Add an image of a registry",
        group: "App",
        icon: <GroupIcon group="image" />,
        pick: () => canvas.put({ dropped: { name: "", kind: "image" } }),
      },
      {
        id: "keys",
        label: "All keys",
        group: "App",
        icon: <Keyboard size={15} />,
        shortcut: "?",
        pick: () => canvas.put({ keysSheet: true }),
      },
      {
        id: "theme",
        label: useTheme.getState().dark ? "Light theme" : "Dark theme",
        group: "App",
        icon: <SunMoon size={15} />,
        pick: () => useTheme.getState().setTheme(useTheme.getState().dark ? "light" : "dark"),
      },
      ...model.blocks.map(
        (it): Choice => ({
          id: `block/${it.name}`,
          label: it.name,
          detail: it.summary,
          group: "Go to a block",
          icon: <Box size={15} />,
          pick: () => {
            canvas.select([it.name]);
            canvas.put({ toFocus: it.name, toCentre: it.name });
          },
        }),
      ),
      ...newest(catalogue?.modules ?? []).map(
        (it): Choice => ({
          id: `add/${it.name}`,
          label: `Add ${it.name}`,
          detail: it.summary,
          words: [...it.aliases, ...it.offers.map((o) => o.interface)],
          group: "Add from the shelf",
          icon: <GroupIcon group={it.group} />,
          pick: () => void addModule(app, it),
        }),
      ),
      ...model.blocks.slice(0, 60).flatMap((block) =>
        block.settings.map(
          (it): Choice => ({
            id: `setting/${block.name}.${it.name}`,
            label: `${block.name}.${it.name}`,
            detail: `now ${it.value ?? "nothing"}`,
            words: [it.help],
            group: "Settings",
            icon: <SlidersHorizontal size={15} />,
            pick: () => {
              canvas.select([block.name]);
              canvas.openInspector("settings");
              setTimeout(
                () => document.querySelector<HTMLInputElement>(`[data-setting="${it.name}"]`)?.focus(),
                60,
              );
            },
          }),
        ),
      ),
    ];
  }, [app, model, status, catalogue]);
  return (
    <Picker
      open
      title="Do anything"
      placeholder="A verb, a block, a setting, a module"
      choices={choices}
      none="Nothing is called that."
      onClose={close}
    />
  );
}
