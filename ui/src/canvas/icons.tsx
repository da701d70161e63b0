// The picture of a block: its module's own icon, or a sign for its kind.
import {
  Activity,
  Box,
  Cloud,
  Container,
  Database,
  FileStack,
  Folder,
  Globe,
  MessagesSquare,
} from "lucide-react";
import type { Block, Catalogue } from "../api/types";

const GROUPS: Record<string, typeof Box> = {
  data: Database,
  messaging: MessagesSquare,
  storage: FileStack,
  web: Globe,
  observability: Activity,
  external: Cloud,
  source: Folder,
  image: Container,
};

export function GroupIcon({ group, size = 16 }: { group: string; size?: number }) {
  const It = GROUPS[group] ?? Box;
  return <It size={size} aria-hidden="true" />;
}

/** Which group a block's module is in. */
export function groupOf(block: Pick<Block, "from">, catalogue?: Catalogue): string {
  if (block.from.kind !== "module") return block.from.kind;
  return catalogue?.modules.find((it) => it.name === block.from.module)?.group ?? "";
}

interface Props {
  icon?: string | null;
  group: string;
  large?: boolean;
}
export function ModuleIcon({ icon, group, large }: Props) {
  const size = large ? 22 : 17;
  return (
    <span className={`tile ${large ? "large" : ""}`} data-group={group} aria-hidden="true">
      {icon ? (
        <img src={icon} alt="" width={size} height={size} draggable={false} />
      ) : (
        <GroupIcon group={group} size={size} />
      )}
    </span>
  );
}
