// Being built.
import type { Me } from "../api/types";
export function AppActions(_: { app: string; me: Me }) {
  return null;
}
