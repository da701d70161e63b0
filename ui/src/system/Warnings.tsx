// What an app's status warns of although nothing has failed yet, such as a disk on which little is left.
import { useQuery } from "@tanstack/react-query";
import { AlertTriangle } from "lucide-react";
import { queries } from "../api/queries";

export function Warnings({ app }: { app: string }) {
  const { data } = useQuery({ ...queries.status(app), retry: false });
  const all = data?.warnings ?? [];
  if (all.length === 0) return null;
  return (
    <section className="server-banner" aria-label="Warnings">
      <AlertTriangle size={16} aria-hidden="true" />
      <p role="status">{all.join(". ")}</p>
    </section>
  );
}
