// Every address of the UI, built in one place, so that a link cannot be mistyped. They count from the
// target that the page shows (api/target.ts). Where next: main.tsx.
import { navigate as goTo } from "wouter/use-browser-location";
import { base } from "./api/target";

const app = (name: string) => `/apps/${encodeURIComponent(name)}`;

export const to = {
  apps: () => "/",
  canvas: (name: string, block?: string) => app(name) + (block ? `?block=${encodeURIComponent(block)}` : ""),
  file: (name: string) => `${app(name)}/file`,
  plan: (name: string) => `${app(name)}/plan`,
  releases: (name: string) => `${app(name)}/releases`,
  catalogue: (module?: string) => (module ? `/shelf?module=${encodeURIComponent(module)}` : "/shelf"),
  system: () => "/system",
};

/** Goes to one of them, where no router is at hand. */
export function navigate(address: string): void {
  goTo(base + address);
}

/** Patterns of the same addresses, for the router. */
export const patterns = {
  apps: "/",
  canvas: "/apps/:app",
  file: "/apps/:app/file",
  plan: "/apps/:app/plan",
  releases: "/apps/:app/releases",
  catalogue: "/shelf",
  system: "/system",
} as const;
