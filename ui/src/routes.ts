// Every address of the UI, built in one place, so that a link cannot be mistyped. Where next: main.tsx.

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
