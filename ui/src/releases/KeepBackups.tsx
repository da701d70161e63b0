// When an app is backed up by itself, and the end of a backup: what the list of backups opens.
// Where next: Backups.tsx.
import { useState } from "react";
import { type Answer, appPath, put, remove } from "../api/client";
import { client, keys } from "../api/queries";
import type { Backup, Backups } from "../api/types";
import { Ask } from "../parts/Ask";
import { Field } from "../parts/Field";
import { toast } from "../parts/Live";
import { TextField } from "../parts/TextField";
import { useNow } from "../system/useNow";
import { ago, bytes } from "../system/words";
import { cronOf, OFTEN, type Often, oftenOf } from "./often";

/** Shows what came of a change of the backups; whether it was made. */
function told(app: string, answer: Answer<unknown>, done: string, not: string, command: string): boolean {
  if (answer.ok) toast(done, { command });
  else toast(`${not}: ${answer.error.message}`, { tone: "bad" });
  void client.invalidateQueries({ queryKey: keys.backups(app) });
  return answer.ok;
}

interface ScheduleProps {
  app: string;
  schedule: Backups["schedule"];
  onClose(): void;
}

export function ScheduleDialog({ app, schedule, onClose }: ScheduleProps) {
  const [wish, setWish] = useState(() => oftenOf(schedule?.every ?? null));
  const [keep, setKeep] = useState(String(schedule?.keep ?? 7));
  const [busy, setBusy] = useState(false);
  const every = cronOf(wish);
  const count = Number(keep);
  const wrong = every !== null && !(Number.isInteger(count) && count >= 1 && count <= 1000);
  const save = async () => {
    setBusy(true);
    const body = every === null ? { every } : { every, keep: count };
    const answer = await put(appPath(app, "/backups/schedule"), body);
    setBusy(false);
    const how = every === null ? "--off" : `"${every}" --keep ${count}`;
    const done =
      every === null ? "No backup is made by itself; those that are there stay" : "The schedule is set";
    if (told(app, answer, done, "Not set", `shelf -a ${app} backup schedule ${how}`)) onClose();
  };
  return (
    <Ask onClose={onClose} title="Scheduled backups" act="Save" onAct={save} ready={!busy && !wrong}>
      <Field label="How often">
        {(field) => (
          <select
            {...field}
            value={wish.often}
            onChange={(event) => setWish({ ...wish, often: event.target.value as Often })}
          >
            {OFTEN.filter(([often]) => often !== "other" || wish.other !== "").map(([often, words]) => (
              <option key={often} value={often}>
                {often === "other" ? `As cron has it: ${wish.other}` : words}
              </option>
            ))}
          </select>
        )}
      </Field>
      {(wish.often === "daily" || wish.often === "weekly") && (
        <TextField
          label="At (UTC)"
          type="time"
          required
          value={wish.at}
          onChange={(at) => at !== "" && setWish({ ...wish, at })}
        />
      )}
      {every !== null && (
        <TextField
          label="How many are kept"
          help="The oldest that the schedule made go first; those made by hand stay."
          inputMode="numeric"
          value={keep}
          onChange={setKeep}
          errors={wrong ? ["A number from 1 to 1000."] : []}
        />
      )}
    </Ask>
  );
}

export function DeleteBackup({ app, backup, onClose }: { app: string; backup: Backup; onClose(): void }) {
  const [busy, setBusy] = useState(false);
  const now = useNow(10_000);
  const erase = async () => {
    setBusy(true);
    const answer = await remove(appPath(app, `/backups/${encodeURIComponent(backup.name)}`));
    setBusy(false);
    const command = `shelf -a ${app} backup delete ${backup.name} --yes`;
    if (told(app, answer, "The backup is deleted", "Not deleted", command)) onClose();
  };
  return (
    <Ask
      onClose={onClose}
      title={`Delete the backup of ${ago(backup.at, now)}`}
      leave="Keep it"
      act="Delete it"
      onAct={erase}
      ready={!busy}
      danger
    >
      <p>
        <code>{backup.name}</code>, {bytes(backup.size_bytes)}. The app and its data stay as they are; nothing
        brings this backup back.
      </p>
    </Ask>
  );
}
