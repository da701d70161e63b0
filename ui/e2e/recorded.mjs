// What the pictures' server is said to answer: an app that runs, its history, and a machine.

export const NOW = "2026-03-01T12:00:00.000Z";
const earlier = (minutes) => new Date(Date.parse(NOW) - minutes * 60_000).toISOString();

const pod = (name, process, more = {}) => ({
  name,
  process,
  ready: true,
  restarts: 0,
  state: "ready",
  ip: "10.42.0.7",
  node: "lab",
  since: earlier(90),
  ...more,
});

const block = (name, from, pods, more = {}) => ({
  name,
  from,
  state: "ready",
  ready: pods.length,
  wanted: pods.length,
  restarts: 0,
  pods,
  detail: "",
  ...more,
});

export const STATUS = {
  app: "gallery",
  state: "degraded",
  url: "http://gallery.localhost:8080",
  release: "r4",
  released_at: earlier(12),
  blocks: [
    block("db", "postgres@15", [pod("db-0", "db")]),
    block("jobs", "rabbitmq@3", [pod("jobs-0", "jobs")]),
    block(
      "web",
      "./web",
      [
        pod("web-6d9f-x2k8p", "web"),
        pod("worker-7c41-9mzvd", "worker", {
          ready: false,
          state: "failing",
          restarts: 3,
          reason: "CrashLoopBackOff",
        }),
      ],
      {
        state: "failing",
        ready: 1,
        restarts: 3,
        detail: "worker: exit 1: connection refused",
      },
    ),
  ],
};

export const METRICS = {
  every_seconds: 10,
  points: Array.from({ length: 60 }, (_, n) => ({
    at: earlier(10 - n / 6),
    blocks: {
      db: { cpu_millis: 20 + (n % 7), memory_bytes: 48e6 + n * 1e4, disk_bytes: 52e6 },
      jobs: { cpu_millis: 12 + (n % 5), memory_bytes: 131e6, disk_bytes: 1.2e6 },
      web: { cpu_millis: 4 + (n % 3), memory_bytes: 22e6, requests: n % 9, errors: 0 },
    },
  })),
};

const release = (number, minutes, by, summary, more = {}) => ({
  release: `r${number}`,
  at: earlier(minutes),
  by,
  seconds: 12.4 / number,
  url: "http://gallery.localhost:8080",
  summary,
  ...more,
});
export const RELEASES = {
  releases: [
    release(4, 12, "Ada Lovelace", "web: new source"),
    release(3, 60 * 5, "Bob Stone", "jobs added; web.jobs wired to jobs"),
    release(2, 60 * 30, "Ada Lovelace", "web: address /"),
    release(1, 60 * 26 * 3, "Ada Lovelace", "db and web added"),
  ],
};

const app = (name, state, more = {}) => ({
  name,
  state,
  url: null,
  dir: `/var/lib/shelf/apps/${name}`,
  target: "this machine",
  released_at: null,
  released_by: null,
  ready: 0,
  wanted: 0,
  changes: 0,
  ...more,
});
export const APPS = {
  apps: [
    app("gallery", "degraded", {
      url: STATUS.url,
      released_at: earlier(12),
      released_by: "Ada Lovelace",
      ready: 3,
      wanted: 4,
    }),
    app("notes", "ready", {
      url: "http://notes.localhost:8080",
      released_at: earlier(60 * 40),
      released_by: "Bob Stone",
      ready: 2,
      wanted: 2,
      changes: 3,
    }),
    app("sketch", "draft", { changes: 5 }),
  ],
};

export const SYSTEM = {
  machine: { name: "lab", cpus: 2, memory_bytes: 25e9, kernel: "6.18.0" },
  server: { version: "0.1.0", pid: 4211, uptime_seconds: 86_400 * 3, memory_bytes: 63e6 },
  nodes: [{ name: "lab", ready: true, pods: 4 }],
  images: [
    { names: ["docker.io/library/debian:12"], digest: "sha256:5f2c0a1b7d", size_bytes: 117e6 },
    { names: ["shelf.local/postgres:15.1.0"], digest: "sha256:9b1e44c0aa", size_bytes: 268e6 },
    { names: ["shelf.local/rabbitmq:3.10.1"], digest: "sha256:0c7d3e91f2", size_bytes: 301e6 },
  ],
  disks: [
    { app: "gallery", block: "db", disk: "data", size: "10Gi", used_bytes: 52e6 },
    { app: "gallery", block: "jobs", disk: "data", size: "5Gi", used_bytes: 1.2e6 },
  ],
  data: { bytes: 1.4e9, free_bytes: 21e9 },
};
