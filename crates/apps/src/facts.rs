//! What the compiler must know of the place an app runs at. Where next: `target.rs`.

use composer::Facts;

use crate::Target;

/// What the compiler must know of this target.
pub(crate) fn facts(target: &Target, app: &str) -> Facts {
    Facts {
        host: format!("{app}.localhost"),
        url: target.url(app),
        // A disk is a directory of this machine, which all its pods reach.
        shared_storage: true,
        user_namespaces: true,
        // Its own loop makes copies by what their processors do.
        scales_by_load: true,
        enforces_network_policy: true,
        ..Facts::default()
    }
}
