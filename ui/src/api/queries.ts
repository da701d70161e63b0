// What is read from the server and kept: one key and one function each. Stream events renew them.
// Where next: stream.ts (who renews them), client.ts (how they are fetched).
import { QueryClient, queryOptions } from "@tanstack/react-query";
import { appPath, get, Refusal, wanted } from "./client";
import type {
  AppEvent,
  AppRow,
  Backups,
  BrowserSession,
  Catalogue,
  FileText,
  HistoryEntry,
  Me,
  Metrics,
  Model,
  OperationRow,
  Positions,
  Release,
  StatusReport,
  SystemReport,
  TargetRow,
  UndoPlan,
  Upgrades,
} from "./types";

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 30_000,
      retry: (count, error) => error instanceof Refusal && error.unreachable && count < 3,
      retryDelay: (count) => Math.min(1000 * 2 ** count, 8000),
      networkMode: "always",
      refetchOnWindowFocus: false,
    },
    mutations: { networkMode: "always" },
  },
});

export const keys = {
  me: ["me"] as const,
  apps: ["apps"] as const,
  catalogue: ["catalogue"] as const,
  operations: ["operations"] as const,
  system: ["system"] as const,
  model: (app: string) => ["app", app, "model"] as const,
  status: (app: string) => ["app", app, "status"] as const,
  history: (app: string) => ["app", app, "history"] as const,
  file: (app: string) => ["app", app, "file"] as const,
  releases: (app: string) => ["app", app, "releases"] as const,
  release: (app: string, release: string) => ["app", app, "releases", release] as const,
  undoGo: (app: string) => ["app", app, "undo-go"] as const,
  backups: (app: string) => ["app", app, "backups"] as const,
  upgrades: (app: string) => ["app", app, "upgrades"] as const,
  sessions: ["sessions"] as const,
  targets: ["targets"] as const,
  metrics: (app: string) => ["app", app, "metrics"] as const,
  events: (app: string) => ["app", app, "events"] as const,
  plan: (app: string, changes: readonly string[] | "all") => ["app", app, "plan", changes] as const,
};

/** Where blocks were put that the server does not know to be placed yet, by app. */
const wished: Record<string, Positions> = {};

/** Remembers places until the server has them: a model may be read between an edit and its layout. */
export function wishPlaces(app: string, places: Positions): void {
  wished[app] = { ...wished[app], ...places };
}

/** A model with the wished places where it has none of its own. */
export function withWishes(model: Model): Model {
  const places = wished[model.app];
  if (!places) return model;
  const blocks = model.blocks.map((it) => (typeof it.x === "number" ? it : { ...it, ...places[it.name] }));
  return { ...model, blocks };
}

export const queries = {
  me: () => queryOptions({ queryKey: keys.me, queryFn: ({ signal }) => wanted(get<Me>("/v1/me", signal)) }),
  apps: () =>
    queryOptions({
      queryKey: keys.apps,
      queryFn: ({ signal }) => wanted(get<{ apps: AppRow[] }>("/v1/apps", signal)).then((it) => it.apps),
    }),
  catalogue: () =>
    queryOptions({
      queryKey: keys.catalogue,
      staleTime: 5 * 60_000,
      queryFn: ({ signal }) => wanted(get<Catalogue>("/v1/catalogue", signal)),
    }),
  operations: () =>
    queryOptions({
      queryKey: keys.operations,
      queryFn: ({ signal }) =>
        wanted(get<{ operations: OperationRow[] }>("/v1/operations", signal)).then((it) => it.operations),
    }),
  system: () =>
    queryOptions({
      queryKey: keys.system,
      queryFn: ({ signal }) => wanted(get<SystemReport>("/v1/system", signal)),
    }),
  model: (app: string) =>
    queryOptions({
      queryKey: keys.model(app),
      queryFn: ({ signal }) => wanted(get<Model>(appPath(app, "/model"), signal)).then(withWishes),
    }),
  status: (app: string) =>
    queryOptions({
      queryKey: keys.status(app),
      queryFn: ({ signal }) => wanted(get<StatusReport>(appPath(app, "/status"), signal)),
    }),
  history: (app: string) =>
    queryOptions({
      queryKey: keys.history(app),
      queryFn: ({ signal }) =>
        wanted(get<{ entries: HistoryEntry[] }>(appPath(app, "/history"), signal)).then((it) => it.entries),
    }),
  file: (app: string) =>
    queryOptions({
      queryKey: keys.file(app),
      queryFn: ({ signal }) => wanted(get<FileText>(appPath(app, "/file"), signal)),
    }),
  releases: (app: string) =>
    queryOptions({
      queryKey: keys.releases(app),
      queryFn: ({ signal }) =>
        wanted(get<{ releases: Release[] }>(appPath(app, "/releases"), signal)).then((it) => it.releases),
    }),
  release: (app: string, release: string) =>
    queryOptions({
      queryKey: keys.release(app, release),
      queryFn: ({ signal }) =>
        wanted(
          get<Release & { text: string }>(appPath(app, `/releases/${encodeURIComponent(release)}`), signal),
        ),
    }),
  /** What taking back the last go would mean; refused if there is no go before it. */
  undoGo: (app: string) =>
    queryOptions({
      queryKey: keys.undoGo(app),
      staleTime: 0,
      retry: false,
      queryFn: ({ signal }) => wanted(get<UndoPlan>(appPath(app, "/undo-go"), signal)),
    }),
  backups: (app: string) =>
    queryOptions({
      queryKey: keys.backups(app),
      retry: false,
      queryFn: ({ signal }) => wanted(get<Backups>(appPath(app, "/backups"), signal)),
    }),
  upgrades: (app: string) =>
    queryOptions({
      queryKey: keys.upgrades(app),
      retry: false,
      queryFn: ({ signal }) => wanted(get<Upgrades>(appPath(app, "/upgrades"), signal)),
    }),
  sessions: () =>
    queryOptions({
      queryKey: keys.sessions,
      queryFn: ({ signal }) =>
        wanted(get<{ sessions: BrowserSession[] }>("/v1/sessions", signal)).then((it) => it.sessions),
    }),
  targets: () =>
    queryOptions({
      queryKey: keys.targets,
      queryFn: ({ signal }) =>
        wanted(get<{ targets: TargetRow[] }>("/v1/targets", signal)).then((it) => it.targets),
    }),
  metrics: (app: string) =>
    queryOptions({
      queryKey: keys.metrics(app),
      refetchInterval: 10_000,
      queryFn: ({ signal }) => wanted(get<Metrics>(appPath(app, "/metrics"), signal)),
    }),
  events: (app: string) =>
    queryOptions({
      queryKey: keys.events(app),
      refetchInterval: 5_000,
      queryFn: ({ signal }) =>
        wanted(get<{ events: AppEvent[] }>(appPath(app, "/events"), signal)).then((it) => it.events),
    }),
};
