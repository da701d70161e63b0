//! The shelf that targets check apps against: two stock modules and their interfaces.

use std::sync::LazyLock;

use composer::Catalogue;

pub static STOCK: LazyLock<Catalogue> = LazyLock::new(|| {
    let mut stock = Catalogue::default();
    for (path, text) in [
        ("postgres", include_str!("../modules/postgres/module.toml")),
        ("rabbitmq", include_str!("../modules/rabbitmq/module.toml")),
    ] {
        stock.add_module(path, text).expect("a stock module");
    }
    for (path, text) in [
        ("postgres", include_str!("../interfaces/postgres.toml")),
        ("amqp", include_str!("../interfaces/amqp.toml")),
        ("http", include_str!("../interfaces/http.toml")),
    ] {
        stock.add_interface(path, text).expect("a stock interface");
    }
    stock
});
