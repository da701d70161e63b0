// The shelf as the mock server knows it: enough modules to see every kind of card.

const names = {
  "postgres/1": ["A PostgreSQL database and a login of your own", "before-start", "P"],
  "mysql/1": ["A MySQL database and a login of your own", "before-start", "Y"],
  "redis/1": ["A Redis keyspace and a login of your own", "before-start", "R"],
  "amqp/1": ["A message broker that speaks AMQP 0-9-1", "before-start", "A"],
  "s3/1": ["A bucket and a key of your own", "before-start", "S"],
  "http/1": ["Something that answers plain HTTP", "any", "H"],
  "files/1": ["A folder that several may share", "before-start", "F"],
  "smtp/1": ["A way to send mail", "any", "M"],
};
const fields = (name) =>
  [
    ["host", "host"],
    ["port", "port"],
  ].concat(
    name === "http/1"
      ? [["url", "url"]]
      : [
          ["username", "name"],
          ["password", "secret"],
          ["url", "secret"],
        ],
  );

const setting = (name, def, help, type = "text") => ({ name, default: def, help, type });
const assume = (name, says, if_not) => ({ name, says, if_not });
const disk = (size) => [
  setting("size", size, "Disk for the data. Can grow, never shrink.", "size"),
  setting("memory", "512Mi", "A quarter of it becomes its cache.", "size"),
];
const module = (name, version, group, summary, offer, more = {}) => ({
  name,
  version,
  group,
  summary,
  aliases: [],
  icon: null,
  offers: offer
    ? [
        {
          name: offer[0],
          interface: offer[1],
          facts: { version: version.split(".").slice(0, 1)[0], ...(more.facts ?? {}) },
        },
      ]
    : [],
  needs: [],
  settings: disk("4Gi"),
  assumes: [
    assume(
      "single",
      "One server. Losing its node means minutes of downtime.",
      "restore a backup on another node",
    ),
    assume("trusted", "Wires are not encrypted; the network is trusted.", "keep the app on one machine"),
  ],
  extend: [],
  memory: "512Mi",
  size: "4Gi",
  ...more,
});

export const catalogue = {
  interfaces: Object.entries(names).map(([name, [summary, order, letter]]) => ({
    name,
    summary,
    order,
    letter,
    fields: fields(name).map(([field, type]) => ({ name: field, type })),
  })),
  modules: [
    module("postgres", "16.4.0", "data", "PostgreSQL, one server, one disk", ["sql", "postgres/1"], {
      aliases: ["postgresql", "psql", "sql"],
      memory: "410Mi",
      settings: [
        ...disk("10Gi"),
        setting("max_connections", 100, "Connections at the same time, over all wires.", "number"),
      ],
      extend: [
        { point: "init", kind: "files:*.sql", help: "Run once, on an empty disk." },
        { point: "config", kind: "keys", help: "Lines for postgresql.conf." },
      ],
    }),
    module("postgres", "15.1.0", "data", "PostgreSQL, one server, one disk", ["sql", "postgres/1"], {
      aliases: ["postgresql", "psql", "sql"],
      memory: "390Mi",
      settings: [
        ...disk("10Gi"),
        setting("max_connections", 100, "Connections at the same time, over all wires.", "number"),
      ],
      assumes: [
        assume(
          "single",
          "One server. Losing its node means minutes of downtime.",
          "restore a backup on another node",
        ),
        assume("fits", "The data fits on one disk.", "set size"),
        assume("trusted", "Wires are not encrypted; the network is trusted.", "keep the app on one machine"),
      ],
      extend: [
        { point: "init", kind: "files:*.sql", help: "Run once, on an empty disk." },
        { point: "config", kind: "keys", help: "Lines for postgresql.conf." },
      ],
    }),
    module("mysql", "8.4.0", "data", "MySQL, one server, one disk", ["sql", "mysql/1"], {
      aliases: ["mariadb"],
    }),
    module("valkey", "8.0.1", "data", "Valkey, an open Redis, one server in memory", ["cache", "redis/1"], {
      aliases: ["redis", "cache"],
      memory: "128Mi",
    }),
    module("rabbitmq", "3.10.1", "messaging", "RabbitMQ, one broker, one disk", ["amqp", "amqp/1"], {
      aliases: ["amqp", "queue", "broker"],
    }),
    module(
      "minio",
      "2024.9.1",
      "storage",
      "Buckets that speak S3, one server, one disk",
      ["bucket", "s3/1"],
      { aliases: ["s3", "objects"] },
    ),
    module("shared-files", "1.0.0", "storage", "A folder that several blocks mount", ["folder", "files/1"], {
      facts: { access: "shared" },
      aliases: ["nfs", "volume"],
    }),
    module("mailpit", "1.20.0", "web", "Catches mail and shows it, for development", ["mail", "smtp/1"], {
      aliases: ["smtp", "mail"],
      memory: "32Mi",
    }),
    module("gateway", "2.0.0", "web", "One address in front of several blocks", ["web", "http/1"], {
      aliases: ["proxy", "nginx", "caddy"],
      needs: [{ socket: "backs", interface: "http/1", limits: [], cardinality: "some" }],
      memory: "24Mi",
    }),
    module(
      "prometheus",
      "2.53.0",
      "observability",
      "Collects figures of every block",
      ["metrics", "http/1"],
      {
        aliases: ["metrics", "monitoring"],
        memory: "220Mi",
      },
    ),
  ],
};
