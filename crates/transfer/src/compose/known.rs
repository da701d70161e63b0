//! Images that a module of the shelf stands for, and what their users write beside them.

/// An image and the module that takes its place.
#[derive(Debug)]
pub(super) struct Known {
    /// Last parts of repositories.
    images: &'static [&'static str],
    pub(super) module: &'static str,
    pub(super) interface: &'static str,
    /// Where it listens.
    pub(super) port: u16,
    /// Whether the image's versions are the module's.
    pub(super) versioned: bool,
    /// Variables of the image that name a login, its password, a database.
    pub(super) user: &'static [&'static str],
    pub(super) password: &'static [&'static str],
    pub(super) database: &'static [&'static str],
    /// How variables of its users begin.
    pub(super) prefixes: &'static [&'static str],
    /// Where it keeps its data.
    pub(super) data: &'static [&'static str],
}

const KNOWN: [Known; 10] = [
    Known {
        images: &["postgres", "postgresql"],
        module: "postgres",
        interface: "postgres/1",
        port: 5432,
        versioned: true,
        user: &["POSTGRES_USER", "POSTGRESQL_USERNAME"],
        password: &["POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD", "POSTGRES_PASSWORD_FILE"],
        database: &["POSTGRES_DB", "POSTGRESQL_DATABASE"],
        prefixes: &["POSTGRES", "PG", "POSTGRESQL", "DB", "DATABASE", "SQL"],
        data: &["/var/lib/postgresql", "/bitnami/postgresql"],
    },
    Known {
        images: &["mysql", "mariadb", "percona", "mysql-server"],
        module: "mariadb",
        interface: "mysql/1",
        port: 3306,
        versioned: false,
        user: &["MYSQL_USER", "MARIADB_USER"],
        password: &[
            "MYSQL_PASSWORD",
            "MARIADB_PASSWORD",
            "MYSQL_ROOT_PASSWORD",
            "MARIADB_ROOT_PASSWORD",
            "MYSQL_PASSWORD_FILE",
            "MYSQL_ROOT_PASSWORD_FILE",
        ],
        database: &["MYSQL_DATABASE", "MARIADB_DATABASE"],
        prefixes: &["MYSQL", "MARIADB", "DB", "DATABASE", "WORDPRESS_DB"],
        data: &["/var/lib/mysql", "/bitnami/mariadb"],
    },
    Known {
        images: &["redis", "valkey", "redis-stack-server", "keydb", "dragonfly"],
        module: "redis",
        interface: "redis/1",
        port: 6379,
        versioned: true,
        user: &[],
        password: &["REDIS_PASSWORD", "VALKEY_PASSWORD"],
        database: &[],
        prefixes: &["REDIS", "VALKEY", "CACHE"],
        data: &["/data", "/bitnami/redis", "/bitnami/valkey"],
    },
    Known {
        images: &["rabbitmq"],
        module: "rabbitmq",
        interface: "amqp/1",
        port: 5672,
        versioned: true,
        user: &["RABBITMQ_DEFAULT_USER", "RABBITMQ_USERNAME"],
        password: &["RABBITMQ_DEFAULT_PASS", "RABBITMQ_PASSWORD"],
        database: &["RABBITMQ_DEFAULT_VHOST"],
        prefixes: &["RABBITMQ", "RABBIT", "AMQP", "BROKER", "MQ"],
        data: &["/var/lib/rabbitmq", "/bitnami/rabbitmq"],
    },
    Known {
        images: &["memcached"],
        module: "memcached",
        interface: "memcached/1",
        port: 11211,
        versioned: false,
        user: &[],
        password: &[],
        database: &[],
        prefixes: &["MEMCACHED", "MEMCACHE", "CACHE"],
        data: &[],
    },
    Known {
        images: &["nats", "nats-streaming"],
        module: "nats",
        interface: "nats/1",
        port: 4222,
        versioned: true,
        user: &[],
        password: &[],
        database: &[],
        prefixes: &["NATS"],
        data: &["/data", "/nats"],
    },
    Known {
        images: &["eclipse-mosquitto", "mosquitto"],
        module: "mosquitto",
        interface: "mqtt/1",
        port: 1883,
        versioned: true,
        user: &[],
        password: &[],
        database: &[],
        prefixes: &["MQTT", "MOSQUITTO"],
        data: &["/mosquitto/data", "/mosquitto/log"],
    },
    Known {
        images: &["minio", "seaweedfs", "garage"],
        module: "seaweedfs",
        interface: "s3/1",
        port: 9000,
        versioned: false,
        user: &["MINIO_ROOT_USER", "MINIO_ACCESS_KEY"],
        password: &["MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY"],
        database: &["MINIO_DEFAULT_BUCKETS"],
        prefixes: &["MINIO", "S3", "AWS", "STORAGE"],
        data: &["/data", "/minio_data", "/export"],
    },
    Known {
        images: &["mailhog", "mailpit", "maildev", "mailcatcher", "smtp4dev"],
        module: "maildev",
        interface: "smtp/1",
        port: 1025,
        versioned: false,
        user: &[],
        password: &[],
        database: &[],
        prefixes: &["SMTP", "MAIL", "EMAIL", "MAILER"],
        data: &["/maildir", "/data"],
    },
    Known {
        images: &["prometheus"],
        module: "prometheus",
        interface: "http/1",
        port: 9090,
        versioned: true,
        user: &[],
        password: &[],
        database: &[],
        prefixes: &["PROMETHEUS"],
        data: &["/prometheus"],
    },
];

/// A reference to an image: its last part, and its tag.
pub(super) fn parts(image: &str) -> (&str, &str) {
    let image = image.split('@').next().unwrap_or(image);
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').unwrap_or((last, ""))
}

/// What stands for an image.
pub(super) fn find(image: &str) -> Option<&'static Known> {
    let (last, _) = parts(image);
    KNOWN.iter().find(|known| known.images.contains(&last))
}

impl Known {
    /// Whether a variable of the image is about its logins, which wires have of their own.
    pub(super) fn is_login(&self, name: &str) -> bool {
        [self.user, self.password, self.database].iter().any(|list| list.contains(&name))
    }
}
