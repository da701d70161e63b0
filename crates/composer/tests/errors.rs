//! One snapshot per kind of mistake: place, both sides, and the next thing to try.

use crate::shelf::refusal;

/// A refusal of an app that is right but for the lines given.
macro_rules! refused {
    ($name:ident, $text:expr) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(refusal($text));
        }
    };
}

refused!(syntax, "app = \"shop\n[db]\n");
refused!(no_name, "[db]\nuse = \"postgres@15\"\n");
refused!(bad_names, "app = \"My Shop\"\n[DB]\nuse = \"postgres@15\"\n");
refused!(
    unknown_keys,
    "app = \"shop\"\ntitel = \"x\"\n[db]\nuse = \"postgres@15\"\nsett = { size = \"1Gi\" }\n[web]\nsoruce = \"./web\"\n[api]\nsource = \"./api\"\nneedz = { db = \"postgres/1\" }\n"
);
refused!(keys_of_the_module, "app = \"shop\"\n[db]\nuse = \"postgres@15\"\nenv = { A = \"b\" }\n");
refused!(use_and_source, "app = \"shop\"\n[db]\nuse = \"postgres@15\"\nsource = \"./db\"\n");
refused!(source_outside, "app = \"shop\"\n[web]\nsource = \"../web\"\n");
refused!(module_unknown, "app = \"shop\"\n[db]\nuse = \"postgers@15\"\n");
refused!(module_version, "app = \"shop\"\n[db]\nuse = \"postgres@17\"\n");
refused!(
    setting_unknown,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\nset = { sise = \"1Gi\" }\n"
);
refused!(
    setting_value,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\nset = { size = \"10GB\", memory = 512, max_connections = \"many\" }\n"
);
refused!(
    setting_reference,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\nset = { size = \"{db.password}\" }\n"
);
refused!(
    wire_type,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[cache]\nuse = \"rabbitmq@3\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\nwire = { db = \"cache\" }\n"
);
refused!(
    wire_type_by_name,
    "app = \"shop\"\n[db]\nuse = \"rabbitmq@3\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\n"
);
refused!(
    wire_missing,
    "app = \"shop\"\n[jobs]\nuse = \"rabbitmq@3\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\n"
);
refused!(
    wire_ambiguous,
    "app = \"shop\"\n[one]\nuse = \"postgres@15\"\n[two]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\n"
);
refused!(
    wire_to_nobody,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\nwire = { db = \"bd\" }\n"
);
refused!(
    wire_socket,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\nwire = { bd = \"db\" }\n"
);
refused!(
    wire_count,
    "app = \"shop\"\n[a]\nuse = \"postgres@15\"\n[b]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\nwire = { db = [\"a\", \"b\"] }\n"
);
refused!(wire_some, "app = \"shop\"\n[web]\nsource = \"./web\"\nneeds = { backs = \"http/1+\" }\n");
refused!(
    wire_version,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = { type = \"postgres/1\", version = \">=16\" } }\n"
);
refused!(
    wire_limit_unknown,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = { type = \"postgres/1\", verison = \">=14\" } }\n"
);
refused!(
    wire_limit_unreadable,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = { type = \"postgres/1\", version = \"new\" } }\n"
);
refused!(
    wire_extension,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = { type = \"postgres/1\", extensions = [\"pg_trgm\"] } }\n"
);
refused!(
    interface_major,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/2\" }\n"
);
refused!(
    interface_unknown,
    "app = \"shop\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgre/1\" }\n"
);
refused!(
    interface_unreadable,
    "app = \"shop\"\n[web]\nsource = \"./web\"\nneeds = { x = \"sql\" }\n"
);
refused!(
    circle,
    "app = \"shop\"\n[a]\nsource = \"./a\"\nneeds = { x = \"amqp/1\" }\nwire = { x = \"b\" }\nprovides = { q = { type = \"amqp/1\", port = 1, version = \"1\", grant = \"g\" } }\n[b]\nsource = \"./b\"\nneeds = { y = \"amqp/1\" }\nwire = { y = \"a\" }\nprovides = { q = { type = \"amqp/1\", port = 1, version = \"1\", grant = \"g\" } }\n"
);
refused!(
    secret_in_an_argument,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\nrun = { web = { run = \"serve --db {db.url}\" } }\nbefore = { migrate = \"m {db.password}\" }\n"
);
refused!(variable_name, "app = \"shop\"\n[web]\nsource = \"./web\"\nenv = { 9 = \"x\" }\n");
refused!(
    references,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\n[web.env]\nA = \"{db.passwrod}\"\nB = \"{dbx.url}\"\nC = \"{db\"\nD = \"{secrets.key}\"\nE = \"{db.url, ...}\"\nF = \"{settings.size}\"\n"
);
refused!(
    commands,
    "app = \"shop\"\n[web]\nsource = \"./web\"\nrun = { web = { run = \"a | b\" }, two = { run = \"x 'y\" } }\n"
);
refused!(
    processes,
    "app = \"shop\"\n[web]\nsource = \"./web\"\n[web.run]\na = { path = \"/\" }\nb = { port = 99999 }\nc = { port = 80, path = \"api\" }\nd = { port = 80, ready = \"healthz\" }\nf = { every = \"daily\" }\ng = { every = \"0 3 * * *\", port = 80 }\nh = { copies = -1 }\ni = { prot = 80 }\n"
);
refused!(
    same_path_twice,
    "app = \"shop\"\n[web]\nsource = \"./web\"\n[web.run]\na = { port = 80, path = \"/\" }\nb = { port = 81, path = \"/\" }\n"
);
refused!(
    same_name_twice,
    "app = \"shop\"\n[web]\nsource = \"./web\"\nrun = { worker = {} }\n[web-worker]\nsource = \"./w\"\n"
);
refused!(
    secrets,
    "app = \"shop\"\n[web]\nsource = \"./web\"\n[web.secrets]\na = { generate = \"dice:6\" }\nb = { generate = \"random:9999\" }\nd = { generate = \"random:32\", show = \"always\" }\ne = { at = \"/x\" }\n"
);
refused!(
    secret_kept_with_nothing,
    "app = \"shop\"\n[db]\nuse = \"postgres@15\"\n[web]\nsource = \"./web\"\nsecrets = { c = { generate = \"random:32\", keep-with = \"bd\" } }\n"
);
refused!(
    disk_path,
    "app = \"shop\"\n[web]\nsource = \"./web\"\n[web.disk.data]\nat = \"data\"\nsize = \"1Gi\"\n"
);
refused!(
    disk_is_private,
    "app = \"shop\"\n[web]\nsource = \"./web\"\nrun = { a = { copies = 2 }, b = {} }\n[web.disk.more]\nat = \"/more\"\nsize = \"huge\"\n"
);
refused!(
    ready_without_port,
    "app = \"shop\"\n[web]\nsource = \"./web\"\nrun = { web = { ready = \"/ok\" } }\n"
);
refused!(
    offer_without_process,
    "app = \"shop\"\n[web]\nsource = \"./web\"\nrun = { one = {} }\nprovides = { q = { type = \"http/1\", port = 80 } }\n"
);
refused!(
    types,
    "app = 5\n[web]\nsource = [\"./web\"]\n[db]\nuse = \"postgres@15\"\nset = \"size\"\n"
);

refused!(
    folder_without_a_place,
    "app = \"shop\"\n[files]\nuse = \"shared-files\"\n[web]\nsource = \"./web\"\nneeds = { files = \"files/1\" }\n"
);
refused!(
    place_without_a_folder,
    "app = \"shop\"\n[db]\nuse = \"postgres\"\n[web]\nsource = \"./web\"\nneeds = { db = { type = \"postgres/1\", at = \"/db\" } }\n"
);
refused!(
    folder_with_two_owners,
    "app = \"shop\"\n[files]\nuse = \"shared-files\"\n[a]\nsource = \"./a\"\nuser = 700\nneeds = { files = { type = \"files/1\", at = \"/f\" } }\n[b]\nsource = \"./b\"\nuser = 33\nneeds = { files = { type = \"files/1\", at = \"/f\" } }\n"
);
refused!(
    folder_of_the_wrong_kind,
    "app = \"shop\"\n[files]\nuse = \"shared-files\"\n[a]\nsource = \"./a\"\nneeds = { files = { type = \"files/1\", access = \"single\", at = \"/f\" } }\n"
);
refused!(
    disk_of_an_odd_kind,
    "app = \"shop\"\n[web]\nsource = \"./web\"\n[web.disk.a]\nat = \"/a\"\nsize = \"1Gi\"\naccess = \"share\"\n"
);
refused!(
    disk_mounted_nowhere,
    "app = \"shop\"\n[web]\nsource = \"./web\"\n[web.disk.b]\nsize = \"1Gi\"\n"
);

#[test]
fn a_wrong_block_does_not_make_its_consumers_look_wrong() {
    let text = "app = \"shop\"\n[db]\nuse = \"postgers@15\"\n[web]\nsource = \"./web\"\nneeds = { db = \"postgres/1\" }\nwire = { db = \"db\" }\n";
    let refusal = refusal(text);
    assert_eq!(refusal.matches("error[").count(), 1, "{refusal}");
}
