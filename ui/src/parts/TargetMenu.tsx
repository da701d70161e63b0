// Which target the page shows, and the way to the same page at another. Nothing is shown where this
// machine is the only one. Where next: ../api/target.ts.
import { useQuery } from "@tanstack/react-query";
import { Server, ShieldAlert } from "lucide-react";
import { queries } from "../api/queries";
import { HERE, pageAt, target, targetWord } from "../api/target";
import { Button } from "./Button";
import { type Entries, Menu } from "./Menu";

export function TargetMenu() {
  const { data } = useQuery(queries.targets());
  const now = target ?? HERE;
  const rows = data ?? [];
  if (rows.length < 2 && target === null) return null;
  const guarded = rows.some((row) => row.name === now && row.protected);
  const entries: Entries = rows.map((row) => ({
    label: [targetWord(row.name), row.protected && "protected"].filter(Boolean).join(", "),
    icon: row.protected ? <ShieldAlert /> : <Server />,
    unless: row.name === now && "shown now",
    // A page is of one target from its first byte to its last: nothing of the other stays in it.
    run: () => location.assign(pageAt(row.name)),
  }));
  return (
    <Menu entries={entries} label="Target">
      <Button
        small
        icon={
          guarded ? <ShieldAlert size={14} aria-hidden="true" /> : <Server size={14} aria-hidden="true" />
        }
      >
        {`on ${targetWord(now)}`}
      </Button>
    </Menu>
  );
}
